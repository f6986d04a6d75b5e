"""What every network of a prior does: each row of the table, and the example of one's own.

A new one is held by this as soon as it is listed here and in the table.
"""

import importlib
import pkgutil
from pathlib import Path

import numpy as np
import pytest
from keras import ops
from random_tables import random_tables

from skvq._contract.codes import CodeGrid
from skvq._contract.sampling import SamplingOptions
from skvq.networks import priors
from skvq.networks.certificate import boundary_distance
from skvq.networks.priors import PRIOR_NETWORKS, ContextNetwork, PixelCNN, PriorNetwork, ResidualPixelCNN
from skvq.networks.sampling import cumulative_weights, invert, sample

EXAMPLE = Path(__file__).parents[2] / "examples" / "own_prior.py"
K = 5


def own():
    """Return the example as a module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(EXAMPLE.parent)  # as for a script
        return importlib.import_module(EXAMPLE.stem)


def spread(network):
    """Give a network weights far from their start: what holds only before training would show."""
    generator = np.random.default_rng(1)
    for variable in network.trainable_variables:
        variable.assign(0.4 * generator.standard_normal(variable.shape))
    return network


def pixelcnn(code_shape, n_classes):
    return spread(
        PixelCNN(K, code_shape, n_classes=n_classes, hidden_channels=6, n_layers=3, kernel_size=3, dropout=0.0)
    )


def residual_pixelcnn(code_shape, n_classes):
    rows, columns = code_shape
    depth = 2 if columns % 2 == 0 else 1
    options = {"hidden_channels": 6, "n_layers": 3, "kernel_size": 3, "dropout": 0.0}
    return spread(ResidualPixelCNN(K, (rows, columns // depth), depth, n_classes=n_classes, **options))


def context(code_shape, n_classes):
    return ContextNetwork.of(random_tables(CodeGrid(code_shape, K), n_classes, n_features=32))


def transformer(code_shape, n_classes):
    return spread(own().CausalTransformer(K, code_shape, n_classes=n_classes, channels=8, n_layers=2, n_heads=2))


BUILDERS = {"pixelcnn": pixelcnn, "residual_pixelcnn": residual_pixelcnn, "context": context, "own": transformer}
GRIDS = [((3, 4), 0), ((3, 4), 3), ((1, 6), 3), ((5, 1), 0), ((1, 1), 3)]  # and numbers of classes
DRAWS = {
    "plain": (SamplingOptions(0.9), 0.0),
    "top_k": (SamplingOptions(1.0, 3), 0.3),
    "top_p": (SamplingOptions(1.0, None, 0.8), 0.3),
}


def test_every_network_of_the_folder_is_in_the_table_and_held_here():
    found = set()
    for module in pkgutil.iter_modules(priors.__path__):
        members = vars(importlib.import_module(f"{priors.__name__}.{module.name}")).values()
        found |= {m for m in members if isinstance(m, type) and issubclass(m, PriorNetwork) and m is not PriorNetwork}
    assert found == set(PRIOR_NETWORKS.values())
    assert set(BUILDERS) == {*PRIOR_NETWORKS, "own"}
    for name, network_class in PRIOR_NETWORKS.items():
        assert type(BUILDERS[name]((1, 2), 0)) is network_class


@pytest.fixture(
    scope="module",
    params=[(name, *grid) for name in BUILDERS for grid in GRIDS],
    ids=lambda case: f"{case[0]}-{case[1][0]}x{case[1][1]}-{case[2]}",
)
def case(request):
    """A network, and codes and labels for it."""
    name, code_shape, n_classes = request.param
    network = BUILDERS[name](code_shape, n_classes)
    generator = np.random.default_rng(3)
    codes = generator.integers(0, K, (4, network.n_positions)).astype("int32")
    return network, codes, generator.integers(0, n_classes, 4).astype("int32") if n_classes else None


def logits_of(network, codes, labels):
    return ops.convert_to_numpy(network.logits(codes, labels))


def by_cells(network, labels, n, choose):
    """Run the protocol as its docstring writes it: logits (n, positions, K), and all memories on the way.

    ``choose(logits, j)`` gives the codes (n,) at position ``j``.
    """
    rows, columns = network.code_shape
    prepared = network.prepare(labels, n)
    row_memory = network.row_memory(n)
    logits, row_memories, cell_memories = [], [row_memory], []
    for row in range(rows):
        given, row_memory, cell_memory = network.begin_row(prepared, ops.convert_to_tensor(row, "int32"), row_memory)
        row_codes = []
        cell_memories.append(cell_memory)
        for column in range(columns):
            place = ops.convert_to_tensor(row, "int32"), ops.convert_to_tensor(column, "int32")
            answer, cell_memory = network.cell(prepared, given, *place, cell_memory)
            logits.append(ops.convert_to_numpy(answer))
            row_codes.append(np.asarray(choose(answer, row * columns + column), np.int32))
            code = ops.convert_to_tensor(row_codes[-1])
            cell_memory = network.put(prepared, code, *place, cell_memory)
            cell_memories.append(cell_memory)
        row_codes = ops.convert_to_tensor(np.stack(row_codes, axis=1))
        row_memory = network.end_row(prepared, row_codes, row_memory, cell_memory)
        row_memories.append(row_memory)
    return np.stack(logits, axis=1), row_memories, cell_memories


def test_logits_are_finite_for_every_code(case):
    network, codes, labels = case
    logits = logits_of(network, codes, labels)
    assert logits.shape == (4, network.n_positions, K)
    assert np.isfinite(logits).all()


def test_changing_a_code_moves_no_logit_up_to_and_including_it(case):
    network, codes, labels = case
    n_positions = network.n_positions
    changed = np.repeat(codes[:1], n_positions, axis=0)
    changed[np.arange(n_positions), np.arange(n_positions)] += 1
    labels = None if labels is None else np.repeat(labels[:1], n_positions)
    before = logits_of(network, np.repeat(codes[:1], n_positions, axis=0), labels)
    moved = np.abs(logits_of(network, changed % K, labels) - before).max(axis=-1) > 1e-6  # (changed, position)
    assert not moved[np.tril_indices(n_positions)].any()
    columns = network.code_shape[1]
    assert all(moved[j, j + 1] for j in range(n_positions - 1) if (j + 1) % columns)  # the next code of the row
    assert all(moved[j, j + columns] for j in range(n_positions - columns))  # the code below


def test_rows_and_cells_give_the_logits_of_whole_grids(case):
    network, codes, labels = case
    answer, _, _ = by_cells(network, labels, 4, lambda logits, j: codes[:, j])
    np.testing.assert_allclose(answer, logits_of(network, codes, labels), atol=1e-5)


def test_memories_keep_their_number_shapes_and_dtypes(case):
    network, codes, labels = case
    _, row_memories, cell_memories = by_cells(network, labels, 4, lambda logits, j: codes[:, j])
    for memories in (row_memories, cell_memories):
        kinds = {tuple((tuple(x.shape), str(x.dtype)) for x in memory) for memory in memories}
        assert len(kinds) == 1


@pytest.mark.parametrize("draw", DRAWS)
def test_one_full_pass_certifies_a_sample(case, draw):
    network, codes, labels = case
    options, share_known = DRAWS[draw]
    generator = np.random.default_rng(5)
    uniforms = generator.random(codes.shape, dtype=np.float32)
    is_known = generator.random(codes.shape) < share_known
    known_codes = np.where(is_known, codes, -1) if share_known else None
    drawn = ops.convert_to_numpy(sample(network, uniforms, options, labels, known_codes))
    assert drawn.shape == codes.shape
    distance = boundary_distance(logits_of(network, drawn, labels), uniforms, drawn, options)
    assert distance[~is_known].max(initial=0) < 1e-5
    np.testing.assert_array_equal(drawn[is_known], codes[is_known])


def test_a_sample_follows_its_uniforms_cell_by_cell(case):
    network, codes, labels = case
    uniforms = np.random.default_rng(7).random(codes.shape, dtype=np.float32)
    slowly = []

    def choose(logits, j):
        slowly.append(ops.convert_to_numpy(invert(cumulative_weights(logits, SamplingOptions()), uniforms[:, j])))
        return slowly[-1]

    by_cells(network, labels, 4, choose)
    drawn = ops.convert_to_numpy(sample(network, uniforms, SamplingOptions(), labels))
    np.testing.assert_array_equal(drawn, np.stack(slowly, axis=1))


def test_log_probabilities_are_those_of_the_logits(case):
    network, codes, labels = case
    logits = logits_of(network, codes, labels).astype(np.float64)
    expected = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    expected = np.take_along_axis(expected, codes[..., None], axis=-1)[..., 0]
    answer = ops.convert_to_numpy(network.log_probabilities(codes, labels))
    np.testing.assert_allclose(answer, expected, atol=1e-5)
    assert float(network.compute_loss(y=codes, y_pred=network.logits(codes, labels))) == pytest.approx(
        -expected.mean(), rel=1e-4
    )


@pytest.mark.parametrize("name", BUILDERS)
def test_classes_move_every_position(name):
    codes = np.zeros((2, 12), "int32")
    logits = logits_of(BUILDERS[name]((3, 4), 3), codes, np.array([0, 2], "int32"))
    assert (np.abs(logits[0] - logits[1]).max(axis=-1) > 1e-6).all()


@pytest.mark.parametrize("name", BUILDERS)
def test_weights_carry_all_that_a_network_knows(name):
    first, second = BUILDERS[name]((3, 4), 2), BUILDERS[name]((3, 4), 2)
    codes = np.random.default_rng(0).integers(0, K, (4, 12)).astype("int32")
    labels = np.array([0, 1, 1, 0], "int32")
    expected = logits_of(first, codes, labels)
    second.set_weights([np.zeros_like(weight) for weight in second.get_weights()])
    assert not np.allclose(logits_of(second, codes, labels), expected)
    second.set_weights(first.get_weights())
    np.testing.assert_array_equal(logits_of(second, codes, labels), expected)
