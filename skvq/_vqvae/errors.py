"""Squared errors of reconstructions, and their means over rows, with or without weights of pixels."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from skvq._contract.weights import no_weight


class RowErrors(NamedTuple):
    """Errors of some rows.

    Attributes
    ----------
    errors : ndarray of shape (n,), float64
        Weighted mean squared error of each row; nan where no pixel has a weight.
    weights : ndarray of shape (n,), float64, or None
        Sum of the weights of each row's values. None without weights.
    largest : float or None
        The largest weight of a value.
    """

    errors: np.ndarray
    weights: np.ndarray | None = None
    largest: float | None = None


def row_errors(images: np.ndarray, reconstructions: np.ndarray, weights: np.ndarray | None = None) -> RowErrors:
    """Return the mean squared error of each image.

    Parameters
    ----------
    images, reconstructions : ndarray of shape (n, ...)
    weights : ndarray that broadcasts to them, >= 0, or None
    """
    squares = np.square(images.astype(np.float64) - reconstructions).reshape(len(images), -1)
    if weights is None:
        return RowErrors(squares.mean(axis=1))
    weights = np.broadcast_to(weights, images.shape).reshape(len(images), -1).astype(np.float64)
    totals = weights.sum(axis=1)
    with np.errstate(invalid="ignore"):
        errors = (weights * squares).sum(axis=1) / totals
    return RowErrors(errors, totals, float(weights.max()))


def joined(parts: Sequence[RowErrors]) -> RowErrors:
    """Return the errors of all rows of some batches."""
    errors = np.concatenate([part.errors for part in parts])
    if parts[0].weights is None:
        return RowErrors(errors)
    totals = np.concatenate([part.weights for part in parts if part.weights is not None])
    if not totals.any():
        raise no_weight()
    return RowErrors(errors, totals, max(part.largest or 0.0 for part in parts))


def mean_error(parts: Sequence[RowErrors]) -> float:
    """Return the mean squared error of all rows of some batches, in which each value counts by its weight.

    Raises
    ------
    InvalidInputError
        If all weights are zero.
    """
    errors, totals, _ = joined(parts)
    if totals is None:
        return float(errors.mean())
    relative = totals / totals.max()  # 1 everywhere where weights are, so that the sum is that of a mean
    return float((np.where(totals > 0, errors, 0.0) * relative).sum() / relative.sum())
