"""Several quantisers in a row, against a plain loop in NumPy."""

import keras
import numpy as np
import pytest
from keras import ops

from skvq.networks.quantizers import EMAQuantizer, GradientQuantizer, ResidualQuantizer
from skvq.networks.quantizers.residual import residuals_of

K, DIM, DEPTH = 12, 3, 3


def built(stage_class=EMAQuantizer, depth=DEPTH, dropout=0.0, decay=0.9):
    """Return a residual quantizer whose stages have finer and finer codebooks."""
    quantizer = ResidualQuantizer([stage_class(K, DIM, decay=decay) for _ in range(depth)], dropout=dropout)
    quantizer.build((None, 2, 2, DIM))
    generator = np.random.default_rng(3)
    tables = np.stack([0.5**i * generator.normal(size=(K, DIM)) for i in range(depth)]).astype("float32")
    quantizer.start(tables, np.full((depth, K), 2.0, "float32"))
    return quantizer, tables


def latents(n=40, seed=0):
    return np.random.default_rng(seed).normal(size=(n, 2, 2, DIM)).astype("float32")


def by_loop(z, tables):
    """Return codes (..., depth), and what is left before each stage and at the end."""
    codes, left = [], [z]
    for table in tables:
        codes.append(np.square(left[-1][..., None, :] - table).sum(axis=-1).argmin(axis=-1))
        left.append(left[-1] - table[codes[-1]])
    return np.stack(codes, axis=-1), left


def test_each_stage_codes_what_the_ones_before_it_left():
    quantizer, tables = built()
    z = latents()
    codes, left = by_loop(z, tables)
    np.testing.assert_array_equal(ops.convert_to_numpy(quantizer.assign(z)), codes)
    np.testing.assert_allclose(ops.convert_to_numpy(quantizer.embed(codes)), z - left[-1], atol=1e-5)
    quantized = quantizer(z)
    np.testing.assert_array_equal(ops.convert_to_numpy(quantized.codes), codes)
    np.testing.assert_allclose(ops.convert_to_numpy(quantized.latents), z - left[-1], atol=1e-5)
    errors = [np.square(rest).mean() for rest in left]
    assert errors == sorted(errors, reverse=True)
    assert float(quantized.commitment_loss) == pytest.approx(sum(errors[1:]), rel=1e-5)
    assert float(quantized.codebook_loss) == 0
    np.testing.assert_array_equal(quantizer.codebook_array(), tables)


def test_a_code_of_minus_one_leaves_its_stage_out():
    quantizer, tables = built()
    codes = np.random.default_rng(0).integers(0, K, (5, DEPTH))
    for n_kept in range(DEPTH + 1):
        kept = np.where(np.arange(DEPTH) < n_kept, codes, -1)
        expected = sum((table[code] for table, code in zip(tables[:n_kept], codes.T, strict=False)), np.zeros((5, DIM)))
        np.testing.assert_allclose(ops.convert_to_numpy(quantizer.embed(kept)), expected, atol=1e-6)


def test_moving_averages_of_each_stage_are_of_its_own_inputs():
    quantizer, tables = built()
    z = latents()
    codes, left = by_loop(z, tables)
    quantizer(z, training=True)
    for i, (stage, table) in enumerate(zip(quantizer.stages, tables, strict=True)):
        flat, chosen = left[i].reshape(-1, DIM), codes[..., i].ravel()
        usage = 0.9 * 2.0 + 0.1 * np.bincount(chosen, minlength=K)
        sums = 0.9 * 2.0 * table + 0.1 * np.stack([flat[chosen == k].sum(axis=0) for k in range(K)])
        np.testing.assert_allclose(ops.convert_to_numpy(stage.usage), usage, rtol=1e-5)
        np.testing.assert_allclose(stage.codebook_array(), sums / usage[:, None], rtol=1e-4, atol=1e-5)


def test_the_loss_of_a_trained_codebook_is_the_sum_over_stages():
    quantizer, tables = built(GradientQuantizer)
    z = latents()
    _, left = by_loop(z, tables)
    assert float(quantizer(z).codebook_loss) == pytest.approx(
        sum(np.square(rest).mean() for rest in left[1:]), rel=1e-5
    )


def test_inactive_it_rounds_nothing_and_costs_nothing():
    quantizer, tables = built()
    quantizer.active.assign(0.0)
    z = latents()
    quantized = quantizer(z)
    np.testing.assert_allclose(ops.convert_to_numpy(quantized.latents), z, atol=1e-6)
    assert float(quantized.commitment_loss) == float(quantized.codebook_loss) == 0
    quantizer.start(tables, np.full((DEPTH, K), 2.0, "float32"))
    assert float(quantizer.active) == 1


@pytest.mark.parametrize("dropout", [0.0, 0.5, 1.0])
def test_so_many_images_are_rebuilt_from_the_first_stages(dropout):
    quantizer, tables = built(dropout=dropout, decay=1.0)  # the codebooks stay
    z = latents(2000)
    _, left = by_loop(z, tables)
    answers = ops.convert_to_numpy(quantizer(z, training=True).latents)
    distances = np.stack([np.abs(z - rest - answers).max(axis=(1, 2, 3)) for rest in left[1:]])  # (stages, n)
    assert distances.min(axis=0).max() < 1e-5  # each image is a whole number of stages, the same everywhere
    shares = np.bincount(distances.argmin(axis=0), minlength=DEPTH) / len(z)
    np.testing.assert_allclose(shares, [dropout / 2, dropout / 2, 1 - dropout], atol=0.06)
    quantized = quantizer(z)
    np.testing.assert_allclose(ops.convert_to_numpy(quantized.latents), z - left[-1], atol=1e-5)


def test_gradient_passes_straight_through():
    if keras.config.backend() != "tensorflow":
        pytest.skip("a gradient is taken by TensorFlow's tape here")
    import tensorflow as tf

    quantizer, _ = built(dropout=0.5)
    z = ops.convert_to_tensor(latents())
    with tf.GradientTape() as tape:
        tape.watch(z)
        total = ops.sum(quantizer(z, training=True).latents * np.array([1.0, 2.0, 4.0], np.float32))
    np.testing.assert_allclose(tape.gradient(total, z).numpy(), np.broadcast_to([1.0, 2.0, 4.0], z.shape), rtol=1e-6)


def test_the_commitment_of_every_stage_pulls_the_latents():
    if keras.config.backend() != "tensorflow":
        pytest.skip("a gradient is taken by TensorFlow's tape here")
    import tensorflow as tf

    quantizer, tables = built()
    z = latents()
    _, left = by_loop(z, tables)
    tensor = ops.convert_to_tensor(z)
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        loss = quantizer(tensor).commitment_loss
    # Embeddings are constants, so each stage's term pulls by what it leaves.
    np.testing.assert_allclose(tape.gradient(loss, tensor).numpy(), 2 * sum(left[1:]) / z.size, rtol=1e-4, atol=1e-7)


def test_dead_codes_of_each_stage_restart_among_its_own_inputs():
    quantizer, tables = built()
    for stage in quantizer.stages:
        usage = np.full(K, 10.0, "float32")
        usage[:2] = 0
        stage.usage.assign(usage)
    z = latents().reshape(-1, DIM)
    assert quantizer.restart_dead(z, 0.03, np.random.default_rng(0)) == 2 * DEPTH
    inputs = z
    for stage, table in zip(quantizer.stages, tables, strict=True):
        moved = stage.codebook_array()
        np.testing.assert_array_equal(moved[2:], table[2:])
        assert all(np.any(np.all(np.isclose(row, inputs, atol=1e-6), axis=1)) for row in moved[:2])
        inputs = inputs - moved[np.square(inputs[:, None] - moved).sum(axis=-1).argmin(axis=-1)]


def test_residuals_of_many_latents_are_found_block_by_block(monkeypatch):
    quantizer, tables = built()
    z = latents().reshape(-1, DIM)
    monkeypatch.setattr("skvq.networks.quantizers.residual.ROWS_TIMES_CODES", 7 * K)
    np.testing.assert_allclose(residuals_of(quantizer.stages[0], z), by_loop(z, tables)[1][1], atol=1e-6)
