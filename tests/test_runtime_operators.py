"""The runtime runs whatever the exporter writes, and its list of operators is no longer than that and its likes."""

import numpy as np
import onnx
import pytest

from skvq import VQVAE, ContextPrior, PixelCNNPrior, VQGenerator
from skvq.export import quantize
from skvq.export._convert import OPSET
from skvq.export._model import Converter, serialized
from skvq.export._parts import functions_of
from skvq.networks.losses import LOSSES
from skvq.networks.quantizers import QUANTIZERS
from skvq.runtime._onnx_schema import PACKED, SCHEMA
from skvq.runtime._operators import ITEM_BYTES, OPERATORS, check_model

LITTLE = {"embedding_dim": 3, "hidden_channels": 4, "n_residual_blocks": 1, "max_iter": 1, "random_state": 0}
IMAGES = np.random.default_rng(0).integers(0, 256, (16, 8, 8)).astype(np.uint8)
Y = np.arange(16) % 3


def check_all(model):
    """Convert every part of a model, and look through it as load does."""
    functions, converter = functions_of(model), Converter()
    assert functions
    converted = {part: converter.model(function) for part, function in functions.items()}
    for part, made in converted.items():
        assert check_model(serialized(made)).opset == OPSET, part
    return converted


@pytest.mark.parametrize("quantizer", QUANTIZERS)
def test_every_quantizer(quantizer):
    check_all(VQVAE(12, quantizer=quantizer, **LITTLE).fit(IMAGES))


@pytest.mark.parametrize(
    "choice", [{"architecture": "dense"}, *({"reconstruction_loss": loss} for loss in LOSSES if loss != "mse")]
)
def test_architectures_and_losses(choice):
    X = IMAGES if "architecture" not in choice else IMAGES.reshape(16, -1) / np.float32(255)
    if choice.get("reconstruction_loss") == "ssim":
        X = np.random.default_rng(0).integers(0, 256, (16, 12, 12)).astype(np.uint8)
    check_all(VQVAE(12, **choice, **LITTLE).fit(X))


@pytest.mark.parametrize("prior", [PixelCNNPrior, ContextPrior])
@pytest.mark.parametrize("conditional", [False, True])
def test_every_prior(vqvae, codes, labels, prior, conditional):
    choice = {"max_iter": 1, "hidden_channels": 4, "n_layers": 2} if prior is PixelCNNPrior else {}
    fitted = prior(grid=vqvae.grid_, conditional=conditional, **choice)
    check_all(fitted.fit(codes, labels if conditional else None))


def test_both_stages(vqvae, prior):
    converted = check_all(VQGenerator.from_fitted(vqvae, prior))
    assert {"generator", "controlled_generator", "log_likelihood"} <= set(converted)


def test_models_in_eight_bits(vqvae, images):
    converted = check_all(vqvae)
    models = converted["encoder"], converted["decoder"]
    for model in quantize(models, images, min_agreement=0.0, max_mse_increase=100.0)[0]:
        check_model(serialized(model))


def test_every_operator_is_one_of_onnx():
    for name in OPERATORS:
        assert onnx.defs.has(name, max_inclusive_version=OPSET), name
    dangerous = {"If", "Scan", "SequenceMap", "RandomNormal", "RandomUniform", "Bernoulli", "Multinomial", "NonZero"}
    assert not OPERATORS & dangerous


def test_fields_are_those_of_onnx():
    wire_types = {"TYPE_FLOAT": 5, "TYPE_DOUBLE": 1, "TYPE_INT32": 0, "TYPE_INT64": 0, "TYPE_UINT64": 0, "TYPE_ENUM": 0}
    inner = {"Tensor": onnx.TypeProto.Tensor, "Dimension": onnx.TensorShapeProto.Dimension}
    for message, fields in SCHEMA.items():
        known = inner.get(message) or getattr(onnx, message)
        known = known.DESCRIPTOR.fields_by_number
        for number, field in fields.items():
            theirs = known[number]
            assert field.name == theirs.name
            if theirs.message_type is not None:
                assert field.message == theirs.message_type.name
            kinds = {getattr(theirs, name): kind for name, kind in wire_types.items()}
            assert field.wire_type == (2 if field.name in PACKED else kinds.get(theirs.type, 2)), field.name
            narrow = theirs.type in (theirs.TYPE_INT32, theirs.TYPE_ENUM) and field.wire_type == 0
            assert (field.bits == 32) == narrow, field.name


def test_sizes_of_types():
    for kind, n_bytes in ITEM_BYTES.items():
        assert onnx.helper.tensor_dtype_to_np_dtype(kind).itemsize == n_bytes
