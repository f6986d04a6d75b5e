"""Counts: whole numbers that users pass, and statistics of how often each code occurs."""

from numbers import Integral
from typing import Any

import numpy as np

from .errors import invalid


def as_count(value: Any, minimum: int = 1) -> int | None:
    """Return a whole number of at least ``minimum`` as a Python int, and None for anything else.

    Booleans are not counts, although Python takes them for integers.
    """
    is_integer = isinstance(value, Integral) and not isinstance(value, (bool, np.bool_))
    return int(value) if is_integer and int(value) >= minimum else None


def check_count(name: str, value: object, way_out: str = "Pass a whole number, such as 8.", *, minimum: int = 1) -> int:
    """Return a whole number of at least ``minimum`` as a Python int.

    Raises
    ------
    InvalidInputError
        If it is anything else.
    """
    count = as_count(value, minimum)
    if count is None:
        raise invalid(name, f"be an integer >= {minimum}", repr(value), way_out)
    return count


def check_n_samples(n_samples: object) -> int:
    """Return the number of rows to draw as a Python int.

    Raises
    ------
    InvalidInputError
        If it is not an integer above 0.
    """
    return check_count("n_samples", n_samples, "It is the number of rows to draw.")


def perplexity_of_counts(counts: np.ndarray) -> float:
    """Return the number of equally frequent codes that would carry the same information.

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
    # Rounding may leave [1, n_embeddings] by the last bit, for example where a single code is used.
    return float(np.clip(np.exp(-np.sum(frequencies * np.log(frequencies))), 1.0, len(counts)))


def used_codes(counts: np.ndarray) -> int:
    """Return how many different codes occur."""
    return int(np.count_nonzero(counts))
