"""The runtime runs whatever the exporter writes: other estimators than those of test_export_graphs.py."""

import numpy as np
import onnx
import pytest

from skvq import VQVAE, ContextPrior
from skvq.export._convert import OPSET
from skvq.export._model import Converter, serialized
from skvq.export._parts import functions_of
from skvq.networks.quantizers import QUANTIZERS
from skvq.runtime._onnx_schema import PACKED, SCHEMA
from skvq.runtime._operators import ITEM_BYTES, OPERATORS, check_model

LITTLE = {"embedding_dim": 3, "hidden_channels": 4, "n_residual_blocks": 1, "max_iter": 1, "random_state": 0}
IMAGES = np.random.default_rng(0).integers(0, 256, (16, 8, 8)).astype(np.uint8)


def check_all(model, parts):
    """Convert parts of a model, and look through them as load does."""
    functions, converter = functions_of(model), Converter()
    functions = {part: function for part, function in functions.items() if part in parts}
    assert len(functions) == len(parts)
    for part, function in functions.items():
        assert check_model(serialized(converter.model(function))).opset == OPSET, part


@pytest.mark.parametrize("quantizer", QUANTIZERS)
def test_every_quantizer(quantizer):
    check_all(VQVAE(12, quantizer=quantizer, **LITTLE).fit(IMAGES), ("encoder", "decoder"))


def test_vectors():
    check_all(VQVAE(12, **LITTLE).fit(np.random.default_rng(0).normal(size=(16, 7))), ("encoder", "decoder"))


def test_a_model_fitted_by_ssim():
    X = np.random.default_rng(0).integers(0, 256, (16, 12, 12)).astype(np.uint8)
    check_all(VQVAE(12, reconstruction_loss="ssim", **LITTLE).fit(X), ("encoder", "decoder"))


def test_tables_of_contexts(vqvae, codes, labels):
    prior = ContextPrior(grid=vqvae.grid_, conditional=True).fit(codes, labels)
    check_all(prior, ("controlled_sampler", "log_likelihood"))


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
