"""One picture of many images, in NumPy alone.

A display draws all its images with one ``imshow``, so it needs a single Axes. Gaps between tiles and missing tiles are
NaN, and are drawn transparent.
"""

from dataclasses import dataclass

import numpy as np

from skvq._contract.errors import invalid


@dataclass(frozen=True)
class Mosaic:
    """A picture of tiles of equal size, and the positions of its rows and columns.

    Parameters
    ----------
    canvas : ndarray of shape (height, width) or (height, width, 4)
        Grey values in [0, 1] with NaN in the gaps, or RGBA values in [0, 1] with alpha 0 in the gaps.
    row_centers, column_centers : ndarray
        Middle of each row and column of tiles, in pixels of the canvas.
    tile_shape : tuple of int
        ``(height, width)`` of a tile, in pixels.
    gap : int
        Pixels between neighbouring tiles.
    """

    canvas: np.ndarray
    row_centers: np.ndarray
    column_centers: np.ndarray
    tile_shape: tuple[int, int]
    gap: int


def unit_images(images: np.ndarray, data_range: tuple[float, float] | None, name: str = "images") -> np.ndarray:
    """Scale images to [0, 1], with one channel (grey) or three (RGB).

    Parameters
    ----------
    images : array-like of shape (n, height, width) or (n, height, width, channels)
        In any units. One channel is grey and three are RGB. Other numbers of channels are averaged.
    data_range : tuple of float or None
        Values that become 0 and 1. Values outside are clipped. None uses the finite minimum and maximum.
    name : str
        The name of ``images`` in messages.

    Returns
    -------
    ndarray of shape (n, height, width) or (n, height, width, 3), float32
        NaN stays NaN.

    Raises
    ------
    InvalidInputError
        If ``images`` has another number of axes or is empty, or ``data_range`` is not a range.
    """
    images = np.asarray(images, dtype=np.float32)
    if images.ndim not in (3, 4) or images.size == 0:
        raise invalid(
            name,
            "hold one or more images, (n, height, width) or (n, height, width, channels)",
            f"shape {images.shape}",
            "Reshape flat rows, or use from_estimator, which reshapes them.",
        )
    low, high = check_data_range(data_range, images)
    if images.ndim == 4 and images.shape[3] != 3:
        images = images.mean(axis=3)
    return np.clip((images - np.float32(low)) / np.float32(high - low), 0, 1)


def check_data_range(data_range: tuple[float, float] | None, images: np.ndarray) -> tuple[float, float]:
    """Return ``data_range`` as two different floats. For None, use the finite minimum and maximum of ``images``.

    The range of constant images is extended upwards by 1, so they are drawn black.

    Raises
    ------
    InvalidInputError
        If ``data_range`` is not two finite numbers in ascending order.
    """
    if data_range is None:
        finite = images[np.isfinite(images)]
        data_range = (finite.min(), finite.max()) if finite.size else (0.0, 1.0)
    try:
        low, high = (float(value) for value in data_range)
    except (TypeError, ValueError):
        low, high = np.nan, np.nan
    if not low <= high or not np.isfinite(high - low):
        raise invalid(
            "data_range",
            "be two finite numbers, (minimum, maximum), in the units of the images",
            repr(data_range),
            "Use (0, 255) for uint8, or None for the range of the images.",
        )
    return (low, high) if high > low else (low, low + 1.0)


def check_maps(maps: np.ndarray, n_images: int, name: str, way_out: str) -> np.ndarray:
    """Return maps ``(n_images, h, w)``.

    Raises
    ------
    InvalidInputError
        If there is not one map for each image, or maps do not have two axes.
    """
    if maps.ndim != 3 or len(maps) != n_images:
        raise invalid(name, f"have one map (h, w) for each of the {n_images} images", f"shape {maps.shape}", way_out)
    return maps


def mosaic(tiles: np.ndarray, gap: int | None = None) -> Mosaic:
    """Arrange a grid of tiles in one picture.

    Parameters
    ----------
    tiles : ndarray of shape (rows, columns, height, width) or (rows, columns, height, width, 3)
        Values in [0, 1]. NaN is drawn transparent.
    gap : int or None
        Pixels between tiles. None uses about a twelfth of a tile's longer side.

    Returns
    -------
    Mosaic
        Tile ``(r, c)`` starts at row ``r * (height + gap)`` and column ``c * (width + gap)``.
    """
    n_rows, n_columns, height, width = tiles.shape[:4]
    if gap is None:
        gap = max(1, round(max(height, width) / 12))
    shape = (n_rows * (height + gap) - gap, n_columns * (width + gap) - gap)
    canvas = np.full(shape + tiles.shape[4:], np.nan, dtype=np.float32)
    tops, lefts = np.arange(n_rows) * (height + gap), np.arange(n_columns) * (width + gap)
    for row, top in enumerate(tops):
        for column, left in enumerate(lefts):
            canvas[top : top + height, left : left + width] = tiles[row, column]
    if canvas.ndim == 3:
        canvas = _with_alpha(canvas)
    return Mosaic(canvas, tops + (height - 1) / 2, lefts + (width - 1) / 2, (height, width), gap)


def fill_grid(images: np.ndarray, n_columns: int) -> np.ndarray:
    """Return images as a grid ``(rows, n_columns, ...)``, row by row. The rest of the last row is NaN."""
    n_missing = -len(images) % n_columns
    blanks = np.full((n_missing, *images.shape[1:]), np.nan, dtype=images.dtype)
    return np.concatenate([images, blanks]).reshape(-1, n_columns, *images.shape[1:])


def spread_over_pixels(maps: np.ndarray, image_size: tuple[int, int]) -> np.ndarray:
    """Enlarge maps ``(n, h, w, ...)`` to ``(n, height, width, ...)``. Each pixel has the value of the cell it is in.

    The sizes need not be multiples: 7 cells on 30 pixels have 4 or 5 pixels each.
    """
    rows = np.arange(image_size[0]) * maps.shape[1] // image_size[0]
    columns = np.arange(image_size[1]) * maps.shape[2] // image_size[1]
    return maps[:, rows[:, None], columns]


def as_rgb(images: np.ndarray) -> np.ndarray:
    """Return grey images ``(n, height, width)`` as RGB ``(n, height, width, 3)``. RGB images are not changed."""
    return images if images.ndim == 4 else np.repeat(images[..., None], 3, axis=3)


def in_same_mode(*stacks: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return stacks of images as RGB if one of them is RGB, and all as grey otherwise."""
    return tuple(as_rgb(s) for s in stacks) if any(s.ndim == 4 for s in stacks) else stacks


def _with_alpha(canvas: np.ndarray) -> np.ndarray:
    opaque = np.isfinite(canvas).all(axis=-1, keepdims=True)
    # The transparent gaps are white: resampling mixes colours at edges, and black would leave dark lines.
    return np.concatenate([np.where(opaque, canvas, np.float32(1)), opaque.astype(np.float32)], axis=-1)
