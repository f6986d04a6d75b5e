"""Counts: whole numbers that users pass, and what is computed from how often codes occur."""

from numbers import Integral

import numpy as np

from .errors import invalid


def check_count(name: str, value: object, way_out: str = "Pass 1 or more.", *, minimum: int = 1) -> int:
    """Return a whole number of at least ``minimum`` as Python's int.

    Raises
    ------
    InvalidInputError
        If it is anything else; booleans are no counts.
    """
    if isinstance(value, Integral) and not isinstance(value, (bool, np.bool_)) and value >= minimum:
        return int(value)
    raise invalid(name, f"be an integer >= {minimum}", repr(value), way_out)


def check_n_samples(n_samples: object) -> int:
    """Return the number of rows to draw as Python's int.

    Raises
    ------
    InvalidInputError
        If it is no integer above 0.
    """
    return check_count("n_samples", n_samples, "It is the number of rows to draw.")


def perplexity_of_counts(counts: np.ndarray) -> float:
    """Return the number of equally frequent codes that would carry as much information.

    Parameters
    ----------
    counts : ndarray of shape (n_embeddings,)
        Uses of each code, >= 0, not all 0.

    Returns
    -------
    float
        The exponential of the entropy in nats, in [1, n_embeddings].
    """
    used = counts[counts > 0]
    frequencies = used / used.sum()
    # The entropy of one code is -1 * log(1), whose rounding must not leave [1, n_embeddings].
    return float(np.clip(np.exp(-np.sum(frequencies * np.log(frequencies))), 1.0, len(counts)))


def used_codes(counts: np.ndarray) -> int:
    """Return how many codes occur at all."""
    return int(np.count_nonzero(counts))
