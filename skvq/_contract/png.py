"""Images as the bytes of PNG files, with the standard library alone."""

import struct
import zlib

import numpy as np

from .errors import invalid

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GREY, _RGB = 0, 2  # PNG's colour types


def png_bytes(pixels: np.ndarray) -> bytes:
    """Return the content of a PNG file.

    Parameters
    ----------
    pixels : ndarray of shape (height, width) or (height, width, 3), uint8; or (height, width), uint16
        Grey values or RGB.

    Raises
    ------
    InvalidInputError
        If ``pixels`` is anything else.

    References
    ----------
    https://www.w3.org/TR/png-3/
    """
    is_grey = pixels.ndim == 2
    fits = pixels.dtype == np.uint8 or (pixels.dtype == np.uint16 and is_grey)
    if not fits or 0 in pixels.shape or not (is_grey or pixels.shape[2:] == (3,)):
        rule, received = "be uint8 of shape (height, width) or (height, width, 3)", f"{pixels.dtype} {pixels.shape}"
        raise invalid("pixels", rule, received, "Scale to [0, 255] and cast with astype(np.uint8).")
    height, width = pixels.shape[:2]
    depth = 8 * pixels.dtype.itemsize
    rows = np.ascontiguousarray(pixels.astype(pixels.dtype.newbyteorder(">"))).reshape(height, -1).view(np.uint8)
    filtered = np.concatenate([np.zeros((height, 1), np.uint8), rows], axis=1)  # each row begins with its filter: none
    return (
        _SIGNATURE
        + _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, _GREY if is_grey else _RGB, 0, 0, 0))
        + _chunk(b"IDAT", zlib.compress(filtered.tobytes(), 9))
        + _chunk(b"IEND", b"")
    )


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
