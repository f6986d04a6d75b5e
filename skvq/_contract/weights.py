"""Weights of pixels, as users hand them over: how much each pixel of X counts in the loss and in the score."""

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from .errors import InvalidInputError, invalid
from .images import Layout, ValueRange, not_finite
from .masks import check_unmasked


class PixelWeights:
    """The weights of the pixels of some rows of X.

    Parameters
    ----------
    given : array-like or callable
        Of shape (n, height, width), or (n, n_features) for vectors; or what broadcasts to that shape. Rows may be flat
        if those of X are. A callable takes a batch of rows of X, in the layout and units of X, and returns such an
        array.
    layout : Layout
        Of X.
    n_rows : int
        Of X.

    Raises
    ------
    InvalidInputError
        If an array has another shape, or does not hold numbers.
    """

    def __init__(self, given: Any, layout: Layout, n_rows: int):
        self.layout = layout
        self.n_rows = n_rows
        self.function: Callable | None = given if callable(given) else None
        self.array: Any = None if callable(given) else _as_array(given)
        if self.array is not None:
            self._full_shape(self.array.shape, n_rows)

    def of(self, X: np.ndarray, rows: np.ndarray | slice) -> np.ndarray:
        """Return the weights of some rows.

        Parameters
        ----------
        X : ndarray of shape (m, ...)
            These rows of X.
        rows : ndarray or slice
            Which rows they are.

        Returns
        -------
        ndarray of shape (m, height, width, 1), or (m, n_features) for vectors, float32, finite and >= 0

        Raises
        ------
        InvalidInputError
            If a weight is negative, NaN or infinite, or a callable returns another shape.
        """
        if self.function is not None:
            given = _as_array(self.function(X))
            shape = self._full_shape(given.shape, len(X))
        else:
            shape = self._full_shape(self.array.shape, self.n_rows)
            given = self.array[rows] if shape[0] > 1 else self.array
        with np.errstate(over="ignore"):  # a weight too large for float32 becomes infinity, found below
            weights = np.asarray(given).astype(np.float32).reshape(-1, *shape[1:])
        right = np.isfinite(weights) & (weights >= 0)
        if not right.all():
            raise invalid(
                "pixel_weight",
                "be finite and >= 0",
                weights[~right][0],
                "0 leaves a pixel out; other weights count relative to each other.",
            )
        return np.broadcast_to(weights, (len(X), *self._pixels()))

    def _pixels(self) -> tuple[int, ...]:
        return self.layout.image_shape if self.layout.is_vector else (*self.layout.image_shape[:2], 1)

    def _full_shape(self, shape: tuple[int, ...], n_rows: int) -> tuple[int, ...]:
        """Return the shape to give to weights, so that they broadcast to those of ``n_rows`` rows."""
        pixels = self._pixels()
        wanted = (n_rows, *pixels)
        if self._are_flat(shape, n_rows):
            return (shape[0], *pixels)
        # (n, height, width), a map (height, width) and a number lack the axis of channels.
        full = (*shape, 1) if not self.layout.is_vector and len(shape) < 4 else shape
        full = (1,) * (len(wanted) - len(full)) + tuple(full)
        fits = len(full) == len(wanted) and all(side in (1, whole) for side, whole in zip(full, wanted, strict=True))
        if len(shape) == 1 or not fits:
            raise self._wrong_shape(shape, wanted if self.layout.is_vector else wanted[:3])
        return full

    def _are_flat(self, shape: tuple[int, ...], n_rows: int) -> bool:
        """Return whether weights are rows of pixels, as those of X are."""
        image_shape = self.layout.image_shape
        has_flat_rows = len(self.layout.row_shape) == 1 and image_shape[2:] == (1,)
        return has_flat_rows and len(shape) == 2 and shape[0] in (1, n_rows) and shape[1] == math.prod(image_shape)

    def _wrong_shape(self, shape: tuple[int, ...], wanted: tuple[int, ...]) -> InvalidInputError:
        if len(shape) == 1:
            each = "w[:, None]" if self.layout.is_vector else "w[:, None, None]"
            way_out = f"For one weight a row, pass {each}."
        elif shape[1:] == self.layout.image_shape or shape == (wanted[0], self.layout.n_features):
            way_out = "A weight is of a pixel, not of a channel: take w.min(axis=-1) of (n, height, width, channels)."
        else:
            way_out = "For one map of weights for all rows, pass w[None]; a callable returns one map for each row."
        return invalid("pixel_weight", f"have the shape {wanted}, or broadcast to it", f"shape {shape}", way_out)


def _as_array(given: Any) -> Any:
    """Return weights as an array of numbers, or as they are if they are read slice by slice."""
    check_unmasked("pixel_weight", given)
    is_lazy = all(hasattr(given, name) for name in ("shape", "dtype", "__getitem__")) and not hasattr(given, "toarray")
    array = given if is_lazy else np.asarray(given)
    if np.dtype(array.dtype).kind not in "buif":
        raise invalid(
            "pixel_weight",
            "be an array of numbers, or a callable that returns one",
            f"a {type(given).__name__} of dtype {array.dtype}",
            "Pass np.asarray(w, dtype=float).",
        )
    return array


def no_weight() -> InvalidInputError:
    """Return the error for weights that are all zero."""
    return invalid(
        "pixel_weight", "be above 0 somewhere", "zeros only", "0 leaves a pixel out; give 1 to those that count."
    )


def weighted_value_range(chunks: Iterable[tuple[np.ndarray, np.ndarray]]) -> ValueRange:
    """Return the range of values of which each has a weight.

    Parameters
    ----------
    chunks : iterable of (values, weights)
        Arrays of equal shape; all weights are above 0.

    Returns
    -------
    ValueRange
        Weighted mean and standard deviation, and the limits of all values.

    Raises
    ------
    InvalidInputError
        If a value is NaN, infinite, or too large for float32.
    """
    limit = float(np.finfo(np.float32).max)
    lowest, highest, pivot = math.inf, -math.inf, None
    total_weight = total = total_squares = 0.0
    for values, weights in chunks:
        if not values.size:
            continue
        darkest, brightest = float(values.min()), float(values.max())
        if not -limit <= darkest <= brightest <= limit:  # true for NaN too
            raise not_finite()
        lowest, highest = min(lowest, darkest), max(highest, brightest)
        values, weights = values.astype(np.float64), weights.astype(np.float64)
        if pivot is None:  # keeps the sum of squares small when values lie far from zero
            pivot = float(np.average(values, weights=weights))
        centred = values - pivot
        total_weight += float(weights.sum())
        total += float((weights * centred).sum())
        total_squares += float((weights * np.square(centred)).sum())
    if pivot is None:
        raise no_weight()
    mean = total / total_weight
    scale = math.sqrt(max(total_squares / total_weight - mean * mean, 0.0))
    # A spread below the float32 resolution of the values is only rounding.
    resolution = float(np.finfo(np.float32).eps) * max(abs(lowest), abs(highest))
    return ValueRange(mean + pivot, scale if scale > resolution else 1.0, lowest, highest)
