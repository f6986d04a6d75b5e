import hypothesis
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops
from test_pixelcnn import network

from skvq._contract.sampling import SamplingOptions
from skvq.networks.certificate import boundary_distance
from skvq.networks.sampling import cumulative_weights, invert, sample


@settings(max_examples=50)
@given(
    weights=st.lists(st.floats(0, 1).map(lambda w: w if w > 1e-3 else 0.0), min_size=2, max_size=9).filter(any),
    uniform=st.floats(0, 1, exclude_max=True, width=32),
)
def test_inverse_of_the_cumulative_distribution(weights, uniform):
    cumulative = np.cumsum(np.array(weights, np.float32))
    code = int(invert(ops.convert_to_tensor(cumulative[None]), ops.convert_to_tensor(np.float32([uniform])))[0])
    threshold = np.float32(uniform) * cumulative[-1]
    assert weights[code] > 0
    assert cumulative[code] > threshold
    assert code == 0 or cumulative[code - 1] <= threshold


def test_cumulative_weights_are_a_softmax_summed_up():
    logits = np.random.default_rng(0).normal(size=(3, 7)).astype("float32")
    weights = np.exp(logits / 0.7)
    expected = np.cumsum(weights / weights.sum(axis=-1, keepdims=True), axis=-1)
    answer = ops.convert_to_numpy(cumulative_weights(ops.convert_to_tensor(logits), SamplingOptions(0.7)))
    np.testing.assert_allclose(answer / answer[:, -1:], expected, rtol=1e-5)


@settings(max_examples=50)
@given(
    seed=st.integers(0, 2**31),
    temperature=st.floats(0.2, 3),
    top_k=st.none() | st.integers(1, 12),
    top_p=st.none() | st.floats(0.05, 1),
)
def test_top_k_and_top_p_against_numpy(seed, temperature, top_k, top_p):
    logits = np.random.default_rng(seed).normal(size=9).astype("float32")
    probabilities = np.exp(logits.astype(float) / temperature)
    order = np.argsort(-probabilities)
    kept = order[:top_k]
    if top_p is not None:
        share = probabilities[kept] / probabilities[kept].sum()
        reached = np.cumsum(share) - share
        hypothesis.assume(np.abs(reached - top_p).min() > 1e-4)  # float32 may decide either way there
        kept = kept[reached < top_p]
    expected = np.zeros(9)
    expected[kept] = probabilities[kept] / probabilities[kept].sum()
    choice = SamplingOptions(np.float32(temperature), top_k, top_p)
    answer = ops.convert_to_numpy(cumulative_weights(ops.convert_to_tensor(logits[None]), choice))[0]
    np.testing.assert_allclose(np.diff(answer / answer[-1], prepend=0), expected, atol=1e-5)


@pytest.mark.parametrize("code_shape", [(3, 4), (1, 6), (5, 1), (1, 1), (7, 9)])
@pytest.mark.parametrize(("kernel_size", "n_classes"), [(3, 0), (5, 4), (1, 2)])
def test_incremental_samples_are_those_of_the_whole_grid_loop(code_shape, kernel_size, n_classes):
    net = network(code_shape, kernel_size=kernel_size, n_classes=n_classes)
    generator = np.random.default_rng(2)
    uniforms = generator.random((6, net.n_positions), dtype=np.float32)
    labels = (generator.integers(0, n_classes, 6),) if n_classes else ()
    drawn = ops.convert_to_numpy(sample(net, uniforms, SamplingOptions(0.9), *labels))
    slowly = np.zeros((6, net.n_positions), np.int32)
    for j in range(net.n_positions):
        cumulative = cumulative_weights(net.logits(slowly, *labels)[:, j], SamplingOptions(0.9))
        slowly[:, j] = ops.convert_to_numpy(invert(cumulative, uniforms[:, j]))
    np.testing.assert_array_equal(drawn, slowly)
    logits = ops.convert_to_numpy(net.logits(drawn, *labels))
    assert boundary_distance(logits, uniforms, drawn, SamplingOptions(0.9)).max() < 1e-5


def test_what_is_carried_from_code_to_code_grows_with_the_width_and_not_the_height(monkeypatch):
    while_loop = ops.while_loop

    def most_carried(height, width):
        sizes = []

        def noting(condition, body, variables):
            sizes.append(sum(int(np.prod(x.shape)) for x in variables if "float" in str(x.dtype)))
            return while_loop(condition, body, variables)

        monkeypatch.setattr(ops, "while_loop", noting)
        net = network((height, width))
        sample(net, ops.zeros((2, net.n_positions)), SamplingOptions(1.0))
        return max(sizes)

    lowest = most_carried(3, 4)
    assert most_carried(12, 4) == lowest > 0
    assert most_carried(3, 8) <= 2 * lowest


def test_all_of_one_keeps_every_code():
    logits = ops.convert_to_tensor(9 * np.random.default_rng(0).normal(size=(50, 300)).astype("float32"))
    np.testing.assert_array_equal(
        ops.convert_to_numpy(cumulative_weights(logits, SamplingOptions(1.0, None, 1.0))),
        ops.convert_to_numpy(cumulative_weights(logits, SamplingOptions(1.0))),
    )
