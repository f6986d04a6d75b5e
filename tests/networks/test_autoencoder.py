import numpy as np
import pytest
from keras import ops

from skvq._contract.images import ValueRange
from skvq.networks.architectures import ARCHITECTURES
from skvq.networks.autoencoder import Autoencoder
from skvq.networks.losses import mse
from skvq.networks.quantizers import GradientQuantizer

OPTIONS = {"embedding_dim": 3, "downsampling": 4, "hidden_channels": 6, "n_residual_blocks": 1}


def autoencoder(image_shape=(7, 10, 1), values=None, beta=0.3, vq_weight=2.0, **options):
    encoder, decoder = ARCHITECTURES["conv"]((8, 12, 1), **OPTIONS)
    return Autoencoder(
        image_shape,
        encoder,
        decoder,
        GradientQuantizer(5, 3),
        values=values or ValueRange(100.0, 50.0, 0.0, 255.0),
        **{
            "reconstruction_loss": mse,
            "reconstruction_scale": 0.5,
            "beta": beta,
            "vq_weight": vq_weight,
            "bounded": True,
            **options,
        },
    )


def images(n=6):
    return np.random.default_rng(0).integers(0, 256, (n, 7, 10, 1)).astype("float32")


def test_encode_decode_reconstruct_agree():
    network = autoencoder()
    codes = network.encode(images())
    assert codes.shape == (6, 6)
    assert network.code_shape == (2, 3)
    answer = ops.convert_to_numpy(network.decode(codes))
    assert answer.shape == (6, 7, 10, 1)
    assert 0 <= answer.min() <= answer.max() <= 255
    np.testing.assert_allclose(answer, ops.convert_to_numpy(network.reconstruct(images())), atol=1e-4)


def test_the_border_goes_on_where_an_image_is_padded():
    network = autoencoder()
    padded = ops.convert_to_numpy(network._pad(ops.convert_to_tensor(images())))
    np.testing.assert_array_equal(padded, np.pad(images(), ((0, 0), (0, 1), (0, 2), (0, 0)), mode="edge"))


def test_the_loss_is_the_sum_of_its_weighted_terms():
    network = autoencoder()
    x = ops.convert_to_tensor(images())
    answers = network(x)
    total = float(network.compute_loss(x=x, y_pred=answers))
    reconstruction = np.square(images() / 255 - ops.convert_to_numpy(answers["reconstructions"])).mean() / 0.5
    expected = reconstruction + 2.0 * (float(answers["codebook_loss"]) + 0.3 * float(answers["commitment_loss"]))
    assert total == pytest.approx(expected, rel=1e-5)
