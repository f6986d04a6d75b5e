"""What a fit leaves behind: the state of its last good epoch, and nothing of a call that failed."""

import pickle

import keras
import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning, NotFittedError

from skvq import VQVAE, PixelCNNPrior
from skvq._contract.counts import perplexity_of_counts
from skvq._keras_settings import GLOBAL_STATE
from skvq._vqvae.errors import RowErrors
from skvq.training import Trainer

LITTLE_VQVAE = {"n_embeddings": 4, "embedding_dim": 2, "hidden_channels": 4, "n_residual_blocks": 0, "random_state": 0}
LITTLE_VQVAE |= {"optimizer": "sgd", "max_iter": 1}
LITTLE_PRIOR = {"n_embeddings": 12, "hidden_channels": 4, "n_layers": 1, "random_state": 0}
LITTLE_PRIOR |= {"optimizer": "sgd", "max_iter": 1}


def copy_of(estimator):
    """The estimator as its arrays alone tell it."""
    return pickle.loads(pickle.dumps(estimator))


def fails(*_):
    raise MemoryError


class Breaks:
    """An array of images whose disk fails after some reads."""

    error = OSError("the disk is gone")

    def __init__(self, X, n_reads):
        self.X, self.n_reads = X, n_reads
        self.shape, self.dtype, self.ndim = X.shape, X.dtype, X.ndim

    def __len__(self):
        return len(self.X)

    def __getitem__(self, rows):
        self.n_reads -= 1
        if self.n_reads < 0:
            raise self.error
        return self.X[rows]


class Interrupts(Breaks):
    """An array of images during whose reading somebody presses Ctrl-C."""

    error = KeyboardInterrupt()


class Counts(Breaks):
    """An array of images that counts how often it is read."""

    def __init__(self, X):
        super().__init__(X, 0)

    def __getitem__(self, rows):
        self.n_reads += 1
        return self.X[rows]


class TestFailure:
    @pytest.mark.parametrize(
        ("params", "X"),
        [
            ({"quantizer": "fsq", "n_embeddings": 11}, np.zeros((96, 12, 12), np.uint8)),
            ({"quantizer": dict}, None),
            ({"reconstruction_loss": "ssim"}, np.zeros((96, 30))),
            ({"early_stopping": True, "validation_fraction": 0.999}, None),
        ],
    )
    def test_a_refit_that_fails_leaves_the_former_fit(self, images, params, X):
        vqvae = VQVAE(**LITTLE_VQVAE).fit(images)
        codes = vqvae.transform(images)
        with pytest.raises(ValueError, match=r"must|compares"):
            vqvae.set_params(**params).fit(images if X is None else X)
        assert vqvae.image_shape_ == (8, 8, 1)
        assert vqvae.n_features_in_ == 64
        for each in (vqvae, copy_of(vqvae)):
            np.testing.assert_array_equal(each.transform(images), codes)

    def test_a_first_fit_that_fails_leaves_none(self, images):
        vqvae = VQVAE(**{**LITTLE_VQVAE, "quantizer": "fsq", "n_embeddings": 11})
        with pytest.raises(ValueError, match="n_embeddings must be a product"):
            vqvae.fit(images)
        with pytest.raises(NotFittedError):
            vqvae.transform(images)
        assert not [name for name in vars(vqvae) if name.endswith("_")]

    @pytest.mark.parametrize("n_reads", [1, 8, 14])
    def test_a_warm_fit_that_breaks_off_is_undone(self, images, n_reads):
        params = {**LITTLE_VQVAE, "learning_rate": 0.05, "batch_size": 16, "max_iter": 3, "warm_start": True}
        vqvae = VQVAE(**params).fit(images)
        codes = vqvae.transform(images)
        with pytest.raises(OSError, match="the disk is gone"):
            vqvae.fit(Breaks(images, n_reads))
        assert vqvae.n_iter_ == 3
        for each in (vqvae, copy_of(vqvae)):
            np.testing.assert_array_equal(each.transform(images), codes)
        assert vqvae.fit(images).n_iter_ == 6

    @pytest.mark.parametrize("method", ["fit", "partial_fit"])
    def test_a_prior_likewise(self, codes, monkeypatch, method):
        prior = PixelCNNPrior(**LITTLE_PRIOR, warm_start=True).fit(codes)
        scores = prior.score_samples(codes)
        monkeypatch.setattr(Trainer, "_report", fails)
        with pytest.raises(MemoryError):
            getattr(prior, method)(codes)
        assert prior.n_iter_ == 1
        for each in (prior, copy_of(prior)):
            np.testing.assert_array_equal(each.score_samples(codes), scores)


class TestDivergence:
    @pytest.mark.parametrize("optimizer", ["adam", "nadam"])
    def test_a_lower_rate_heals_it(self, images, optimizer):
        params = {**LITTLE_VQVAE, "optimizer": optimizer, "max_iter": 2, "batch_size": 16, "warm_start": True}
        vqvae = VQVAE(**params).fit(images)
        with pytest.warns(ConvergenceWarning, match="Lower learning_rate"):
            vqvae.set_params(learning_rate=1e30).fit(images)
        assert vqvae.n_iter_ == 2
        vqvae.set_params(learning_rate=1e-4).fit(images)
        assert vqvae.n_iter_ == 4
        assert np.isfinite(vqvae.history_["loss"]).all()


class TestCounts:
    def test_they_are_of_one_pass_however_often_it_is_called(self, images):
        vqvae = VQVAE(**LITTLE_VQVAE, early_stopping=True)
        for _ in range(3):
            assert vqvae.partial_fit(images).code_counts_.sum() == 96 * 4

    def test_they_are_of_the_epoch_whose_weights_are_kept(self, images, monkeypatch):
        losses = iter([3.0, 1.0, 2.0, 2.0])
        monkeypatch.setattr(
            VQVAE, "_squared_errors", lambda self, rows, weights: RowErrors(np.full(len(rows), next(losses)))
        )
        params = {**LITTLE_VQVAE, "learning_rate": 1.0, "batch_size": 8, "max_iter": 9, "early_stopping": True}
        vqvae = VQVAE(**params, n_iter_no_change=2).fit(images)
        assert vqvae.n_iter_ == 4
        perplexities = vqvae.history_["perplexity"]
        assert len(set(perplexities)) == 4
        assert perplexity_of_counts(vqvae.code_counts_) == pytest.approx(perplexities[1])

    def test_an_interrupted_epoch_leaves_none_behind(self, images):
        vqvae = VQVAE(**LITTLE_VQVAE, batch_size=16, warm_start=True).fit(images)
        with pytest.warns(ConvergenceWarning, match="interrupted"):
            vqvae.set_params(max_iter=3).fit(Interrupts(images, 2 + 6 + 3))
        assert vqvae.n_iter_ == 2
        assert vqvae.code_counts_.sum() == 96 * 4
        assert vqvae.partial_fit(images).code_counts_.sum() == 96 * 4

    def test_a_divergence_in_the_first_epoch_leaves_those_that_there_were(self, images):
        vqvae = VQVAE(**LITTLE_VQVAE).partial_fit(images)
        counts = vqvae.code_counts_
        with pytest.warns(ConvergenceWarning, match="turned"):
            vqvae.set_params(learning_rate=1e30).partial_fit(images).partial_fit(images)
        np.testing.assert_array_equal(vqvae.code_counts_, counts)

    def test_codes_of_the_table_before_kmeans_do_not_count(self, images):
        vqvae = VQVAE(**LITTLE_VQVAE, batch_size=16).fit(images)
        assert vqvae.code_counts_.sum() == 80 * 4  # the codebook begins at the second of six steps


class TestInterruption:
    """Ctrl-C in the middle of a step, as reading rows raises it here."""

    def test_before_the_first_epoch_ends_an_earlier_fit_survives(self, images):
        vqvae = VQVAE(**LITTLE_VQVAE, batch_size=16).fit(images)
        codes, weights = vqvae.transform(images), vqvae._weights
        with pytest.raises(KeyboardInterrupt):
            vqvae.fit(Interrupts(images, 5))
        assert vqvae.n_iter_ == 1
        assert vqvae._weights is weights
        for each in (vqvae, copy_of(vqvae)):
            np.testing.assert_array_equal(each.transform(images), codes)

    def test_a_first_fit_that_is_interrupted_leaves_none(self, images):
        vqvae = VQVAE(**LITTLE_VQVAE, batch_size=16)
        with pytest.raises(KeyboardInterrupt):
            vqvae.fit(Interrupts(images, 5))
        with pytest.raises(NotFittedError):
            vqvae.transform(images)

    def test_later_it_is_fitted(self, images):
        vqvae = VQVAE(**{**LITTLE_VQVAE, "max_iter": 5}, batch_size=16)
        reads = Counts(images)
        vqvae.fit(reads)
        before_training = reads.n_reads - 5 * 6
        with pytest.warns(ConvergenceWarning, match="VQVAE was interrupted after 2 of 5 epochs; .*fitted"):
            vqvae.fit(Interrupts(images, before_training + 2 * 6 + 3))
        assert vqvae.n_iter_ == 2
        assert {len(values) for values in vqvae.history_.values()} == {2}
        np.testing.assert_array_equal(copy_of(vqvae).transform(images), vqvae.transform(images))


class TestStreams:
    def test_every_row_is_trained_on(self, monkeypatch):
        rows = np.stack(np.unravel_index(np.arange(96), (5, 5, 5, 5)), axis=1)
        seen = []
        train = keras.Model.train_on_batch

        def noted(self, x, *args, **kwargs):
            seen.append(np.asarray(x))
            return train(self, x, *args, **kwargs)

        monkeypatch.setattr(keras.Model, "train_on_batch", noted)
        prior = PixelCNNPrior(**LITTLE_PRIOR).partial_fit(rows)
        assert len(np.unique(np.concatenate(seen), axis=0)) == 96
        assert "val_loss" not in prior.history_

    def test_lists_of_the_history_stay_in_step(self, codes):
        prior = PixelCNNPrior(**{**LITTLE_PRIOR, "max_iter": 2}, warm_start=True).fit(codes)
        prior.partial_fit(codes).fit(codes)
        assert {name: len(values) for name, values in prior.history_.items()} == {
            "loss": 5,
            "learning_rate": 5,
            "val_loss": 5,
        }
        np.testing.assert_array_equal(np.isnan(prior.history_["val_loss"]), [False, False, True, False, False])


class TestContinuing:
    @pytest.mark.parametrize(
        ("params", "message"),
        [
            ({"n_embeddings": 20}, r"n_embeddings must stay 12 .*; got 20\. .*warm_start=False"),
            ({"code_shape": (1, 4)}, r"code_shape must stay \(2, 2\) .*; got \(1, 4\)\. .*warm_start=False"),
            ({"n_layers": 2}, r"n_layers must stay 1 .*; got 2\."),
        ],
    )
    def test_a_prior_refuses_another_network(self, codes, params, message):
        prior = PixelCNNPrior(**LITTLE_PRIOR, warm_start=True).fit(codes)
        with pytest.raises(ValueError, match=message):
            prior.set_params(**params).fit(codes)
        assert prior.n_iter_ == 1

    def test_a_stream_refuses_other_classes(self, codes, labels):
        prior = PixelCNNPrior(**LITTLE_PRIOR, conditional=True).partial_fit(codes, labels, classes=[0, 1])
        with pytest.raises(ValueError, match=r"classes must stay \[0, 1\] .*; got \[0, 1, 2\]"):
            prior.partial_fit(codes, labels, classes=[0, 1, 2])
        assert prior.partial_fit(codes, labels, classes=[1, 0]).n_iter_ == 2


@pytest.fixture(params=["float64 and channels_first", "mixed_bfloat16"])
def other_settings(request):
    """Keras as a user may have set it."""
    config = keras.config
    found = config.floatx(), config.image_data_format()
    GLOBAL_STATE.set_global_attribute("dtype_policy", None)  # as long as nobody sets one, it follows floatx
    if request.param == "float64 and channels_first":
        config.set_floatx("float64")
        config.set_image_data_format("channels_first")
    else:
        config.set_dtype_policy(request.param)
    yield request.param
    config.set_floatx(found[0])
    config.set_image_data_format(found[1])
    GLOBAL_STATE.set_global_attribute("dtype_policy", None)


def keras_settings():
    # By the state itself: keras.config.dtype_policy sets what it is asked for.
    config = keras.config
    return config.floatx(), config.image_data_format(), GLOBAL_STATE.get_global_attribute("dtype_policy")


class TestKerasSettings:
    def test_they_change_nothing_and_stay(self, vqvae, prior, images, codes, labels, other_settings):
        before = keras_settings()
        np.testing.assert_array_equal(copy_of(vqvae).transform(images), codes)
        np.testing.assert_array_equal(
            copy_of(prior).sample(8, y=labels[:8], random_state=0), prior.sample(8, y=labels[:8], random_state=0)
        )
        np.testing.assert_array_equal(copy_of(prior).score_samples(codes, labels), prior.score_samples(codes, labels))
        fitted = VQVAE(**LITTLE_VQVAE).fit(images)
        assert all(weight.dtype == np.float32 for weight in fitted._weights)
        PixelCNNPrior(**LITTLE_PRIOR).fit(codes)
        assert keras_settings() == before
        if "float64" in other_settings:
            assert keras.layers.Dense(1).dtype_policy.name == "float64"

    def test_fits_are_equal(self, images, other_settings):
        under_others = VQVAE(**LITTLE_VQVAE).fit(images)
        keras.config.set_floatx("float32")
        keras.config.set_image_data_format("channels_last")
        keras.config.set_dtype_policy("float32")
        for a, b in zip(under_others._weights, VQVAE(**LITTLE_VQVAE).fit(images)._weights, strict=True):
            np.testing.assert_array_equal(a, b)
