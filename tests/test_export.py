"""Exported graphs answer as the functions they were made of, and are tidy; nothing wrong is ever written."""

import dataclasses
import importlib.util
import json
import logging
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper
from sklearn.exceptions import NotFittedError
from spoilt_exports import shifted
from stand_ins import FOLDER_PARTS, StandInPrior, StandInVQ

import skvq
from skvq import VQVAE, PixelCNNPrior
from skvq._contract.graph import GraphFunction, TensorSpec
from skvq.export import ExportError, compare, export_onnx, to_onnx
from skvq.export._child import models_from_child
from skvq.export._convert import convert, require_converters
from skvq.export._manifest import jsonable
from skvq.export._model import Converter, serialized
from skvq.export._parts import functions_of

PARTS = ("encoder", "decoder", "reconstruct", "prior", "log_likelihood", "sampler", "generator")
TILT = np.arange(7, dtype=np.float32) / 2  # added to scores, favours later codes


@pytest.fixture(scope="module")
def estimators():
    return StandInVQ(), StandInPrior()


@pytest.fixture(scope="module")
def functions(estimators):
    return functions_of(*estimators)


@pytest.fixture(scope="module")
def models(functions):
    converter = Converter()
    return {part: converter.model(functions[part]) for part in PARTS}


@pytest.fixture(scope="module")
def folder(estimators, tmp_path_factory):
    return export_onnx(estimators[0], tmp_path_factory.mktemp("exports") / "toy", prior=estimators[1])


def graphs(graph):
    """The graph and all graphs in it."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from graphs(attribute.g)


class TestGraphs:
    @pytest.mark.parametrize("part", PARTS)
    def test_answers_what_keras_answers(self, functions, models, part):
        report = compare(functions[part], models[part], functions[part].example(50, np.random.default_rng(5)))
        assert report.ok, report
        assert report.n == 50
        if report.n_codes:
            assert report.code_agreement > 0.99

    @pytest.mark.parametrize("part", PARTS)
    def test_rim_is_as_specified(self, functions, models, part):
        function, graph = functions[part], models[part].graph
        for tensors, specs in ((graph.input, function.inputs), (graph.output, function.outputs)):
            assert [tensor.name for tensor in tensors] == [spec.name for spec in specs]
            for tensor, spec in zip(tensors, specs, strict=True):
                kind = tensor.type.tensor_type
                dims = [d.dim_param or d.dim_value for d in kind.shape.dim]
                assert dims == ["batch" if size is None else size for size in spec.shape]
                assert helper.tensor_dtype_to_np_dtype(kind.elem_type).name == spec.dtype
                assert tensor.doc_string == spec.description

    @pytest.mark.parametrize("part", PARTS)
    def test_batch_is_the_only_open_dimension(self, models, part):
        for graph in graphs(models[part].graph):
            for tensor in (*graph.input, *graph.output, *graph.value_info):
                for dimension in tensor.type.tensor_type.shape.dim:
                    assert dimension.HasField("dim_value") or dimension.dim_param == "batch"

    @pytest.mark.parametrize("part", PARTS)
    def test_valid_plain_and_old_enough(self, models, part):
        model = models[part]
        onnx.checker.check_model(model, full_check=True)
        assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 18)]
        assert model.ir_version <= 10
        assert model.producer_name == "skvq"

    @pytest.mark.parametrize("part", PARTS)
    def test_nothing_dead_doubled_or_unnamed(self, models, part):
        model = models[part]
        used = Counter()
        for graph in graphs(model.graph):
            used.update(name for node in graph.node for name in node.input)
            used.update(output.name for output in graph.output)
        names = []
        for graph in graphs(model.graph):
            names += [node.name for node in graph.node]
            assert not graph.value_info
            for tensor in graph.initializer:
                assert used[tensor.name], f"dead initialiser {tensor.name}"
            for node in graph.node:
                assert any(used[name] for name in node.output), f"dead node {node.name}"
                assert node.name.rsplit("/", 1)[-1].rsplit("_", 1)[0] == node.op_type
                assert node.op_type not in ("Identity", "Constant")
        assert len(names) == len(set(names))

    @pytest.mark.parametrize("part", PARTS)
    def test_no_transposes_undo_each_other(self, models, part):
        for graph in graphs(models[part].graph):
            transposed = {node.output[0] for node in graph.node if node.op_type == "Transpose"}
            assert not [node for node in graph.node if node.op_type == "Transpose" and node.input[0] in transposed]

    def test_a_scalar_after_a_convolution_keeps_no_transposes(self, models):
        # Images of one channel need none at all; the codes' vectors must come to the front once.
        assert sum(node.op_type == "Transpose" for node in models["decoder"].graph.node) == 1

    def test_loops_hold_only_what_changes(self, models):
        outer, inner = list(graphs(models["sampler"].graph))[1:]
        assert [tensor.name for tensor in outer.input[2:]] == [f"Loop_0/state_{k}" for k in range(3)]
        assert [tensor.name for tensor in inner.input[2:]] == [f"Loop_0/Loop_0/state_{k}" for k in range(3)]
        assert any(tensor.name.startswith("Loop_0/") for tensor in models["sampler"].graph.initializer)

    def test_generator_is_one_graph_of_sampler_and_decoder(self, models):
        kinds = {part: Counter(node.op_type for node in models[part].graph.node) for part in PARTS}
        assert kinds["generator"] == kinds["sampler"] + kinds["decoder"]
        assert any("codes" in node.output for node in models["generator"].graph.node)

    def test_same_weights_give_same_bytes_in_one_process(self, functions, models):
        for part in ("encoder", "sampler"):
            for _ in range(2):  # orders that tf2onnx leaves to chance differ between runs
                again = Converter().model(functions_of(StandInVQ(), StandInPrior())[part])
                assert serialized(again) == serialized(models[part])

    def test_loops_over_variables_convert_every_time(self):
        """tf2onnx alone fails at about every third of these calls."""
        import keras
        from keras import ops

        weight = keras.Variable(np.eye(3, dtype=np.float32))

        def compute(x):
            def inner(i, x):  # slices want to know the rank of x
                return i + 1, ops.concatenate([x[..., 1:], ops.matmul(x, weight)[..., :1]], -1)

            def outer(i, x):
                return i + 1, ops.while_loop(lambda i, x: i < 2, inner, (ops.zeros((), "int32"), x))[1]

            return (ops.while_loop(lambda i, x: i < 2, outer, (ops.zeros((), "int32"), x))[1],)

        function = TestConversionFailures.function(compute)
        assert len({serialized(Converter().model(function)) for _ in range(6)}) == 1

    def test_same_weights_give_same_bytes_in_another_process(self, models):
        again = models_from_child(StandInVQ(), StandInPrior(), ["sampler", "decoder"])
        for part, model in again.items():
            assert serialized(model) == serialized(models[part])

    def test_other_weights_give_other_bytes(self, models):
        assert serialized(to_onnx(StandInVQ(seed=1), "decoder")) != serialized(to_onnx(StandInVQ(), "decoder"))


class TestToOnnx:
    def test_default_parts(self, estimators):
        vqvae, prior = estimators
        assert to_onnx(vqvae).graph.name == "encoder"
        assert to_onnx(prior).graph.name == "sampler"
        assert to_onnx(vqvae, prior=prior).graph.name == "generator"

    def test_metadata_are_json(self, estimators):
        model = to_onnx(estimators[0], prior=estimators[1])
        found = {entry.key: json.loads(entry.value) for entry in model.metadata_props}
        assert found["skvq.part"] == "generator"
        assert found["skvq.layout"] == {"row_shape": [8, 8], "image_shape": [8, 8, 1], "dtype": "uint8"}
        assert found["skvq.prior"] == {
            "grid": {"shape": [4, 4], "n_embeddings": 7, "depth": 1},
            "classes": [3, 5, 9],
        }
        assert found["skvq.estimators"]["vqvae"]["parameters"]["loss"] == "numpy.square"
        assert found["skvq.outputs"][0]["shape"] == ["batch", 8, 8, 1]
        assert found["skvq.versions"]["skvq"] == skvq.__version__

    def test_unknown_part_lists_those_there_are(self, estimators):
        with pytest.raises(ValueError, match="part must be one of 'encoder', 'decoder', 'reconstruct'; got 'samp'"):
            to_onnx(estimators[0], "samp")
        with pytest.raises(ValueError, match="Pass prior= to compose"):
            to_onnx(estimators[0], "generator")

    def test_not_an_estimator(self):
        with pytest.raises(TypeError, match=r"with graph_functions\(\) and describe\(\); got 3"):
            to_onnx(3)

    @pytest.mark.parametrize(
        ("prior", "message"),
        [
            (StandInPrior(code_shape=(2, 8)), "fit the grid of the VQVAE, 4 × 4 codes of 7; got 2 × 8 codes of 7"),
            (StandInPrior(n_embeddings=9), "got 4 × 4 codes of 9"),
            (StandInVQ(), "Pass the VQVAE as model and the prior as prior"),
        ],
    )
    def test_estimators_that_do_not_fit(self, estimators, prior, message):
        with pytest.raises(ValueError, match=message):
            to_onnx(estimators[0], "generator", prior=prior)

    def test_unfitted_estimators(self, estimators):
        for estimator, prior in ((PixelCNNPrior(), None), (VQVAE(), None), (estimators[0], PixelCNNPrior())):
            with pytest.raises(NotFittedError, match="must be fitted"):
                to_onnx(estimator, prior=prior)

    def test_classes_that_no_file_can_hold(self, estimators):
        with pytest.raises(ExportError, match=r"classes must be finite numbers or texts to stand in .* got inf"):
            to_onnx(estimators[0], prior=StandInPrior(classes=(1.0, np.inf)))

    def test_missing_converter_is_named(self, estimators, monkeypatch):
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "tf2onnx" else 1)
        with pytest.raises(ImportError, match=r'tf2onnx cannot be imported. Run: pip install "skvq\[tensorflow\]"'):
            require_converters()


class TestConversionFailures:
    @staticmethod
    def function(compute, output=("y", (None, 3), "float32")):
        inputs = (TensorSpec("x", "features", (None, 3), "float32", ""),)
        name, shape, dtype = output
        outputs = (TensorSpec(name, "features", shape, dtype, ""),)
        return GraphFunction("odd", "encoder", compute, inputs, outputs, lambda n, g: (g.random((n, 3)),))

    def test_what_tf2onnx_only_logs_is_an_error(self):
        from keras import ops

        function = self.function(lambda x: (ops.argmax(x, axis=-1),), ("y", (None,), "int64"))
        with pytest.raises(ExportError, match=r"part 'odd' could not be converted.*Bitcast.*ops.top_k"):
            convert(function)

    def test_errors_in_tracing_are_told(self):
        def compute(x):
            raise TypeError("no such operation")

        with pytest.raises(ExportError, match=r"'odd' could not be converted.*no such operation"):
            convert(self.function(compute))

    def test_logging_is_left_as_found(self):
        logger = logging.getLogger("tf2onnx")
        before = logger.level, logger.propagate, list(logger.handlers)
        with pytest.raises(ExportError):
            convert(self.function(lambda x: 1 / 0))
        assert (logger.level, logger.propagate, list(logger.handlers)) == before

    def test_silenced_logging_hides_nothing(self):
        from keras import ops

        logging.disable(logging.CRITICAL)
        try:
            with pytest.raises(ExportError, match="not ONNX: Bitcast"):
                convert(self.function(lambda x: (ops.argmax(x, axis=-1),), ("y", (None,), "int64")))
        finally:
            logging.disable(logging.NOTSET)

    def test_a_type_that_is_not_as_specified(self):
        function = self.function(lambda x: (x + 1,), ("y", (None, 3), "int64"))
        with pytest.raises(ExportError, match=r"'y' of the part 'odd' must be int64.*has float32"):
            Converter().model(function)

    def test_one_name_for_two_tensors(self):
        with pytest.raises(ExportError, match="different names in one graph; got x, x"):
            Converter().model(self.function(lambda x: (x + 1,), ("x", (None, 3), "float32")))

    def test_an_input_that_nothing_needs_stays(self):
        inputs, outputs = (
            tuple(TensorSpec(name, "features", (None, 3), "float32", "") for name in names) for names in ("abc", "yz")
        )
        function = GraphFunction("odd", "encoder", lambda a, b, c: (c * 2, a + 1), inputs, outputs, None)
        model = Converter().model(function)
        assert [tensor.name for tensor in model.graph.input] == ["a", "b", "c"]
        assert compare(function, model, tuple(np.random.default_rng(0).random((3, 2, 3)))).ok

    def test_an_input_handed_on_is_an_output(self):
        function = self.function(lambda x: (x,))
        model = Converter().model(function)
        onnx.checker.check_model(model, full_check=True)
        assert compare(function, model, (np.ones((2, 3)),)).max_abs_difference == 0


class TestCompare:
    def test_floats_beyond_the_tolerance(self, functions, models):
        inputs = functions["decoder"].example(4, np.random.default_rng(0))
        small = compare(functions["decoder"], shifted(models["decoder"], "Add_0.B", 1e-6), inputs)
        large = compare(functions["decoder"], shifted(models["decoder"], "Add_0.B", 1e-4), inputs)
        assert small.ok
        assert not large.ok
        assert large.max_abs_difference == pytest.approx(255e-4, rel=0.1)
        assert large.tolerance == pytest.approx(255e-5, rel=0.1)

    def test_nan_is_no_agreement(self, functions, models):
        inputs = functions["decoder"].example(4, np.random.default_rng(0))
        assert not compare(functions["decoder"], shifted(models["decoder"], "Add_0.B", np.nan), inputs).ok

    @pytest.mark.parametrize("part", ["encoder", "reconstruct"])
    def test_codes_that_rounding_does_not_explain(self, functions, models, part):
        inputs = functions[part].example(20, np.random.default_rng(0))
        report = compare(functions[part], shifted(models[part], "MatMul_0.B", TILT), inputs)
        assert report.unexplained > 0
        assert report.code_agreement < 1
        assert "not" in str(report)

    def test_encoder_positions_are_judged_one_by_one(self, functions, models):
        function = functions["encoder"]
        inputs = function.example(6, np.random.default_rng(0))
        wrong = shifted(models["encoder"], "MatMul_0.B", TILT)
        close_at_first = np.full((6, 16), 5.0)
        close_at_first[:, 0] = 0.5
        some = compare(dataclasses.replace(function, margin=lambda *_: close_at_first), wrong, inputs)
        every = compare(dataclasses.replace(function, margin=lambda *_: np.ones((6, 16))), wrong, inputs)
        none = compare(dataclasses.replace(function, margin=None), wrong, inputs)
        assert some.unexplained > 0
        assert every.ok
        assert every.explained == none.unexplained == some.explained + some.unexplained

    def test_sampler_rows_are_judged_at_their_first_difference(self, functions, models):
        function = functions["sampler"]
        inputs = function.example(30, np.random.default_rng(0))
        wrong = shifted(models["sampler"], "MatMul_0.B", 0.3 * np.arange(112))
        report = compare(function, wrong, inputs)
        assert report.unexplained > 0
        assert report.unexplained + report.explained <= 30  # once a row, though most of its codes differ
        assert report.code_agreement < 0.7

    @pytest.mark.parametrize("part", ["sampler", "generator"])
    def test_a_flip_within_the_margin_is_explained(self, functions, models, part):
        sampler = functions["sampler"]
        uniforms, temperature, labels = sampler.example(200, np.random.default_rng(3))
        # Uniforms on a boundary: either code is right, and what follows from it in the row is too.
        noise = np.float32(3e-7)
        moved = (np.clip(uniforms + noise, 0, 1 - 1e-7), temperature, labels)

        def nudged(u, *rest):
            return sampler.function(u + noise, *rest)

        edges = compare(dataclasses.replace(sampler, function=nudged), models["sampler"], moved)
        assert edges.unexplained == 0
        report = compare(functions[part], models[part], moved)
        assert report.ok, report

    def test_generator_is_judged_by_its_codes(self, functions, models):
        function = functions["generator"]
        inputs = function.example(20, np.random.default_rng(0))
        wrong_codes = compare(function, shifted(models["generator"], "MatMul_0.B", np.arange(112)), inputs)
        assert wrong_codes.unexplained > 0
        assert wrong_codes.max_abs_difference <= wrong_codes.tolerance  # its images are those of its codes
        wrong_images = compare(function, shifted(models["generator"], "ConvTranspose_0.W", 1e-3), inputs)
        assert wrong_images.unexplained == 0
        assert not wrong_images.ok

    def test_of_estimators(self, estimators):
        vqvae, prior = estimators
        model = to_onnx(vqvae, prior=prior)
        inputs = functions_of(vqvae, prior)["generator"].example(9, np.random.default_rng(0))
        assert compare(vqvae, serialized(model), inputs, prior=prior).ok
        assert compare(vqvae, to_onnx(vqvae), (np.zeros((2, 8, 8, 1)),)).n_codes == 32
        with pytest.raises(ValueError, match="got 'generator'"):
            compare(vqvae, model, inputs)

    @pytest.mark.parametrize("wrong", [np.zeros((2, 8, 8, 1)), np.zeros((1, 8, 8, 1)), (), (np.zeros(3),) * 2, 5])
    def test_one_array_an_input(self, functions, models, wrong):
        message = r"inputs must be a tuple of one array for each input of the part 'encoder', images; got .*\(images,\)"
        with pytest.raises(ValueError, match=message):
            compare(functions["encoder"], models["encoder"], wrong)

    def test_models_that_are_none(self, functions):
        with pytest.raises(TypeError, match=r"model must be an onnx.ModelProto or bytes; got 'x\.onnx'"):
            compare(functions["encoder"], "x.onnx", (np.zeros((2, 8, 8, 1)),))
        with pytest.raises(ValueError, match="got 3 bytes that are none"):
            compare(functions["encoder"], b"abc", (np.zeros((2, 8, 8, 1)),))

    def test_a_model_that_cannot_run(self, functions, models):
        with pytest.raises(ExportError, match="cannot run the part 'encoder'"):
            compare(functions["encoder"], models["decoder"], (np.zeros((2, 8, 8, 1)),))


class TestChild:
    def test_its_last_words_are_passed_on(self):
        with pytest.raises(ExportError, match=r"(?s)failed with exit status 1; its last words:.*KeyError: 'none such'"):
            models_from_child(StandInVQ(), None, ["none such"])

    def test_estimators_must_pickle(self):
        with pytest.raises(ExportError, match=r"the estimator must pickle.*KERAS_BACKEND=tensorflow"):
            models_from_child(StandInVQ(loss=lambda x: x), None, ["encoder"])

    @pytest.mark.parametrize("backend", ["torch", "jax"])
    def test_other_backends_give_the_same_files(self, folder, tmp_path, backend):
        if importlib.util.find_spec(backend) is None:
            pytest.skip(f"{backend} is not installed")
        script = (
            "import sys; sys.path[:0] = sys.argv[2:]\n"
            "from stand_ins import StandInPrior, StandInVQ; import skvq\n"
            "skvq.export_onnx(StandInVQ(), sys.argv[1], prior=StandInPrior())\n"
            "assert 'tensorflow' not in sys.modules"
        )
        here = Path(__file__).parent
        command = [sys.executable, "-c", script, str(tmp_path / "toy"), str(here), str(here.parent)]
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "KERAS_BACKEND": backend})
        assert done.returncode == 0, done.stderr
        for part in FOLDER_PARTS:
            assert (tmp_path / "toy" / f"{part}.onnx").read_bytes() == (folder / f"{part}.onnx").read_bytes()


def test_json_of_parameters():
    given = {"a": np.float32(0.5), "b": (1, None), "c": np.square, "d": dict, "e": float("inf"), "f": object()}
    assert jsonable(given) == {
        "a": 0.5,
        "b": [1, None],
        "c": "numpy.square",
        "d": "builtins.dict",
        "e": "inf",
        "f": "builtins.object",
    }


def test_onnxruntime_reads_the_metadata(folder):
    session = onnxruntime.InferenceSession(folder / "encoder.onnx", providers=["CPUExecutionProvider"])
    assert json.loads(session.get_modelmeta().custom_metadata_map["skvq.part"]) == "encoder"
