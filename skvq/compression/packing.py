"""Tables as bytes, for the folder of an export.

::

    8 bytes     "SKVQTAB" and the version of this format
    4 bytes     length of the header, little-endian
    header      JSON: the grid, the number of classes and the length of a row
    arrays      rows (int16), output (int16) and bias (int32), little-endian, without gaps

The header decides the length of the file, so a file is refused unless it has exactly that many bytes.
"""

import json

import numpy as np

from skvq._contract.codes import CodeGrid
from skvq._contract.errors import InvalidInputError, ModelFileError
from skvq.compression.tables import LARGEST_LOGIT, LARGEST_ROW, CodeTables, ContextLayout, largest_sum

MAGIC, VERSION = b"SKVQTAB", 1
_MAX_HEADER_BYTES = 1024
_MOST_SIDES, _LARGEST_SIDE = 3, 2**22
_ENTRIES = {"shape", "n_embeddings", "depth", "n_classes", "n_features"}


def pack(tables: CodeTables) -> bytes:
    """Return the bytes of tables."""
    header = {**tables.grid.as_json(), "n_classes": tables.n_classes, "n_features": tables.n_features}
    text = json.dumps(header, separators=(",", ":")).encode()
    arrays = [tables.rows.astype("<i2"), tables.output.astype("<i2"), tables.bias.astype("<i4")]
    parts = [MAGIC, bytes([VERSION]), len(text).to_bytes(4, "little"), text, *(array.tobytes() for array in arrays)]
    return b"".join(parts)


def unpack(data: bytes, name: str = "the tables") -> CodeTables:
    """Return the tables in bytes that :func:`pack` made.

    Parameters
    ----------
    data : bytes
    name : str
        Of the file, for messages.

    Raises
    ------
    ModelFileError
        If they are no such bytes, or hold numbers that no fit makes.
    """
    start = len(MAGIC) + 5
    if len(data) < start or not data.startswith(MAGIC):
        raise _refused(name, "it does not start as tables do")
    if data[len(MAGIC)] != VERSION:
        raise _refused(name, f"it has format version {data[len(MAGIC)]}, and this skvq reads version {VERSION}")
    length = int.from_bytes(data[start - 4 : start], "little")
    if length > _MAX_HEADER_BYTES:
        raise _refused(name, "its header is too long")
    grid, n_classes, n_features = _header(data[start : start + length], name)
    layout = ContextLayout(grid, n_classes)
    shapes = [
        ((layout.n_rows, n_features), "<i2"),
        ((grid.depth, n_features, grid.n_embeddings), "<i2"),
        ((grid.depth, grid.n_embeddings), "<i4"),
    ]
    offset, arrays = start + length, []
    for shape, dtype in shapes:
        n_bytes = shape[0] * int(np.prod(shape[1:], dtype=object)) * np.dtype(dtype).itemsize
        if offset + n_bytes > len(data):
            raise _refused(name, "it has fewer bytes than its header says")
        part = np.frombuffer(data[offset : offset + n_bytes], dtype)
        arrays.append(part.reshape(shape).astype(np.float32))
        offset += n_bytes
    if offset != len(data):
        raise _refused(name, "it has more bytes than its header says")
    tables = CodeTables(grid, n_classes, *arrays)
    why = flaw_of(tables)
    if why:
        raise _refused(name, why)
    return tables


def flaw_of(tables: CodeTables) -> str | None:
    """Return what is wrong with the numbers of tables, in words; None if nothing is."""
    arrays = (tables.rows, tables.output, tables.bias)
    if any((array != np.rint(array)).any() for array in arrays):
        return "it holds fractions"
    if np.abs(tables.rows).max(initial=0) > LARGEST_ROW or np.abs(tables.output).max(initial=0) > LARGEST_ROW:
        return f"it holds numbers beyond {LARGEST_ROW}"
    if largest_sum(tables.output, tables.bias) > LARGEST_LOGIT:
        return f"its sums can pass {LARGEST_LOGIT}"
    return None


def _header(text: bytes, name: str) -> tuple[CodeGrid, int, int]:
    try:
        header = json.loads(text)
    except (ValueError, RecursionError):
        raise _refused(name, "its header is no JSON") from None
    if not isinstance(header, dict) or set(header) != _ENTRIES:
        raise _refused(name, "its header has other entries")
    shape = header["shape"]
    numbers = [header[entry] for entry in sorted(_ENTRIES - {"shape"})]
    numbers += shape if isinstance(shape, list) and len(shape) <= _MOST_SIDES else [None]
    if (
        any(type(number) is not int or not 0 <= number <= _LARGEST_SIDE for number in numbers)
        or not header["n_features"]
    ):
        raise _refused(name, "its header holds no such sizes")
    try:
        grid = CodeGrid(tuple(shape), header["n_embeddings"], header["depth"])
    except InvalidInputError:
        raise _refused(name, "its header describes no grid") from None
    return grid, header["n_classes"], header["n_features"]


def _refused(name: str, why: str) -> ModelFileError:
    return ModelFileError(
        f"{name} must hold integer tables that skvq.export_onnx wrote; {why}. Copy the export again, or export again."
    )
