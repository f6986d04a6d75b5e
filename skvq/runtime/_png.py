"""Write images as PNG with the standard library alone."""

import math
import os
import struct
import zlib

import numpy as np

from skvq._contract.errors import invalid
from skvq._contract.writing import write_file

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GREY, _RGB = 0, 2  # PNG's colour types


def write_png(path: str | os.PathLike[str], pixels: np.ndarray) -> None:
    """Write one image.

    Parameters
    ----------
    path : path-like
    pixels : ndarray of shape (height, width) or (height, width, 3), uint8
        Grey values or RGB.

    Raises
    ------
    InvalidInputError
        If ``pixels`` is anything else.
    TypeError, InvalidInputError, OSError
        If ``path`` is nothing that can be written, as :func:`skvq._contract.writing.write_file` says.

    References
    ----------
    https://www.w3.org/TR/png-3/

    Examples
    --------
    >>> write_png("grey.png", np.zeros((8, 8), np.uint8))  # doctest: +SKIP
    """
    if pixels.dtype != np.uint8 or 0 in pixels.shape or not (pixels.ndim == 2 or pixels.shape[2:] == (3,)):
        rule, received = "be uint8 of shape (height, width) or (height, width, 3)", f"{pixels.dtype} {pixels.shape}"
        raise invalid("pixels", rule, received, "Scale to [0, 255] and cast with astype(np.uint8).")
    height, width = pixels.shape[:2]
    colour = _GREY if pixels.ndim == 2 else _RGB
    rows = pixels.reshape(height, -1)
    filtered = np.concatenate([np.zeros((height, 1), np.uint8), rows], axis=1)  # each row begins with its filter: none
    content = (
        _SIGNATURE
        + _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0))
        + _chunk(b"IDAT", zlib.compress(filtered.tobytes(), 9))
        + _chunk(b"IEND", b"")
    )
    write_file(path, content)


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


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
