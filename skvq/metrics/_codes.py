"""How much of the codebook is used, and log-likelihoods of codes in bits."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike


def code_counts(codes: ArrayLike, n_embeddings: int) -> np.ndarray:
    """How often each code occurs.

    Parameters
    ----------
    codes : array_like of any shape, integers in [0, n_embeddings)
    n_embeddings : int
        Size of the codebook, >= 1.

    Returns
    -------
    ndarray of shape (n_embeddings,), int64

    Raises
    ------
    ValueError
        If there are no codes, or one is not a whole number in [0, n_embeddings).

    Examples
    --------
    >>> from skvq.metrics import code_counts
    >>> code_counts([[0, 2], [2, 2]], n_embeddings=4).tolist()
    [1, 0, 3, 0]
    """
    n_embeddings = check_n_embeddings(n_embeddings)
    return np.bincount(check_codes(codes, n_embeddings).ravel(), minlength=n_embeddings).astype(np.int64)


def codes_in_use(codes: ArrayLike, n_embeddings: int) -> int:
    """How many different codes occur, in [1, n_embeddings].

    Parameters
    ----------
    codes : array_like of any shape, integers in [0, n_embeddings)
    n_embeddings : int
        Size of the codebook, >= 1.

    Returns
    -------
    int

    Raises
    ------
    ValueError
        If there are no codes, or one is not a whole number in [0, n_embeddings).

    Examples
    --------
    >>> from skvq.metrics import codes_in_use
    >>> codes_in_use([[0, 2], [2, 2]], n_embeddings=4)
    2
    """
    return int(np.count_nonzero(code_counts(codes, n_embeddings)))


def perplexity(codes: ArrayLike, n_embeddings: int) -> float:
    """Number of equally frequent codes that would carry as much: the exponential of the entropy in nats.

    It is ``n_embeddings`` when all codes are equally frequent and 1 when one code does all the work. With few
    codes it is low by chance: ``n`` codes cannot show a perplexity above ``n``.

    Parameters
    ----------
    codes : array_like of any shape, integers in [0, n_embeddings)
    n_embeddings : int
        Size of the codebook, >= 1.

    Returns
    -------
    float
        In [1, n_embeddings].

    Raises
    ------
    ValueError
        If there are no codes, or one is not a whole number in [0, n_embeddings).

    Examples
    --------
    >>> from skvq.metrics import perplexity
    >>> round(perplexity([[0, 1], [2, 3]], n_embeddings=8), 6)
    4.0
    """
    counts = code_counts(codes, n_embeddings)
    frequencies = counts[counts > 0] / counts.sum()
    # The entropy of one code is -1·log 1, whose sign of zero and last bits must not leave [1, n_embeddings].
    return float(np.clip(np.exp(-np.sum(frequencies * np.log(frequencies))), 1.0, n_embeddings))


def bits_per_code(log_likelihood: ArrayLike, n_positions: int) -> float:
    """Mean cost of one code in bits, from the log-likelihoods of whole rows of codes.

    Parameters
    ----------
    log_likelihood : array_like of shape (n,), or float
        Log probability of each row in nats, <= 0, as ``score_samples`` of a prior gives it; or its mean.
    n_positions : int
        Codes in a row, >= 1: ``height * width`` of ``code_shape_``.

    Returns
    -------
    float
        In bits, >= 0. :func:`uniform_bits` is what knowing nothing costs.

    Raises
    ------
    ValueError
        If there is no row, or one is NaN, or the mean is above 0 as no log probability is, or
        ``n_positions`` is not an integer >= 1.

    Examples
    --------
    >>> import numpy as np
    >>> from skvq.metrics import bits_per_code
    >>> round(bits_per_code([49 * np.log(1 / 8)], n_positions=49), 6)
    3.0
    """
    return bits_per_image(log_likelihood) / _check_count(n_positions, "n_positions", "the codes in a row")


def bits_per_image(log_likelihood: ArrayLike) -> float:
    """Mean cost of one row of codes in bits: what the codes of one image take under a prior.

    Parameters
    ----------
    log_likelihood : array_like of shape (n,), or float
        Log probability of each row in nats, <= 0, as ``score_samples`` of a prior gives it; or its mean.

    Returns
    -------
    float
        In bits, >= 0.

    Raises
    ------
    ValueError
        If there is no row, or one is NaN, or the mean is above 0 as no log probability is.

    Examples
    --------
    >>> import numpy as np
    >>> from skvq.metrics import bits_per_image
    >>> round(bits_per_image(np.log([1 / 2, 1 / 8])), 6)
    2.0
    """
    bits = _mean_bits(log_likelihood)
    if bits < -1e-6:  # sums of float32 logarithms near zero may miss it by their rounding
        raise ValueError(
            "log_likelihood must be log probabilities of codes, <= 0; got a mean of "
            f"{-bits * math.log(2):.4g} nats. Pass score_samples(codes) itself and not its negative."
        )
    return max(bits, 0.0)


def bits_per_dim(log_likelihood: ArrayLike, n_values: int) -> float:
    """Mean cost of one value of an image in bits, the unit in which models of pixels are compared.

    Parameters
    ----------
    log_likelihood : array_like of shape (n,), or float
        Log-likelihood of each image in nats, or its mean. That of the codes alone leaves out what the
        reconstruction lost, and is comparable only with other lossy rates.
    n_values : int
        Values in an image, >= 1: ``height * width * channels``.

    Returns
    -------
    float
        In bits. Negative only if the log-likelihood is that of a density.

    Raises
    ------
    ValueError
        If there is no row, or one is NaN, or ``n_values`` is not an integer >= 1.

    Examples
    --------
    >>> import numpy as np
    >>> from skvq.metrics import bits_per_dim
    >>> round(bits_per_dim([784 * np.log(1 / 256)], n_values=784), 6)
    8.0
    """
    return _mean_bits(log_likelihood) / _check_count(n_values, "n_values", "height * width * channels")


def check_n_embeddings(n_embeddings: int) -> int:
    """Return ``n_embeddings`` as an int >= 1, or raise ValueError."""
    return _check_count(n_embeddings, "n_embeddings", "the size of the codebook")


def check_codes(codes: ArrayLike, n_embeddings: int, name: str = "codes") -> np.ndarray:
    """Return codes as int64, or raise a ValueError that calls them ``name``."""
    codes = np.asarray(codes)
    if codes.size == 0:
        raise ValueError(f"{name} must hold at least one code; got shape {codes.shape}. Pass transform(X).")
    whole = codes.dtype.kind in "iu" or (codes.dtype.kind == "f" and bool(np.all(codes == np.rint(codes))))
    if not whole:
        raise ValueError(
            f"{name} must be whole numbers in [0, {n_embeddings}); got dtype {codes.dtype}"
            f"{' with fractions or NaN' if codes.dtype.kind == 'f' else ''}. "
            "Pass transform(X), and not images."
        )
    low, high = codes.min(), codes.max()
    if low < 0 or high >= n_embeddings:
        raise ValueError(
            f"{name} must lie in [0, n_embeddings) = [0, {n_embeddings}); got values from {low} to {high}. "
            "Pass the n_embeddings of the estimator that made the codes."
        )
    return codes.astype(np.int64)


def _check_count(number: int, name: str, meaning: str) -> int:
    integer = isinstance(number, (int, np.integer)) and not isinstance(number, (bool, np.bool_))
    if not integer or number < 1:
        raise ValueError(f"{name} must be an integer >= 1; got {number!r}. It is {meaning}.")
    return int(number)


def _mean_bits(log_likelihood: ArrayLike) -> float:
    nats = np.asarray(log_likelihood, dtype=np.float64)
    if nats.size == 0 or nats.ndim > 1 or np.isnan(nats).any():
        got = "NaN" if np.isnan(nats).any() else f"shape {nats.shape}"
        raise ValueError(
            f"log_likelihood must be one number a row, (n,), none of them NaN; got {got}. Pass score_samples(codes)."
        )
    return -float(nats.mean()) / math.log(2)
