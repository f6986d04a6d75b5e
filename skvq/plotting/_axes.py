"""The one door to matplotlib: opens an Axes when none is given, and draws a mosaic in one.

matplotlib is imported when something is drawn, never with the package; pyplot only when a display has to open
a figure of its own.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from skvq.plotting._mosaic import Mosaic

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage

_TILE_INCHES = 0.8
_WIDEST_INCHES = 12.0
# Where values spread over more than this factor, a linear axis hides the small ones.
_LOG_FROM = 8.0


def matplotlib_module(name: str = "matplotlib") -> Any:
    """Import ``name``, a module of matplotlib.

    Raises
    ------
    ImportError
        If matplotlib is not installed; the message names the extra that brings it.
    """
    from importlib import import_module

    try:
        return import_module(name)
    except ImportError as error:
        raise ImportError('skvq.plotting draws with matplotlib; run: pip install "skvq[examples]"') from error


def open_axes(ax: "Axes | None", size: tuple[float, float]) -> "Axes":
    """Return ``ax``, or the Axes of a new pyplot figure of ``size`` inches when ``ax`` is None.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    TypeError
        If ``ax`` is not an Axes, such as the array that ``plt.subplots(2, 2)`` returns.
    """
    axes_type = matplotlib_module("matplotlib.axes").Axes
    if ax is None:
        figure, ax = matplotlib_module("matplotlib.pyplot").subplots(figsize=size, layout="constrained")
        # A little more than its default, which lets titles touch the edge.
        figure.get_layout_engine().set(w_pad=0.08, h_pad=0.08)
        return ax
    if not isinstance(ax, axes_type):
        raise TypeError(
            f"ax must be one matplotlib Axes, or None for a new figure; got {type(ax).__name__}. "
            "A display draws all its rows in a single Axes: pass one element of an array of Axes."
        )
    return ax


def mosaic_inches(mosaic: Mosaic, row_labels: Sequence[str] = (), *, lines_below: int = 0) -> tuple[float, float]:
    """Return a figure size, in inches, at which the mosaic's tiles are easily seen.

    It leaves room for a title above, for row labels at the left and for lines of text below.
    """
    height, width = mosaic.canvas.shape[:2]
    wide = min(_TILE_INCHES * len(mosaic.column_centers), _WIDEST_INCHES)
    wide = max(wide, 2.4)
    label_width = 0.09 * max((len(label) for label in row_labels), default=0)
    return wide + label_width + 0.2, wide * height / width + 0.6 + 0.22 * lines_below


def suited_scale(values: np.ndarray) -> str:
    """Return ``"log"`` where no value is negative and the positive ones spread widely, else ``"linear"``."""
    positive = values[np.isfinite(values) & (values > 0)]
    wide = positive.size > 0 and positive.max() > _LOG_FROM * positive.min()
    return "log" if wide and not (values < 0).any() else "linear"


def show_mosaic(
    ax: "Axes",
    mosaic: Mosaic,
    *,
    title: str = "",
    row_labels: Sequence[str] = (),
    column_labels: Sequence[str] = (),
    row_ticks: np.ndarray | None = None,
    **imshow_kwargs: Any,
) -> "AxesImage":
    """Draw a mosaic with its labels and nothing else: no frame, no tick marks.

    Parameters
    ----------
    row_labels, column_labels : sequence of str
        Written left of the rows and below the columns; one for each tick, or none.
    row_ticks : ndarray or None
        Where row labels stand, in pixels of the canvas; None takes the middle of each row.
    **imshow_kwargs
        Passed on to ``Axes.imshow``, before the defaults: grey, from 0 to 1.

    Returns
    -------
    AxesImage
    """
    options = {"cmap": "gray", "vmin": 0.0, "vmax": 1.0, "aspect": "equal", "origin": "upper"}
    image = ax.imshow(mosaic.canvas, **(options | imshow_kwargs))
    row_ticks = mosaic.row_centers if row_ticks is None else row_ticks
    ax.set_yticks(row_ticks[: len(row_labels)], labels=list(row_labels))
    ax.set_xticks(mosaic.column_centers[: len(column_labels)], labels=list(column_labels), fontsize="small")
    ax.tick_params(length=0)
    ax.grid(False)
    for spine in ax.spines.values():
        spine.set_visible(False)
    if title:
        ax.set_title(title)
    return image
