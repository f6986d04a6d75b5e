"""Codebook usage, and bits, against slow oracles."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skvq import metrics

seeds = st.integers(0, 2**32 - 1)


@given(st.integers(1, 12), st.integers(1, 30), seeds)
def test_counts_use_and_perplexity(n_embeddings, n, seed):
    codes = np.random.default_rng(seed).integers(n_embeddings, size=(n, 3))
    counts = metrics.code_counts(codes, n_embeddings)
    assert counts.tolist() == [int((codes == k).sum()) for k in range(n_embeddings)]
    used = metrics.codes_in_use(codes, n_embeddings)
    assert used == len(set(codes.ravel().tolist()))
    perplexity = metrics.perplexity(codes, n_embeddings)
    assert 1 <= perplexity <= used + 1e-9
    frequencies = counts / counts.sum()
    assert perplexity == pytest.approx(math.prod(p**-p for p in frequencies if p > 0))
    renamed = np.random.default_rng(seed).permutation(n_embeddings)[codes]
    assert metrics.perplexity(renamed, n_embeddings) == pytest.approx(perplexity)


@given(st.integers(1, 100))
def test_perplexity_has_its_limits(n_embeddings):
    assert metrics.perplexity(np.arange(n_embeddings), n_embeddings) == pytest.approx(n_embeddings)
    assert metrics.perplexity(np.arange(n_embeddings), n_embeddings) <= n_embeddings
    assert metrics.perplexity([[0, 0]], n_embeddings) == 1


def test_codes_may_be_whole_floats():
    assert metrics.codes_in_use(np.array([[0.0, 3.0]]), 4) == 2


@pytest.mark.parametrize("metric", [metrics.code_counts, metrics.codes_in_use, metrics.perplexity])
@pytest.mark.parametrize(
    ("codes", "message"),
    [
        ([], r"codes must hold at least one code; got shape \(0,\)"),
        ([[0.5]], r"codes must hold codes, which are whole numbers; got 0\.5"),
        ([[math.nan]], r"codes must hold codes, which are whole numbers; got nan"),
        ([["a"]], r"codes must hold codes, which are whole numbers; got dtype <U1"),
        (
            [[0, 4]],
            r"codes must lie in \[0, n_embeddings\) = \[0, 4\); got values from 0 to 4\. Pass the n_emb",
        ),
        ([[-1, 2]], r"codes must hold codes >= 0; got -1"),
    ],
)
def test_values_that_are_not_codes(metric, codes, message):
    with pytest.raises(ValueError, match=message):
        metric(codes, 4)


@pytest.mark.parametrize("wrong", [0, -3, 2.0, True, None])
def test_n_embeddings_must_be_a_size(wrong):
    for metric in (lambda k: metrics.perplexity([0], k), metrics.uniform_bits):
        with pytest.raises(ValueError, match=r"n_embeddings must be an integer >= 1; got .*size of the codebook"):
            metric(wrong)


@given(st.integers(1, 60), st.integers(1, 8), st.integers(2, 300))
def test_the_uniform_distribution_costs_uniform_bits(n_positions, n, n_embeddings):
    log_likelihood = np.full(n, -n_positions * math.log(n_embeddings))
    bits = metrics.uniform_bits(n_embeddings)
    assert metrics.bits_per_code(log_likelihood, n_positions) == pytest.approx(bits)
    assert metrics.bits_per_code(log_likelihood[0], n_positions) == pytest.approx(bits)
    assert metrics.bits_per_image(log_likelihood) == pytest.approx(bits * n_positions)
    assert metrics.bits_per_dim(log_likelihood, n_positions) == pytest.approx(bits)


def test_bits_of_the_impossible_and_of_densities():
    assert metrics.bits_per_code([-1.0, -math.inf], 3) == math.inf
    assert metrics.bits_per_code([1e-7], 1) == 0  # rounding of float32 sums
    assert metrics.bits_per_dim([math.log(2)], 1) == pytest.approx(-1)


@pytest.mark.parametrize(
    "bits",
    [metrics.bits_per_image, lambda x: metrics.bits_per_code(x, 4), lambda x: metrics.bits_per_dim(x, 4)],
)
def test_log_likelihoods_are_one_number_a_row(bits):
    for wrong, got in (([], r"shape \(0,\)"), ([[-1.0]], r"shape \(1, 1\)"), ([-1, math.nan], "NaN")):
        with pytest.raises(ValueError, match=rf"log_likelihood must have one number for each row.*; got {got}\."):
            bits(wrong)


def test_positive_log_likelihoods_are_refused():
    with pytest.raises(ValueError, match=r"<= 0; got a mean of 120 nats\. Pass score_samples\(codes\), not"):
        metrics.bits_per_code([100.0, 140.0], 49)


def test_numbers_of_positions_and_values_are_counts():
    with pytest.raises(ValueError, match=r"n_positions must be an integer >= 1; got 0\. It is the number of codes"):
        metrics.bits_per_code([-1.0], 0)
    with pytest.raises(ValueError, match=r"n_values must be an integer >= 1; got 2\.5\. It is height \* width"):
        metrics.bits_per_dim([-1.0], 2.5)
