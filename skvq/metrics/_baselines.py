"""What codes cost under simple count tables: the bits that a learned prior has to beat.

Every baseline but the uniform one is a chain of tables with back-off, from a broad context to a narrow one;
:mod:`skvq._context_tables` counts them and has the formula.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from .._context_tables import fit_tables, neighbours, probabilities
from ._codes import check_codes, check_n_embeddings


def uniform_bits(n_embeddings: int) -> float:
    """Bits a code when all are equally likely: log2 of the size of the codebook.

    Parameters
    ----------
    n_embeddings : int
        Size of the codebook, >= 1.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If ``n_embeddings`` is not an integer >= 1.

    Examples
    --------
    >>> from skvq.metrics import uniform_bits
    >>> uniform_bits(128)
    7.0
    """
    return math.log2(check_n_embeddings(n_embeddings))


def marginal_bits(train_codes: ArrayLike, test_codes: ArrayLike, n_embeddings: int) -> float:
    """Cross entropy of test codes under the frequencies of codes, wherever they stand, in bits a code.

    Smoothed towards equal frequencies: ``p(k) = (count(k) + a / n_embeddings) / (count + a)``, with the
    weight ``a`` chosen on a held-out tenth of the training rows from 2**-5, …, 2**12.

    Parameters
    ----------
    train_codes, test_codes : array_like of shape (n, positions), integers in [0, n_embeddings)
    n_embeddings : int
        Size of the codebook, >= 1.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If codes are not rows of whole numbers in [0, n_embeddings), or the two differ in positions.

    Examples
    --------
    >>> import numpy as np
    >>> from skvq.metrics import marginal_bits
    >>> codes = np.random.default_rng(0).integers(4, size=(1000, 9))
    >>> round(marginal_bits(codes[:800], codes[800:], n_embeddings=8), 2)
    2.0
    """
    train, test, n_embeddings = _check_pair(train_codes, test_codes, n_embeddings)
    return _cross_entropy(train, test, [_everywhere(train)], [_everywhere(test)], n_embeddings)


def per_position_bits(train_codes: ArrayLike, test_codes: ArrayLike, n_embeddings: int) -> float:
    """Cross entropy of test codes under the frequencies of codes at each position, in bits a code.

    Smoothed towards the frequencies wherever they stand, and those towards equal ones:
    ``p(k | j) = (count(j, k) + a p(k)) / (count(j) + a)``, each table's weight ``a`` chosen on a held-out
    tenth of the training rows from 2**-5, …, 2**12. These are also the bits that sampling each position from
    its own frequencies, without a prior, would have to pay.

    Parameters
    ----------
    train_codes, test_codes : array_like of shape (n, positions), integers in [0, n_embeddings)
    n_embeddings : int
        Size of the codebook, >= 1.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If codes are not rows of whole numbers in [0, n_embeddings), or the two differ in positions.

    Examples
    --------
    >>> import numpy as np
    >>> from skvq.metrics import per_position_bits
    >>> codes = np.tile(np.arange(4), (1000, 1))  # position j always holds code j
    >>> round(per_position_bits(codes[:800], codes[800:], n_embeddings=4), 2)
    0.0
    """
    train, test, n_embeddings = _check_pair(train_codes, test_codes, n_embeddings)
    contexts = [[_everywhere(codes), _position(codes)] for codes in (train, test)]
    return _cross_entropy(train, test, *contexts, n_embeddings)


def context_bits(
    train_codes: ArrayLike,
    test_codes: ArrayLike,
    n_embeddings: int,
    code_shape: tuple[int, int],
    context: str = "left+up",
) -> float:
    """Cross entropy of test codes given their neighbours, in bits a code.

    One table for all positions. Beyond the border stands a symbol of its own, so that edges are contexts
    too. Smoothed down the chain (left and up) → left → wherever → equal, each by
    ``p(k | c) = (count(c, k) + a p_broader(k)) / (count(c) + a)`` with the weight ``a`` chosen on a held-out
    tenth of the training rows from 2**-5, …, 2**12.

    Parameters
    ----------
    train_codes, test_codes : array_like of shape (n, positions), integers in [0, n_embeddings)
        Row-major over ``code_shape``.
    n_embeddings : int
        Size of the codebook, >= 1.
    code_shape : tuple of int
        ``(height, width)``, whose product is ``positions``.
    context : {"left+up", "left"}, default="left+up"
        Which of the neighbours, both known in raster order, are given.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If codes are not rows of whole numbers in [0, n_embeddings), or do not fill ``code_shape``, or
        ``context`` is another word.

    Examples
    --------
    >>> import numpy as np
    >>> from skvq.metrics import context_bits, marginal_bits
    >>> first = np.random.default_rng(0).integers(4, size=(1000, 1))
    >>> codes = (first + np.arange(9)) % 4  # each code is its left neighbour's successor
    >>> round(marginal_bits(codes[:800], codes[800:], n_embeddings=4), 2)
    2.0
    >>> round(context_bits(codes[:800], codes[800:], 4, code_shape=(1, 9), context="left"), 2)
    0.22
    """
    train, test, n_embeddings = _check_pair(train_codes, test_codes, n_embeddings)
    if context not in ("left", "left+up"):
        raise ValueError(
            f"context must be 'left' or 'left+up'; got {context!r}. "
            "For no neighbours use marginal_bits or per_position_bits."
        )
    height, width = _check_code_shape(code_shape, train.shape[1])

    def chain(codes: np.ndarray) -> list[np.ndarray]:
        left, up = neighbours(codes, (height, width), n_embeddings)
        tables = [_everywhere(codes), left, left * (n_embeddings + 1) + up]
        return tables if context == "left+up" else tables[:2]

    return _cross_entropy(train, test, chain(train), chain(test), n_embeddings)


def _everywhere(codes: np.ndarray) -> np.ndarray:
    return np.zeros_like(codes)


def _position(codes: np.ndarray) -> np.ndarray:
    return np.broadcast_to(np.arange(codes.shape[1]), codes.shape)


def _cross_entropy(
    train: np.ndarray,
    test: np.ndarray,
    train_contexts: list[np.ndarray],
    test_contexts: list[np.ndarray],
    n_embeddings: int,
) -> float:
    """Bits a test code under the chain of tables, whose contexts are integers beside each code."""
    tables = fit_tables(train_contexts, train, n_embeddings)
    return float(-np.log2(probabilities(tables, test_contexts, test)).mean())


def _check_pair(train_codes: ArrayLike, test_codes: ArrayLike, n_embeddings: int) -> tuple[np.ndarray, np.ndarray, int]:
    n_embeddings = check_n_embeddings(n_embeddings)
    pair = []
    for name, codes in (("train_codes", train_codes), ("test_codes", test_codes)):
        codes = check_codes(codes, n_embeddings, name)
        if codes.ndim != 2:
            raise ValueError(
                f"{name} must be (n, positions), one image a row; got shape {codes.shape}. Pass transform(X)."
            )
        pair.append(codes)
    if pair[0].shape[1] != pair[1].shape[1]:
        raise ValueError(
            f"test_codes must have as many positions as train_codes, {pair[0].shape[1]}; "
            f"got {pair[1].shape[1]}. Make both with one fitted estimator."
        )
    return *pair, n_embeddings


def _check_code_shape(code_shape: tuple[int, int], n_positions: int) -> tuple[int, int]:
    try:
        height, width = (int(side) for side in code_shape)
    except (TypeError, ValueError):
        height = width = 0
    if min(height, width) < 1 or height * width != n_positions:
        raise ValueError(
            f"code_shape must be (height, width) of {n_positions} positions in all, as codes have; "
            f"got {code_shape!r}. Pass the estimator's code_shape_, or (1, {n_positions}) for a sequence."
        )
    return height, width
