"""What may stand in a file that the runtime runs: the operators and types that skvq writes, and nothing that can crash.

Operators outside of this list may be harmless; they are refused because no export needs them. The exporter asks the
same question before it writes a folder, so that whatever it writes can be loaded.
"""

import math
import struct
from collections import ChainMap
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from skvq._contract.errors import ModelFileError, printable

from ._onnx_schema import PACKED
from ._protobuf import parse_model, text_of

OPERATORS = frozenset(
    {
        # arithmetic
        "Abs", "Add", "Ceil", "Clip", "Cos", "Div", "Erf", "Exp", "Floor", "Log", "Max", "Min", "Mul", "Neg", "Pow",
        "Reciprocal", "Round", "Sign", "Sin", "Sqrt", "Sub", "Sum",
        # comparisons
        "And", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Not", "Or", "Where", "Xor",
        # activations
        "Elu", "HardSigmoid", "HardSwish", "LeakyRelu", "LogSoftmax", "Mish", "PRelu", "Relu", "Selu",
        "Sigmoid", "Softmax", "Softplus", "Softsign", "Tanh",
        # products and norms
        "AveragePool", "BatchNormalization", "Conv", "ConvTranspose", "Gemm", "GlobalAveragePool", "GlobalMaxPool",
        "InstanceNormalization", "LayerNormalization", "MatMul", "MaxPool",
        # shapes
        "Cast", "Concat", "Constant", "ConstantOfShape", "CumSum", "DepthToSpace", "Expand", "Flatten", "Gather",
        "GatherElements", "GatherND", "Identity", "OneHot", "Pad", "Range", "Reshape", "ScatterElements", "ScatterND",
        "Shape", "Slice", "SpaceToDepth", "Split", "Squeeze", "Tile", "TopK", "Transpose", "Unsqueeze",
        # reductions
        "ArgMax", "ArgMin", "ReduceL2", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum",
        "ReduceSumSquare",
        # eight bits
        "DequantizeLinear", "QuantizeLinear",
        # loops
        "Loop",
    }
)  # fmt: skip
FLOAT, UINT8, INT8, INT32, INT64, BOOL = 1, 2, 3, 6, 7, 9  # TensorProto.DataType
ITEM_BYTES = {FLOAT: 4, UINT8: 1, INT8: 1, INT32: 4, INT64: 8, BOOL: 1}

_ANSWER_BOOL = {"And", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Not", "Or", "Xor"}
_ANSWER_INT64 = {"ArgMax", "ArgMin", "Shape"}
_ANSWER_AS_INPUT = {"OneHot": 2, "Where": 1, "DequantizeLinear": 1, "QuantizeLinear": 2}  # the others: as input 0
_DIVIDES = {"Div", "ReduceMean"}
_POSITIVE = frozenset({b"blocksize", b"dilations", b"group", b"kernel_shape", b"num_outputs", b"strides"})
_VALUES = frozenset({"f", "i", "s", "t", "g", "floats", "ints"})  # of an attribute
_MOST_VALUES, _MOST_SIDES = 2**31, 8
_SHORT = 64  # integers: longer constants are no shapes, axes or sizes


@dataclass(frozen=True)
class ModelText:
    """What a file says about itself.

    Parameters
    ----------
    metadata : dict of str
    opset : int
    """

    metadata: dict[str, str]
    opset: int


@dataclass
class _Scope:
    """What is known of the tensors that a graph sees, by name: types of all, values of short integer constants."""

    types: ChainMap = field(default_factory=ChainMap)
    integers: ChainMap = field(default_factory=ChainMap)

    def inner(self) -> "_Scope":
        return _Scope(self.types.new_child(), self.integers.new_child())

    def define(self, name: Any, kind: int | None) -> None:
        key = bytes(name or b"")
        if not key or key in self.types:
            raise ModelFileError(f"two tensors are called {_shown(key)}" if key else "a tensor has no name")
        self.types[key] = kind

    def look_up(self, name: Any) -> int | None:
        key = bytes(name or b"")
        if key not in self.types:
            raise ModelFileError(f"the tensor {_shown(key)} is used before it is made")
        return self.types[key]


def check_model(data: bytes) -> ModelText:
    """Look through a model before it is run.

    Raises
    ------
    ModelFileError
        If it is no ONNX model, or holds anything that skvq does not write. The caller names the file.
    """
    model = parse_model(data)
    if "graph" not in model:
        raise ModelFileError("no graph in it")
    versions = {text_of(e.get("domain"), "a domain"): e.get("version", 0) for e in model.get("opset_import", [])}
    foreign = sorted(domain for domain in versions if domain)
    if foreign:
        raise ModelFileError(f"it uses operators of {', '.join(repr(printable(domain)) for domain in foreign)}")
    if len(model.get("opset_import", [])) != 1:
        raise ModelFileError("it names the version of ONNX's operators more or less than once")
    _check_graph(model["graph"], _Scope(), None)
    metadata: dict[str, str] = {}
    for entry in model.get("metadata_props", []):
        key = text_of(entry.get("key"), "a name in the metadata")
        if key in metadata:
            raise ModelFileError(f"{printable(key)!r} comes twice in the metadata")
        metadata[key] = text_of(entry.get("value"), f"{printable(key)!r} in the metadata")
    return ModelText(metadata, versions[""])


def _check_graph(graph: dict, outside: _Scope, given: Sequence[int | None] | None) -> list[int | None]:
    """Check a graph and those in it; return the types of its outputs.

    ``given`` holds the types of what a loop hands to its body.
    """
    scope = outside.inner()
    for index, tensor in enumerate(graph.get("input", [])):
        declared = _type_of_info(tensor)
        if given is not None and (index >= len(given) or given[index] not in (declared, None)):
            raise ModelFileError("a loop hands another type to its body than the body takes")
        scope.define(tensor.get("name"), declared)
    for tensor in graph.get("initializer", []):
        scope.define(tensor.get("name"), _check_tensor(tensor))
        if tensor["data_type"] == INT64 and len(raw := tensor.get("raw_data", b"")) <= 8 * _SHORT:
            scope.integers[bytes(tensor["name"])] = struct.unpack(f"<{len(raw) // 8}q", raw)
    for node in graph.get("node", []):
        _check_node(node, scope)
    return [scope.look_up(tensor.get("name")) for tensor in graph.get("output", [])]


def _check_node(node: dict, scope: _Scope) -> None:
    name = text_of(node.get("op_type"), "an operator's name")
    domain = text_of(node.get("domain"), "a domain")
    if domain:
        raise ModelFileError(f"it uses operators of {printable(domain)!r}")
    if name not in OPERATORS:
        raise ModelFileError(f"it uses the operator {printable(name)!r}")
    inputs = [scope.look_up(source) if len(source) else None for source in node.get("input", [])]
    if name in _DIVIDES and FLOAT not in inputs:
        raise ModelFileError(f"{name} divides integers, which ends the process if the divisor is 0")
    if name == "Pad":
        pads = scope.integers.get(bytes(node["input"][1])) if len(inputs) > 1 else None
        if pads is None or min(pads, default=0) < 0 or max(pads, default=0) > _MOST_VALUES:
            raise ModelFileError("Pad computes how much it adds, or takes away, which can end the process")
    outputs = node.get("output", [])
    attributes = {bytes(a.get("name", b"")): a for a in node.get("attribute", [])}
    if len(attributes) < len(node.get("attribute", [])):
        raise ModelFileError(f"{name} has an attribute twice")
    if name == "Split":
        sizes = scope.integers.get(bytes(node["input"][1])) if len(inputs) > 1 else None
        n_parts = attributes.get(b"num_outputs", {}).get("i") if sizes is None else len(sizes)
        if n_parts != len(outputs):
            raise ModelFileError("Split does not say into how many parts, or has more or fewer")
    for result, kind in zip(outputs, _answers(name, inputs, attributes, scope, len(outputs)), strict=True):
        if len(result):
            scope.define(result, kind)


def _answers(name: str, inputs: list, attributes: dict, scope: _Scope, n_outputs: int) -> list[int | None]:
    """Return the types of a node's outputs, after a look at its attributes."""
    body = None
    for key, attribute in attributes.items():
        if len(_VALUES & attribute.keys()) > 1:
            raise ModelFileError(f"an attribute of {name} has several values")
        if key in _POSITIVE and min(attribute.get("ints", [attribute.get("i", 0)])) < 1:
            raise ModelFileError(f"{name} has {printable(key.decode('ascii'))} below 1")
        if "t" in attribute:
            _check_tensor(attribute["t"])
        if "g" in attribute:
            if name != "Loop" or key != b"body":
                raise ModelFileError(f"{name} holds a graph")
            body = _check_graph(attribute["g"], scope, [INT64, BOOL, *inputs[2:]])
    if name == "Loop":
        if body is None or len(body) != n_outputs + 1:
            raise ModelFileError("a loop has no body, or one with other outputs")
        return body[1:]
    if name == "TopK":
        return [_first(inputs), INT64][:n_outputs]
    if name == "Cast":
        kind = _known_type(attributes.get(b"to", {}).get("i"))
    elif name == "Constant":
        kind = attributes.get(b"value", {}).get("t", {}).get("data_type")
        if kind is None:
            raise ModelFileError("Constant holds no tensor")
    elif name == "ConstantOfShape":
        kind = attributes.get(b"value", {}).get("t", {}).get("data_type", FLOAT)
    elif name in _ANSWER_BOOL:
        kind = BOOL
    elif name in _ANSWER_INT64:
        kind = INT64
    else:
        index = _ANSWER_AS_INPUT.get(name, 0)
        if index >= len(inputs) or inputs[index] is None:
            raise ModelFileError(f"{name} lacks an input")
        kind = inputs[index]
    return [kind] * n_outputs


def _first(inputs: list) -> int | None:
    return inputs[0] if inputs else None


def _check_tensor(tensor: dict) -> int:
    """Return the type of a tensor whose values are all there."""
    kind = _known_type(tensor.get("data_type"))
    dims = tensor.get("dims", [])
    if len(dims) > _MOST_SIDES or any(n < 0 for n in dims) or (size := math.prod(dims)) > _MOST_VALUES:
        raise ModelFileError("a tensor's shape is out of range")
    if "raw_data" in tensor:
        fits = len(tensor["raw_data"]) == size * ITEM_BYTES[kind]
    else:
        fits = size <= sum(len(value) for field, value in tensor.items() if field in PACKED)
    if not fits:
        raise ModelFileError("a tensor has more or fewer values than its shape says")
    return kind


def _type_of_info(tensor: dict) -> int:
    return _known_type(tensor.get("type", {}).get("tensor_type", {}).get("elem_type"))


def _known_type(kind: Any) -> int:
    if kind not in ITEM_BYTES:
        raise ModelFileError(f"it has tensors of ONNX's type {kind}")
    return kind


def _shown(key: bytes) -> str:
    return repr(printable(key.decode(errors="replace")))
