"""Searches over the weights of the loss and the size of the codebook, in one process, in several, and in a cluster."""

from copy import copy

import joblib
import numpy as np
import pytest
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV

from skvq import VQVAE
from skvq.metrics import neg_mse_scorer, perplexity_scorer, psnr_scorer, ssim_scorer

GRID = {"beta": [0.1, 2.0], "n_embeddings": [4, 8]}
SMALL = {"embedding_dim": 2, "hidden_channels": 4, "n_residual_blocks": 0, "optimizer": "sgd", "random_state": 0}


def small(**params):
    return VQVAE(**{**SMALL, "max_iter": 1, "learning_rate": 0.1, **params})


def table(search):
    """Return the search's results without the times, which differ at every call."""
    return {name: list(values) for name, values in search.cv_results_.items() if "time" not in name}


@pytest.fixture(scope="module")
def searched(images):
    """X, and the results of a search over it in one process."""
    X = images
    return X, GridSearchCV(small(), GRID, cv=2).fit(X)


def test_a_search_ranks_by_errors_alone(searched):
    X, search = searched
    scores = search.cv_results_["mean_test_score"]
    assert np.all(scores < 0)
    assert len(set(scores)) > 1
    assert search.best_score_ == scores.max()
    # Refitted by the best parameters on all of X, and scored in squared units of X.
    again = small(**search.best_params_).fit(X)
    assert search.score(X) == pytest.approx(again.score(X))
    # beta weighs training, not the score: with it set after fit, the score stays.
    assert again.set_params(beta=50.0).score(X) == pytest.approx(search.score(X))


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_results_do_not_depend_on_the_number_of_jobs(searched, backend):
    X, alone = searched
    with joblib.parallel_config(backend):
        together = GridSearchCV(small(), GRID, cv=2, n_jobs=2).fit(X)
    assert table(together) == table(alone)
    np.testing.assert_array_equal(together.transform(X), alone.transform(X))


def test_results_on_a_dask_cluster(searched):
    distributed = pytest.importorskip("distributed")
    X, alone = searched
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster),
        joblib.parallel_config("dask"),
    ):
        together = GridSearchCV(small(), GRID, cv=2).fit(X)
    assert table(together) == table(alone)


@pytest.mark.slow
def test_halving_spends_epochs(images):
    search = HalvingGridSearchCV(
        small(), {"beta": [0.1, 1.0, 5.0, 25.0]}, resource="max_iter", min_resources=1, max_resources=4, factor=2, cv=2
    ).fit(images)
    assert search.n_resources_ == [1, 2, 4]
    assert search.n_candidates_ == [4, 2, 1]
    assert search.best_estimator_.n_iter_ == 4


def test_ready_scorers_steer_a_search(images):
    scorers = {"psnr": psnr_scorer, "ssim": ssim_scorer, "neg_mse": neg_mse_scorer, "perplexity": perplexity_scorer}
    pytest.importorskip("skimage")
    enlarged = images.repeat(2, axis=1).repeat(2, axis=2)  # SSIM's window has 11 × 11 pixels
    search = GridSearchCV(small(), {"n_embeddings": [4, 8]}, scoring=scorers, refit="psnr", cv=2).fit(enlarged)
    results = search.cv_results_
    for name in scorers:
        assert np.isfinite(results[f"mean_test_{name}"]).all()
    assert np.all(results["mean_test_psnr"] > 0)
    assert np.all(results["mean_test_neg_mse"] < 0)
    assert np.all((results["mean_test_perplexity"] >= 1) & (results["mean_test_perplexity"] <= [4, 8]))


@pytest.mark.parametrize("output", ["quantized", "latents", "histogram"])
def test_perplexity_is_of_codes_whatever_transform_answers(vqvae, images, output):
    expected = perplexity_scorer(vqvae, images)
    other = copy(vqvae).set_params(output=output)
    assert perplexity_scorer(other, images) == expected
    assert other.output == output


def test_code_maps_are_of_codes_whatever_transform_answers(vqvae, images):
    pytest.importorskip("matplotlib")
    from skvq.plotting import CodeMapDisplay

    other = copy(vqvae).set_params(output="quantized")
    maps = CodeMapDisplay.from_estimator(other, images).codes
    np.testing.assert_array_equal(maps.reshape(len(maps), -1), vqvae.transform(images)[: len(maps)])
