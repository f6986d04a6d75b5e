"""Read from an ONNX file, without the onnx package, what decides whether it may be run.

A walk over the protobuf wire format [1]_ that follows only the fields in which graphs, operators and tensors
are nested, and looks at operator domains, at where tensors keep their data, and at the metadata.

References
----------
.. [1] https://protobuf.dev/programming-guides/encoding/
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from ._errors import ModelFileError

# Message -> field number -> nested message, from onnx.proto3.
NESTED = {
    "ModelProto": {
        7: "GraphProto",
        8: "OperatorSetIdProto",
        14: "StringStringEntryProto",
        20: "TrainingInfoProto",
        25: "FunctionProto",
    },
    "TrainingInfoProto": {1: "GraphProto", 2: "GraphProto"},
    "FunctionProto": {7: "NodeProto", 9: "OperatorSetIdProto", 11: "AttributeProto"},
    "GraphProto": {1: "NodeProto", 5: "TensorProto", 15: "SparseTensorProto"},
    "NodeProto": {5: "AttributeProto"},
    "AttributeProto": {
        5: "TensorProto",
        6: "GraphProto",
        10: "TensorProto",
        11: "GraphProto",
        22: "SparseTensorProto",
        23: "SparseTensorProto",
    },
    "SparseTensorProto": {1: "TensorProto", 2: "TensorProto"},
    "TensorProto": {},
    "OperatorSetIdProto": {},
    "StringStringEntryProto": {},
}
DOMAIN = {"OperatorSetIdProto": 1, "NodeProto": 7, "FunctionProto": 10}
TENSOR_EXTERNAL_DATA, TENSOR_DATA_LOCATION = 13, 14
ENTRY_KEY, ENTRY_VALUE = 1, 2
_DEEPEST = 100  # protobuf's own limit
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


@dataclass
class Outline:
    """What a model uses.

    Parameters
    ----------
    domains : set of str
        Of all operators and operator sets, at any depth; ``""`` is ONNX's own.
    has_external_data : bool
        Whether any tensor keeps its values in another file.
    metadata : dict of str
        The model's own entries.
    n_graphs : int
        Graphs found, nested ones too; 0 means that this is no model.
    """

    domains: set[str] = field(default_factory=set)
    has_external_data: bool = False
    metadata: dict[str, str] = field(default_factory=dict)
    n_graphs: int = 0


def outline(data: bytes) -> Outline:
    """Walk over a serialised ``ModelProto``.

    Raises
    ------
    ModelFileError
        If the bytes are not protobuf, or nested too deeply; it says why, and its caller of which file.
    """
    found = Outline()
    try:
        _walk(memoryview(data), "ModelProto", found, 0)
    except (IndexError, UnicodeDecodeError) as error:
        raise ModelFileError(str(error)) from error
    if not found.n_graphs:
        raise ModelFileError("no graph in it")
    return found


def fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yield each field's number with its value: an integer, or the bytes of a string or message.

    Raises
    ------
    ModelFileError
        If a field ends after the data, or has a wire type that protobuf no longer writes.
    """
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, wire_type = key >> 3, key & 7
        if wire_type == _VARINT:
            value, at = _varint(data, at)
        elif wire_type == _BYTES:
            size, at = _varint(data, at)
            value = data[at : at + size]
            at += size
        elif wire_type in (_FIXED32, _FIXED64):
            value = 0  # numbers of fixed size decide nothing here
            at += 4 if wire_type == _FIXED32 else 8
        else:
            raise ModelFileError(f"wire type {wire_type}")
        if at > len(data) or number == 0:
            raise ModelFileError("a field ends after the data")
        yield number, value


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for count in range(10):
        byte = data[at + count]
        value |= (byte & 0x7F) << (7 * count)
        if byte < 0x80:
            return value, at + count + 1
    raise ModelFileError("a number is longer than 10 bytes")


def _walk(data: memoryview, message: str, found: Outline, depth: int) -> None:
    if depth > _DEEPEST:
        raise ModelFileError(f"nested more than {_DEEPEST} deep")
    nested = NESTED[message]
    found.n_graphs += message == "GraphProto"
    if message in DOMAIN and message != "NodeProto":
        found.domains.add("")
    entry = {}
    for number, value in fields(data):
        if message == "StringStringEntryProto" and number in (ENTRY_KEY, ENTRY_VALUE):
            entry[number] = str(_bytes(value), "utf-8")
        elif number == DOMAIN.get(message):
            found.domains.add(str(_bytes(value), "utf-8"))
        elif message == "TensorProto" and number == TENSOR_DATA_LOCATION:
            found.has_external_data |= value != 0
        elif message == "TensorProto" and number == TENSOR_EXTERNAL_DATA:
            found.has_external_data = True
        elif number in nested:
            _walk(_bytes(value), nested[number], found, depth + 1)
    if entry:
        found.metadata[entry.get(ENTRY_KEY, "")] = entry.get(ENTRY_VALUE, "")


def _bytes(value: int | memoryview) -> memoryview:
    if isinstance(value, int):
        raise ModelFileError("a number where a message or text belongs")
    return value
