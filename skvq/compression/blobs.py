"""One image's codes as bytes: a header of seven bytes, the class where there are classes, and the payload.

::

    2 bytes     "VQ"
    1 byte      version of this format
    4 bytes     CRC-32 of all other bytes, big-endian
    1 to 5      index of the class, 7 bits a byte, the lowest first; only of a conditional model
    the rest    the payload of :mod:`skvq.compression.coder`: the codes, and four bytes of fingerprint of
                the tables, the grid and the decoder

The CRC finds every change of up to 32 neighbouring bits. It proves no origin.
"""

import zlib
from collections.abc import Sequence
from typing import Any

from skvq._contract.errors import CompressedDataError, InvalidInputError

MAGIC, VERSION = b"VQ", 1
HEADER_BYTES = len(MAGIC) + 1 + 4
_CRC = slice(HEADER_BYTES - 4, HEADER_BYTES)
_WAY_OUT = "Read the file again, or fetch it from where it was made."


def write_blob(label: int | None, payload: bytes) -> bytes:
    """Return one blob."""
    start = MAGIC + bytes([VERSION])
    content = (b"" if label is None else _varint(label)) + payload
    return start + zlib.crc32(content, zlib.crc32(start)).to_bytes(4, "big") + content


def read_blob(data: bytes, name: str) -> bytes:
    """Return the content of a blob: the class, if any, and the payload.

    Parameters
    ----------
    data : bytes
    name : str
        For messages, such as ``"blobs[3]"``.

    Raises
    ------
    CompressedDataError
        If it is cut, changed, of another format or of a later version.
    """
    if len(data) < HEADER_BYTES:
        raise CompressedDataError(
            f"{name} must have at least {HEADER_BYTES} bytes; got {len(data)}. It was cut off. {_WAY_OUT}"
        )
    if not data.startswith(MAGIC):
        raise CompressedDataError(
            f"{name} must start with {MAGIC!r}, as compress writes it; got {data[:2]!r}. It is another kind of data, "
            f"or was changed. {_WAY_OUT}"
        )
    version = data[len(MAGIC)]
    if version != VERSION:
        raise CompressedDataError(
            f"{name} must have format version {VERSION}; got {version}. If a later skvq wrote it, run "
            "pip install --upgrade skvq. If not, it was changed."
        )
    content = data[HEADER_BYTES:]
    found = int.from_bytes(data[_CRC], "big")
    expected = zlib.crc32(content, zlib.crc32(data[: _CRC.start]))
    if found != expected:
        raise CompressedDataError(
            f"{name} must have the CRC-32 {expected:08x} of its bytes; got {found:08x}. It was changed or cut off. "
            f"{_WAY_OUT}"
        )
    return content


def check_blobs(blobs: Any) -> list[bytes]:
    """Return blobs as a list of bytes.

    Raises
    ------
    InvalidInputError
        If it is no sequence, or holds nothing.
    CompressedDataError
        If an item is not bytes.
    """
    if isinstance(blobs, (bytes, bytearray, memoryview, str)) or not isinstance(blobs, Sequence):
        raise InvalidInputError(
            f"blobs must be a list of bytes, one for each image; got {type(blobs).__name__}. For a single image, pass "
            "[blob]."
        )
    if not blobs:
        raise InvalidInputError("blobs must hold at least one image; got none. Pass what compress returned.")
    for index, blob in enumerate(blobs):
        if not isinstance(blob, (bytes, bytearray, memoryview)):
            raise CompressedDataError(
                f"blobs[{index}] must be bytes; got {type(blob).__name__}. Open files in binary mode."
            )
    return [bytes(blob) for blob in blobs]


def split_label(content: bytes, n_classes: int, name: str) -> tuple[int, bytes]:
    """Return the class and the payload of a conditional model's blob.

    Raises
    ------
    CompressedDataError
        If there is no such class.
    """
    label = 0
    for place, byte in enumerate(content[:5]):
        label |= (byte & 127) << (7 * place)
        if byte < 128:
            if label >= n_classes or (place and not byte):
                break
            return label, content[place + 1 :]
    raise CompressedDataError(
        f"{name} must name one of {n_classes} classes; it names none of them. It comes from another model. Use the one "
        "that compressed it."
    )


def _varint(number: int) -> bytes:
    written = bytearray()
    while number > 127:
        written.append(number & 127 | 128)
        number >>= 7
    return bytes([*written, number])
