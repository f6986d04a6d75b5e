"""Checkpoints: a fit that was stopped, whenever and however, ends with the very weights of one that was not."""

import copy
import os
import random
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from distributed_fit import needs_jax, start
from long_fit import long_prior, long_vqvae
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV
from small_models import small_vqvae

import skvq
from skvq import InvalidInputError, ModelFileError, VQGenerator
from skvq._fit_identity import fit_identity, hash_of_rows
from skvq.training import Trainer

SCRIPT = Path(__file__).parent / "long_fit.py"


class Stopped(Exception):
    """What stops a fit in a test."""


def stop_after(monkeypatch, n_epochs):
    """Let the next fit fail in the epoch after this many."""
    epoch = Trainer._epoch

    def fails(self, number):
        if number == n_epochs:
            raise Stopped
        return epoch(self, number)

    monkeypatch.setattr(Trainer, "_epoch", fails)


def stop(monkeypatch, n_epochs, estimator, *data):
    with monkeypatch.context() as patch:
        stop_after(patch, n_epochs)
        with pytest.raises(Stopped):
            estimator.fit(*data)


def state(estimator):
    """Return all arrays that a fit ends with, and its history."""
    kept = estimator._training_state
    counts = [estimator._region_counts] if hasattr(estimator, "_region_counts") else []
    return [*estimator._weights, *kept["optimizer"], *kept["seeds"], *counts], estimator.history_


def assert_same(first, second):
    (arrays, history), (others, other_history) = state(first), state(second)
    assert history == other_history
    for array, other in zip(arrays, others, strict=True):
        np.testing.assert_array_equal(array, other)


@pytest.fixture(scope="module")
def uninterrupted(images):
    return long_vqvae().fit(images)


class TestGoingOn:
    @pytest.mark.parametrize("n_epochs", [1, 5])
    def test_after_any_epoch(self, images, tmp_path, monkeypatch, uninterrupted, n_epochs):
        stop(monkeypatch, n_epochs, long_vqvae(checkpoint=tmp_path), images)
        epoch, trained = Trainer._epoch, []
        monkeypatch.setattr(Trainer, "_epoch", lambda self, number: trained.append(number) or epoch(self, number))
        assert_same(long_vqvae(checkpoint=tmp_path).fit(images), uninterrupted)
        assert trained == list(range(n_epochs, 8))

    def test_of_a_prior(self, codes, tmp_path, monkeypatch):
        params = {"n_embeddings": 12, "max_iter": 4, "optimizer": "sgd"}
        stop(monkeypatch, 3, long_prior(**params, checkpoint=tmp_path), codes)
        assert_same(long_prior(**params, checkpoint=tmp_path).fit(codes), long_prior(**params).fit(codes))

    def test_before_the_codebook_begins(self, images, tmp_path, monkeypatch):
        params = {"max_iter": 20, "batch_size": 96, "optimizer": "sgd"}  # k-means at the fifth step
        stop(monkeypatch, 2, long_vqvae(**params, checkpoint=tmp_path), images)
        assert_same(long_vqvae(**params, checkpoint=tmp_path).fit(images), long_vqvae(**params).fit(images))

    def test_of_a_warm_start(self, images, tmp_path, monkeypatch):
        once = long_vqvae(max_iter=2, warm_start=True, optimizer="sgd").fit(images)
        other = copy.deepcopy(once).set_params(checkpoint=tmp_path)
        stop(monkeypatch, 1, other, images)
        assert_same(other.fit(images), once.fit(images))

    def test_with_the_seed_that_it_began_with(self, images, tmp_path, monkeypatch):
        params = {"random_state": None, "max_iter": 3, "checkpoint": tmp_path, "optimizer": "sgd"}
        stop(monkeypatch, 2, long_vqvae(**params), images)
        first = long_vqvae(**params).fit(images)
        assert first.n_iter_ == 3
        monkeypatch.setattr("skvq._estimator.seed_from", lambda random_state: first._fit_seed)
        assert_same(long_vqvae(**{**params, "checkpoint": None}).fit(images), first)

    def test_after_the_end_it_returns_what_it_reached(self, images, tmp_path, monkeypatch):
        first = long_vqvae(checkpoint=tmp_path, max_iter=2).fit(images)
        stop_after(monkeypatch, 0)
        assert_same(long_vqvae(checkpoint=tmp_path, max_iter=2).fit(images), first)

    def test_early_stopping_ends_where_it_would_have(self, images, tmp_path, monkeypatch):
        params = {"n_iter_no_change": 3, "tol": 1e6, "checkpoint": tmp_path, "optimizer": "sgd"}
        stop(monkeypatch, 3, long_vqvae(**params), images)
        ended = long_vqvae(**params).fit(images)
        assert ended.n_iter_ == 4  # no epoch but the first gains so much
        assert_same(ended, long_vqvae(**{**params, "checkpoint": None}).fit(images))

    def test_of_a_generator_stage_by_stage(self, images, tmp_path, monkeypatch):
        stages = long_vqvae(max_iter=1, optimizer="sgd"), long_prior(max_iter=2, optimizer="sgd")
        model = VQGenerator(*stages, checkpoint=tmp_path)
        epoch = Trainer._epoch

        def fails(self, number):
            if self.config.name == "PixelCNNPrior" and number == 1:
                raise Stopped
            return epoch(self, number)

        with monkeypatch.context() as patch:
            patch.setattr(Trainer, "_epoch", fails)
            with pytest.raises(Stopped):
                model.fit(images)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["prior", "vqvae"]
        assert model.vqvae.checkpoint is None
        again, expected = model.fit(images), VQGenerator(*stages).fit(images)
        assert_same(again.vqvae_, expected.vqvae_)
        assert_same(again.prior_, expected.prior_)

    def test_a_frozen_stage_keeps_its_own_parameters(self, images, tmp_path, uninterrupted):
        prior = long_prior(max_iter=1, optimizer="sgd")
        VQGenerator(FrozenEstimator(uninterrupted), prior, checkpoint=tmp_path).fit(images)
        assert uninterrupted.checkpoint is None
        assert [path.name for path in tmp_path.iterdir()] == ["prior"]


class TestOtherFits:
    def test_a_search_shares_a_folder(self, images, tmp_path, monkeypatch):
        search = GridSearchCV(small_vqvae(checkpoint=tmp_path), {"beta": [0.1, 0.5]}, cv=2, refit=False)
        scores = search.fit(images).cv_results_["mean_test_score"]
        assert len(list(tmp_path.iterdir())) == 4  # two candidates, two folds
        stop_after(monkeypatch, 0)
        np.testing.assert_array_equal(clone(search).fit(images).cv_results_["mean_test_score"], scores)
        assert len(set(scores)) == 2

    def test_one_that_was_not_finished_is_named_with_what_differs(self, images, tmp_path, monkeypatch):
        stop(monkeypatch, 2, small_vqvae(max_iter=3, checkpoint=tmp_path), images)
        with pytest.warns(UserWarning, match=r"not finished, after 2 epochs.*begins anew: beta was 0.25, now 0.5\. To"):
            small_vqvae(max_iter=3, beta=0.5, checkpoint=tmp_path).fit(images)

    def test_one_that_goes_on_elsewhere_is_not(self, images, tmp_path, monkeypatch):
        epoch = Trainer._epoch

        def nested(self, number):
            if number == 1:
                with monkeypatch.context() as patch, warnings.catch_warnings():
                    patch.setattr(Trainer, "_epoch", epoch)
                    warnings.simplefilter("error", UserWarning)
                    small_vqvae(beta=0.5, checkpoint=tmp_path).fit(images)
            return epoch(self, number)

        monkeypatch.setattr(Trainer, "_epoch", nested)
        small_vqvae(max_iter=2, checkpoint=tmp_path).fit(images)
        assert len(list(tmp_path.iterdir())) == 2

    def test_what_changes_no_weight_makes_no_other_fit(self, images):
        source = source_of(images)
        tables = [
            fit_identity(long_vqvae(**params), source, seed=0)
            for params in ({}, {"verbose": 2, "checkpoint": "elsewhere", "random_state": 0})
        ]
        assert tables[0] == tables[1]

    @pytest.mark.parametrize(("change", "name"), [({"beta": 0.5}, "beta"), ({"optimizer": "sgd"}, "optimizer")])
    def test_what_does_is_told_apart(self, images, change, name):
        source = source_of(images)
        tables = [fit_identity(long_vqvae(**params), source, seed=0) for params in ({}, change)]
        assert [key for key in tables[0] if tables[0][key] != tables[1][key]] == [name]


def source_of(X):
    return long_vqvae()._new_source(X)


class TestHash:
    def test_every_row_of_small_data_counts(self, images):
        found = {hash_of_rows(source_of(images))}
        for row in (0, 50, 95):
            X = images.copy()
            X[row, 0, 0] ^= 1
            found.add(hash_of_rows(source_of(X)))
        assert len(found) == 4
        assert hash_of_rows(source_of(images.copy())) in found

    def test_weights_of_pixels_count(self, images):
        weights = np.ones((8, 8))
        weights[0, 0] = 0.5
        plain, alike, weighted = (
            hash_of_rows(long_vqvae()._new_source(images, w)) for w in (None, np.ones((8, 8)), weights)
        )
        assert plain == alike != weighted

    def test_blocks_of_large_data(self, images, monkeypatch):
        monkeypatch.setattr("skvq._fit_identity.MOST_BYTES", 64 * 2 * 256)  # two rows to each block
        X = np.concatenate([images] * 10)
        first = hash_of_rows(source_of(X))
        X[-1] ^= 1  # the last block is the end of the data
        assert hash_of_rows(source_of(X)) != first
        assert hash_of_rows(source_of(X[:-1])) != first


class TestFolder:
    def test_a_path_that_is_a_file(self, images, tmp_path):
        (tmp_path / "file").write_text("mine")
        for path in (tmp_path / "file", tmp_path / "file" / "folder"):
            with pytest.raises(InvalidInputError, match=r"checkpoint must be a folder; got .*Give another name"):
                small_vqvae(checkpoint=path).fit(images)
        assert (tmp_path / "file").read_text() == "mine"

    def test_a_damaged_file(self, images, tmp_path):
        small_vqvae(checkpoint=tmp_path).fit(images)
        (path,) = tmp_path.iterdir()
        data = bytearray(path.read_bytes())
        data[-100] ^= 1
        path.write_bytes(data)
        with pytest.raises(ModelFileError, match=r"SHA-256.*Remove that file to begin this fit anew"):
            small_vqvae(checkpoint=tmp_path).fit(images)

    def test_a_file_under_anothers_name(self, images, tmp_path):
        small_vqvae(checkpoint=tmp_path).fit(images)
        (first,) = tmp_path.iterdir()
        small_vqvae(beta=0.5, checkpoint=tmp_path).fit(images)
        (second,) = set(tmp_path.iterdir()) - {first}
        os.replace(first, second)
        with pytest.raises(ModelFileError, match=r"another fit: beta was 0.25, now 0.5\. Remove"):
            small_vqvae(beta=0.5, checkpoint=tmp_path).fit(images)

    def test_it_is_no_estimator(self, images, tmp_path):
        fitted = small_vqvae(checkpoint=tmp_path / "fits").fit(images)
        (path,) = (tmp_path / "fits").iterdir()
        with pytest.raises(ModelFileError, match="not an skvq estimator"):
            skvq.load(path)
        # Where a fit writes is no part of an estimator's file.
        fitted.save(tmp_path / "fitted.skvq")
        assert skvq.load(tmp_path / "fitted.skvq").checkpoint is None


def killed(processes, folder, delay):
    """Kill all processes some time after the first epoch was saved."""
    while not any(folder.glob("*.safetensors")):
        assert all(process.poll() is None for process in processes)
        time.sleep(0.01)
    time.sleep(delay)
    for process in processes:
        process.send_signal(signal.SIGKILL)
    return [process.wait() for process in processes]


def script(folder):
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(SCRIPT.parents[1]), os.environ.get("PYTHONPATH", "")]),
    }
    return [subprocess.Popen([sys.executable, str(SCRIPT), str(folder)], env=environment)]


@pytest.mark.slow
def test_after_a_kill(images, tmp_path, uninterrupted):
    killed(script(tmp_path), tmp_path, random.uniform(0, 0.2))
    assert_same(long_vqvae(checkpoint=tmp_path).fit(images), uninterrupted)
    assert len(list(tmp_path.iterdir())) == 1  # whatever the killed one left behind is gone


@pytest.mark.large
def test_after_many_kills(images, tmp_path, uninterrupted):
    statuses = [killed(script(tmp_path), tmp_path, random.uniform(0, 8))[0] for _ in range(12)]
    assert -signal.SIGKILL in statuses
    assert_same(long_vqvae(checkpoint=tmp_path).fit(images), uninterrupted)


@pytest.mark.large
@needs_jax
def test_after_kills_of_two_processes(tmp_path):
    expected, found, folder = tmp_path / "expected", tmp_path / "found", tmp_path / "fits"
    for process in start("long", expected, n_processes=2, CHECKPOINT=str(tmp_path / "other")):
        assert process.wait() == 0
    for _ in range(4):
        killed(start("long", found, n_processes=2, CHECKPOINT=str(folder)), folder, random.uniform(0, 6))
    for process in start("long", found, n_processes=2, CHECKPOINT=str(folder)):
        assert process.wait() == 0
    for process in range(2):
        wanted, reached = (np.load(f / f"long-{process}.npz") for f in (expected, found))
        for name in wanted:
            np.testing.assert_array_equal(reached[name], wanted[name], err_msg=name)
