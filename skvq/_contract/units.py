"""Images in other units than those of fit, which a model would answer with nonsense and without an error."""

import warnings

import numpy as np

from .images import Layout, spread

UNIT_ROWS, FEW_ROWS = 64, 8  # looked at for their units; few where rows are read from files
SMALLEST_PART = 1 / 64  # of the fitted range that images should fill: [0, 1] is 1/255 of [0, 255]
FARTHEST = 0.5  # spans that images may leave the fitted range by


def warn_of_units(
    X: np.ndarray,
    data_range: tuple[float, float],
    layout: Layout,
    *,
    name: str = "data_range_",
    stacklevel: int = 4,
) -> None:
    """Warn if images fill a tiny part of the range that the model was fitted to, or leave it far.

    Some evenly spaced rows are looked at. Vectors are not judged: their columns have ranges of their own.

    Parameters
    ----------
    X : array-like of shape (n, ...)
        NaN stands for values that do not count.
    data_range : tuple of float
        Smallest and largest value of the training data.
    layout : Layout
    name : str
        Of ``data_range``, as the user knows it.
    stacklevel : int
        Of the warning.
    """
    low, high = data_range
    span = high - low
    if layout.is_vector or not span or not X.shape[0]:
        return
    rows = spread(X, UNIT_ROWS if isinstance(X, np.ndarray) else FEW_ROWS).astype(np.float64, copy=False)
    if not np.isfinite(rows).all():
        rows = rows[np.isfinite(rows)]
        if not rows.size:
            return
    lowest, highest = float(rows.min()), float(rows.max())
    fills_little = 0 < highest - lowest < SMALLEST_PART * span
    if not fills_little and lowest >= low - FARTHEST * span and highest <= high + FARTHEST * span:
        return
    what = f"fill {(highest - lowest) / span:.1%} of" if fills_little else "leave"
    warnings.warn(
        f"X has values from {lowest:g} to {highest:g}, which {what} {name} = ({low:g}, {high:g}), the range of "
        "the images that the model was fitted to. Bring X to the units of fit, for instance by X * 255 or X / 255.",
        UserWarning,
        stacklevel=stacklevel,
    )
