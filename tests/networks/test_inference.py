import keras
import numpy as np
import pytest

from skvq.networks.inference import CompiledFunction, spans


def compiled():
    network = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(2)])
    return network, CompiledFunction(network, lambda x, scale: network(x) * scale)


@pytest.mark.parametrize("n_rows", [1, 4, 9])
def test_batches_are_padded_to_one_size_and_cut_again(n_rows):
    network, function = compiled()
    x = np.random.default_rng(0).normal(size=(n_rows, 3)).astype("float32")
    scale = np.arange(n_rows, dtype="float32")[:, None]
    answer = function.in_batches(x, scale, batch_size=4)
    np.testing.assert_allclose(answer, keras.ops.convert_to_numpy(network(x)) * scale, rtol=1e-5)


def test_new_weights_are_seen():
    network, function = compiled()
    x, scale = np.ones((2, 3), "float32"), np.ones((2, 1), "float32")
    function.in_batches(x, scale, batch_size=2)
    network.set_weights([np.zeros((3, 2)), np.full(2, 5.0)])
    np.testing.assert_array_equal(function.in_batches(x, scale, batch_size=2), np.full((2, 2), 5.0))


def test_spans():
    assert list(spans(7, 3)) == [(0, 3), (3, 6), (6, 7)]
    assert list(spans(0, 3)) == []
