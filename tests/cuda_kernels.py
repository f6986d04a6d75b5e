"""The CUDA kernels that onnxruntime publishes for the operators of exported graphs, at opset 18.

Transcribed from docs/OperatorKernels.md of https://github.com/microsoft/onnxruntime, at commit 001d12d2623f, section
"Operators implemented by CUDAExecutionProvider": of each operator the row that covers opset 18, with the types of its
inputs, called as ONNX calls them.
"""

import math

import onnx
from onnx import helper

OPSET = 18
FLOATS = {"double", "float", "float16"}
FLOATS_BF = FLOATS | {"bfloat16"}
INTEGERS = {"int16", "int32", "int64", "int8", "uint16", "uint32", "uint64", "uint8"}
WIDE = {"int32", "int64", "uint32", "uint64"}
ANY = FLOATS_BF | INTEGERS | {"bool"}
INDICES = {"int32", "int64"}

_ARITHMETIC = {"A": FLOATS_BF | INTEGERS, "B": FLOATS_BF | INTEGERS}
_COMPARISON = {"A": FLOATS | WIDE, "B": FLOATS | WIDE}
_LOGIC = {"A": {"bool"}, "B": {"bool"}}
_CHOSEN = FLOATS_BF | INDICES | {"uint8"}
_AXES = {"axes": {"int64"}}

# Operator -> (first opset, last opset or None, types by input).
CUDA_KERNELS = {
    "Add": (14, None, _ARITHMETIC),
    "And": (7, None, _LOGIC),
    "Cast": (13, 18, {"input": ANY}),
    "Concat": (13, None, {"inputs": ANY}),
    "Conv": (11, 21, {"X": FLOATS, "W": FLOATS, "B": FLOATS}),
    "ConvTranspose": (11, None, {"X": FLOATS, "W": FLOATS, "B": FLOATS}),
    "CumSum": (14, None, {"x": FLOATS | WIDE, "axis": INDICES}),
    "DepthToSpace": (13, None, {"input": FLOATS}),
    "Div": (14, None, _ARITHMETIC),
    "Equal": (13, None, {"A": FLOATS | WIDE | {"bool"}, "B": FLOATS | WIDE | {"bool"}}),
    "Exp": (13, None, {"input": FLOATS_BF}),
    "Expand": (13, None, {"input": ANY, "shape": {"int64"}}),
    "Gather": (13, None, {"data": ANY, "indices": INDICES}),
    "Gemm": (13, None, {"A": FLOATS_BF, "B": FLOATS_BF, "C": FLOATS_BF}),
    "Greater": (13, None, _COMPARISON),
    "GreaterOrEqual": (16, None, _COMPARISON),
    "Identity": (14, 18, {"input": ANY}),
    "If": (13, 18, {"cond": {"bool"}}),
    "Less": (13, None, _COMPARISON),
    "LessOrEqual": (16, None, _COMPARISON),
    "LogSoftmax": (13, None, {"input": FLOATS}),
    "Loop": (13, 18, {"M": {"int64"}, "cond": {"bool"}, "v_initial": ANY | {"string"}}),
    "MatMul": (13, None, {"A": FLOATS_BF, "B": FLOATS_BF}),
    "Max": (13, None, {"data_0": FLOATS_BF | WIDE}),
    "Min": (13, None, {"data_0": FLOATS_BF | WIDE}),
    "Mul": (14, None, _ARITHMETIC),
    "Not": (1, None, {"X": {"bool"}}),
    "OneHot": (
        11,
        None,
        {"indices": INDICES, "depth": INDICES, "values": {"float", "float16", "int64"}},
    ),
    "Or": (7, None, _LOGIC),
    "Pad": (18, None, {"data": FLOATS | {"bool"}, "pads": {"int64"}, "constant_value": FLOATS, "axes": INDICES}),
    "ReduceMax": (18, None, {"data": FLOATS | INDICES, **_AXES}),
    "ReduceMean": (18, None, {"data": FLOATS | {"int32"}, **_AXES}),
    "ReduceMin": (18, None, {"data": FLOATS | INDICES | {"int8", "uint8"}, **_AXES}),
    "ReduceProd": (18, None, {"data": FLOATS | {"int32"}, **_AXES}),
    "ReduceSum": (13, None, {"data": FLOATS_BF | INDICES, **_AXES}),
    "Relu": (14, None, {"X": FLOATS_BF}),
    "Reshape": (14, 18, {"data": ANY, "shape": {"int64"}}),
    "Round": (11, None, {"X": FLOATS}),
    "Shape": (15, 18, {"data": ANY}),
    "Sigmoid": (13, None, {"X": FLOATS_BF}),
    "Slice": (
        13,
        None,
        {"data": ANY, "starts": INDICES, "ends": INDICES, "axes": INDICES, "steps": INDICES},
    ),
    "Split": (18, None, {"input": ANY, "split": {"int64"}}),
    "Squeeze": (13, 20, {"data": ANY, **_AXES}),
    "Sub": (14, None, _ARITHMETIC),
    "Tanh": (13, None, {"input": FLOATS_BF}),
    "TopK": (11, None, {"X": FLOATS | INDICES, "K": {"int64"}}),
    "Transpose": (13, 20, {"data": ANY}),
    "Unsqueeze": (13, 20, {"data": ANY, **_AXES}),
    "Where": (16, None, {"condition": {"bool"}, "X": _CHOSEN, "Y": _CHOSEN}),
}


def unsupported(model):
    """What of a model has no CUDA kernel on the published list, as lines of text."""
    types = {}
    for node in _nodes_with_types(model.graph, types):
        first, last, inputs = CUDA_KERNELS.get(node.op_type, (math.inf, 0, {}))
        if not first <= OPSET <= (last or OPSET):
            yield f"{node.op_type}: no kernel at opset {OPSET}"
            continue
        formals = onnx.defs.get_schema(node.op_type, OPSET).inputs
        for index, name in enumerate(node.input):
            formal = formals[min(index, len(formals) - 1)].name
            if name and types[name] not in inputs[formal]:
                yield f"{node.op_type}: {formal} is {types[name]}"


def _nodes_with_types(graph, types):
    """Each node of a graph and of those inside it; ``types`` is filled with the types of all tensors before it."""
    for value in graph.input:
        types.setdefault(value.name, _type_name(value.type.tensor_type.elem_type))
    for tensor in graph.initializer:
        types[tensor.name] = _type_name(tensor.data_type)
    for node in graph.node:
        attributes = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
        bodies = [value for value in attributes.values() if isinstance(value, onnx.GraphProto)]
        for body in bodies:
            yield from _nodes_with_types(body, types)
        schema = onnx.defs.get_schema(node.op_type, OPSET)
        by_symbol = {}
        for index, name in enumerate(node.input):
            by_symbol.setdefault(schema.inputs[min(index, len(schema.inputs) - 1)].type_str, types.get(name))
        for index, name in enumerate(node.output):
            symbol = schema.outputs[min(index, len(schema.outputs) - 1)].type_str
            if bodies:
                skipped = 1 if node.op_type == "Loop" else 0  # a loop's body answers first whether to go on
                types[name] = types[bodies[0].output[index + skipped].name]
            elif node.op_type == "Cast":
                types[name] = _type_name(attributes["to"])
            else:
                types[name] = by_symbol.get(symbol) or {"tensor(int64)": "int64", "tensor(bool)": "bool"}.get(
                    symbol, _only_type(schema, symbol)
                )
        yield node


def _only_type(schema, symbol):
    (allowed,) = (c.allowed_type_strs for c in schema.type_constraints if c.type_param_str == symbol)
    (name,) = allowed
    return name.removeprefix("tensor(").removesuffix(")")


def _type_name(element_type):
    name = helper.tensor_dtype_to_np_dtype(element_type).name
    return {"float32": "float", "float64": "double"}.get(name, name)
