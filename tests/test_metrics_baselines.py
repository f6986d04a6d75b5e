"""Baselines of count tables against a slow oracle, known entropies, and sums of probabilities."""

import itertools
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skvq import metrics

BASELINES = {
    "marginal": metrics.marginal_bits,
    "per position": metrics.per_position_bits,
    "left": lambda *a: metrics.context_bits(*a, code_shape=(2, 2), context="left"),
    "left+up": lambda *a: metrics.context_bits(*a, code_shape=(2, 2), context="left+up"),
}
baselines = pytest.mark.parametrize("baseline", BASELINES.values(), ids=BASELINES)


@baselines
@settings(max_examples=15)
@given(n=st.integers(1, 40), n_embeddings=st.integers(1, 3), seed=st.integers(0, 2**32 - 1))
def test_probabilities_of_all_rows_add_up_to_one(baseline, n, n_embeddings, seed):
    train = np.random.default_rng(seed).integers(n_embeddings, size=(n, 4))
    bits = [baseline(train, [row], n_embeddings) for row in itertools.product(range(n_embeddings), repeat=4)]
    assert sum(2.0 ** (-4 * b) for b in bits) == pytest.approx(1)


def slow_bits(train, test, n_embeddings, contexts):
    """The documented formula, with dictionaries; ``contexts`` are functions of (row, position)."""

    def probability(rows, weights, row, j):
        p = 1 / n_embeddings
        for context, a in zip(contexts, weights, strict=False):
            seen = Counter((context(r, i), r[i]) for r in rows for i in range(len(r)))
            alone = sum(n for (c, _), n in seen.items() if c == context(row, j))
            p = (seen[context(row, j), row[j]] + a * p) / (alone + a)
        return p

    def cost(rows, asked, weights):
        return np.mean([-math.log2(probability(rows, weights, r, j)) for r in asked for j in range(len(r))])

    # A tenth in blocks of neighbours: the last of ten rows; of 100 rows 18, 19, 38, 39, 58, …
    is_held_out = [i // max(1, len(train) // 50) % 10 == 9 for i in range(len(train))]
    fitted = [row for row, out in zip(train, is_held_out, strict=True) if not out]
    held_out = [row for row, out in zip(train, is_held_out, strict=True) if out]
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
@pytest.mark.parametrize("n", [10, 100])
def test_baselines_are_their_formula(name, n):
    generator = np.random.default_rng(0)
    train, test = generator.choice(3, p=[0.6, 0.3, 0.1], size=(2, n, 4))
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
        (good, good[0], r"test_codes must hold one row of codes for each image, \(n, n_codes\); got shape \(4,\)"),
        (good.reshape(3, 2, 2), good, r"train_codes must hold one row of codes.*got shape \(3, 2, 2\)"),
        (good, good[:, :3], r"test_codes must have 4 codes to a row, for a grid of .* codes of 9; got 3"),
        (good[:0], good, r"train_codes must hold at least one code"),
        (good, good + 9, r"test_codes must lie in \[0, n_embeddings\) = \[0, 9\); got values from 9 to 9"),
    ):
        with pytest.raises(ValueError, match=message):
            baseline(train, test, 9)


@pytest.mark.parametrize("code_shape", [4, (-2, -2), ("a", "b"), None, (1, 1, 2, 2)])
def test_code_shape_must_be_one_to_three_sides(code_shape):
    codes = np.zeros((3, 4), dtype=int)
    with pytest.raises(ValueError, match="code_shape must be one to three positive integers"):
        metrics.context_bits(codes, codes, 2, code_shape)


def test_code_shape_must_have_the_number_of_codes():
    codes = np.zeros((3, 4), dtype=int)
    with pytest.raises(ValueError, match="have 6 codes to a row, for a grid of 2 × 3 codes of 2; got 4"):
        metrics.context_bits(codes, codes, 2, (2, 3))


def test_volumes_are_read_as_a_plane_of_their_rows():
    train, test = np.random.default_rng(0).integers(4, size=(2, 50, 12))
    plane = metrics.context_bits(train, test, 4, (4, 3))
    assert metrics.context_bits(train, test, 4, (2, 2, 3)) == plane
    assert metrics.context_bits(train, test, 4, (12,)) == metrics.context_bits(train, test, 4, (1, 12))


def test_other_contexts_are_refused():
    codes = np.zeros((3, 4), dtype=int)
    with pytest.raises(ValueError, match=r"context must be 'left' or 'left\+up'; got 'right'\. Without neighbours"):
        metrics.context_bits(codes, codes, 2, (2, 2), context="right")
