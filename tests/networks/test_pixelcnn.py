import numpy as np
import pytest
from keras import ops

from skvq.networks.priors.pixelcnn import PixelCNN, column_dilations, gate, in_parts


def network(code_shape=(3, 4), n_classes=0, kernel_size=3, n_embeddings=5, **options):
    net = PixelCNN(
        n_embeddings,
        code_shape,
        n_classes=n_classes,
        kernel_size=kernel_size,
        **{"hidden_channels": 6, "n_layers": 3, "dropout": 0.0, **options},
    )
    generator = np.random.default_rng(1)
    # Weights far from their start: a mask that only holds before training would show.
    for variable in net.trainable_variables:
        variable.assign(0.4 * generator.standard_normal(variable.shape))
    return net


@pytest.mark.parametrize("code_shape", [(3, 4), (1, 6), (5, 1)])
@pytest.mark.parametrize("kernel_size", [1, 3, 5])
def test_changing_a_code_moves_no_logit_up_to_and_including_it(code_shape, kernel_size):
    net = network(code_shape, kernel_size=kernel_size)
    codes = np.random.default_rng(0).integers(0, 5, (1, net.n_positions))
    changed = np.repeat(codes, net.n_positions, axis=0)
    changed[np.arange(net.n_positions), np.arange(net.n_positions)] += 1
    before = ops.convert_to_numpy(net.logits(codes))
    after = ops.convert_to_numpy(net.logits(changed % 5))
    moved = np.abs(after - before).max(axis=-1) > 1e-6  # (changed position, position)
    assert not np.any(moved[np.tril_indices(net.n_positions)])
    # The next code always hears of it, unless it starts a row that the kernel cannot bend round to.
    nexts = [moved[j, j + 1] for j in range(net.n_positions - 1) if (j + 1) % code_shape[1] and kernel_size > 1]
    assert all(nexts)


def test_no_blind_spot():
    # With enough layers every code of the past moves the last logits, also those above and to the right.
    net = network((4, 4), n_layers=5)
    codes = np.zeros((1, 16), int)
    changed = np.repeat(codes, 15, axis=0)
    changed[np.arange(15), np.arange(15)] = 1
    difference = ops.convert_to_numpy(net.logits(changed)) - ops.convert_to_numpy(net.logits(codes))
    assert np.all(np.abs(difference[:, -1]).max(axis=-1) > 1e-7)
    second_row_start = np.abs(difference[:4, 4]).max(axis=-1)
    assert np.all(second_row_start > 1e-7)  # all four codes of the first row


@pytest.mark.parametrize(
    ("code_shape", "kernel_size"),
    [((32, 32), 3), ((64, 64), 3), ((40, 3), 3), ((3, 40), 3), ((1, 64), 3), ((64, 1), 3), ((20, 33), 5)],
)
def test_the_default_depth_sees_the_whole_past_of_any_grid(code_shape, kernel_size):
    net = network(code_shape, kernel_size=kernel_size, n_embeddings=3, hidden_channels=8, n_layers=6)
    height, width = code_shape
    last = height * width - 1
    changed = sorted(
        {0, width - 1, (height // 2) * width, (height // 2) * width + width - 1, last - width + 1} - {last}
    )
    codes = np.random.default_rng(0).integers(0, 3, (1 + len(changed), last + 1))
    codes[1:] = codes[0]
    codes[1 + np.arange(len(changed)), changed] = (codes[0, changed] + 1) % 3
    logits = ops.convert_to_numpy(net.logits(codes))[:, last]
    assert np.all(np.abs(logits[1:] - logits[0]).max(axis=-1) > 1e-7)


@pytest.mark.parametrize(
    ("width", "expected"),
    [
        (7, [1] * 6),
        (8, [1, 2, 1, 1, 1, 1]),
        (16, [1, 2, 4, 8, 1, 1]),
        (32, [1, 2, 4, 8, 16, 1]),
        (64, [1, 2, 4, 8, 16, 32]),
    ],
)
def test_columns_are_skipped_only_where_the_grid_is_wider_than_the_kernels_reach(width, expected):
    assert column_dilations(width, n_layers=6, reach=1) == expected
    assert column_dilations(width, n_layers=6, reach=0) == [1] * 6


def test_gate():
    values, gates = np.random.default_rng(0).normal(size=(2, 3, 4))
    answer = ops.convert_to_numpy(gate(ops.convert_to_tensor(np.concatenate([values, gates], axis=-1))))
    np.testing.assert_allclose(answer, np.tanh(values) / (1 + np.exp(-gates)), rtol=1e-6)


@pytest.mark.parametrize("n_parts", [1, 6, 13])
def test_parts_are_equal_shares_of_the_channels(n_parts):
    features = np.random.default_rng(0).normal(size=(2, 3 * n_parts)).astype("float32")
    parts = in_parts(ops.convert_to_tensor(features), n_parts)
    np.testing.assert_array_equal(np.stack(parts), np.stack(np.split(features, n_parts, axis=-1)))
