"""Metrics of images, and scorers, against slow oracles and what must hold for any data."""

import doctest
import importlib
import inspect
import itertools
import math
import pickle
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skvq import metrics
from skvq._contract.images import chunks
from skvq.metrics import _reconstruction

SCORERS = [metrics.neg_mse_scorer, metrics.psnr_scorer, metrics.ssim_scorer, metrics.perplexity_scorer]
seeds = st.integers(0, 2**32 - 1)


def pair(shape, seed=0):
    generator = np.random.default_rng(seed)
    X = generator.integers(0, 256, shape, dtype=np.uint8)
    return X, np.clip(X + generator.normal(size=shape, scale=20), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("name", metrics.__all__)
def test_help_shows_types_by_their_names(name):
    # NumPy's ArrayLike, written out, is 300 characters an argument.
    assert len(str(inspect.signature(getattr(metrics, name)))) < 200


# Images


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


def test_chunks_do_not_change_the_numbers(monkeypatch):
    X, X_hat = pair((7, 5, 5))
    whole = metrics.mse(X, X_hat), metrics.psnr(X, X_hat, data_range=255)
    monkeypatch.setattr(_reconstruction, "chunks", lambda X: chunks(X, chunk_bytes=400))
    assert (metrics.mse(X, X_hat), metrics.psnr(X, X_hat, data_range=255)) == pytest.approx(whole, rel=1e-12)


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
        (np.zeros(12), np.zeros(12), r"one a row; got shape \(12,\)\. A single image is X\[np\.newaxis\]"),
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
        r"data_range must be finite and > 0; got .*\. It is the distance between the darkest and the "
        r"brightest possible value: 1\.0 for images in \[0, 1\], 255 for uint8\."
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
    with pytest.raises(ValueError, match=r"X must be images.*got shape \(1, 784\)\. Reshape flat rows first"):
        metrics.ssim(*pair((1, 784)), data_range=255)


def test_ssim_without_scikit_image_tells_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage.metrics", None)
    with pytest.raises(ImportError, match=r'ssim needs scikit-image.*pip install "skvq\[examples\]"'):
        metrics.ssim(*pair((1, 12, 12)), data_range=255)


# Scorers


def half_steps(X):
    """A stand-in's reconstruction: coarser grey levels."""
    return X // 16 * 16


def stand_in(**changes):
    defaults = {
        "reconstruct": half_steps,
        "transform": lambda X: half_steps(X).reshape(len(X), -1) // 16,
        "image_shape_": (12, 14, 1),
        "data_range_": (5, 250),
        "n_embeddings": 16,
    }
    return SimpleNamespace(**{**defaults, **changes})


def test_scorers_are_their_metrics_in_every_layout():
    pytest.importorskip("skimage")
    images, _ = pair((3, 12, 14))
    coarse = half_steps(images)
    expected = [
        -metrics.mse(images, coarse),
        metrics.psnr(images, coarse, data_range=245),
        metrics.ssim(images, coarse, data_range=245),
        metrics.perplexity(coarse // 16, 16),
    ]
    for X in (images, images[..., None], images.reshape(3, -1)):
        assert [scorer(stand_in(), X) for scorer in SCORERS] == pytest.approx(expected)
        # Reconstructions may come back in the layout of the training data.
        flat = stand_in(reconstruct=lambda X: half_steps(X).reshape(len(X), -1))
        assert [scorer(flat, X, None) for scorer in SCORERS] == pytest.approx(expected)


@pytest.mark.parametrize("scorer", SCORERS)
def test_scorers_can_be_sent_to_other_processes(scorer):
    assert pickle.loads(pickle.dumps(scorer)) is scorer


@pytest.mark.parametrize("scorer", [metrics.psnr_scorer, metrics.ssim_scorer])
def test_constant_training_data_have_no_range(scorer):
    pytest.importorskip("skimage")
    message = r"estimator\.data_range_ must be \(darkest, brightest\).*; got \(3, 3\)\. Fit on images"
    with pytest.raises(ValueError, match=message):
        scorer(stand_in(data_range_=(3.0, 3.0)), pair((2, 12, 14))[0])


def test_ssim_of_vectors_is_refused():
    pytest.importorskip("skimage")
    with pytest.raises(ValueError, match=r"X must be images.*got shape \(2, 168\)"):
        metrics.ssim_scorer(stand_in(image_shape_=(168,)), pair((2, 168))[0])


def test_scorers_steer_a_search():
    pytest.importorskip("skimage")
    base = pytest.importorskip("sklearn.base")
    from sklearn.model_selection import GridSearchCV

    class Coarse(base.BaseEstimator):
        def __init__(self, step=16, n_embeddings=256):
            self.step = step
            self.n_embeddings = n_embeddings

        def fit(self, X, y=None):
            self.image_shape_, self.data_range_ = (12, 14, 1), (int(X.min()), int(X.max()))
            return self

        def transform(self, X):
            return X // self.step

        def reconstruct(self, X):
            return X // self.step * self.step

    scoring = {scorer.__name__: scorer for scorer in SCORERS}
    search = GridSearchCV(Coarse(), {"step": [64, 4, 16]}, scoring=scoring, refit="ssim_scorer", cv=2)
    search.fit(pair((6, 168))[0])
    assert search.best_params_ == {"step": 4}
    for scorer in scoring:
        assert search.cv_results_[f"rank_test_{scorer}"].tolist() == [3, 1, 2]


# The module


@pytest.mark.parametrize("module", ["_likelihood", "_reconstruction", "_scorers"])
def test_examples_in_the_docstrings(module):
    pytest.importorskip("skimage")
    failures, _ = doctest.testmod(importlib.import_module(f"skvq.metrics.{module}"))
    assert failures == 0


def test_nothing_but_numpy_is_loaded():
    code = (
        "import sys, skvq.metrics, skvq.datasets; "
        "print([m for m in ('sklearn', 'keras', 'skimage', 'PIL', 'nibabel', 'mlxtend') if m in sys.modules])"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert loaded.strip() == "[]"
