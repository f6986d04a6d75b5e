"""What every quantiser and every architecture does: each row of the tables, and the example of one's own.

A new one is held by this as soon as it is listed.
"""

import importlib
import inspect
import pickle
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

import skvq
from skvq import VQVAE
from skvq.networks.architectures import ARCHITECTURES
from skvq.networks.quantizers import QUANTIZERS, Quantized, Quantizer

EXAMPLE = Path(__file__).parents[2] / "examples" / "own_quantizer.py"


def own():
    """Return the example as a module, under the name by which pickle looks its classes up."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(EXAMPLE.parent)  # as for a script
        return importlib.import_module(EXAMPLE.stem)


EVERY_QUANTIZER = {**QUANTIZERS, "own": own().CosineQuantizer}
EVERY_ARCHITECTURE = {**ARCHITECTURES, "own": own().separable}
PADDED = {"conv": (8, 12, 2), "dense": (10,), "own": (8, 12, 2)}
OPTIONS = {"embedding_dim": 3, "downsampling": 4, "hidden_channels": 6, "n_residual_blocks": 1}
QUICK = {"embedding_dim": 4, "hidden_channels": 6, "n_residual_blocks": 1, "max_iter": 2, "random_state": 0}


def built(quantizer_class, n_embeddings=12, embedding_dim=3, **options):
    quantizer = quantizer_class(n_embeddings, embedding_dim, **options)
    quantizer.build((None, 2, 2, embedding_dim))
    return quantizer


def latents(n=40, dim=3, seed=0):
    return np.random.default_rng(seed).normal(size=(n, 2, 2, dim)).astype("float32")


@pytest.mark.parametrize("quantizer_class", EVERY_QUANTIZER.values(), ids=EVERY_QUANTIZER)
class TestQuantizers:
    def test_it_is_a_quantizer(self, quantizer_class):
        assert issubclass(quantizer_class, Quantizer)

    def test_codes_embeddings_and_losses(self, quantizer_class):
        quantizer = built(quantizer_class)
        z = latents()
        quantized = quantizer(z)
        codes = ops.convert_to_numpy(quantized.codes)
        assert isinstance(quantized, Quantized)
        assert codes.shape == (40, 2, 2)
        assert np.issubdtype(codes.dtype, np.integer)
        assert 0 <= codes.min() <= codes.max() < 12
        np.testing.assert_array_equal(codes, ops.convert_to_numpy(quantizer.assign(z)))
        table = ops.convert_to_numpy(quantizer.codebook)
        assert table.shape == (12, 3)
        np.testing.assert_allclose(ops.convert_to_numpy(quantizer.embed(codes)), table[codes], atol=1e-6)
        np.testing.assert_allclose(ops.convert_to_numpy(quantized.latents), table[codes], atol=1e-5)
        assert float(quantized.codebook_loss) >= 0
        assert float(quantized.commitment_loss) >= 0

    def test_gradient_passes_straight_through(self, quantizer_class):
        # The forward value is piecewise constant; the surrogate moves with the latents.
        if keras.config.backend() != "tensorflow":
            pytest.skip("a gradient is taken by TensorFlow's tape here")
        import tensorflow as tf

        quantizer = built(quantizer_class)
        z = ops.convert_to_tensor(latents())
        with tf.GradientTape() as tape:
            tape.watch(z)
            total = ops.sum(quantizer(z).latents * np.array([1.0, 2.0, 4.0], np.float32))
        gradient = tape.gradient(total, z).numpy()
        assert gradient.shape == z.shape
        assert np.all(np.abs(gradient).max(axis=-1) > 0)

    def test_inactive_it_rounds_nothing_and_costs_nothing(self, quantizer_class):
        quantizer = built(quantizer_class)
        quantizer.active.assign(0.0)
        z = latents()
        quantized = quantizer(z)
        assert float(quantized.codebook_loss) == 0
        assert float(quantized.commitment_loss) == 0
        answers = ops.convert_to_numpy(quantized.latents).reshape(-1, 3)
        assert len(np.unique(answers.round(4), axis=0)) > 0.9 * len(answers)

    def test_started_from_embeddings_it_uses_them(self, quantizer_class):
        quantizer = built(quantizer_class)
        quantizer.active.assign(0.0)
        embeddings = latents(3).reshape(12, 3)
        quantizer.start(embeddings, np.full(12, 2.0, np.float32))
        assert float(quantizer.active) == 1
        if quantizer.has_table:
            table = ops.convert_to_numpy(quantizer.codebook)
            cosines = (
                (table * embeddings).sum(-1) / np.linalg.norm(table, axis=-1) / np.linalg.norm(embeddings, axis=-1)
            )
            np.testing.assert_allclose(cosines, 1.0, atol=1e-5)
            np.testing.assert_array_equal(ops.convert_to_numpy(quantizer.assign(table)), np.arange(12))

    def test_a_training_step_on_its_own_embeddings_moves_none(self, quantizer_class):
        quantizer = built(quantizer_class)
        if quantizer.has_table:
            quantizer.start(latents(3).reshape(12, 3), np.full(12, 2.0, np.float32))
        before = ops.convert_to_numpy(quantizer.codebook)
        quantizer(before.reshape(3, 2, 2, 3), training=True)
        np.testing.assert_allclose(ops.convert_to_numpy(quantizer.codebook), before, atol=1e-5)

    def test_it_knows_no_weight_of_the_loss(self, quantizer_class):
        names = set(inspect.signature(quantizer_class.__init__).parameters)
        assert not names & {"beta", "vq_weight", "commitment_cost"}
        assert "beta" not in vars(built(quantizer_class))


@pytest.mark.parametrize("name", EVERY_ARCHITECTURE)
class TestArchitectures:
    """Every row of the table maps images to latents and back to their shape."""

    def test_shapes(self, name):
        shape = PADDED[name]
        encoder, decoder = EVERY_ARCHITECTURE[name](shape, **OPTIONS)
        z = encoder(np.zeros((2, *shape), np.float32))
        assert z.shape[0] == 2
        assert z.shape[-1] == 3
        assert decoder(z).shape == (2, *shape)

    def test_images_have_one_code_to_downsampling_pixels_each_way(self, name):
        if len(PADDED[name]) == 1:
            pytest.skip("vectors")
        for downsampling in (1, 2, 4, 8, 16):
            encoder, decoder = EVERY_ARCHITECTURE[name]((32, 16, 3), **{**OPTIONS, "downsampling": downsampling})
            z = encoder(np.zeros((1, 32, 16, 3), np.float32))
            assert z.shape[1:3] == (32 // downsampling, 16 // downsampling)
            assert decoder(z).shape == (1, 32, 16, 3)

    def test_layers_share_no_weights(self, name):
        one, two, three = (
            EVERY_ARCHITECTURE[name](PADDED[name], **{**OPTIONS, "n_residual_blocks": n}) for n in (1, 2, 3)
        )
        for half in (0, 1):
            added = len(two[half].weights) - len(one[half].weights)
            assert added > 0
            assert len(three[half].weights) - len(two[half].weights) == added


WAYS = [
    *({"quantizer": name} for name in QUANTIZERS),
    *({"architecture": name} for name in ARCHITECTURES),
    {"quantizer": own().CosineQuantizer, "architecture": own().separable},
]


@pytest.fixture(scope="module", params=WAYS, ids=lambda way: "-".join(getattr(v, "__name__", v) for v in way.values()))
def fitted(request, images):
    """An estimator with one of the ways, and what it was fitted on."""
    X = images.reshape(len(images), -1) if request.param.get("architecture") == "dense" else images
    return VQVAE(n_embeddings=12, **QUICK, **request.param).fit(X), X


class TestInAVQVAE:
    def test_images_go_to_codes_and_back(self, fitted):
        vqvae, X = fitted
        codes = vqvae.transform(X)
        assert codes.shape == (len(X), vqvae.grid_.n_codes)
        assert 0 <= codes.min() <= codes.max() < 12
        X_hat = vqvae.inverse_transform(codes)
        assert X_hat.shape == X.shape
        assert X_hat.dtype == X.dtype
        assert len(np.unique(codes)) > 1
        assert np.isfinite(vqvae.history_["loss"]).all()

    def test_embeddings_of_codes_stand_for_them(self, fitted):
        vqvae, X = fitted
        codes = vqvae.transform(X)
        # The one truth of what a code stands for is the codebook.
        twin = pickle.loads(pickle.dumps(vqvae)).set_params(output="quantized")
        vectors = twin.transform(X)
        np.testing.assert_allclose(vectors, vqvae.codebook_[codes].reshape(len(X), -1), atol=1e-6)
        np.testing.assert_array_equal(twin.inverse_transform(vectors), vqvae.inverse_transform(codes))

    def test_copies_from_arrays_answer_alike(self, fitted):
        vqvae, X = fitted
        twin = pickle.loads(pickle.dumps(vqvae))
        np.testing.assert_array_equal(twin.transform(X), vqvae.transform(X))
        np.testing.assert_array_equal(twin.reconstruct(X), vqvae.reconstruct(X))

    def test_it_exports(self, fitted):
        pytest.importorskip("tf2onnx")
        import onnxruntime

        vqvae, X = fitted
        if keras.config.backend() != "tensorflow":
            pytest.skip("classes of one's own are converted by TensorFlow in this process")
        model = skvq.to_onnx(vqvae, "encoder")  # raises unless it answers as Keras does
        session = onnxruntime.InferenceSession(model.SerializeToString())
        images = np.asarray(X, np.float32).reshape(len(X), *vqvae.image_shape_)
        (codes,) = session.run(["codes"], {session.get_inputs()[0].name: images})
        assert (codes == vqvae.transform(X)).mean() > 0.99
