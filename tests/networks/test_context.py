"""The network of tables against the tables themselves, in NumPy."""

import numpy as np
import pytest
from keras import ops

from skvq._context_tables import ContextTables
from skvq.networks.priors import ContextNetwork


def codes_and_labels(n, code_shape, n_embeddings, seed):
    """Codes that follow their left neighbour and their class, so that tables have something to learn."""
    generator = np.random.default_rng(seed)
    codes, labels = generator.integers(n_embeddings, size=(n, np.prod(code_shape))), generator.integers(3, size=n)
    stays = generator.random(codes.shape) < 0.6
    for j in range(1, codes.shape[1]):
        codes[:, j] = np.where(stays[:, j], (codes[:, j - 1] + labels) % n_embeddings, codes[:, j])
    return codes, labels


@pytest.mark.parametrize("code_shape", [(4, 5), (1, 7), (6, 1)])
@pytest.mark.parametrize("conditional", [False, True])
@pytest.mark.parametrize("max_table_size", [1, 60, 400, 2**23])
def test_log_probabilities_are_those_of_the_tables(code_shape, conditional, max_table_size):
    codes, labels = codes_and_labels(200, code_shape, 8, seed=0)
    asked, asked_labels = codes_and_labels(20, code_shape, 8, seed=1)
    given = (labels, 3) if conditional else (None, 0)
    asked_labels = asked_labels if conditional else None
    tables = ContextTables.fit(codes, code_shape, 8, *given, max_table_size=max_table_size)
    network = ContextNetwork.of(tables)
    answer = ops.convert_to_numpy(network.log_probabilities(asked, asked_labels))
    np.testing.assert_allclose(answer, tables.log_probabilities(asked, asked_labels), atol=1e-5)
    logits = ops.convert_to_numpy(network.logits(asked, asked_labels))
    np.testing.assert_allclose(np.exp(logits).sum(axis=-1), 1.0, rtol=1e-5)


def test_it_has_nothing_to_train_and_all_to_carry():
    codes, _ = codes_and_labels(50, (2, 3), 4, seed=0)
    tables = ContextTables.fit(codes, (2, 3), 4)
    network = ContextNetwork.of(tables)
    assert network.trainable_weights == []
    for weight, array in zip(network.get_weights(), tables.arrays(), strict=True):
        np.testing.assert_array_equal(weight, array)
        assert weight.dtype == array.dtype


def test_a_code_that_was_never_seen_keeps_a_probability():
    # So many equal codes that the probability of another falls below what float32 holds.
    tables = ContextTables.fit(np.zeros((20_000, 9), int), (3, 3), 100)
    logits = ops.convert_to_numpy(ContextNetwork.of(tables).logits(np.full((1, 9), 7)))
    assert np.isfinite(logits).all()
