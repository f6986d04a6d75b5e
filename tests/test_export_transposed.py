"""A decoder's last transposed convolutions, computed on the coarse grid, answer as they did."""

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from skvq import VQVAE, to_onnx
from skvq.export._transposed import fold_last_upsampling

KERNELS = [(2, 2, 0), (3, 2, 0), (3, 2, 1), (4, 2, 1), (4, 2, 2), (5, 2, 1), (6, 2, 2), (3, 3, 0), (5, 3, 1), (2, 1, 0)]


def decoder(first, second, sizes, *, bias=True, relu=True, channels=(3, 4, 1), seed=0, **changes):
    """A graph of two ConvTransposes, each of (kernel, stride, cut off at the top and the left)."""
    generator = np.random.default_rng(seed)
    nodes, constants, source = [], {}, "x"
    for number, (kernel, stride, before) in enumerate((first, second)):
        shape = (channels[number], channels[number + 1], kernel, kernel)
        constants[f"W{number}"] = generator.standard_normal(shape).astype(np.float32)
        constants[f"B{number}"] = generator.standard_normal(shape[1]).astype(np.float32)
        after = kernel - stride - before
        attributes = {"strides": [stride] * 2, "pads": [before, before, after, after], **changes}
        inputs = [source, f"W{number}", f"B{number}"][: 3 if bias else 2]
        nodes.append(helper.make_node("ConvTranspose", inputs, [f"up{number}"], name=f"up{number}", **attributes))
        source = f"up{number}"
        if relu and number == 0:
            nodes.append(helper.make_node("Relu", [source], ["relu"], name="relu"))
            source = "relu"
    used = {name for node in nodes for name in node.input}
    graph = helper.make_graph(
        nodes,
        "decoder",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", channels[0], *sizes])],
        [helper.make_tensor_value_info("up1", TensorProto.FLOAT, ["batch", channels[2], "height", "width"])],
        [numpy_helper.from_array(value, name) for name, value in constants.items() if name in used],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def run(model, x):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # the old weights stay in the graph until it is renamed
    return onnxruntime.InferenceSession(model.SerializeToString(), options).run(None, {"x": x})[0]


def folded(model):
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    fold_last_upsampling(copy.graph)
    return copy


def kinds(model):
    return [node.op_type for node in model.graph.node]


@settings(max_examples=40)
@given(
    first=st.sampled_from(KERNELS),
    second=st.sampled_from(KERNELS),
    sizes=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    bias=st.booleans(),
    relu=st.booleans(),
    seed=st.integers(0, 99),
)
def test_answers_stay_for_every_kernel_stride_and_size(first, second, sizes, bias, relu, seed):
    model = decoder(first, second, sizes, bias=bias, relu=relu, seed=seed)
    after = folded(model)
    onnx.checker.check_model(after, full_check=True)
    assert "ConvTranspose" not in kinds(after)
    x = np.random.default_rng(seed).standard_normal((2, 3, *sizes)).astype(np.float32)
    expected = run(model, x)
    answer = run(after, x)
    assert answer.shape == expected.shape
    np.testing.assert_allclose(answer, expected, atol=1e-5 * max(1, np.abs(expected).max()))


@pytest.mark.parametrize(
    "model",
    [
        decoder((4, 2, 1), (4, 2, 1), (3, 3), channels=(3, 4, 16)),
        decoder((4, 2, 1), (4, 2, 1), (3, 3), pads=[0, 0, 0, 0]),
        decoder((4, 2, 1), (4, 2, 1), (3, 3), output_padding=[1, 1]),
        decoder((4, 2, 1), (4, 2, 1), (3, 3), strides=[2, 1], pads=[1, 1, 1, 2]),
    ],
    ids=["many channels", "other size", "output padding", "uneven strides"],
)
def test_what_does_not_fit_stays(model):
    assert folded(model) == model


def test_what_is_used_elsewhere_stays():
    model = decoder((4, 2, 1), (4, 2, 1), (3, 3))
    model.graph.output.append(helper.make_tensor_value_info("relu", TensorProto.FLOAT, None))
    assert folded(model) == model


@pytest.mark.parametrize(("shape", "downsampling"), [((9, 14), 4), ((16, 8), 8), ((1, 12), 4)])
def test_decoders_are_exported_so(shape, downsampling):
    X = np.random.default_rng(0).random((20, *shape), dtype=np.float32)
    vqvae = VQVAE(6, 2, downsampling=downsampling, hidden_channels=4, n_residual_blocks=0, max_iter=1, random_state=0)
    model = to_onnx(vqvae.fit(X), "decoder")  # which compares it with Keras
    assert kinds(model).count("ConvTranspose") == {4: 0, 8: 1}[downsampling]
    assert kinds(model).count("DepthToSpace") == 1
    (images,) = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"codes": vqvae.transform(X)})
    np.testing.assert_allclose(images[..., 0], vqvae.reconstruct(X), atol=1e-5)
