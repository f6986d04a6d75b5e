"""A wide Split or Concat, done in stages, answers as it did."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from skvq.export._bindings import limit_bindings


def shuffled(n):
    """A model that splits rows into n pieces of one and two columns, and joins them in reverse."""
    sizes = np.resize(np.array([1, 2]), n)
    parts = [f"part{k}" for k in range(n)]
    nodes = [
        helper.make_node("Split", ["x", "sizes"], parts, axis=1),
        helper.make_node("Concat", parts[::-1], ["y"], axis=-1),
    ]
    graph = helper.make_graph(
        nodes,
        "shuffled",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", int(sizes.sum())])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", int(sizes.sum())])],
        [numpy_helper.from_array(sizes, "sizes")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8), int(sizes.sum())


@pytest.mark.parametrize("n", [2, 6, 7, 12, 37, 50])
def test_answers_stay_for_every_number_of_pieces(n):
    model, width = shuffled(n)
    limited = onnx.ModelProto()
    limited.CopyFrom(model)
    limit_bindings(limited.graph)
    onnx.checker.check_model(limited, full_check=True)
    counts = [len(node.output) if node.op_type == "Split" else len(node.input) for node in limited.graph.node]
    assert max(counts) <= 6
    assert (len(counts) == 2) == (n <= 6)
    x = np.arange(2 * width, dtype=np.float32).reshape(2, width)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # the old sizes stay in the graph until it is renamed
    before, after = (
        onnxruntime.InferenceSession(m.SerializeToString(), options).run(None, {"x": x})[0] for m in (model, limited)
    )
    np.testing.assert_array_equal(after, before)
