"""Models in eight bits are smaller, run anywhere, and say what they cost."""

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

import skvq
from skvq import VQVAE, metrics, to_onnx
from skvq.export import quantize
from skvq.export._search import search_of


@pytest.fixture(scope="module")
def models(vqvae):
    return to_onnx(vqvae, "encoder"), to_onnx(vqvae, "decoder")


@pytest.fixture(scope="module")
def quantized(models, images):
    return quantize(models, images, min_agreement=0.0, max_mse_increase=1.0)


def run(model, rows):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: rows})[0]


def float_rows(images):
    return images[..., None].astype(np.float32)


class TestModels:
    def test_only_operators_of_onnx_and_valid(self, quantized):
        for model in quantized[0]:
            onnx.checker.check_model(model, full_check=True)
            assert {(entry.domain, entry.version) for entry in model.opset_import} == {("", 18)}
            assert {node.domain for node in model.graph.node} == {""}
            assert model.producer_name == "skvq"

    def test_weights_are_int8_with_a_scale_a_channel(self, models, quantized):
        for before, after in zip(models, quantized[0], strict=True):
            constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in after.graph.initializer}
            rounded = [value for value in constants.values() if value.dtype == np.int8 and value.ndim == 4]
            assert rounded
            floats = sum(tensor.ByteSize() for tensor in before.graph.initializer)
            assert sum(value.nbytes for value in constants.values()) < floats
            scales = [value for name, value in constants.items() if name.endswith("_scale") and value.ndim == 1]
            assert {len(value) for value in scales} & {value.shape[0] for value in rounded}

    def test_the_search_is_exact(self, models, quantized):
        (before,), (after,) = search_of(models[0].graph)[0], search_of(quantized[0][0].graph)[0]
        tables = []
        for model, node in ((models[0], before), (quantized[0][0], after)):
            constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
            tables.append(next(constants[name] for name in node.input if name in constants))
        assert tables[1].dtype == np.float32
        np.testing.assert_array_equal(*tables)

    def test_rim_and_metadata_stay(self, models, quantized):
        for before, after in zip(models, quantized[0], strict=True):
            assert list(after.graph.input) == list(before.graph.input)
            assert list(after.graph.output) == list(before.graph.output)
            assert after.graph.name == before.graph.name
            found = {entry.key: entry.value for entry in after.metadata_props}
            assert json.loads(found.pop("skvq.quantization"))["weights"] == "int8"
            assert found == {entry.key: entry.value for entry in before.metadata_props}

    def test_the_runtime_runs_them(self, vqvae, images, quantized, tmp_path):
        for part, model in zip(("encoder", "decoder"), quantized[0], strict=True):
            onnx.save(model, tmp_path / f"{part}.onnx")
        codes = skvq.runtime.load(tmp_path / "encoder.onnx").transform(images)
        assert (codes == vqvae.transform(images)).mean() == quantized[1].code_agreement
        answer = skvq.runtime.load(tmp_path / "decoder.onnx").inverse_transform(codes)
        assert answer.dtype == np.uint8
        assert np.abs(answer.astype(int) - vqvae.inverse_transform(codes)).mean() < 4

    def test_same_calibration_gives_same_bytes(self, models):
        first, second = (quantize(models[1], some_codes(), max_mse_increase=1.0)[0] for _ in range(2))
        assert first.SerializeToString(deterministic=True) == second.SerializeToString(deterministic=True)

    def test_models_given_are_not_changed(self, models, images):
        before = [model.SerializeToString(deterministic=True) for model in models]
        quantize(models, images[:8], min_agreement=0.0, max_mse_increase=1.0)
        assert [model.SerializeToString(deterministic=True) for model in models] == before

    def test_vectors(self):
        X = np.random.default_rng(0).random((64, 24), dtype=np.float32)
        vqvae = VQVAE(8, 4, hidden_channels=16, max_iter=1, random_state=0).fit(X)
        parts = to_onnx(vqvae, "encoder"), to_onnx(vqvae, "decoder")
        (encoder, _), report = quantize(parts, X, min_agreement=0.0, max_mse_increase=1.0)
        assert report.ssim is None
        assert report.code_agreement == (run(encoder, X) == vqvae.transform(X)).mean() > 0.8


def some_codes():
    return np.random.default_rng(0).integers(0, 12, (40, 4))


class TestReport:
    def test_figures_are_those_of_the_models(self, models, images, quantized):
        rows = float_rows(images)
        (encoder, decoder), report = quantized
        before = run(models[1], run(models[0], rows))
        after = run(decoder, run(encoder, rows))
        assert report.n == len(images)
        assert report.code_agreement == (run(encoder, rows) == run(models[0], rows)).mean()
        assert report.mse == (metrics.mse(rows, before), metrics.mse(rows, after))
        assert report.mse_increase == pytest.approx((report.mse[1] - report.mse[0]) / rows.var(), rel=1e-4)
        assert report.n_bytes["encoder"] == tuple(model.ByteSize() for model in (models[0], encoder))
        assert report.ssim is None  # 8 × 8 pixels are below its window
        for text in ("encoder", "decoder", "codes", "MSE", f"measured on {len(images)} rows"):
            assert text in str(report)

    def test_ssim_where_images_hold_its_window(self):
        pytest.importorskip("skimage")
        X = np.random.default_rng(0).random((24, 12, 12), dtype=np.float32)
        vqvae = VQVAE(8, 4, hidden_channels=8, max_iter=1, random_state=0).fit(X)
        decoder = to_onnx(vqvae, "decoder")
        model, report = quantize(decoder, vqvae.transform(X), max_mse_increase=1.0)
        low, high = vqvae.data_range_
        images = [run(one, vqvae.transform(X)) for one in (decoder, model)]
        assert report.ssim == (1.0, metrics.ssim(*images, data_range=high - low))
        assert report.mse == (0.0, metrics.mse(*images))
        assert report.code_agreement is None
        assert "SSIM" in str(report)

    def test_other_rows_can_be_measured(self, models, images, quantized):
        (encoder, _), report = quantize(models, images, X_test=images[:7], min_agreement=0.0, max_mse_increase=1.0)
        assert report.n == 7
        assert encoder == quantized[0][0]

    def test_kept_layers_stay_float(self, models, images):
        names = [node.name for node in models[0].graph.node if node.op_type == "Conv"]
        model, report = quantize(models[0], images, keep=names)
        assert report.kept == tuple(f"encoder/{name}" for name in names)
        assert report.code_agreement == 1.0
        assert not [node for node in model.graph.node if node.op_type == "QuantizeLinear"]
        assert quantize(models[0], images, min_agreement=0.0)[1].kept == (f"encoder/{names[0]}", f"encoder/{names[-1]}")

    @pytest.mark.parametrize(
        ("keep", "kept"),
        [
            ("Conv_0", ("encoder/Conv_0", "decoder/Conv_0")),
            ("decoder/Conv_0", ("decoder/Conv_0",)),
            ("encoder/Conv_0", ("encoder/Conv_0",)),
        ],
    )
    def test_a_name_may_say_of_which_model(self, models, images, keep, kept):
        pair, report = quantize(models, images, keep=(name for name in [keep]), min_agreement=0.0, max_mse_increase=1.0)
        assert report.kept == kept
        assert str(report).endswith(f"kept in float32: {', '.join(kept)}")
        for part, model in zip(("encoder", "decoder"), pair, strict=True):
            constants = {tensor.name for tensor in model.graph.initializer}
            (weight,) = (node.input[1] for node in model.graph.node if node.name == "Conv_0")
            assert (weight in constants) == (f"{part}/Conv_0" in kept)  # and not what a DequantizeLinear makes of one


class TestWarnings:
    def test_codes_that_change_too_often(self, models, images):
        black = np.zeros_like(images[:1])  # whatever is brighter goes beyond the ranges
        with pytest.warns(UserWarning, match=r"than is allowed: .*% of codes are equal, min_agreement=0.95 \(96 rows"):
            quantize(models[0], black, X_test=images)

    def test_images_that_change_too_much(self, models, images):
        with pytest.warns(UserWarning, match=r"error rose from .* to .*, by .*% of the images' variance"):
            quantize(models[1], some_codes(), max_mse_increase=0.0)

    @pytest.mark.filterwarnings("error")
    def test_nothing_is_said_where_all_is_well(self, models, images, caplog, capfd):
        quantize(models, images, min_agreement=0.5, max_mse_increase=0.5)
        assert not caplog.records
        assert capfd.readouterr() == ("", "")


class TestErrors:
    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"X_calibration": np.zeros((3, 7))}, r"X_calibration must hold one or more rows of shape \(8, 8, 1\)"),
            ({"X_calibration": np.zeros((0, 8, 8))}, r"got an array of shape \(0, 8, 8\)"),
            ({"X_calibration": np.full((3, 64), np.nan)}, "X_calibration must hold finite numbers"),
            ({"X_test": np.zeros((3, 7))}, "X_test must hold one or more rows"),
            ({"keep": ["Conv_99"]}, "keep must hold names of the model's nodes; got 'Conv_99'"),
            ({"keep": ["encoder/Conv_99"]}, "got 'encoder/Conv_99', which is none"),
            ({"keep": [["Conv_0"]]}, r"got \['Conv_0'\], which is none"),
            ({"keep": "Conv_0"}, "keep must be a sequence of names of nodes, or None; got 'Conv_0'"),
            ({"keep": 0}, "keep must be a sequence of names of nodes, or None; got 0"),
            ({"min_agreement": 95}, r"min_agreement must be a number in \[0, 1\]; got 95"),
            ({"max_mse_increase": "low"}, "max_mse_increase must be a number"),
        ],
    )
    def test_bad_arguments(self, models, images, change, message):
        arguments = {"X_calibration": images, **change}
        with pytest.raises(ValueError, match=message):
            quantize(models, arguments.pop("X_calibration"), **arguments)

    def test_codes_that_are_no_whole_numbers(self, models):
        with pytest.raises(ValueError, match="must hold whole numbers that int64 has room for"):
            quantize(models[1], some_codes() + 0.5)

    @pytest.mark.parametrize("shift", [-12, 12])
    def test_codes_that_the_decoder_does_not_know(self, models, shift):
        message = rf"must hold codes in \[0, 12\), .* got {shift} to {shift + 11}\. Pass what the encoder"
        with pytest.raises(ValueError, match="X_calibration " + message):
            quantize(models[1], some_codes() + shift)
        with pytest.raises(ValueError, match="X_test " + message):
            quantize(models[1], some_codes(), X_test=some_codes() + shift)

    def test_shares_may_be_numpys(self, models):
        quantize(models[1], some_codes(), min_agreement=np.float32(0.5), max_mse_increase=np.float64(1))

    @pytest.mark.parametrize("wrong", ["encoder.onnx", Path("encoder.onnx"), ["encoder.onnx"]])
    def test_paths_are_no_models(self, images, wrong):
        message = r"model must be an onnx.ModelProto or bytes; got .*encoder\.onnx.*Of a file, pass .*read_bytes\(\)"
        with pytest.raises(TypeError, match=message):
            quantize(wrong, images)

    def test_bytes_that_are_no_model(self, images):
        with pytest.raises(ValueError, match="model must be the bytes of an ONNX file; got 3 bytes that are none"):
            quantize(b"abc", images)

    def test_other_models(self, models, vqvae, images):
        for wrong in (to_onnx(vqvae, "reconstruct"), (models[1], models[0]), (models[0], models[0]), ()):
            with pytest.raises(ValueError, match=r"model must be an encoder .*, a decoder .*, or a pair of them"):
                quantize(wrong, images)
