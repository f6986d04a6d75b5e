"""The bytes of a file: one JSON header and the arrays behind it, in the safetensors format.

::

    8 bytes      length of the header, little-endian
    header       JSON: of each array its dtype, shape and place; ``__metadata__`` with the format's version, the version
                 of skvq and the estimator as JSON text
    arrays       one after the other, without gaps, little-endian
    32 bytes     SHA-256 of all bytes before; the header lists it as the last array, ``sha256``

Reading runs no code from the file. Every byte belongs to one array and every array is as large as its bytes, so a file
never unfolds to more than its own size. The safetensors library reads these files; it is not needed, because a strict
reader is shorter than a check of what another reader lets through. The hash finds damage. It proves no origin.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np

from skvq import __version__
from skvq._contract.errors import printable
from skvq._files.checks import Refused, items, mapping, parse_json, refuse, whole

FORMAT_VERSION = 2
MAX_HEADER_BYTES = 2**24
MAX_ARRAYS = 2**14
MAX_AXES = 8
DIGEST = "sha256"
DTYPES = {
    "BOOL": "bool",
    **{f"{kind[0].upper()}{bits}": f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)},
    **{f"F{bits}": f"float{bits}" for bits in (16, 32, 64)},
}
_CODES = {name: code for code, name in DTYPES.items()}
_METADATA = "__metadata__"


def pack(document: dict, arrays: Mapping[str, np.ndarray], kind: str = "estimator") -> bytes:
    """Return the bytes of a file.

    Parameters
    ----------
    document : dict
        The estimator, as JSON can hold it.
    arrays : mapping of str to ndarray
        Of the dtypes in :data:`DTYPES`.
    kind : {"estimator", "checkpoint"}
        What the file is; one is never read as the other.
    """
    metadata = {
        "format": f"skvq {kind}",
        "format_version": str(FORMAT_VERSION),
        "skvq_version": __version__,
        kind: json.dumps(document),
    }
    header: dict = {_METADATA: metadata}
    blobs, offset = [], 0
    for name, array in arrays.items():
        blob = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()
        header[name] = _entry(_CODES[array.dtype.name], array.shape, offset, len(blob))
        blobs.append(blob)
        offset += len(blob)
    header[DIGEST] = _entry("U8", (32,), offset, 32)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # other readers map the arrays into memory, aligned
    body = b"".join([len(text).to_bytes(8, "little"), text, *blobs])
    return body + hashlib.sha256(body).digest()


def unpack(data: bytes, kind: str = "estimator") -> tuple[Any, dict[str, np.ndarray], str]:
    """Return the document and the arrays of a file, and the version of skvq that wrote it.

    Raises
    ------
    Refused
        If the bytes are no such file, are of another format version, or were changed.
    """
    header, start = _header(data, kind)
    metadata = _metadata(header, kind)
    if hashlib.sha256(memoryview(data)[:-32]).digest() != data[-32:]:
        raise Refused("which was changed or only partly copied: its SHA-256 is not the one at its end")
    if len(header) > MAX_ARRAYS:
        raise Refused(f"which lists more than {MAX_ARRAYS} arrays")
    arrays, offset = {}, start
    for name, entry in header.items():
        arrays[name] = _array(data, entry, f"array {name}", start, offset)
        offset += arrays[name].nbytes
    if offset != len(data) or list(arrays)[-1:] != [DIGEST] or arrays.pop(DIGEST).nbytes != 32:
        raise Refused("whose arrays are not as many bytes as the file holds, with the SHA-256 last")
    return _document(metadata, kind), arrays, str(metadata["skvq_version"])


def peek(stream: BinaryIO, kind: str) -> Any:
    """Return the document of a file without reading its arrays, and without a check of its hash.

    Raises
    ------
    Refused
        If it is no such file.
    """
    start = stream.read(8)
    length = int.from_bytes(start, "little")
    data = start + (stream.read(length) if length <= MAX_HEADER_BYTES else b"")
    return _document(_metadata(_header(data, kind)[0], kind), kind)


def _metadata(header: dict, kind: str) -> dict:
    """Take the metadata of a file of this kind and format version out of its header."""
    metadata = header.pop(_METADATA, None)
    if not isinstance(metadata, dict) or metadata.get("format") != f"skvq {kind}":
        raise Refused(f"which is not an skvq {kind}")
    _check_version(metadata)
    return mapping(metadata, "the metadata", ("format", "format_version", "skvq_version", kind))


def _document(metadata: dict, kind: str) -> Any:
    if not isinstance(metadata[kind], str):
        refuse(f"the {kind}'s description", "be text", metadata[kind])
    return parse_json(metadata[kind], f"the {kind}'s description")


def _header(data: bytes, kind: str) -> tuple[dict, int]:
    if data[:4] == b"PK\3\4" and b"estimator.json" in data[:64]:
        raise Refused(
            "a file of format version 1, which skvq 0.1 wrote",
            "Use it with skvq 0.1 (pip install 'skvq<0.2'), or fit the estimator with this version and save it anew.",
        )
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or length > MAX_HEADER_BYTES or 8 + length > len(data):
        raise Refused(f"which is not an skvq {kind}, or is cut off")
    header = parse_json(data[8 : 8 + length], "the header")
    if not isinstance(header, dict):
        refuse("the header", "be an object", header)
    return header, 8 + length


def _check_version(metadata: dict) -> None:
    version, writer = metadata.get("format_version"), metadata.get("skvq_version")
    if version == str(FORMAT_VERSION):
        return
    if isinstance(version, str) and version.isascii() and version.isdecimal() and len(version) < 6:
        raise Refused(
            f"a file of format version {int(version)}, which skvq {printable(writer)} wrote; this is skvq "
            f"{__version__}, which reads version {FORMAT_VERSION}",
            "Upgrade skvq: pip install --upgrade skvq.",
        )
    refuse("the format version", f"be {FORMAT_VERSION}", version)


def _entry(dtype: str, shape: tuple[int, ...], offset: int, n_bytes: int) -> dict:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [offset, offset + n_bytes]}


def _array(data: bytes, entry: object, where: str, start: int, offset: int) -> np.ndarray:
    """Return the array that begins at ``offset``, once its entry says so, too."""
    entry = mapping(entry, where, ("dtype", "shape", "data_offsets"))
    if not isinstance(entry["dtype"], str) or entry["dtype"] not in DTYPES:
        refuse(where, f"have one of the dtypes {', '.join(DTYPES)}", entry["dtype"])
    dtype = np.dtype(DTYPES[entry["dtype"]])
    shape = items(entry["shape"], f"the shape of {where}", MAX_AXES)
    # An empty array takes no bytes whatever its other sides: only a list may be empty.
    shape = [whole(side, f"a side of {where}", 0 if len(shape) == 1 else 1) for side in shape]
    n_bytes = math.prod(shape) * dtype.itemsize
    if entry["data_offsets"] != [offset - start, offset - start + n_bytes] or offset + n_bytes > len(data):
        refuse(where, f"have its {n_bytes} bytes right behind the array before", entry["data_offsets"])
    stored = np.frombuffer(data, dtype.newbyteorder("<"), math.prod(shape), offset)
    if dtype.kind == "b" and (stored.view(np.uint8) > 1).any():
        refuse(where, "hold bytes of 0 and 1", "others")
    return stored.reshape(shape).astype(dtype)
