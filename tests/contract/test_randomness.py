"""Named streams: independent, repeatable, and deaf to every global generator."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skvq._contract.randomness import seed_from, stream, uniforms

seeds = st.integers(0, 2**70)
names = st.text(min_size=1, max_size=20)


@given(seeds)
def test_an_int_is_the_seed_itself(seed):
    assert seed_from(seed) == seed


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint8])
def test_numpy_integers_are_ints(dtype):
    assert seed_from(dtype(7)) == 7
    assert type(seed_from(dtype(7))) is int


@given(seeds, names)
def test_a_stream_repeats_itself(seed, name):
    assert np.array_equal(stream(seed, name).random(8), stream(seed, name).random(8))


@given(seeds, names, names)
def test_streams_differ_by_name(seed, name, other):
    if name != other:
        assert not np.array_equal(stream(seed, name).random(8), stream(seed, other).random(8))


@given(seeds, seeds, names)
def test_streams_differ_by_seed(seed, other, name):
    if seed != other:
        assert not np.array_equal(stream(seed, name).random(8), stream(other, name).random(8))


def test_streams_of_neighbouring_seeds_and_names_are_uncorrelated():
    draws = [stream(seed, name).random(4000) for seed in range(4) for name in ("weights", "batches", "sample")]
    correlations = np.corrcoef(draws) - np.eye(len(draws))
    assert np.abs(correlations).max() < 0.08  # five standard errors


@given(st.integers(0, 2**32 - 1), st.integers(0, 20), st.integers(0, 20), st.integers(0, 50))
def test_first_uniforms_do_not_depend_on_how_many_are_drawn(seed, few, more, n_positions):
    few, more = sorted((few, more))
    assert np.array_equal(uniforms(seed, more, n_positions)[:few], uniforms(seed, few, n_positions))


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_uniforms_fill_the_half_open_unit_interval(seed):
    u = uniforms(seed, 100, 50)
    assert u.shape == (100, 50)
    assert u.dtype == np.float32
    assert u.min() >= 0
    assert u.max() < 1
    assert abs(u.mean() - 0.5) < 0.025  # six standard errors of 5000 draws


@pytest.mark.parametrize("make", [np.random.RandomState, np.random.default_rng])
def test_an_instance_gives_up_one_number_a_call(make):
    instance, twin = make(3), make(3)
    first, second = seed_from(instance), seed_from(instance)
    assert first != second
    assert (first, second) == (seed_from(twin), seed_from(twin))
    assert not np.array_equal(uniforms(instance, 2, 3), uniforms(instance, 2, 3))


def test_none_takes_new_entropy_every_time():
    drawn = {seed_from(None) for _ in range(20)}
    assert len(drawn) == 20
    assert all(0 <= seed < 2**63 for seed in drawn)


def test_global_generators_are_neither_read_nor_written():
    np.random.seed(0)
    random.seed(0)
    numpy_before, python_before = np.random.get_state(), random.getstate()
    drawn = [uniforms(5, 3, 4), stream(5, "weights").random(4)]
    for random_state in (None, np.random.RandomState(0), np.random.default_rng(0)):
        seed_from(random_state)
    numpy_after = np.random.get_state()
    assert all(np.array_equal(a, b) for a, b in zip(numpy_before, numpy_after, strict=True))
    assert random.getstate() == python_before

    np.random.seed(99)
    random.seed(99)
    assert np.array_equal(drawn[0], uniforms(5, 3, 4))
    assert np.array_equal(drawn[1], stream(5, "weights").random(4))


@pytest.mark.parametrize("wrong", [-1, np.int64(-5), 0.5, "0", True, np.True_, [1], np.random])
def test_other_random_states_are_refused(wrong):
    message = (
        r"random_state must be an int >= 0, a numpy RandomState or Generator, or None; got .*"
        r"Pass an int for the same result at every call\."
    )
    with pytest.raises(ValueError, match=message):
        seed_from(wrong)
    with pytest.raises(ValueError, match=message):
        uniforms(wrong, 1, 1)
