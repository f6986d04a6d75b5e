"""Bits of an image given its reconstruction: sums of probabilities, and an oracle by integration."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from skvq import metrics

EVERY_LEVEL = np.arange(256, dtype=np.uint8)[:, None]  # (256 images, 1 value)


@given(st.floats(-50, 300), st.floats(0.05, 100), st.floats(1e-6, 1))
def test_probabilities_of_all_levels_sum_to_one(center, scale, outliers):
    bits = metrics.residual_bits(EVERY_LEVEL, np.full((256, 1), center), scale, outliers=outliers)
    assert np.exp2(-bits).sum() == pytest.approx(1.0, abs=1e-9)
    assert bits.min() >= 0
    assert bits.max() <= math.log2(256 / outliers) + 1e-9


@pytest.mark.parametrize("level", [0, 7, 100, 255])
def test_a_level_costs_the_integral_of_the_density_around_it(level):
    center, scale, outliers = 12.3, 40.0, 1e-3
    begin, end = (-np.inf if level == 0 else level - 0.5), (np.inf if level == 255 else level + 0.5)
    mass = integrate.quad(stats.norm(center, scale).pdf, begin, end)[0]
    bits = metrics.residual_bits(np.array([[level]]), np.array([[center]]), scale, outliers=outliers)
    assert bits[0] == pytest.approx(-math.log2((1 - outliers) * mass + outliers / 256), abs=1e-6)


def test_values_add_up_and_each_may_have_its_own_scale():
    generator = np.random.default_rng(0)
    X = generator.integers(0, 256, (5, 3, 4), dtype=np.uint8)
    X_hat, scale = generator.uniform(0, 255, X.shape), generator.uniform(1, 30, X.shape[1:])
    alone = [
        metrics.residual_bits(X[:, i, j, None], X_hat[:, i, j, None], scale[i, j]) for i in range(3) for j in range(4)
    ]
    np.testing.assert_allclose(metrics.residual_bits(X, X_hat, scale), np.sum(alone, axis=0))


def test_the_scale_of_the_errors_costs_least():
    generator = np.random.default_rng(0)
    X = generator.integers(60, 200, (400, 10))
    X_hat = X + generator.normal(scale=6.0, size=X.shape)
    costs = {scale: metrics.residual_bits(X, X_hat, scale).mean() for scale in (3.0, 6.0, 12.0)}
    assert min(costs, key=costs.get) == 6.0
    # The entropy of a normal distribution, in bits for each value.
    assert costs[6.0] / 10 == pytest.approx(0.5 * math.log2(2 * math.pi * math.e * 36), abs=0.02)


@pytest.mark.parametrize(
    ("X", "changes", "message"),
    [
        ([[0.5]], {}, r"X must hold whole numbers in \[0, 255\]; got values from 0\.5 to 0\.5\. .* pass the uint8"),
        ([[256]], {}, r"got values from 256 to 256"),
        ([[-1]], {}, r"got values from -1 to -1"),
        ([[1]], {"scale": 0.0}, r"scale must be finite and > 0, .*minimum 0\.0\. .*where that is 0, use a small"),
        ([[1]], {"scale": [1.0, 2.0]}, r"one for each value of an image, \(1,\); got shape \(2,\)"),
        ([[1]], {"outliers": 0}, r"outliers must lie in \(0, 1\]; got 0\. It is the part of the probability"),
    ],
)
def test_bad_input_is_named(X, changes, message):
    with pytest.raises(ValueError, match=message):
        metrics.residual_bits(np.array(X), np.zeros((1, 1)), **{"scale": 1.0, **changes})
