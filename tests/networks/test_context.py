"""The network of integer tables against the same tables in NumPy."""

import numpy as np
import pytest
from keras import ops
from random_tables import GRIDS, random_tables

from skvq._contract.sampling import SamplingOptions
from skvq.compression.tables import LOGITS_PER_NAT
from skvq.networks.certificate import boundary_distance
from skvq.networks.priors import ContextNetwork
from skvq.networks.sampling import sample


@pytest.mark.parametrize("n_classes", [0, 3])
@pytest.mark.parametrize("name", GRIDS)
def test_logits_are_those_of_the_tables_to_the_last_integer(name, n_classes):
    grid = GRIDS[name]
    tables = random_tables(grid, n_classes)
    generator = np.random.default_rng(1)
    codes = generator.integers(grid.n_embeddings, size=(4, grid.n_codes))
    labels = generator.integers(n_classes, size=4) if n_classes else None
    found = ops.convert_to_numpy(ContextNetwork.of(tables).logits(codes, labels)) * LOGITS_PER_NAT
    canvas = tables.layout.canvas(4)
    canvas[:, tables.layout.places] = codes
    for wave in tables.layout.waves:
        np.testing.assert_array_equal(found[:, wave.codes], tables.logits(canvas, wave, labels))


@pytest.mark.parametrize("name", ["square", "volume", "depth", "depth-row", "one-position"])
def test_one_full_pass_certifies_a_sample(name):
    network = ContextNetwork.of(random_tables(GRIDS[name], 2))
    uniforms = np.random.default_rng(5).random((4, network.n_positions), dtype=np.float32)
    labels = np.array([0, 1, 1, 0])
    drawn = ops.convert_to_numpy(sample(network, uniforms, SamplingOptions(), labels))
    logits = ops.convert_to_numpy(network.logits(drawn, labels))
    assert boundary_distance(logits, uniforms, drawn, SamplingOptions()).max() < 1e-5


def test_it_has_nothing_to_train_and_all_to_carry():
    tables = random_tables(GRIDS["depth"], 2)
    network = ContextNetwork.of(tables)
    assert network.trainable_weights == []
    for weight, name in zip(network.get_weights(), ("rows", "output", "bias"), strict=True):
        np.testing.assert_array_equal(weight, getattr(tables, name))
