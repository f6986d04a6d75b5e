"""Weights of pixels: every shape that broadcasts, and no other; statistics of values with weights."""

import numpy as np
import pytest

from skvq._contract.errors import InvalidInputError
from skvq._contract.images import Layout, value_range
from skvq._contract.weights import PixelWeights, weighted_value_range

N, H, W = 5, 4, 6
LAYOUTS = {
    "images": Layout((H, W), (H, W, 1), "uint8"),
    "channel": Layout((H, W, 1), (H, W, 1), "uint8"),
    "colour": Layout((H, W, 3), (H, W, 3), "uint8"),
    "flat": Layout((H * W,), (H, W, 1), "uint8"),
    "vectors": Layout((7,), (7,), "float32"),
}
X = np.zeros((N, 1))
generator = np.random.default_rng(0)


@pytest.mark.parametrize("shape", [(), (H, W), (1, W), (H, 1), (1, 1), (1, H, W), (N, 1, 1), (N, H, 1), (N, H, W)])
@pytest.mark.parametrize("name", ["images", "channel", "colour", "flat"])
def test_what_broadcasts_is_taken_as_numpy_would(shape, name):
    w = generator.random(shape)
    expected = np.broadcast_to(w, (N, H, W)).astype(np.float32)[..., None]
    rows = np.array([3, 1, 1])
    for given in (w, w.tolist(), lambda batch: w if w.ndim < 3 or len(w) == 1 else w[rows]):
        found = PixelWeights(given, LAYOUTS[name], N).of(X[rows], rows)
        np.testing.assert_array_equal(found, expected[rows])
    found = PixelWeights(w, LAYOUTS[name], N).of(X[1:4], slice(1, 4))
    np.testing.assert_array_equal(found, expected[1:4])


def test_flat_rows_have_flat_weights_and_channels_may_be_one():
    w = generator.random((N, H, W))
    expected = w.astype(np.float32)[..., None]
    for given, name in ((w.reshape(N, -1), "flat"), (w[..., None], "images"), (w[..., None], "colour")):
        np.testing.assert_array_equal(PixelWeights(given, LAYOUTS[name], N).of(X, slice(None)), expected)


@pytest.mark.parametrize("shape", [(), (1, 7), (N, 1), (N, 7)])
def test_vectors(shape):
    w = generator.random(shape)
    found = PixelWeights(w, LAYOUTS["vectors"], N).of(X, slice(None))
    np.testing.assert_array_equal(found, np.broadcast_to(w, (N, 7)).astype(np.float32))


@pytest.mark.parametrize(
    ("shape", "name", "way_out"),
    [
        ((N,), "images", r"got shape \(5,\)\. For one weight a row, pass w\[:, None, None\]"),
        ((W,), "images", r"For one weight a row, pass w\[:, None, None\]"),
        ((H * W,), "flat", r"For one weight a row, pass w\[:, None, None\]"),
        ((N,), "vectors", r"For one weight a row, pass w\[:, None\]"),
        ((N, H, W, 3), "colour", r"take w\.min\(axis=-1\)"),
        ((N, W, H), "images", r"have the shape \(5, 4, 6\), or broadcast to it; got shape \(5, 6, 4\)"),
        ((N - 1, H, W), "images", r"For one map of weights for all rows, pass w\[None\]"),
        ((H - 1, W), "images", r"pass w\[None\]"),
        ((N, H * W), "images", "have the shape"),
        ((N, H, W), "vectors", r"have the shape \(5, 7\)"),
    ],
)
def test_other_shapes_are_told_the_way_out(shape, name, way_out):
    with pytest.raises(InvalidInputError, match=way_out):
        PixelWeights(np.ones(shape), LAYOUTS[name], N)
    with pytest.raises(InvalidInputError, match="pixel_weight must have the shape"):
        PixelWeights(lambda batch: np.ones(shape), LAYOUTS[name], N).of(X, slice(None))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.array("a"), "be an array of numbers, or a callable"),
        (np.ones((N, H, W), complex), "of dtype complex128"),
        (
            np.ma.masked_array(np.ones((N, H, W))),
            r"without a mask; got a masked array with 0 .*pixel_weight\.filled\(0\)",
        ),
    ],
)
def test_no_numbers(given, message):
    with pytest.raises(InvalidInputError, match=message):
        PixelWeights(given, LAYOUTS["images"], N)


@pytest.mark.parametrize("wrong", [-1.0, np.nan, np.inf, 1e300])
def test_negative_and_infinite_weights(wrong):
    w = np.ones((N, H, W))
    w[2, 1, 1] = wrong
    weights = PixelWeights(w, LAYOUTS["images"], N)
    weights.of(X[:2], slice(0, 2))
    with pytest.raises(InvalidInputError, match="pixel_weight must be finite and >= 0; got"):
        weights.of(X[2:], slice(2, None))


def test_the_range_of_weighted_values_is_that_of_repeated_ones():
    x = generator.normal(1000, 3, 60).astype(np.float32)
    times = generator.integers(1, 5, 60)
    chunks = [(x[a:b], times[a:b].astype(np.float32)) for a, b in ((0, 0), (0, 7), (7, 41), (41, 60))]
    found, expected = weighted_value_range(chunks), value_range(np.repeat(x, times)[:, None])
    assert found.mean == pytest.approx(expected.mean, rel=1e-12)
    assert found.scale == pytest.approx(expected.scale, rel=1e-9)
    assert (found.minimum, found.maximum) == (x.min(), x.max())


def test_the_range_of_nothing_and_of_nan():
    with pytest.raises(InvalidInputError, match="pixel_weight must be above 0 somewhere; got zeros only"):
        weighted_value_range([(np.ones(0), np.ones(0))])
    with pytest.raises(InvalidInputError, match="X must be finite"):
        weighted_value_range([(np.array([1, np.nan]), np.ones(2))])
