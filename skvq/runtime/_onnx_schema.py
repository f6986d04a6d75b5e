"""The fields of ONNX that skvq writes, by message and number; files with any other field are refused.

Tensors that lie in other files, functions, sparse tensors, sequences and training graphs have no place here, so none of
them can be hidden in a file. Names and numbers are those of ``onnx.proto`` [1]_.

References
----------
.. [1] https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
"""

from typing import NamedTuple

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # protobuf's wire types


class Field(NamedTuple):
    """One field of a message.

    Parameters
    ----------
    name : str
    wire_type : int
    message : str or None
        The message that it holds; None for numbers, texts and bytes.
    repeated : bool
    bits : int
        Of an integer: protobuf cuts what is larger, without a word.
    """

    name: str
    wire_type: int
    message: str | None = None
    repeated: bool = False
    bits: int = 64


def _message(name: str, message: str) -> Field:
    return Field(name, BYTES, message)


def _messages(name: str, message: str) -> Field:
    return Field(name, BYTES, message, repeated=True)


def _bytes(name: str) -> Field:
    return Field(name, BYTES)


def _number(name: str, bits: int = 64) -> Field:
    return Field(name, VARINT, bits=bits)


SCHEMA: dict[str, dict[int, Field]] = {
    "ModelProto": {
        1: _number("ir_version"),
        2: _bytes("producer_name"),
        3: _bytes("producer_version"),
        4: _bytes("domain"),
        5: _number("model_version"),
        6: _bytes("doc_string"),
        7: _message("graph", "GraphProto"),
        8: _messages("opset_import", "OperatorSetIdProto"),
        14: _messages("metadata_props", "StringStringEntryProto"),
    },
    "OperatorSetIdProto": {1: _bytes("domain"), 2: _number("version")},
    "StringStringEntryProto": {1: _bytes("key"), 2: _bytes("value")},
    "GraphProto": {
        1: _messages("node", "NodeProto"),
        2: _bytes("name"),
        5: _messages("initializer", "TensorProto"),
        10: _bytes("doc_string"),
        11: _messages("input", "ValueInfoProto"),
        12: _messages("output", "ValueInfoProto"),
        13: _messages("value_info", "ValueInfoProto"),
    },
    "NodeProto": {
        1: Field("input", BYTES, repeated=True),
        2: Field("output", BYTES, repeated=True),
        3: _bytes("name"),
        4: _bytes("op_type"),
        5: _messages("attribute", "AttributeProto"),
        6: _bytes("doc_string"),
        7: _bytes("domain"),
    },
    "AttributeProto": {
        1: _bytes("name"),
        2: Field("f", FIXED32),
        3: _number("i"),
        4: _bytes("s"),
        5: _message("t", "TensorProto"),
        6: _message("g", "GraphProto"),
        7: Field("floats", FIXED32, repeated=True),
        8: Field("ints", VARINT, repeated=True),
        13: _bytes("doc_string"),
        20: _number("type", 32),
    },
    "TensorProto": {
        1: Field("dims", VARINT, repeated=True),
        2: _number("data_type", 32),
        4: _bytes("float_data"),
        5: _bytes("int32_data"),
        7: _bytes("int64_data"),
        8: _bytes("name"),
        9: _bytes("raw_data"),
        10: _bytes("double_data"),
        11: _bytes("uint64_data"),
        12: _bytes("doc_string"),
    },
    "ValueInfoProto": {1: _bytes("name"), 2: _message("type", "TypeProto"), 3: _bytes("doc_string")},
    "TypeProto": {1: _message("tensor_type", "Tensor")},
    "Tensor": {1: _number("elem_type", 32), 2: _message("shape", "TensorShapeProto")},
    "TensorShapeProto": {1: _messages("dim", "Dimension")},
    "Dimension": {1: _number("dim_value"), 2: _bytes("dim_param")},
}
PACKED = frozenset({"float_data", "int32_data", "int64_data", "double_data", "uint64_data"})

# Fields that deserve a word of their own when they are refused: message, number -> what the file would do.
REFUSED = {
    ("TensorProto", 13): "it keeps tensors in other files, which no hash covers",
    ("TensorProto", 14): "it keeps tensors in other files, which no hash covers",
    ("ModelProto", 20): "it brings training graphs",
    ("ModelProto", 25): "it brings functions of its own",
}
