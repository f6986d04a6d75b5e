"""The only module that imports matplotlib: it opens an Axes, and draws a mosaic in it.

matplotlib is imported when a display is drawn, and not with the package. pyplot is imported only to open a new figure.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from skvq._contract.errors import invalid
from skvq.plotting._mosaic import Mosaic

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage

_TILE_INCHES = 0.8
_WIDEST_INCHES = 12.0
# On a linear axis, small values are hidden if the largest is more than this many times the smallest.
_LOG_FROM = 8.0


def matplotlib_module(name: str = "matplotlib") -> Any:
    """Import ``name``, a module of matplotlib.

    Raises
    ------
    ImportError
        If matplotlib is not installed. The message says how to install it.
    """
    from importlib import import_module

    try:
        return import_module(name)
    except ImportError as error:
        raise ImportError('skvq.plotting needs matplotlib. Run `pip install "skvq[examples]"`.') from error


def open_axes(ax: "Axes | None", size: tuple[float, float]) -> "Axes":
    """Return ``ax``, or the Axes of a new pyplot figure of ``size`` inches if ``ax`` is None.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    InvalidInputError
        If ``ax`` is not an Axes, but for example the array that ``plt.subplots(2, 2)`` returns.
    """
    axes_type = matplotlib_module("matplotlib.axes").Axes
    if ax is None:
        figure, axes = matplotlib_module("matplotlib.pyplot").subplots(figsize=size, layout="constrained")
        # With the default padding, titles touch the edge of the figure.
        figure.get_layout_engine().set(w_pad=0.08, h_pad=0.08)
        return axes
    if not isinstance(ax, axes_type):
        way_out = "Each display draws in a single Axes: pass one element of an array of Axes."
        raise invalid("ax", "be one matplotlib Axes, or None for a new figure", type(ax).__name__, way_out)
    return ax


def mosaic_inches(mosaic: Mosaic, row_labels: Sequence[str] = (), *, lines_below: int = 0) -> tuple[float, float]:
    """Return the size, in inches, of a figure in which the mosaic's tiles are easy to see.

    It includes room for a title above, row labels at the left and lines of text below.
    """
    height, width = mosaic.canvas.shape[:2]
    wide = min(_TILE_INCHES * len(mosaic.column_centers), _WIDEST_INCHES)
    wide = max(wide, 2.4)
    label_width = 0.09 * max((len(label) for label in row_labels), default=0)
    return wide + label_width + 0.2, wide * height / width + 0.6 + 0.22 * lines_below


def suited_scale(values: np.ndarray) -> str:
    """Return ``"log"`` if no value is negative and the positive ones have a wide range, else ``"linear"``."""
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
    """Draw a mosaic with its labels, without frame and tick marks.

    Parameters
    ----------
    row_labels, column_labels : sequence of str
        Texts at the left of the rows and below the columns: one for each tick, or none.
    row_ticks : ndarray or None
        Positions of the row labels, in pixels of the canvas. None uses the middle of each row.
    **imshow_kwargs
        Arguments of ``Axes.imshow``. They replace the defaults, which draw grey values from 0 to 1.

    Returns
    -------
    AxesImage
    """
    options: dict[str, Any] = {"cmap": "gray", "vmin": 0.0, "vmax": 1.0, "aspect": "equal", "origin": "upper"}
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
