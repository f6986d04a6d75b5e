"""Weights of pixels in fit and score; where one is 0, the value of a pixel has no say in anything."""

import pickle

import numpy as np
import pytest
import sklearn
from keras import ops
from small_models import small_context, small_vqvae

from skvq import VQVAE, InvalidInputError, VQGenerator
from skvq.networks import losses

# Several steps, a start by k-means and restarts.
FIT = {"max_iter": 2, "batch_size": 16, "optimizer": "adam"}
SIZES = (96, 8, 8)


@pytest.fixture(scope="module")
def weights():
    """Weights of which a third are 0, a whole row of X among them."""
    w = np.random.default_rng(1).choice([0, 0.1, 1], SIZES)
    w[5] = 0
    return w


def spoilt(X, weights, seed=0):
    """Return X with other values under weights of 0."""
    anything = np.random.default_rng(seed).choice([np.nan, np.inf, -1e30, 0, 77], X.shape)
    return np.where(np.broadcast_to(weights, X.shape) > 0, X, anything)


def state(vqvae):
    """Return all that was fitted, as bytes."""
    names = ("_weights", "_training_state", "_region_counts", "history_", "codebook_", "code_counts_", "data_range_")
    return {name: pickle.dumps(getattr(vqvae, name)) for name in (*names, "data_mean_")}


def same(one, two):
    assert state(one) == state(two)


@pytest.mark.parametrize(
    "params",
    [
        {"early_stopping": True},
        {"reconstruction_loss": "ssim", "quantizer": "gradient"},
        {"reconstruction_loss": "mae", "quantizer": "fsq"},
    ],
    ids=["early_stopping", "ssim", "fsq"],
)
def test_values_of_weight_zero_change_nothing(images, weights, params):
    X, other = images.astype(np.float32), spoilt(images.astype(np.float32), weights)
    one, two = (small_vqvae(**FIT, **params).fit(each, pixel_weight=weights) for each in (X, other))
    same(one, two)
    assert one.score(X, pixel_weight=weights) == two.score(other, pixel_weight=weights)
    errors = [each.reconstruction_errors(x, pixel_weight=weights) for each, x in ((one, X), (two, other))]
    np.testing.assert_array_equal(*errors)
    assert np.isnan(errors[0][5])
    assert np.isfinite(np.delete(errors[0], 5)).all()


def test_nor_in_a_later_call_of_partial_fit(images, weights):
    X, other = images.astype(np.float32), spoilt(images.astype(np.float32), weights)
    one, two = small_vqvae(**FIT), small_vqvae(**FIT)
    for _ in range(2):
        one.partial_fit(X, pixel_weight=weights)
        two.partial_fit(other, pixel_weight=weights)
    same(one, two)


def test_what_transform_is_to_be_given_is_what_fit_saw(images, weights):
    other = spoilt(images.astype(np.float32), weights)
    vqvae = small_vqvae(**FIT).fit(other, pixel_weight=weights)
    known = images[weights > 0].astype(float)
    assert vqvae.data_range_ == (known.min(), known.max())
    assert vqvae.data_mean_ == pytest.approx(np.average(known, weights=weights[weights > 0]))
    filled = np.where(weights > 0, images, vqvae.data_mean_)
    np.testing.assert_array_equal(vqvae.transform(filled), vqvae._encode(vqvae._source(other, weights)))


def test_integers_and_a_function_of_files(images, tmp_path):
    image_module = pytest.importorskip("PIL.Image")
    from skvq.datasets import open_images

    for i, image in enumerate(images):
        image_module.fromarray(np.where(image > 200, 255, image).astype(np.uint8)).save(tmp_path / f"{i:03d}.png")
    files = open_images(tmp_path)
    X = np.asarray(files)
    unknown = X == 255
    one = small_vqvae(**FIT).fit(files, pixel_weight=lambda batch: batch < 255)
    two = small_vqvae(**FIT).fit(np.where(unknown, 0, X).astype(np.uint8), pixel_weight=~unknown)
    same(one, two)
    assert one.score(files, pixel_weight=lambda batch: batch < 255) == two.score(X, pixel_weight=~unknown)
    flat = X.reshape(len(X), -1)
    assert one.score(flat, pixel_weight=~unknown.reshape(flat.shape)) == two.score(X, pixel_weight=~unknown)


def test_equal_weights_are_as_none(images):
    plain = small_vqvae(**FIT, early_stopping=True).fit(images)
    for equal in (np.ones(SIZES), lambda batch: np.full(batch.shape, 0.3)):
        same(plain, small_vqvae(**FIT, early_stopping=True).fit(images, pixel_weight=equal))
    assert plain.score(images, pixel_weight=np.ones(SIZES)) == plain.score(images)
    assert plain.score(images, pixel_weight=7) == pytest.approx(plain.score(images))


def test_the_score_is_the_weighted_mean(images, weights):
    vqvae = small_vqvae(**FIT).fit(images)
    for n in (96, 3):
        w = weights[:n]
        X_hat = vqvae.inverse_transform(vqvae._encode(vqvae._source(images[:n], w))).astype(float)
        squares = np.square(images[:n] - X_hat)
        expected = -np.average(squares, weights=w)
        assert vqvae.score(images[:n], pixel_weight=w) == pytest.approx(expected, rel=0.02)  # uint8 is rounded
        with np.errstate(invalid="ignore"):
            errors = (squares * w).sum((1, 2)) / w.sum((1, 2))
        np.testing.assert_allclose(vqvae.reconstruction_errors(images[:n], pixel_weight=w), errors, rtol=0.05)


def test_what_weighs_more_is_learnt_better():
    X = np.random.default_rng(0).normal(size=(256, 4, 8)).astype(np.float32)
    X = np.repeat(X[:, :, ::4], 4, axis=2)  # each half has one value a line
    left = np.zeros((4, 8)) + 0.001
    left[:, :4] = 1
    errors = []
    for w in (left, left[:, ::-1]):
        vqvae = VQVAE(16, hidden_channels=16, downsampling=4, max_iter=15, learning_rate=0.01, random_state=0)
        vqvae.set_params(architecture="dense", image_shape=(4, 8), downsampling=32).fit(X, pixel_weight=w)
        errors.append(-vqvae.score(X, pixel_weight=left))
    assert errors[0] < 0.8 * errors[1]


class TestLosses:
    @staticmethod
    def pair(shape, seed=0):
        generator = np.random.default_rng(seed)
        return generator.random(shape, np.float32), generator.random(shape, np.float32)

    @pytest.mark.parametrize(("name", "value"), [("mse", np.square), ("mae", np.abs)])
    def test_means(self, name, value):
        x, y = self.pair((3, 12, 13, 2))
        w = np.random.default_rng(2).random((3, 12, 13, 1), np.float32)
        found = float(losses.LOSSES[name](x, y, ops.convert_to_tensor(w)))
        assert found == pytest.approx((w * value(x - y)).mean(), rel=1e-5)

    @pytest.mark.parametrize("name", losses.LOSSES)
    def test_ones_are_as_none(self, name):
        x, y = self.pair((2, 16, 14, 2))
        weighted = float(losses.LOSSES[name](x, y, ops.ones((2, 16, 14, 1))))
        assert weighted == pytest.approx(float(losses.LOSSES[name](x, y)), rel=1e-5)

    @pytest.mark.parametrize("name", losses.LOSSES)
    def test_unknown_pixels_have_no_say(self, name):
        x, y = self.pair((2, 16, 14, 2))
        a, b = self.pair((2, 16, 14, 2), seed=1)
        w = np.random.default_rng(2).choice([0, 1, 2], (2, 16, 14, 1)).astype(np.float32)
        w[:, :, :6] = 0  # no window there is without any known pixel, some are nearly
        before, after = (
            float(losses.LOSSES[name](*pair, ops.convert_to_tensor(w)))
            for pair in ((x, y), (np.where(w > 0, x, a), np.where(w > 0, y, b)))
        )
        assert before == pytest.approx(after, rel=1e-6)

    def test_ssim_of_windows_one_by_one(self):
        x, y = self.pair((1, 13, 12, 1))
        w = np.random.default_rng(2).choice([0, 1, 2.5], (1, 13, 12, 1)).astype(np.float32)
        offsets = np.arange(11) - 5
        window = np.exp(-0.5 * (offsets / 1.5) ** 2)
        window = np.outer(window, window) / window.sum() ** 2
        lost = []
        for i in range(3):
            for j in range(2):
                a, b, v = (each[0, i : i + 11, j : j + 11, 0].astype(float) for each in (x, y, w))
                share = window * (v > 0)
                share = share / share.sum()
                mean_a, mean_b = (share * a).sum(), (share * b).sum()
                variances = (share * (a - mean_a) ** 2).sum() + (share * (b - mean_b) ** 2).sum()
                covariance = (share * (a - mean_a) * (b - mean_b)).sum()
                similarity = (2 * mean_a * mean_b + 1e-4) * (2 * covariance + 9e-4)
                similarity /= (mean_a**2 + mean_b**2 + 1e-4) * (variances + 9e-4)
                lost.append((window * v).sum() * (1 - similarity))
        assert float(losses.ssim(x, y, ops.convert_to_tensor(w))) == pytest.approx(np.mean(lost), rel=1e-4)

    def test_one_of_ones_own_must_take_them(self, images, weights):
        def mixture(images, reconstructions):
            return losses.mse(images, reconstructions)

        def weighted(images, reconstructions, weights=None):
            return losses.mse(images, reconstructions, weights)

        vqvae = small_vqvae(**FIT, reconstruction_loss=mixture)
        message = r"must take weights .*; got mixture\(images, reconstructions\)\. Add the argument weights=None"
        with pytest.raises(InvalidInputError, match=message):
            vqvae.fit(images, pixel_weight=weights)
        assert vqvae.fit(images).score(images, pixel_weight=weights) < 0
        with pytest.raises(InvalidInputError, match=message):
            vqvae.partial_fit(images, pixel_weight=weights)
        own = small_vqvae(**FIT, reconstruction_loss=weighted).fit(images, pixel_weight=weights)
        plain = small_vqvae(**FIT).fit(images, pixel_weight=weights)
        np.testing.assert_array_equal(own.codebook_, plain.codebook_)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.zeros(SIZES), "pixel_weight must be above 0 somewhere; got zeros only"),
        (-np.ones(SIZES), r"pixel_weight must be finite and >= 0; got -1\.0"),
        (np.ones(96), r"pass w\[:, None, None\]"),
        (lambda batch: batch[:, 0], r"pixel_weight must have the shape \(\d+, 8, 8\)"),
        ("known", "be an array of numbers"),
    ],
)
def test_wrong_weights_are_refused_and_change_nothing(vqvae, images, given, message):
    copy = pickle.loads(pickle.dumps(vqvae))
    for call in (copy.partial_fit, copy.score, copy.reconstruction_errors, small_vqvae().fit, copy.fit):
        with pytest.raises(InvalidInputError, match=message):
            call(images, pixel_weight=given)
    same(copy, vqvae)


def test_vectors_with_unknown_values():
    X = np.random.default_rng(0).normal(size=(64, 12)).astype(np.float32)
    known = np.random.default_rng(1).random(X.shape) > 0.3
    one, two = (
        small_vqvae(**FIT).fit(each, pixel_weight=w)
        for each, w in ((spoilt(X, known), known), (np.where(known, X, np.nan), np.isfinite))
    )
    same(one, two)


class TestGenerator:
    def test_values_of_weight_zero_change_nothing(self, images, labels, weights):
        fitted = []
        for X in (images.astype(np.float32), spoilt(images.astype(np.float32), weights)):
            model = VQGenerator(small_vqvae(**FIT), small_context(conditional=True))
            model.fit(X, labels, pixel_weight=weights)
            fitted.append((model, model.score(X, labels, pixel_weight=weights)))
        (one, score), (two, other_score) = fitted
        same(one.vqvae_, two.vqvae_)
        assert (one.noise_variance_, score) == (two.noise_variance_, other_score)
        np.testing.assert_array_equal(one.sample(5, 1, random_state=0), two.sample(5, 1, random_state=0))

    def test_equal_weights_are_as_none(self, images):
        one, two = (
            VQGenerator(small_vqvae(**FIT), small_context()).fit(images, pixel_weight=w) for w in (None, np.ones(SIZES))
        )
        same(one.vqvae_, two.vqvae_)
        assert one.noise_variance_ == two.noise_variance_
        for equal in (5, np.ones(SIZES)):
            assert two.score(images, pixel_weight=equal) == one.score(images)


class TestRouting:
    def test_a_search_hands_each_fold_its_weights(self, images, weights):
        from sklearn.model_selection import GridSearchCV, KFold

        other = spoilt(images.astype(np.float32), weights)
        folds = KFold(2)
        with sklearn.config_context(enable_metadata_routing=True):
            vqvae = small_vqvae(**FIT).set_fit_request(pixel_weight=True).set_score_request(pixel_weight=True)
            search = GridSearchCV(vqvae, {"beta": [0.25]}, cv=folds, refit=False).fit(other, pixel_weight=weights)
        scores = [
            small_vqvae(**FIT).fit(other[a], pixel_weight=weights[a]).score(other[b], pixel_weight=weights[b])
            for a, b in folds.split(other)
        ]
        assert search.cv_results_["mean_test_score"][0] == pytest.approx(np.mean(scores), rel=1e-12)

    def test_the_vqvae_of_a_generator_requests_them(self, images, weights):
        with sklearn.config_context(enable_metadata_routing=True):
            model = VQGenerator(small_vqvae(**FIT), small_context())
            with pytest.raises(sklearn.exceptions.UnsetMetadataPassedError, match="pixel_weight"):
                model.fit(images, pixel_weight=weights)
            model.vqvae.set_fit_request(pixel_weight=True).set_score_request(pixel_weight=True)
            routed = model.fit(images, pixel_weight=weights)
            score = routed.score(images, pixel_weight=weights)
        plain = VQGenerator(small_vqvae(**FIT), small_context()).fit(images, pixel_weight=weights)
        same(routed.vqvae_, plain.vqvae_)
        assert score == plain.score(images, pixel_weight=weights)
