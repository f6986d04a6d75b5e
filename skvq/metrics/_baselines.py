"""Bits of codes under simple tables of counts. A learned prior should need fewer bits.

Every baseline except the uniform one is a chain of tables with back-off, from a broad context to a narrow one.
:mod:`skvq._context_tables` counts them and has the formula.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from .._context_tables import fit_tables, neighbours, probabilities
from .._contract.codes import CodeGrid, check_code_shape, check_codes, check_n_embeddings
from .._contract.errors import invalid
from ._codes import check_some_codes


def uniform_bits(n_embeddings: int) -> float:
    """Bits of one code if all codes are equally likely: log2 of the codebook size.

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
    """Cross entropy of test codes under the frequencies of codes at all positions together, in bits per code.

    The frequencies are smoothed towards equal ones: ``p(k) = (count(k) + a / n_embeddings) / (count + a)``. The
    weight ``a`` is chosen from 2**-5, …, 2**12 on a held-out tenth of the training rows.

    Parameters
    ----------
    train_codes, test_codes : array_like of shape (n, n_codes), integers in [0, n_embeddings)
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
    """Cross entropy of test codes under the frequencies of codes at each position, in bits per code.

    The frequencies at a position are smoothed towards those at all positions, and these towards equal ones:
    ``p(k | j) = (count(j, k) + a p(k)) / (count(j) + a)``. The weight ``a`` of each table is chosen from
    2**-5, …, 2**12 on a held-out tenth of the training rows. ``VQVAE.sample`` without a prior draws from such
    frequencies, so this is its cost.

    Parameters
    ----------
    train_codes, test_codes : array_like of shape (n, n_codes), integers in [0, n_embeddings)
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
    of_train, of_test = ([_everywhere(codes), _position(codes)] for codes in (train, test))
    return _cross_entropy(train, test, of_train, of_test, n_embeddings)


def context_bits(
    train_codes: ArrayLike,
    test_codes: ArrayLike,
    n_embeddings: int,
    code_shape: tuple[int, ...],
    context: str = "left+up",
) -> float:
    """Cross entropy of test codes given their left and upper neighbours, in bits per code.

    All positions share one table. A neighbour beyond the border has a symbol of its own, so edges are contexts
    too. Each table is smoothed towards a broader one, in the order (left, up) → left → all positions → equal:
    ``p(k | c) = (count(c, k) + a p_broader(k)) / (count(c) + a)``. The weight ``a`` of each table is chosen from
    2**-5, …, 2**12 on a held-out tenth of the training rows.

    Parameters
    ----------
    train_codes, test_codes : array_like of shape (n, n_codes), integers in [0, n_embeddings)
        In row-major order of ``code_shape``.
    n_embeddings : int
        Size of the codebook, >= 1.
    code_shape : tuple of int
        One to three sides, such as ``(height, width)``, whose product is ``n_codes``. With three sides, the upper
        neighbour of a slice's first row is the last row of the slice before.
    context : {"left+up", "left"}, default="left+up"
        The neighbours that are given. Both come earlier in raster order.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If codes are not rows of whole numbers in [0, n_embeddings), if ``code_shape`` does not have ``n_codes``
        positions, or if ``context`` is neither word.

    Examples
    --------
    >>> import numpy as np
    >>> from skvq.metrics import context_bits, marginal_bits
    >>> first = np.random.default_rng(0).integers(4, size=(1000, 1))
    >>> codes = (first + np.arange(9)) % 4  # each code is its left neighbour plus 1
    >>> round(marginal_bits(codes[:800], codes[800:], n_embeddings=4), 2)
    2.0
    >>> round(context_bits(codes[:800], codes[800:], 4, code_shape=(1, 9), context="left"), 2)
    0.22
    """
    if context not in ("left", "left+up"):
        way_out = "Without neighbours, use marginal_bits or per_position_bits."
        raise invalid("context", "be 'left' or 'left+up'", repr(context), way_out)
    train, test, n_embeddings = _check_pair(train_codes, test_codes, n_embeddings, check_code_shape(code_shape))
    height, width = CodeGrid(code_shape, n_embeddings).plane

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


def _check_pair(
    train_codes: ArrayLike, test_codes: ArrayLike, n_embeddings: int, code_shape: tuple[int, ...] | None = None
) -> tuple[np.ndarray, np.ndarray, int]:
    """Return rows of codes of one grid as int64. Without ``code_shape``, the grid is one row of codes."""
    n_embeddings = check_n_embeddings(n_embeddings)
    named = {"train_codes": train_codes, "test_codes": test_codes}
    train, test = (check_some_codes(check_codes(codes, name), n_embeddings, name) for name, codes in named.items())
    grid = CodeGrid(code_shape or train.shape[1:], n_embeddings)
    grid.check(train, "train_codes")
    grid.check(test, "test_codes")
    return train, test, n_embeddings
