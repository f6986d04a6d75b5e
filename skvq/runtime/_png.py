"""Write images as PNG with the standard library alone."""

import math
import os

import numpy as np

from skvq._contract.png import png_bytes
from skvq._contract.writing import write_file


def write_png(path: str | os.PathLike[str], pixels: np.ndarray) -> None:
    """Write one image.

    Parameters
    ----------
    path : path-like
    pixels : ndarray
        As for :func:`skvq._contract.png.png_bytes`.

    Raises
    ------
    InvalidInputError
        If ``pixels`` is anything else.
    TypeError, InvalidInputError, OSError
        If ``path`` is nothing that can be written, as :func:`skvq._contract.writing.write_file` says.

    Examples
    --------
    >>> write_png("grey.png", np.zeros((8, 8), np.uint8))  # doctest: +SKIP
    """
    write_file(path, png_bytes(pixels))


def mosaic(images: np.ndarray, low: float, high: float, gap: int = 1) -> np.ndarray:
    """Lay images out on a near-square sheet.

    Parameters
    ----------
    images : ndarray of shape (n, height, width, channels)
        Values below ``low`` are black, above ``high`` white. Of two channels, or more than three, the first is shown.
    low, high : float
        In the unit of ``images``.
    gap : int
        Pixels between images, white.

    Returns
    -------
    ndarray of shape (height, width) or (height, width, 3), uint8
    """
    n, height, width, channels = images.shape
    images = images if channels == 3 else images[..., :1]
    unit = (images.astype(np.float64) - low) / ((high - low) or 1.0)
    tiles = np.rint(np.clip(unit, 0, 1) * 255).astype(np.uint8)
    columns = math.ceil(math.sqrt(n))
    rows = math.ceil(n / columns)
    sheet = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, tiles.shape[-1]), 255, dtype=np.uint8)
    for index, tile in enumerate(tiles):
        top, left = index // columns * (height + gap), index % columns * (width + gap)
        sheet[top : top + height, left : left + width] = tile
    return sheet if channels == 3 else sheet[..., 0]
