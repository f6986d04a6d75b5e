"""Pipelines that skl2onnx converts answer as the pipelines do, for every encoding and type of input."""

import sys

import numpy as np
import onnx
import onnxruntime
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skvq import VQVAE, PixelCNNPrior
from skvq import to_onnx as part_to_onnx
from skvq.export import ExportError, register_converters
from skvq.export._search import latents_of, search_of
from skvq.networks.quantizers import EMAQuantizer

TINY = {"hidden_channels": 8, "n_residual_blocks": 1, "max_iter": 1, "random_state": 0}


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:200].astype(np.float32), y[:200]


@pytest.fixture(scope="module")
def scaled_vqvae(digits):
    vqvae = VQVAE(16, 4, image_shape=(8, 8), downsampling=2, **TINY)
    return make_pipeline(StandardScaler(), vqvae).fit(digits[0])


@pytest.fixture(scope="module")
def to_onnx():
    convert = pytest.importorskip("skl2onnx").to_onnx
    register_converters()
    return convert


def answers(model, X):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: X})


@pytest.mark.parametrize(
    ("output", "dtype"),
    [
        ("codes", np.float32),
        ("codes", np.float64),
        ("quantized", np.float32),
        ("latents", np.float64),
        ("histogram", np.float32),
    ],
)
def test_a_scaler_and_a_vqvae_answer_what_transform_does(digits, scaled_vqvae, to_onnx, output, dtype):
    X = digits[0].astype(dtype)
    scaled_vqvae[-1].set_params(output=output)
    try:
        model = to_onnx(scaled_vqvae, X[:1], options={StandardScaler: {"div": "div"}})
        expected = scaled_vqvae.transform(X)
    finally:
        scaled_vqvae[-1].set_params(output="codes")
    onnx.checker.check_model(model, full_check=True)
    (features,) = answers(model, X)
    assert features.dtype == expected.dtype
    assert features.shape == expected.shape
    if output == "latents":
        np.testing.assert_allclose(features, expected, atol=1e-5 * max(1, np.abs(expected).max()))
        assert "TopK" not in {node.op_type for node in model.graph.node}  # nobody asks for codes
    else:
        np.testing.assert_allclose(features, expected, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_classifier_behind_one_hot_codes(digits, scaled_vqvae, to_onnx, dtype):
    X, y = digits[0].astype(dtype), digits[1]
    one_hot = OneHotEncoder(handle_unknown="ignore").fit(scaled_vqvae.transform(X))
    classifier = LogisticRegression(max_iter=20, tol=0.1).fit(one_hot.transform(scaled_vqvae.transform(X)), y)
    pipe = make_pipeline(*scaled_vqvae, one_hot, classifier)
    labels, probabilities = answers(to_onnx(pipe, X[:1], options={"zipmap": False}), X)
    np.testing.assert_array_equal(labels, pipe.predict(X))
    np.testing.assert_allclose(probabilities, pipe.predict_proba(X), atol=1e-5)


def test_a_prior_at_the_end_hands_codes_on(digits, scaled_vqvae, to_onnx):
    codes = scaled_vqvae.transform(digits[0])
    prior = PixelCNNPrior(16, hidden_channels=4, n_layers=1, max_iter=1, random_state=0).fit(codes)
    pipe = make_pipeline(*scaled_vqvae, prior)
    (answer,) = answers(to_onnx(pipe, digits[0][:1]), digits[0])
    np.testing.assert_array_equal(answer, codes)
    floats = codes[:5].astype(np.float32)
    np.testing.assert_array_equal(answers(to_onnx(prior, floats), floats)[0], codes[:5])


def test_two_in_one_graph_keep_apart(digits, scaled_vqvae, to_onnx):
    vectors = VQVAE(9, 4, downsampling=8, quantizer="fsq", output="latents", **TINY).fit(digits[0])
    union = make_union(scaled_vqvae[-1], vectors)
    (features,) = answers(to_onnx(union, digits[0][:1]), digits[0])
    np.testing.assert_allclose(features, union.transform(digits[0]), atol=1e-4)


def test_columns_of_a_table_come_together(digits, to_onnx):
    from skl2onnx.common.data_types import FloatTensorType, Int64TensorType

    X = digits[0][:, 20:24]
    vqvae = VQVAE(8, 2, downsampling=2, output="quantized", **TINY).fit(X)
    types = [("a", FloatTensorType([None, 1])), ("b", Int64TensorType([None, 3]))]
    model = to_onnx(vqvae, initial_types=types)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (features,) = session.run(None, {"a": X[:, :1], "b": X[:, 1:].astype(np.int64)})
    np.testing.assert_allclose(features, vqvae.transform(X), atol=1e-6)


def test_newer_and_older_operator_sets(digits, scaled_vqvae, to_onnx):
    model = to_onnx(scaled_vqvae, digits[0][:1], target_opset=18)
    assert {entry.domain: entry.version for entry in model.opset_import}[""] == 18
    np.testing.assert_array_equal(answers(model, digits[0])[0], scaled_vqvae.transform(digits[0]))
    with pytest.raises(ExportError, match=r"target_opset must be at least 18 .* VQVAE; got 15. Pass target_opset=18"):
        to_onnx(scaled_vqvae, digits[0][:1], target_opset=15)


def test_latents_that_the_quantizer_changes_are_refused(digits, to_onnx):
    vqvae = VQVAE(8, 4, downsampling=8, quantizer=ShiftingQuantizer, output="latents", **TINY).fit(digits[0])
    with pytest.raises(ExportError, match=r"latents found in the encoder's graph differ by .* from those of transform"):
        to_onnx(vqvae, digits[0][:1])


class ShiftingQuantizer(EMAQuantizer):
    """Searches at another place than where the latents are."""

    def assign(self, latents):
        return super().assign(latents * 2.0)


def test_the_search_is_the_last_product(scaled_vqvae):
    graph = part_to_onnx(scaled_vqvae[-1], "encoder").graph
    products, others = search_of(graph)
    assert len(products) == 1
    makers = {result: node.op_type for node in graph.node for result in node.output}
    assert latents_of(graph) in makers
    assert not {"Conv", "Relu"} & {node.op_type for node in others}
    assert graph.output[0].name in {result for node in others for result in node.output}


def test_skl2onnx_missing_is_named_with_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "skl2onnx", None)
    with pytest.raises(ImportError, match=r'skl2onnx must be installed.*pip install "skvq\[sklearn-onnx\]"'):
        register_converters()
