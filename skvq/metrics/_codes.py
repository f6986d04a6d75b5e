"""Codebook usage, and log-likelihoods of codes in bits."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from .._contract.codes import check_code_values, check_n_embeddings
from .._contract.counts import check_count, perplexity_of_counts, used_codes
from .._contract.errors import invalid


def code_counts(codes: ArrayLike, n_embeddings: int) -> np.ndarray:
    """Count how often each code occurs.

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
    codes = check_some_codes(codes, n_embeddings)
    return np.bincount(codes.ravel(), minlength=n_embeddings).astype(np.int64)


def codes_in_use(codes: ArrayLike, n_embeddings: int) -> int:
    """Count the different codes that occur.

    Parameters
    ----------
    codes : array_like of any shape, integers in [0, n_embeddings)
    n_embeddings : int
        Size of the codebook, >= 1.

    Returns
    -------
    int
        In [1, n_embeddings].

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
    return used_codes(code_counts(codes, n_embeddings))


def perplexity(codes: ArrayLike, n_embeddings: int) -> float:
    """Exponential of the entropy of the codes: the number of equally frequent codes with the same information.

    It is ``n_embeddings`` if all codes are equally frequent, and 1 if only one code is used. A small sample
    underestimates it: the perplexity of ``n`` codes is at most ``n``.

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
    return perplexity_of_counts(code_counts(codes, n_embeddings))


def bits_per_code(log_likelihood: ArrayLike, n_positions: int) -> float:
    """Mean cost of one code in bits, from the log-likelihoods of whole rows of codes.

    Parameters
    ----------
    log_likelihood : array_like of shape (n,), or float
        Log probability of each row in nats, <= 0, from ``score_samples`` of a prior; or its mean.
    n_positions : int
        Number of codes in a row, >= 1: ``grid_.n_codes`` of the estimator.

    Returns
    -------
    float
        In bits, >= 0. :func:`uniform_bits` is the cost without a model.

    Raises
    ------
    ValueError
        If there are no rows, one is NaN, the mean is above 0, or ``n_positions`` is not an integer >= 1.

    Examples
    --------
    >>> import numpy as np
    >>> from skvq.metrics import bits_per_code
    >>> round(bits_per_code([49 * np.log(1 / 8)], n_positions=49), 6)
    3.0
    """
    way_out = "It is the number of codes in a row."
    return bits_per_image(log_likelihood) / check_count("n_positions", n_positions, way_out)


def bits_per_image(log_likelihood: ArrayLike) -> float:
    """Mean cost in bits of the codes of one image.

    Parameters
    ----------
    log_likelihood : array_like of shape (n,), or float
        Log probability of each row of codes in nats, <= 0, from ``score_samples`` of a prior; or its mean.

    Returns
    -------
    float
        In bits, >= 0.

    Raises
    ------
    ValueError
        If there are no rows, one is NaN, or the mean is above 0.

    Examples
    --------
    >>> import numpy as np
    >>> from skvq.metrics import bits_per_image
    >>> round(bits_per_image(np.log([1 / 2, 1 / 8])), 6)
    2.0
    """
    bits = _mean_bits(log_likelihood)
    if bits < -1e-6:  # float32 sums near 0 may be slightly above it
        raise invalid(
            "log_likelihood",
            "hold log probabilities of codes, <= 0",
            f"a mean of {-bits * math.log(2):.4g} nats",
            "Pass score_samples(codes), not its negative.",
        )
    return max(bits, 0.0)


def bits_per_dim(log_likelihood: ArrayLike, n_values: int) -> float:
    """Mean cost of one value of an image in bits, the usual unit for models of pixels.

    Parameters
    ----------
    log_likelihood : array_like of shape (n,), or float
        Log-likelihood of each image in nats, or its mean. The log-likelihood of the codes alone does not include
        the error of the reconstruction: compare it only with the rates of other lossy models.
    n_values : int
        Values in an image, >= 1: ``height * width * channels``.

    Returns
    -------
    float
        In bits. It can be negative only if ``log_likelihood`` is a log density.

    Raises
    ------
    ValueError
        If there are no rows, one is NaN, or ``n_values`` is not an integer >= 1.

    Examples
    --------
    >>> import numpy as np
    >>> from skvq.metrics import bits_per_dim
    >>> round(bits_per_dim([784 * np.log(1 / 256)], n_values=784), 6)
    8.0
    """
    return _mean_bits(log_likelihood) / check_count("n_values", n_values, "It is height * width * channels.")


def check_some_codes(codes: ArrayLike, n_embeddings: int, name: str = "codes") -> np.ndarray:
    """Return codes of any shape as int64, if there is at least one.

    Raises
    ------
    InvalidInputError
        If there are no codes, or one is not a whole number in [0, n_embeddings).
    """
    codes = np.asarray(codes)
    if codes.size == 0:  # before the dtype: NumPy makes floats of an empty list
        raise invalid(name, "hold at least one code", f"shape {codes.shape}", "Pass transform(X).")
    return check_code_values(codes, name, n_embeddings)


def _mean_bits(log_likelihood: ArrayLike) -> float:
    nats = np.asarray(log_likelihood, dtype=np.float64)
    if nats.size == 0 or nats.ndim > 1 or np.isnan(nats).any():
        got = "NaN" if np.isnan(nats).any() else f"shape {nats.shape}"
        raise invalid("log_likelihood", "have one number for each row, none NaN", got, "Pass score_samples(codes).")
    return -float(nats.mean()) / math.log(2)
