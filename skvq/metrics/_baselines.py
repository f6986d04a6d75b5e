"""What codes cost under simple count tables: the bits that a learned prior has to beat.

Every baseline but the uniform one is a chain of tables, from a broad context to a narrow one. The table of a
context ``c`` gives code ``k`` the probability ::

    p(k | c) = (count(c, k) + a p_broader(k)) / (count(c) + a)

with the table before it as ``p_broader``, and 1/n_embeddings before the first. So a context seen often trusts
its own counts, one never seen passes its question on, and the probabilities of all codes add up to one. The
weight ``a`` of each table is the one of 2**-5, 2**-4, …, 2**12 that costs least on a tenth of the training
rows, held out in five runs of neighbouring rows, so that rows of one class or one patient do not vouch for
each other. The tables are then counted again on all training rows. (A single training row leaves nothing to
hold out: there ``a`` is ``n_embeddings``.)
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from ._codes import check_codes, check_n_embeddings

_WEIGHTS = 2.0 ** np.arange(-5, 13)


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
        maps = np.full((len(codes), height + 1, width + 1), n_embeddings)  # the border is one code more
        maps[:, 1:, 1:] = codes.reshape(-1, height, width)
        left, up = maps[:, 1:, :-1].reshape(codes.shape), maps[:, :-1, 1:].reshape(codes.shape)
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
    held_out = _held_out(len(train))
    if held_out.any():
        weights = _chosen_weights(
            [_table(c[~held_out], train[~held_out], n_embeddings) for c in train_contexts],
            [c[held_out] for c in train_contexts],
            train[held_out],
            n_embeddings,
        )
    else:
        # A single row leaves nothing to choose by; this is Laplace's rule, one more of every code.
        weights = [float(n_embeddings)] * len(train_contexts)
    probabilities = np.full(test.shape, 1.0 / n_embeddings)
    for train_context, test_context, weight in zip(train_contexts, test_contexts, weights, strict=True):
        table = _table(train_context, train, n_embeddings)
        together, alone = _look_up(table, test_context, test, n_embeddings)
        probabilities = (together + weight * probabilities) / (alone + weight)
    return float(-np.log2(probabilities).mean())


def _chosen_weights(tables: list, contexts: list[np.ndarray], codes: np.ndarray, n_embeddings: int) -> list[float]:
    """The best weight of each table in turn: a broader table does not depend on a narrower one's."""
    probabilities = np.full(codes.shape, 1.0 / n_embeddings)
    chosen = []
    for table, context in zip(tables, contexts, strict=True):
        together, alone = _look_up(table, context, codes, n_embeddings)
        costs = [-np.log2((together + w * probabilities) / (alone + w)).mean() for w in _WEIGHTS]
        chosen.append(float(_WEIGHTS[int(np.argmin(costs))]))
        probabilities = (together + chosen[-1] * probabilities) / (alone + chosen[-1])
    return chosen


def _table(context: np.ndarray, codes: np.ndarray, n_embeddings: int) -> tuple:
    """Sorted keys and counts of (context, code) and of contexts; a dense table would need K**3 cells."""
    return (
        np.unique((context * n_embeddings + codes).ravel(), return_counts=True),
        np.unique(context.ravel(), return_counts=True),
    )


def _look_up(table: tuple, context: np.ndarray, codes: np.ndarray, n_embeddings: int) -> tuple:
    """How often each code was seen with its context, and its context with any code."""

    def count(keys_and_counts: tuple, asked: np.ndarray) -> np.ndarray:
        keys, counts = keys_and_counts
        places = np.minimum(np.searchsorted(keys, asked), len(keys) - 1)
        return np.where(keys[places] == asked, counts[places], 0)

    return count(table[0], context * n_embeddings + codes), count(table[1], context)


def _held_out(n_rows: int) -> np.ndarray:
    """Mask of a tenth of the rows, in five runs of neighbours; the last row alone when there are few."""
    if n_rows < 10:
        return np.arange(n_rows) == max(n_rows - 1, 1)
    return (np.arange(n_rows) // max(1, n_rows // 50)) % 10 == 9


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
