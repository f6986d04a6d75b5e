import inspect

import numpy as np
import pytest
from keras import ops

from skvq.networks.quantizers import QUANTIZERS, EMAQuantizer, GradientQuantizer
from skvq.networks.quantizers.fsq import levels_for


def built(quantizer_class, n_embeddings=12, embedding_dim=3, **options):
    quantizer = quantizer_class(n_embeddings, embedding_dim, **options)
    quantizer.build((None, 2, 2, embedding_dim))
    return quantizer


def latents(n=40, dim=3, seed=0):
    return np.random.default_rng(seed).normal(size=(n, 2, 2, dim)).astype("float32")


def test_every_quantizer_class_of_the_package_is_in_the_table():
    import skvq.networks.quantizers as family

    classes = {c for _, c in inspect.getmembers(family, inspect.isclass) if issubclass(c, family.Quantizer)}
    # A row of quantisers is composed of those in the table.
    assert classes - {family.Quantizer, family.ResidualQuantizer} == set(QUANTIZERS.values())


def test_nearest_neighbours_against_numpy():
    quantizer = built(EMAQuantizer)
    z = latents()
    table = ops.convert_to_numpy(quantizer.codebook)
    distances = np.square(z[..., None, :] - table).sum(axis=-1)
    np.testing.assert_array_equal(ops.convert_to_numpy(quantizer.assign(z)), distances.argmin(axis=-1))


def test_losses_against_numpy():
    quantizer = built(GradientQuantizer)
    z = latents()
    nearest = ops.convert_to_numpy(quantizer.codebook)[ops.convert_to_numpy(quantizer.assign(z))]
    quantized = quantizer(z)
    assert float(quantized.commitment_loss) == pytest.approx(np.square(z - nearest).mean(), rel=1e-5)
    assert float(quantized.codebook_loss) == pytest.approx(np.square(z - nearest).mean(), rel=1e-5)


def test_moving_averages_against_numpy():
    quantizer = built(EMAQuantizer, decay=0.9)
    start = np.random.default_rng(3).normal(size=(12, 3)).astype("float32")
    quantizer.start(start, np.full(12, 2.0, "float32"))
    z = latents().reshape(-1, 3)
    codes = np.square(z[:, None] - start).sum(-1).argmin(-1)
    quantizer(z.reshape(40, 2, 2, 3), training=True)
    counts = np.bincount(codes, minlength=12)
    usage = 0.9 * 2.0 + 0.1 * counts
    sums = 0.9 * 2.0 * start + 0.1 * np.stack([z[codes == k].sum(axis=0) for k in range(12)])
    np.testing.assert_allclose(ops.convert_to_numpy(quantizer.usage), usage, rtol=1e-5)
    np.testing.assert_allclose(ops.convert_to_numpy(quantizer.codebook), sums / usage[:, None], rtol=1e-4, atol=1e-5)


def test_a_restarted_code_stays_where_it_was_put():
    quantizer = built(EMAQuantizer, n_embeddings=4)
    table = np.array([[0, 0, 0], [1, 1, 1], [50, 50, 50], [-50, 0, 0]], np.float32)
    quantizer.start(table, np.array([10, 10, 0, 0], np.float32))
    z = latents()
    assert quantizer.restart_dead(z.reshape(-1, 3), 0.03, np.random.default_rng(0)) == 2
    moved = ops.convert_to_numpy(quantizer.codebook)[2:]
    assert all(np.any(np.all(np.isclose(row, z.reshape(-1, 3)), axis=1)) for row in moved)
    quantizer(np.zeros((1, 1, 1, 3), np.float32), training=True)  # an update that nearly none of them is in
    np.testing.assert_allclose(ops.convert_to_numpy(quantizer.codebook)[2:], moved, atol=1e-3)


@pytest.mark.parametrize(("n_embeddings", "levels"), [(64, (8, 8)), (125, (5, 5, 5)), (7, (7,))])
def test_fsq_levels(n_embeddings, levels):
    assert levels_for(n_embeddings) == levels


@pytest.mark.parametrize("n_embeddings", [2, 11, 26, 127])
def test_fsq_refuses_numbers_without_levels(n_embeddings):
    with pytest.raises(ValueError, match=rf"product of integers from 3 to 8 .*; got {n_embeddings}\. Near choices"):
        levels_for(n_embeddings)
