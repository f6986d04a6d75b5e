"""Optimizers by name or instance, what they do to gradients, and their state as arrays."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone

from skvq import VQVAE, PixelCNNPrior
from skvq.networks import keras
from skvq.training import OPTIMIZERS, TrainingConfig
from skvq.training.optimizers import make_optimizer, signature

CODES = np.random.default_rng(0).integers(0, 3, (40, 4))
SMALL = {"hidden_channels": 4, "n_layers": 1, "early_stopping": False, "random_state": 0, "max_iter": 1}


def prior(**params):
    return PixelCNNPrior(3, **{**SMALL, **params})


def equal(first, second):
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def moved(estimator):
    """Norm of what a fit changed, from the weights of a fit that changes nothing."""
    still = clone(estimator).set_params(optimizer="sgd", learning_rate=1e-30).fit(CODES)
    pairs = zip(estimator.fit(CODES)._weights, still._weights, strict=True)
    return np.sqrt(sum(np.square(a - b).sum() for a, b in pairs))


class TestNames:
    @pytest.mark.parametrize("name", OPTIMIZERS)
    def test_settings_reach_the_optimizer(self, name):
        made = make_optimizer(TrainingConfig("t", 1, 1, name, 0.5, clip_norm=0.25, weight_decay=0.1))
        assert type(made) is OPTIMIZERS[name]
        assert (float(made.learning_rate), made.global_clipnorm, made.weight_decay) == (0.5, 0.25, 0.1)

    def test_clip_norm_bounds_a_step(self):
        # One step of plain gradient descent moves by the rate times the gradient's norm.
        one_step = {"optimizer": "sgd", "learning_rate": 1.0, "batch_size": 40, "weight_decay": 0.0}
        assert moved(prior(clip_norm=1e-3, **one_step)) == pytest.approx(1e-3, rel=1e-3)
        assert moved(prior(clip_norm=None, **one_step)) > 1e-2

    def test_warm_up_bounds_the_first_step(self):
        one_step = {"optimizer": "sgd", "learning_rate": 1.0, "batch_size": 40, "weight_decay": 0.0, "clip_norm": 1e-3}
        assert moved(prior(warmup_steps=10, **one_step)) == pytest.approx(1e-4, rel=1e-2)

    def test_the_schedule_is_in_the_history(self):
        params = {"optimizer": "sgd", "learning_rate": 0.5, "batch_size": 40, "max_iter": 4}
        assert prior(schedule="constant", **params).fit(CODES).history_["learning_rate"] == [0.5] * 4
        linear = prior(schedule="linear", **params).fit(CODES).history_["learning_rate"]
        np.testing.assert_allclose(linear, [0.5, 0.375, 0.25, 0.125])


class TestInstances:
    def test_an_instance_acts_and_is_not_changed(self):
        given = keras.optimizers.SGD(learning_rate=0.25, momentum=0.5)
        before = given.get_config()
        fitted = prior(optimizer=given, learning_rate=9.0, warmup_steps=50).fit(CODES)
        assert fitted.history_["learning_rate"] == [0.25]
        assert given.get_config() == before
        assert not given.built
        assert int(given.iterations) == 0
        # It brings its own rate: learning_rate, schedule and warm-up do not matter.
        other = prior(optimizer=given, learning_rate=1e-9, schedule="constant").fit(CODES)
        assert equal(fitted._weights, other._weights)
        plain = prior(optimizer=keras.optimizers.SGD(learning_rate=0.25)).fit(CODES)
        assert not equal(fitted._weights, plain._weights)

    def test_an_estimator_with_an_instance_can_be_cloned_and_pickled(self):
        estimator = prior(optimizer=keras.optimizers.SGD(learning_rate=0.25))
        twin = clone(estimator)
        assert signature(twin._training_config(1)) == signature(estimator._training_config(1))
        assert equal(twin.fit(CODES)._weights, estimator.fit(CODES)._weights)
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(twin)).score_samples(CODES), twin.score_samples(CODES))


class TestState:
    def test_state_is_arrays(self):
        state = prior(optimizer="adam").fit(CODES)._training_state
        assert all(isinstance(value, np.ndarray) for value in (*state["optimizer"], *state["seeds"]))

    @pytest.mark.parametrize(
        "make",
        [
            lambda: VQVAE(4, 2, hidden_channels=4, n_residual_blocks=0, max_iter=2, batch_size=8, random_state=0),
            lambda: VQVAE(4, 2, hidden_channels=4, n_residual_blocks=0, max_iter=2, batch_size=8, random_state=0,
                          quantizer="gradient", optimizer="nadam"),
            lambda: prior(dropout="auto", max_iter=3),
            lambda: prior(dropout=0.3, optimizer=keras.optimizers.Adam(0.01)),
        ],
        ids=["vqvae-ema", "vqvae-gradient", "prior-auto", "prior-instance"],
    )  # fmt: skip
    def test_a_pickle_goes_on_as_the_estimator_does(self, make, images):
        X = images if isinstance(make(), VQVAE) else CODES
        estimator = make().set_params(warm_start=True).fit(X)
        twin = pickle.loads(pickle.dumps(estimator))
        for method in ("partial_fit", "fit"):
            before = [w.copy() for w in estimator._weights]
            getattr(estimator, method)(X)
            getattr(twin, method)(X)
            assert not equal(estimator._weights, before)
            assert equal(estimator._weights, twin._weights)
        assert estimator.history_ == twin.history_

    def test_moments_count(self):
        """A twin without the optimizer's state takes other steps: the test above can fail."""
        estimator = prior(dropout=0.0).fit(CODES)
        twin = pickle.loads(pickle.dumps(estimator))
        twin._training_state = None
        assert not equal(estimator.partial_fit(CODES)._weights, twin.partial_fit(CODES)._weights)

    def test_another_optimizer_starts_anew(self):
        estimator = prior(warm_start=True, optimizer="adam").fit(CODES)
        estimator.set_params(optimizer="sgd").fit(CODES)
        assert estimator._training_state["signature"]["optimizer"] == "sgd"
        assert estimator.n_iter_ == 2


class TestOrder:
    def test_warm_starts_do_not_replay_the_same_shuffles(self, monkeypatch):
        """Rows are all different, so the rows of a batch tell the order."""
        X = np.stack(np.unravel_index(np.arange(40), (3, 3, 3, 3)), axis=1)
        seen = []
        train = keras.Model.train_on_batch

        def noted(self, x, *args, **kwargs):
            seen.append(np.ravel_multi_index(np.asarray(x).T, (3, 3, 3, 3)).tolist())
            return train(self, x, *args, **kwargs)

        monkeypatch.setattr(keras.Model, "train_on_batch", noted)
        estimator = prior(warm_start=True, batch_size=10, optimizer="sgd")
        for _ in range(3):
            estimator.fit(X)
        estimator.partial_fit(X).partial_fit(X)
        passes = [tuple(map(tuple, seen[start : start + 4])) for start in range(0, 20, 4)]
        assert len(set(passes)) == 5
        for one in passes:
            assert sorted(sum(one, ())) == list(range(40))
