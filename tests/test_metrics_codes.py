"""Use of codes, and bits, against slow oracles and what must hold for any data."""

import doctest
import importlib
import itertools
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skvq import metrics

seeds = st.integers(0, 2**32 - 1)


# Codes


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
        ([[0.5]], r"codes must be whole numbers in \[0, 4\); got dtype float64 with fractions or NaN"),
        ([[math.nan]], r"codes must be whole numbers in \[0, 4\); got dtype float64 with fractions or NaN"),
        ([["a"]], r"codes must be whole numbers in \[0, 4\); got dtype <U1"),
        (
            [[0, 4]],
            r"codes must lie in \[0, n_embeddings\) = \[0, 4\); got values from 0 to 4\. Pass the n_emb",
        ),
        ([[-1, 2]], r"got values from -1 to 2"),
    ],
)
def test_what_are_no_codes(metric, codes, message):
    with pytest.raises(ValueError, match=message):
        metric(codes, 4)


@pytest.mark.parametrize("wrong", [0, -3, 2.0, True, None])
def test_n_embeddings_must_be_a_size(wrong):
    for metric in (lambda k: metrics.perplexity([0], k), metrics.uniform_bits):
        with pytest.raises(ValueError, match=r"n_embeddings must be an integer >= 1; got .*size of the codebook"):
            metric(wrong)


# Bits


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
        with pytest.raises(ValueError, match=rf"log_likelihood must be one number a row.*; got {got}\."):
            bits(wrong)


def test_a_loss_is_no_log_likelihood():
    with pytest.raises(ValueError, match=r"<= 0; got a mean of 120 nats\. Pass score_samples\(codes\) itself"):
        metrics.bits_per_code([100.0, 140.0], 49)


def test_numbers_of_positions_and_values_are_counts():
    with pytest.raises(ValueError, match=r"n_positions must be an integer >= 1; got 0\. It is the codes in a row"):
        metrics.bits_per_code([-1.0], 0)
    with pytest.raises(ValueError, match=r"n_values must be an integer >= 1; got 2\.5\. It is height \* width"):
        metrics.bits_per_dim([-1.0], 2.5)


# Baselines

BASELINES = {
    "marginal": metrics.marginal_bits,
    "per position": metrics.per_position_bits,
    "left": lambda *a: metrics.context_bits(*a, code_shape=(2, 2), context="left"),
    "left+up": lambda *a: metrics.context_bits(*a, code_shape=(2, 2), context="left+up"),
}
baselines = pytest.mark.parametrize("baseline", BASELINES.values(), ids=BASELINES)


@baselines
@settings(max_examples=15)
@given(n=st.integers(1, 40), n_embeddings=st.integers(1, 3), seed=seeds)
def test_probabilities_of_all_rows_add_up_to_one(baseline, n, n_embeddings, seed):
    train = np.random.default_rng(seed).integers(n_embeddings, size=(n, 4))
    bits = [baseline(train, [row], n_embeddings) for row in itertools.product(range(n_embeddings), repeat=4)]
    assert sum(2.0 ** (-4 * b) for b in bits) == pytest.approx(1)


def slow_bits(train, test, n_embeddings, contexts):
    """The module's formula with dictionaries; ``contexts`` are functions of (row, position)."""

    def probability(rows, weights, row, j):
        p = 1 / n_embeddings
        for context, a in zip(contexts, weights, strict=False):
            seen = Counter((context(r, i), r[i]) for r in rows for i in range(len(r)))
            alone = sum(n for (c, _), n in seen.items() if c == context(row, j))
            p = (seen[context(row, j), row[j]] + a * p) / (alone + a)
        return p

    def cost(rows, asked, weights):
        return np.mean([-math.log2(probability(rows, weights, r, j)) for r in asked for j in range(len(r))])

    fitted, held_out = train[:9], train[9:]  # ten rows: the last is a tenth
    weights = []
    for _ in contexts:
        weights.append(min(2.0 ** np.arange(-5, 13), key=lambda a: cost(fitted, held_out, [*weights, a])))
    return cost(train, test, weights)


CONTEXTS = {
    "marginal": [lambda row, j: None],
    "per position": [lambda row, j: None, lambda row, j: j],
    "left": [lambda row, j: None, lambda row, j: row[j - 1] if j % 2 else None],
}
CONTEXTS["left+up"] = [
    *CONTEXTS["left"],
    lambda row, j: (row[j - 1] if j % 2 else None, row[j - 2] if j > 1 else None),
]


@pytest.mark.parametrize("name", BASELINES)
def test_baselines_are_their_formula(name):
    generator = np.random.default_rng(0)
    train, test = generator.choice(3, p=[0.6, 0.3, 0.1], size=(2, 10, 4))
    slow = slow_bits(train.tolist(), test[:3].tolist(), 3, CONTEXTS[name])
    assert BASELINES[name](train, test[:3], 3) == pytest.approx(slow, rel=1e-9)


def markov_codes(n, seed, n_embeddings=6, stay=0.8):
    """Codes (n, 36) over (6, 6): each follows its upper neighbour, or with 1 - stay is drawn anew."""
    generator = np.random.default_rng(seed)
    codes = generator.integers(n_embeddings, size=(n, 6, 6))
    for i in range(1, 6):
        codes[:, i] = np.where(generator.random((n, 6)) < stay, codes[:, i - 1], codes[:, i])
    return codes.reshape(n, 36)


def test_a_context_that_tells_is_worth_its_entropy():
    train, test = markov_codes(3000, 0), markov_codes(1000, 1)
    k = 6
    keep, other = 0.8 + 0.2 / k, 0.2 / k
    inner = -keep * math.log2(keep) - (k - 1) * other * math.log2(other)
    entropy = (math.log2(k) + 5 * inner) / 6
    up = metrics.context_bits(train, test, k, code_shape=(6, 6), context="left+up")
    assert up == pytest.approx(entropy, abs=0.02)
    for blind in (
        metrics.marginal_bits(train, test, k),
        metrics.per_position_bits(train, test, k),
        metrics.context_bits(train, test, k, code_shape=(6, 6), context="left"),
    ):
        assert blind == pytest.approx(math.log2(k), abs=0.01)


def test_the_border_is_a_context_of_its_own():
    generator = np.random.default_rng(0)
    codes = np.where(np.arange(6) % 3 == 0, 0, 1 + generator.integers(2, size=(500, 6)))  # (2, 3): first column 0
    bits = metrics.context_bits(codes[:400], codes[400:], 3, code_shape=(2, 3), context="left")
    assert bits == pytest.approx(2 / 3, abs=0.02)


@baselines
@pytest.mark.parametrize("n", [1, 2, 9, 10, 200])
def test_rare_data_cost_little_more_than_knowing_nothing(baseline, n):
    generator = np.random.default_rng(0)
    train, test = generator.integers(64, size=(n, 4)), generator.integers(64, size=(500, 4))
    assert 5.9 < baseline(train, test, 64) < 7.1  # 16,000 pairs of neighbours, hardly one seen


@baselines
def test_codes_of_a_baseline_are_rows_of_one_kind(baseline):
    good = np.zeros((3, 4), dtype=int)
    for train, test, message in (
        (good, good[0], r"test_codes must be \(n, positions\), one image a row; got shape \(4,\)"),
        (good.reshape(3, 2, 2), good, r"train_codes must be \(n, positions\).*got shape \(3, 2, 2\)"),
        (good, good[:, :3], r"test_codes must have as many positions as train_codes, 4; got 3\. Make both"),
        (good[:0], good, r"train_codes must hold at least one code"),
        (good, good + 9, r"test_codes must lie in \[0, n_embeddings\) = \[0, 9\); got values from 9 to 9"),
    ):
        with pytest.raises(ValueError, match=message):
            baseline(train, test, 9)


@pytest.mark.parametrize("code_shape", [(4,), 4, (2, 3), (-2, -2), ("a", "b"), None])
def test_code_shape_must_hold_the_positions(code_shape):
    codes = np.zeros((3, 4), dtype=int)
    with pytest.raises(ValueError, match=r"code_shape must be \(height, width\) of 4 positions.*got .*or \(1, 4\)"):
        metrics.context_bits(codes, codes, 2, code_shape)


def test_other_contexts_are_refused():
    codes = np.zeros((3, 4), dtype=int)
    with pytest.raises(ValueError, match=r"context must be 'left' or 'left\+up'; got 'right'\. For no neighbours"):
        metrics.context_bits(codes, codes, 2, (2, 2), context="right")


@pytest.mark.parametrize("module", ["_codes", "_baselines"])
def test_examples_in_the_docstrings(module):
    failures, _ = doctest.testmod(importlib.import_module(f"skvq.metrics.{module}"))
    assert failures == 0
