"""Transposes are taken above what they follow without a change in what the graph computes."""

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper, numpy_helper

from skvq.export._layout import drop_dead_nodes, drop_whole_slices, hoist_transposes
from skvq.export._tidy import cancel_transposes, drop_repetitions

OPSET = 18
TO_LAST, TO_FIRST = [0, 2, 3, 1], [0, 3, 1, 2]


class Chain:
    """Operators one after the other on a tensor (2, 5, 6, 4), channels last; it arrives with channels first."""

    def __init__(self):
        self.nodes, self.constants = [], []
        self.shape = [2, 5, 6, 4]
        self.end = self.add("Transpose", ["x"], perm=TO_LAST)

    def constant(self, value):
        self.constants.append(numpy_helper.from_array(np.asarray(value), f"c{len(self.constants)}"))
        return self.constants[-1].name

    def add(self, op_type, inputs, n_outputs=1, **attributes):
        outputs = [f"t{len(self.nodes)}_{k}" for k in range(n_outputs)]
        self.nodes.append(helper.make_node(op_type, inputs, outputs, **attributes))
        return outputs[0] if n_outputs == 1 else outputs

    def bias(self, axis):
        values = np.arange(self.shape[3], dtype=np.float32)
        self.end = self.add("Add", [self.end, self.constant(values if axis else values[:1])])

    def relu(self, axis):
        self.end = self.add("Relu", [self.end])

    def pad(self, axis):
        pads = np.zeros(8, np.int64)
        pads[axis], pads[4 + axis] = 1, 2
        self.shape[axis] += 3
        self.end = self.add("Pad", [self.end, self.constant(pads)])

    def pad_named_axes(self, axis):
        self.shape[axis] += 3
        names = [self.constant(np.array(v)) for v in ([1, 2], [axis - 4])]
        self.end = self.add("Pad", [self.end, names[0], "", names[1]])

    def slice(self, axis):
        starts, ends, axes = [0, 1], [2**31, self.shape[axis]], [(axis + 1) % 4, axis]
        self.end = self.add("Slice", [self.end, *(self.constant(np.array(v)) for v in (starts, ends, axes))])
        self.shape[axis] -= 1

    def gate(self, axis):
        sizes = np.array([self.shape[axis] // 2, self.shape[axis] - self.shape[axis] // 2])
        one, _ = self.add("Split", [self.end, self.constant(sizes)], 2, axis=axis)
        self.shape[axis] = int(sizes[0])
        self.end = self.add("Mul", [self.add("Tanh", [one]), self.add("Sigmoid", [one])])

    def concat(self, axis):
        self.end = self.add("Concat", [self.end, self.end], axis=axis)
        self.shape[axis] *= 2

    def graph(self):
        result = self.add("Transpose", [self.end], perm=TO_FIRST)
        return helper.make_graph(
            self.nodes,
            "chain",
            [helper.make_tensor_value_info("x", 1, ["batch", 4, 5, 6])],
            [helper.make_tensor_value_info(result, 1, None)],
            self.constants,
        )


STEPS = ("bias", "relu", "pad", "pad_named_axes", "slice", "gate", "concat")


def answers(graph, x):
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # constants of the operators that are gone are left for later
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})


def n_transposes(graph):
    return sum(node.op_type == "Transpose" for node in graph.node)


@settings(max_examples=100)
@given(steps=st.lists(st.tuples(st.sampled_from(STEPS), st.integers(1, 3)), min_size=1, max_size=8))
def test_chains_between_two_layouts_keep_none(steps):
    chain = Chain()
    for name, axis in steps:
        if name not in ("gate", "slice") or chain.shape[axis] > 1:
            getattr(chain, name)(axis)
    graph = chain.graph()
    x = np.random.default_rng(0).normal(size=(2, 4, 5, 6)).astype(np.float32)
    expected = answers(graph, x)
    cancel_transposes(graph)
    hoist_transposes(graph, OPSET)
    assert n_transposes(graph) == 0
    for wanted, got in zip(expected, answers(graph, x), strict=True):
        np.testing.assert_array_equal(got, wanted)


def test_what_others_need_as_it_is_stays():
    chain = Chain()
    chain.relu(1)
    shared = chain.end
    chain.bias(1)
    graph = chain.graph()
    graph.output.add().CopyFrom(helper.make_tensor_value_info(shared, 1, None))
    x = np.random.default_rng(0).normal(size=(2, 4, 5, 6)).astype(np.float32)
    expected = answers(graph, x)
    hoist_transposes(graph, OPSET)
    assert n_transposes(graph) == 2
    for wanted, got in zip(expected, answers(graph, x), strict=True):
        np.testing.assert_array_equal(got, wanted)


def test_one_transpose_is_not_exchanged_for_two():
    nodes = [
        helper.make_node("Relu", ["x"], ["a"]),
        helper.make_node("Tanh", ["x"], ["b"]),
        helper.make_node("Add", ["a", "b"], ["c"]),
        helper.make_node("Transpose", ["c"], ["y"], perm=TO_LAST),
        helper.make_node("Mul", ["a", "b"], ["z"]),
    ]
    ends = [helper.make_tensor_value_info(name, 1, None) for name in "yz"]
    graph = helper.make_graph(nodes, "sum", [helper.make_tensor_value_info("x", 1, [2, 4, 5, 6])], ends)
    hoist_transposes(graph, OPSET)
    assert n_transposes(graph) == 1
    assert [node.op_type for node in graph.node] == ["Relu", "Tanh", "Add", "Transpose", "Mul"]


def test_dead_nodes_go():
    chain = Chain()
    graph = chain.graph()
    graph.node.add(op_type="Relu", input=["x"], output=["unused"])
    graph.node.add(op_type="Relu", input=["unused"], output=["unused too"])
    drop_dead_nodes(graph)
    assert [node.op_type for node in graph.node] == ["Transpose", "Transpose"]


@pytest.mark.parametrize(
    ("ends", "n_slices"),
    [([2**31 - 1, 5, 9], 0), ([9, 5, 6], 1), ([2**31 - 1, 5, 5], 1), ([2**31 - 1, 4, 6], 1)],
)
def test_slices_that_cut_nothing_off_go(ends, n_slices):
    values = {"starts": [0, 0, 0], "ends": ends, "axes": [0, 1, 2]}
    nodes = [
        helper.make_node("Transpose", ["x"], ["t"], perm=TO_LAST),
        helper.make_node("Slice", ["t", *values], ["s"]),
        helper.make_node("Relu", ["s"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "slices",
        [helper.make_tensor_value_info("x", 1, ["batch", 4, 5, 6])],
        [helper.make_tensor_value_info("y", 1, None)],
        [numpy_helper.from_array(np.array(value), name) for name, value in values.items()],
    )
    drop_whole_slices(graph, OPSET)
    drop_dead_nodes(graph)
    assert sum(node.op_type == "Slice" for node in graph.node) == n_slices


def test_repetitions_go():
    nodes = [
        helper.make_node("Relu", ["x"], ["a"]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Reshape", ["b", "pairs"], ["c"]),
        helper.make_node("Reshape", ["c", "flat"], ["y"]),
        helper.make_node("Reshape", ["c", "copied"], ["z"]),  # 0 copies a size from c
    ]
    constants = {"pairs": [-1, 2], "flat": [-1], "copied": [0, 2]}
    graph = helper.make_graph(
        nodes,
        "repetitions",
        [helper.make_tensor_value_info("x", 1, [2, 4, 5, 6])],
        [helper.make_tensor_value_info(name, 1, None) for name in "yz"],
        [numpy_helper.from_array(np.array(value), name) for name, value in constants.items()],
    )
    x = np.random.default_rng(0).normal(size=(2, 4, 5, 6)).astype(np.float32)
    expected = answers(graph, x)
    drop_repetitions(graph)
    drop_dead_nodes(graph)
    assert [(node.op_type, node.input[0]) for node in graph.node] == [
        ("Relu", "x"),
        ("Reshape", "a"),
        ("Reshape", "a"),
        ("Reshape", "c"),
    ]
    for wanted, got in zip(expected, answers(graph, x), strict=True):
        np.testing.assert_array_equal(got, wanted)
