"""Metrics of images against slow oracles, and properties that hold for any data."""

import itertools
import math
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skvq import metrics

seeds = st.integers(0, 2**32 - 1)


def pair(shape, seed=0):
    generator = np.random.default_rng(seed)
    X = generator.integers(0, 256, shape, dtype=np.uint8)
    return X, np.clip(X + generator.normal(size=shape, scale=20), 0, 255).astype(np.uint8)


@given(st.integers(1, 4), st.integers(1, 5), st.integers(1, 5), seeds)
def test_mse_is_exact_on_uint8_in_every_layout(n, height, width, seed):
    X, X_hat = pair((n, height, width, 1), seed)
    exact = sum((int(a) - int(b)) ** 2 for a, b in zip(X.ravel(), X_hat.ravel(), strict=True)) / X.size
    for shape in ((n, height, width, 1), (n, height, width), (n, -1)):
        assert metrics.mse(X.reshape(shape), X_hat.reshape(shape)) == pytest.approx(exact, rel=1e-12)
    assert metrics.mse(X_hat, X) == metrics.mse(X, X_hat)
    assert metrics.mse(X, X) == 0


@given(st.integers(1, 5), seeds)
def test_psnr_is_the_mean_of_each_images_own(n, seed):
    generator = np.random.default_rng(seed)
    X, X_hat = generator.normal(size=(2, n, 6, 5))
    alone = [20 * math.log10(2.0) - 10 * math.log10(np.mean((a - b) ** 2)) for a, b in zip(X, X_hat, strict=True)]
    together = metrics.psnr(X, X_hat, data_range=2.0)
    assert together == pytest.approx(np.mean(alone), abs=1e-9)
    # Jensen: never below the ratio of the mean error.
    assert together >= 20 * math.log10(2.0) - 10 * math.log10(metrics.mse(X, X_hat)) - 1e-9


@given(st.floats(1e-3, 1e3), st.floats(-1e3, 1e3))
def test_psnr_does_not_depend_on_the_unit(scale, offset):
    X, X_hat = (array.astype(float) for array in pair((3, 8, 8)))
    rescaled = metrics.psnr(scale * X + offset, scale * X_hat + offset, data_range=255 * scale)
    assert rescaled == pytest.approx(metrics.psnr(X, X_hat, data_range=255), abs=1e-6)


def test_psnr_is_infinite_when_an_image_is_exact(recwarn):
    X, X_hat = pair((3, 4, 4))
    X_hat[1] = X[1]
    assert metrics.psnr(X, X_hat, data_range=255) == math.inf
    assert metrics.psnr(X[[0, 2]], X_hat[[0, 2]], data_range=255) < 60
    assert not recwarn.list


def slow_ssim(image, reconstruction, data_range):
    """Wang et al. (2004), equations 13 to 17, window by window, on one channel."""
    offsets = np.arange(-5, 6)
    window = np.exp(-(offsets[:, None] ** 2 + offsets**2) / (2 * 1.5**2))
    window /= window.sum()
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    values = []
    for i, j in itertools.product(range(image.shape[0] - 10), range(image.shape[1] - 10)):
        x, y = (a[i : i + 11, j : j + 11].astype(float) for a in (image, reconstruction))
        mx, my = (window * x).sum(), (window * y).sum()
        vx, vy = (window * (x - mx) ** 2).sum(), (window * (y - my) ** 2).sum()
        cov = (window * (x - mx) * (y - my)).sum()
        values.append((2 * mx * my + c1) * (2 * cov + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2)))
    return np.mean(values)


@pytest.mark.parametrize("shape", [(2, 11, 11), (2, 16, 13), (1, 12, 14, 1), (2, 13, 12, 3)])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_ssim_is_that_of_the_paper(shape, dtype):
    pytest.importorskip("skimage")
    X, X_hat = (a.astype(dtype) for a in pair(shape))
    channels = [a.reshape(*shape[:3], -1) for a in (X, X_hat)]
    slow = [
        np.mean([slow_ssim(a[..., c], b[..., c], 255) for c in range(a.shape[-1])])
        for a, b in zip(*channels, strict=True)
    ]
    per_image = metrics.ssim(X, X_hat, data_range=255, per_image=True)
    assert per_image.shape == (shape[0],)
    assert per_image == pytest.approx(slow, abs=1e-9)
    assert metrics.ssim(X, X_hat, data_range=255) == pytest.approx(np.mean(slow), abs=1e-9)


def test_ssim_has_its_limits():
    pytest.importorskip("skimage")
    X, X_hat = (a.astype(float) for a in pair((2, 16, 16)))
    assert metrics.ssim(X, X, data_range=255) == 1
    assert metrics.ssim(X, X_hat, data_range=255) == metrics.ssim(X_hat, X, data_range=255)
    assert metrics.ssim(X / 255, X_hat / 255, data_range=1) == pytest.approx(metrics.ssim(X, X_hat, data_range=255))
    assert metrics.ssim(X, 255 - X, data_range=255) < 0


def test_large_data_are_read_in_chunks_with_the_same_result():
    X, X_hat = pair((5, 1000, 1000))  # a chunk has four rows of this size
    errors = [metrics.mse(X[[i]], X_hat[[i]]) for i in range(5)]
    assert metrics.mse(X, X_hat) == pytest.approx(np.mean(errors), rel=1e-12)
    ratios = 10 * np.log10(255**2 / np.array(errors))
    assert metrics.psnr(X, X_hat, data_range=255) == pytest.approx(ratios.mean(), rel=1e-12)


IMAGE_METRICS = [
    metrics.mse,
    lambda X, X_hat: metrics.psnr(X, X_hat, data_range=1),
    lambda X, X_hat: metrics.ssim(X, X_hat, data_range=1),
]


@pytest.mark.parametrize("metric", IMAGE_METRICS, ids=["mse", "psnr", "ssim"])
@pytest.mark.parametrize(
    ("X", "X_hat", "message"),
    [
        (
            np.zeros((2, 12, 12)),
            np.zeros((2, 144)),
            r"X_hat must have the shape of X, \(2, 12, 12\); got \(2, 144\)",
        ),
        (
            np.zeros((0, 12, 12)),
            np.zeros((0, 12, 12)),
            r"X must hold at least one image.*got shape \(0, 12, 12\)",
        ),
        (np.zeros(12), np.zeros(12), r"one for each row; got shape \(12,\)\. For a single image, pass X\[None\]"),
        (np.zeros((2, 12, 12)), np.full((2, 12, 12), np.nan), r"X_hat must be finite; got NaN or infinity"),
        (np.full((2, 12, 12), np.inf), np.zeros((2, 12, 12)), r"X must be finite; got NaN or infinity"),
        (np.full((2, 12), "a"), np.zeros((2, 12)), r"X must hold real numbers; got dtype <U1"),
    ],
)
def test_images_that_cannot_be_compared(metric, X, X_hat, message):
    pytest.importorskip("skimage")
    with pytest.raises(ValueError, match=message):
        metric(X, X_hat)


@pytest.mark.parametrize("data_range", [0, -1, math.nan, math.inf, None, "wide", (0, 1)])
@pytest.mark.parametrize("metric", [metrics.psnr, metrics.ssim])
def test_data_range_must_be_a_distance(metric, data_range):
    pytest.importorskip("skimage")
    message = (
        r"data_range must be finite and > 0; got .*\. It is the difference between the largest and the "
        r"smallest possible value: 1\.0 for images in \[0, 1\], 255 for uint8\."
    )
    with pytest.raises(ValueError, match=message):
        metric(*pair((1, 12, 12)), data_range=data_range)


@pytest.mark.parametrize("metric", [metrics.psnr, metrics.ssim])
def test_data_range_has_no_default(metric):
    with pytest.raises(TypeError, match="data_range"):
        metric(*pair((1, 12, 12)))


def test_ssim_wants_images_larger_than_its_window():
    pytest.importorskip("skimage")
    with pytest.raises(ValueError, match=r"at least 11×11 pixels, the window of SSIM; got 10×28\. Compare smaller"):
        metrics.ssim(*pair((1, 10, 28)), data_range=255)
    with pytest.raises(ValueError, match=r"X must hold images.*got shape \(1, 784\)\. Reshape flat rows first"):
        metrics.ssim(*pair((1, 784)), data_range=255)


def test_ssim_without_scikit_image_tells_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage.metrics", None)
    with pytest.raises(ImportError, match=r'ssim needs scikit-image.*pip install "skvq\[examples\]"'):
        metrics.ssim(*pair((1, 12, 12)), data_range=255)
