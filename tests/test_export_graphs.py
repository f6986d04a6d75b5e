"""The graphs of fitted estimators: legible, without waste, equal to Keras, and fit for CUDA as far as lists tell."""

import dataclasses
import inspect
import math
import re
import subprocess
import sys
from collections import Counter

import numpy as np
import onnx
import pytest
from cuda_kernels import unsupported
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import helper

from skvq import VQVAE, PixelCNNPrior
from skvq._graph_functions import perturbation_margin
from skvq.export import ExportError, compare, export_onnx, to_onnx
from skvq.export._child import models_from_child
from skvq.export._model import Converter, serialized
from skvq.export._parts import functions_of
from skvq.runtime._operators import check_model

OPSET = 18
LITTLE = {"hidden_channels": 4, "n_residual_blocks": 1, "max_iter": 1, "random_state": 0}
PARTS = (
    "encoder",
    "encoder_uint8",
    "decoder",
    "reconstruct",
    "prior",
    "log_likelihood",
    "sampler",
    "controlled_sampler",
    "generator",
    "controlled_generator",
)


@pytest.fixture(scope="module")
def functions(vqvae, prior):
    return functions_of(vqvae, prior)


@pytest.fixture(scope="module")
def models(functions):
    converter = Converter()
    return {part: converter.model(functions[part]) for part in PARTS}


@pytest.fixture(scope="module")
def colour():
    """An autoencoder of colour images whose sides are no multiples of four."""
    images = np.random.default_rng(0).random((16, 13, 10, 3)).astype(np.float32)
    return VQVAE(n_embeddings=6, embedding_dim=3, **LITTLE).fit(images)


@pytest.fixture(scope="module")
def wide_prior():
    """A prior whose kernels reach neither the first row nor the first column of its grid."""
    codes = np.random.default_rng(0).integers(0, 5, (16, 7 * 9))
    return PixelCNNPrior(5, code_shape=(7, 9), n_layers=3, hidden_channels=4, max_iter=1, random_state=0).fit(codes)


@pytest.fixture(scope="module")
def fsq():
    images = np.random.default_rng(0).random((16, 8, 8)).astype(np.float32)
    return VQVAE(n_embeddings=12, embedding_dim=3, quantizer="fsq", **LITTLE).fit(images)


def graphs(graph):
    """The graph and all graphs in it."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from graphs(attribute.g)


def n_transposes(model):
    return sum(node.op_type == "Transpose" for graph in graphs(model.graph) for node in graph.node)


class TestTransposes:
    """Channels-last images cost one Transpose on the way in and one on the way out; one channel alone costs none.

    A prior has more, around its Pads and Slices, which cost onnxruntime no time that can be measured.
    """

    @pytest.mark.parametrize(
        ("part", "expected"),
        [
            ("encoder", 1),
            ("encoder_uint8", 1),
            ("decoder", 1),
            # Uniforms and known codes by position, and a row's features by column: steps of the loops, not layouts.
            ("sampler", 2),
            ("controlled_sampler", 3),
            ("generator", 3),
            ("controlled_generator", 4),
        ],
    )
    def test_of_grey_images(self, models, part, expected):
        assert n_transposes(models[part]) == expected

    @pytest.mark.parametrize("part", ["encoder", "decoder"])
    def test_of_colour_images_with_odd_sides(self, colour, part):
        assert n_transposes(to_onnx(colour, part)) == 2

    def test_of_vectors(self):
        vectors = VQVAE(n_embeddings=6, **LITTLE).fit(np.random.default_rng(0).normal(size=(20, 7)))
        assert n_transposes(to_onnx(vectors, "encoder")) + n_transposes(to_onnx(vectors, "decoder")) == 0

    @pytest.mark.parametrize("part", ["sampler", "controlled_sampler"])
    def test_none_within_the_loop_over_columns(self, models, part):
        _, _, cell = graphs(models[part].graph)
        assert not [node.name for node in cell.node if node.op_type == "Transpose"]


class TestBindings:
    """A shader of WebGPU has eight storage buffers: one for each tensor that its node reads or writes."""

    @staticmethod
    def n_bound(node, constants):
        # A size, an axis or a shape is read before the shader starts.
        tensors = [name for name in (*node.input, *node.output) if name]
        return sum(name not in constants for name in tensors)

    def check(self, model):
        constants = {
            tensor.name
            for graph in graphs(model.graph)
            for tensor in graph.initializer
            if tensor.data_type == onnx.TensorProto.INT64
        }
        for graph in graphs(model.graph):
            for node in graph.node:
                assert node.op_type != "Split" or len(node.output) <= 6, node.name
                # A Loop is no shader: the runtime steps through it and hands tensors on.
                assert node.op_type == "Loop" or self.n_bound(node, constants) <= 7, node.name

    @pytest.mark.parametrize("part", PARTS)
    def test_of_every_part(self, models, part):
        self.check(models[part])

    @pytest.mark.slow
    def test_of_a_deep_prior(self):
        codes = np.random.default_rng(0).integers(0, 5, (4, 6))
        options = {"hidden_channels": 4, "kernel_size": 7, "max_iter": 1, "random_state": 0}
        prior = PixelCNNPrior(5, code_shape=(2, 3), conditional=True, n_layers=12, **options)
        functions = functions_of(prior.fit(codes, [0, 1, 0, 1]))
        converter = Converter()
        for part in ("prior", "controlled_sampler"):
            model = converter.model(functions[part])
            self.check(model)
            check_model(serialized(model))
            assert compare(functions[part], model, functions[part].example(3, np.random.default_rng(0))).ok


class TestLegibility:
    @pytest.mark.parametrize("part", PARTS)
    def test_the_docstring_draws_the_graph(self, functions, models, part):
        drawn = models[part].graph.doc_string
        assert drawn == inspect.getdoc(functions[part].function)
        if part in ("reconstruct", "generator", "controlled_generator"):
            assert re.fullmatch(r"The part \w+, then the part \w+\.", drawn)
            return
        for spec in (*functions[part].inputs, *functions[part].outputs):
            assert re.search(rf"\b{spec.name} {spec.dtype} \((batch|\))", drawn), spec.name
        operators = {node.op_type for graph in graphs(models[part].graph) for node in graph.node}
        named = {word for word in re.findall(r"\b[A-Z]\w+", drawn) if onnx.defs.has(word)}
        fsq_only = {"Tanh", "Round"} if part == "encoder" else set()
        residual_only = {"Gather"} if part == "encoder" else set()
        dense_or_colour_only = {"MatMul", "Add", "ConvTranspose"} if part == "decoder" else set()
        assert named - fsq_only - residual_only - dense_or_colour_only <= operators
        assert len(named) >= (1 if part == "encoder_uint8" else 4)

    @pytest.mark.parametrize("part", PARTS)
    def test_valid_named_and_alive(self, models, part):
        model = models[part]
        onnx.checker.check_model(model, full_check=True)
        assert check_model(serialized(model)).opset == OPSET  # the runtime would run it
        used = Counter()
        for graph in graphs(model.graph):
            used.update(name for node in graph.node for name in node.input)
            used.update(output.name for output in graph.output)
        for graph in graphs(model.graph):
            assert not [tensor.name for tensor in graph.initializer if not used[tensor.name]]
            assert not [node.name for node in graph.node if not any(used[name] for name in node.output)]
            assert not [node.name for node in graph.node if node.op_type in ("Identity", "Constant")]

    def test_shapes_are_not_computed_where_they_are_known(self, models):
        for part in ("encoder", "decoder", "prior"):
            assert not {"Shape", "ReduceProd"} & {node.op_type for node in models[part].graph.node}

    def test_nothing_is_cropped_that_was_not_padded(self, models, colour):
        assert not [node.name for node in models["decoder"].graph.node if node.op_type == "Slice"]
        assert [node.name for node in to_onnx(colour, "decoder").graph.node if node.op_type == "Slice"] == ["Slice_0"]

    def test_onnxruntime_has_nothing_to_warn_of(self, vqvae, prior, tmp_path):
        folder = export_onnx(vqvae, tmp_path / "bars", prior=prior)
        script = (
            "import sys, onnxruntime\n"
            "onnxruntime.set_default_logger_severity(2)\n"
            "for path in sys.argv[1:]:\n"
            "    options = onnxruntime.SessionOptions()\n"
            "    options.log_severity_level = 2\n"
            "    onnxruntime.InferenceSession(path, options, providers=['CPUExecutionProvider'])"
        )
        paths = [str(path) for path in folder.glob("*.onnx")]
        assert len(paths) == 8
        done = subprocess.run([sys.executable, "-c", script, *paths], capture_output=True, text=True, check=True)
        assert done.stderr == ""

    def test_same_weights_give_same_bytes(self, vqvae, prior, models):
        parts = ["encoder", "prior", "controlled_sampler"]
        elsewhere = models_from_child(vqvae, prior, parts)
        again = functions_of(vqvae, prior)
        for part in parts:
            assert serialized(Converter().model(again[part])) == serialized(models[part])
            assert serialized(elsewhere[part]) == serialized(models[part])


class TestParity:
    @pytest.mark.parametrize("part", ["prior", "log_likelihood", "sampler"])
    def test_of_a_grid_beyond_the_kernels_reach(self, wide_prior, part):
        model = to_onnx(wide_prior, part)
        uniforms = np.random.default_rng(1).random((5, 63), dtype=np.float32)
        codes = np.random.default_rng(2).integers(0, 5, (5, 63))
        inputs = (uniforms, np.float32(1.0)) if part == "sampler" else (codes,)
        assert compare(wide_prior, model, inputs).ok

    @pytest.mark.parametrize("n", [1, 3, 257])
    @pytest.mark.parametrize("part", PARTS)
    def test_of_trained_estimators(self, functions, models, part, n):
        report = compare(functions[part], models[part], functions[part].example(n, np.random.default_rng(n)))
        assert report.ok, report
        assert report.n == n
        if report.n_codes:
            assert report.code_agreement > 0.99

    @settings(max_examples=6, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(
        shape=st.one_of(
            st.tuples(st.integers(1, 13), st.integers(1, 13), st.sampled_from([1, 2, 3])),
            st.tuples(st.integers(1, 9)),
        ),
        n_embeddings=st.sampled_from([3, 8, 20]),
        embedding_dim=st.integers(1, 5),
        quantizer=st.sampled_from(["ema", "gradient", "fsq"]),
        downsampling=st.sampled_from([2, 4]),
        dtype=st.sampled_from(["uint8", "float32", "float64"]),
        seed=st.integers(0, 99),
    )
    def test_of_any_autoencoder(self, shape, n_embeddings, embedding_dim, quantizer, downsampling, dtype, seed):
        X = np.random.default_rng(seed).uniform(0, 255, (12, *shape)).astype(dtype)
        vqvae = VQVAE(
            n_embeddings=n_embeddings,
            embedding_dim=embedding_dim,
            quantizer=quantizer,
            downsampling=downsampling,
            **{**LITTLE, "random_state": seed},
        ).fit(X)
        functions, converter = functions_of(vqvae), Converter()
        assert ("encoder_uint8" in functions) == (dtype == "uint8")
        for part, function in functions.items():
            model = converter.model(function)
            onnx.checker.check_model(model, full_check=True)
            check_model(serialized(model))  # the runtime would run it
            for n in (1, 3, 257):
                report = compare(vqvae, _annotated(model, part), function.example(n, np.random.default_rng(n)))
                assert report.ok, report

    @settings(max_examples=3, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(
        code_shape=st.tuples(st.integers(1, 3), st.integers(1, 4)),
        n_embeddings=st.integers(2, 9),
        conditional=st.booleans(),
        kernel_size=st.sampled_from([1, 3, 5]),
        n_layers=st.integers(1, 2),
        seed=st.integers(0, 99),
    )
    def test_of_any_prior(self, code_shape, n_embeddings, conditional, kernel_size, n_layers, seed):
        generator = np.random.default_rng(seed)
        codes = generator.integers(0, n_embeddings, (12, math.prod(code_shape)))
        prior = PixelCNNPrior(
            n_embeddings,
            code_shape=code_shape,
            conditional=conditional,
            kernel_size=kernel_size,
            n_layers=n_layers,
            hidden_channels=4,
            max_iter=1,
            random_state=seed,
        ).fit(codes, np.arange(12) % 2)
        functions, converter = functions_of(prior), Converter()
        for function in functions.values():
            model = converter.model(function)
            onnx.checker.check_model(model, full_check=True)
            check_model(serialized(model))  # the runtime would run it
            for n in (1, 3, 257):
                report = compare(function, model, function.example(n, generator))
                assert report.ok, report

    @pytest.mark.parametrize(("top_k", "top_p"), [(0, 1.0), (12, 1.0), (3, 1.0), (0, 0.7), (5, 0.6), (1, 1.0)])
    def test_of_every_way_to_draw(self, functions, models, top_k, top_p):
        sampler = functions["controlled_sampler"]
        uniforms, temperature, _, _, known, labels = sampler.example(60, np.random.default_rng(1))
        inputs = (uniforms, temperature, np.array(top_k), np.array(top_p, np.float32), known, labels)
        report = compare(sampler, models["controlled_sampler"], inputs)
        assert report.ok, report
        assert report.code_agreement > 0.99

    def test_a_sampler_that_leaves_out_other_codes_is_found(self, functions, models):
        sampler = functions["controlled_sampler"]
        uniforms, temperature, _, top_p, known, labels = sampler.example(60, np.random.default_rng(1))

        def narrower(u, t, k, p, *rest):
            return sampler.function(u, t, k - 4, p, *rest)

        inputs = (uniforms, temperature, np.array(6), top_p, known, labels)
        report = compare(dataclasses.replace(sampler, function=narrower), models["controlled_sampler"], inputs)
        assert report.code_agreement < 0.95
        assert report.unexplained == 0  # of the two, it is the model whose codes the inputs ask for
        wrong = (uniforms, temperature, np.array(2), top_p, known, labels)
        drawn = np.asarray(sampler.function(*inputs)[0])
        assert (sampler.margin(wrong, drawn) > 1).any()

    def test_a_known_code_that_is_not_kept_is_found(self, functions):
        sampler = functions["controlled_sampler"]
        inputs = sampler.example(10, np.random.default_rng(1))
        drawn = np.array(sampler.function(*inputs)[0])
        assert sampler.margin(inputs, drawn).max() <= 1
        row, position = np.argwhere(inputs[4] >= 0)[0]
        drawn[row, position] = (drawn[row, position] + 1) % 12
        assert sampler.margin(inputs, drawn)[row, position] > 1


def _annotated(model, part):
    """The model with what :func:`skvq.to_onnx` writes into it of the part's name."""
    del model.metadata_props[:]
    model.metadata_props.add(key="skvq.part", value=f'"{part}"')
    return model


class TestMargins:
    def test_of_a_grid_that_rounds(self, fsq):
        quantizer = fsq._network().quantizer
        encoder = functions_of(fsq)["encoder"]
        images = encoder.example(20, np.random.default_rng(0))
        codes = np.asarray(encoder.function(*images)[0])
        assert (encoder.margin(images, codes) == 0).all()
        assert (encoder.margin(images, (codes + 1) % 12) > 1).all()

        def digits(latents):
            return np.rint(latents[..., 0]).astype(int)

        latents = np.array([[0.5 - 1e-7], [0.5 + 1e-7], [0.4]])
        for answered in ([0, 1, 0], [1, 0, 0]):
            assert (perturbation_margin(digits, latents, np.array(answered)) == 0).all()
        assert perturbation_margin(digits, latents, np.array([0, 1, 1]))[2] > 1
        assert quantizer.has_table is False


class TestFailures:
    def test_a_layer_that_cannot_be_converted_is_named(self, vqvae, prior, tmp_path):
        import keras
        from keras import layers, ops

        from skvq.networks.architectures import conv

        class Peculiar(layers.Layer):
            def call(self, x):
                return x + 0.0 * ops.cast(ops.argmax(x, axis=-1, keepdims=True), "float32")

        def architecture(input_shape, **options):
            encoder, decoder = conv(input_shape, **options)
            latents = Peculiar(name="peculiar_layer")(encoder.output)
            return keras.Model(encoder.input, latents), decoder

        X = np.random.default_rng(0).integers(0, 256, (12, 8, 8)).astype(np.uint8)
        odd = VQVAE(n_embeddings=12, embedding_dim=3, architecture=architecture, **LITTLE).fit(X)
        folder = export_onnx(vqvae, path=tmp_path / "bars")
        before = {entry.name: entry.read_bytes() for entry in folder.iterdir()}
        with pytest.raises(ExportError, match=r"part 'encoder' could not be converted.*peculiar_layer.*ops\.top_k"):
            export_onnx(odd, path=folder)
        assert {entry.name: entry.read_bytes() for entry in folder.iterdir()} == before


class TestCuda:
    """No GPU is needed: operators and types are held against the list that onnxruntime publishes of its kernels."""

    @pytest.mark.parametrize("part", PARTS)
    def test_every_operator_has_a_kernel_for_its_types(self, models, part):
        missing = set(unsupported(models[part]))
        assert not missing

    def test_of_other_estimators(self, colour, fsq):
        for estimator in (colour, fsq):
            for part in ("encoder", "decoder"):
                assert not set(unsupported(to_onnx(estimator, part)))

    def test_what_has_no_kernel_is_found(self):
        nodes = [
            helper.make_node("Pad", ["x", "pads"], ["y"]),
            helper.make_node("Det", ["y"], ["z"]),
        ]
        x = helper.make_tensor_value_info("x", onnx.TensorProto.INT32, [2, 2])
        pads = helper.make_tensor_value_info("pads", onnx.TensorProto.INT64, [4])
        z = helper.make_tensor_value_info("z", onnx.TensorProto.INT32, [])
        model = helper.make_model(helper.make_graph(nodes, "g", [x, pads], [z]))
        assert set(unsupported(model)) == {"Pad: data is int32", "Det: no kernel at opset 18"}
