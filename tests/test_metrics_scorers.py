"""Scorers against their metrics, for every layout, alone and in a search."""

import pickle
from types import SimpleNamespace

import numpy as np
import pytest

from skvq import CodeGrid, metrics

SCORERS = [metrics.neg_mse_scorer, metrics.psnr_scorer, metrics.ssim_scorer, metrics.perplexity_scorer]


def pair(shape, seed=0):
    generator = np.random.default_rng(seed)
    X = generator.integers(0, 256, shape, dtype=np.uint8)
    return X, np.clip(X + generator.normal(size=shape, scale=20), 0, 255).astype(np.uint8)


def half_steps(X):
    """A stand-in's reconstruction: coarser grey levels."""
    return X // 16 * 16


def stand_in(**changes):
    defaults = {
        "reconstruct": half_steps,
        "encode": lambda X: half_steps(X).reshape(len(X), -1) // 16,
        "image_shape_": (12, 14, 1),
        "data_range_": (5, 250),
        "grid_": CodeGrid((12, 14), 16),
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


def test_a_generator_is_scored_by_its_autoencoder():
    pytest.importorskip("skimage")
    images, _ = pair((3, 12, 14))
    generator = SimpleNamespace(vqvae_=stand_in(), reconstruct=half_steps)
    for scorer in SCORERS:
        assert scorer(generator, images) == scorer(stand_in(), images)


@pytest.mark.parametrize("scorer", SCORERS)
def test_scorers_can_be_sent_to_other_processes(scorer):
    assert pickle.loads(pickle.dumps(scorer)) is scorer


@pytest.mark.parametrize("scorer", [metrics.psnr_scorer, metrics.ssim_scorer])
def test_constant_training_data_have_no_range(scorer):
    pytest.importorskip("skimage")
    message = r"estimator\.data_range_ must be \(minimum, maximum\).*; got \(3, 3\)\. Fit on images"
    with pytest.raises(ValueError, match=message):
        scorer(stand_in(data_range_=(3.0, 3.0)), pair((2, 12, 14))[0])


def test_ssim_of_vectors_is_refused():
    pytest.importorskip("skimage")
    with pytest.raises(ValueError, match=r"X must hold images.*got shape \(2, 168\)"):
        metrics.ssim_scorer(stand_in(image_shape_=(168,)), pair((2, 168))[0])


def test_scorers_steer_a_search():
    pytest.importorskip("skimage")
    base = pytest.importorskip("sklearn.base")
    from sklearn.model_selection import GridSearchCV

    class Coarse(base.BaseEstimator):
        def __init__(self, step=16):
            self.step = step

        def fit(self, X, y=None):
            self.grid_ = CodeGrid((12, 14), 256)
            self.image_shape_, self.data_range_ = (12, 14, 1), (int(X.min()), int(X.max()))
            return self

        def encode(self, X):
            return X // self.step

        def reconstruct(self, X):
            return X // self.step * self.step

    scoring = {scorer.__name__: scorer for scorer in SCORERS}
    search = GridSearchCV(Coarse(), {"step": [64, 4, 16]}, scoring=scoring, refit="ssim_scorer", cv=2)
    search.fit(pair((6, 168))[0])
    assert search.best_params_ == {"step": 4}
    for scorer in scoring:
        assert search.cv_results_[f"rank_test_{scorer}"].tolist() == [3, 1, 2]
