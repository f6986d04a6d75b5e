"""Frequencies against Python's integers, and against exp."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from skvq.compression.frequencies import EXPONENTIALS, TOTAL, frequencies

LOGITS = hnp.arrays(
    np.float32,
    st.tuples(st.integers(1, 3), st.integers(2, 40)),
    elements=st.integers(-(2**23), 2**23).map(float),
)


def test_exponentials_are_those_of_exp():
    expected = np.exp(-np.arange(len(EXPONENTIALS) - 1) / 256) * TOTAL
    assert np.abs(EXPONENTIALS[:-1] - expected).max() <= 1
    assert EXPONENTIALS[0] == TOTAL
    assert EXPONENTIALS[-1] == 0
    assert EXPONENTIALS[-2] <= 1


@given(LOGITS)
def test_they_add_up_and_are_those_of_python_integers(logits):
    found = frequencies(logits)
    assert found.dtype == np.float32
    for row, parts in zip(logits.astype(int).tolist(), found.tolist(), strict=True):
        exponentials = [int(EXPONENTIALS[min((max(row) - x) >> 5, len(EXPONENTIALS) - 1)]) for x in row]
        scale = ((TOTAL - len(row)) << 36) // sum(exponentials)
        expected = [e * scale >> 36 for e in exponentials]
        expected[0] += TOTAL - len(row) - sum(expected)
        assert parts == expected
        assert min(parts) >= 0
        assert sum(parts) == TOTAL - len(row)


def test_they_follow_the_probabilities():
    logits = np.random.default_rng(0).integers(-32000, 32000, (50, 100)).astype(np.float32)
    shares = np.exp(logits / 8192 - (logits / 8192).max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    np.testing.assert_allclose((frequencies(logits) + 1) / TOTAL, shares, rtol=0.006, atol=2e-5)


def test_the_widest_grid_keeps_every_code():
    found = frequencies(np.zeros((1, 2**16), np.float32))
    assert found.sum(dtype=np.float64) == TOTAL - 2**16
    assert found.min() > 200
