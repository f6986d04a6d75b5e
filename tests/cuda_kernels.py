"""The CUDA kernels that onnxruntime publishes for the operators of exported graphs, at opset 18.

Transcribed from docs/OperatorKernels.md of https://github.com/microsoft/onnxruntime, at commit 001d12d2623f, section
"Operators implemented by CUDAExecutionProvider": of each operator the row that covers opset 18, with the types of its
inputs, called as ONNX calls them.
"""

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
