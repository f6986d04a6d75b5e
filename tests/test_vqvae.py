import copy
import pickle
import random

import joblib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from skvq import VQVAE, CodeGrid, ContextPrior, SkvqError
from skvq._contract.images import Layout
from skvq.networks import ops
from skvq.networks.architectures import conv

# A plain optimizer's step compiles faster than Adam's, and compiling is what takes time here.
QUICK = {"n_embeddings": 4, "embedding_dim": 2, "hidden_channels": 4, "n_residual_blocks": 0, "max_iter": 1}
QUICK |= {"optimizer": "sgd"}


class TestFittedState:
    def test_shapes_types_and_ranges(self, vqvae, images, codes):
        assert vqvae.grid_.shape == (2, 2)
        assert vqvae.image_shape_ == (8, 8, 1)
        assert vqvae.codebook_.shape == (12, 4)
        assert vqvae.n_features_in_ == 64
        assert vqvae.n_iter_ == 30
        assert codes.shape == (96, 4)
        assert codes.dtype == np.int64
        assert codes.min() >= 0
        assert codes.max() < 12
        assert vqvae.data_range_ == (images.min(), images.max())

    def test_reconstructions_keep_shape_dtype_and_range(self, vqvae, images):
        X_hat = vqvae.reconstruct(images)
        assert X_hat.shape == images.shape
        assert X_hat.dtype == np.uint8
        assert images.min() <= X_hat.min()
        assert X_hat.max() <= images.max()

    def test_it_has_learnt_the_images(self, vqvae, images):
        mean_picture = np.square(images - images.mean(axis=0)).mean()
        assert -vqvae.score(images) < 0.5 * mean_picture

    def test_history_has_every_term_every_epoch_and_the_terms_add_up(self, vqvae):
        assert {len(values) for values in vqvae.history_.values()} == {30}
        history = {name: np.array(values) for name, values in vqvae.history_.items()}
        total = history["reconstruction_loss"] + vqvae.vq_weight * (
            history["codebook_loss"] + vqvae.beta * history["commitment_loss"]
        )
        np.testing.assert_allclose(history["loss"], total, rtol=1e-5)
        assert np.all(history["perplexity"] <= 12 + 1e-6)
        assert np.all(history["codes_in_use"] >= history["perplexity"] - 1e-6)

    def test_counts_add_up_to_every_position_of_every_batch(self, vqvae):
        assert vqvae.code_counts_.shape == (12,)
        assert vqvae.code_counts_.sum() == 96 * 4

    def test_score_is_minus_the_squared_error_in_units_of_X(self, vqvae, images):
        # The score sees floats before they are rounded to uint8: half a grey level apart at most.
        exact = np.square(images - vqvae.reconstruct(images).astype(float)).reshape(96, -1).mean(axis=1)
        np.testing.assert_allclose(np.sqrt(vqvae.reconstruction_errors(images)), np.sqrt(exact), atol=0.5)
        assert vqvae.score(images) == pytest.approx(-vqvae.reconstruction_errors(images).mean())

    def test_state_is_parameters_and_plain_arrays(self, vqvae):
        def plain(value):
            if isinstance(value, (list, tuple)):
                return all(map(plain, value))
            if isinstance(value, dict):
                return all(map(plain, value.values()))
            return value is None or isinstance(value, (np.ndarray, int, float, str, Layout, CodeGrid))

        assert all(plain(value) for value in vars(vqvae).values())


class TestIndependence:
    @settings(max_examples=20)
    @given(rows=st.lists(st.integers(0, 95), min_size=1, max_size=40))
    def test_codes_of_a_row_do_not_depend_on_its_neighbours(self, vqvae, images, codes, rows):
        np.testing.assert_array_equal(vqvae.transform(images[rows]), codes[rows])

    def test_equal_seeds_give_equal_fits(self, images):
        fits = [VQVAE(random_state=seed, **QUICK).fit(images) for seed in (3, 3, 4)]
        for a, b in zip(fits[0]._weights, fits[1]._weights, strict=True):
            np.testing.assert_array_equal(a, b)
        assert fits[0].history_ == fits[1].history_
        assert fits[0].history_ != fits[2].history_

    def test_refit_forgets(self, images):
        vqvae = VQVAE(random_state=0, **QUICK).fit(images)
        first = vqvae._weights
        again = vqvae.fit(images)
        assert again is vqvae
        for a, b in zip(first, vqvae._weights, strict=True):
            np.testing.assert_array_equal(a, b)
        assert vqvae.n_iter_ == 1

    def test_global_random_states_stay_as_found(self, images):
        numpy_before, python_before = np.random.get_state(), random.getstate()
        vqvae = VQVAE(random_state=0, **QUICK).fit(images)
        vqvae.sample(3, random_state=1)
        numpy_after = np.random.get_state()
        assert python_before == random.getstate()
        assert numpy_before[2] == numpy_after[2]
        np.testing.assert_array_equal(numpy_before[1], numpy_after[1])

    def test_random_state_instance_moves_on(self, images):
        state = np.random.RandomState(0)
        first = VQVAE(random_state=state, **QUICK).fit(images)
        second = VQVAE(random_state=state, **QUICK).fit(images)
        assert not np.array_equal(first.codebook_, second.codebook_)

    def test_samples_obey_the_prefix_rule(self, vqvae):
        five = vqvae.sample(5, random_state=0)
        np.testing.assert_array_equal(five[:3], vqvae.sample(3, random_state=0))
        assert not np.array_equal(five, vqvae.sample(5, random_state=1))

    def test_samples_without_prior_follow_the_frequencies_of_each_position(self, images):
        # A fixed grid of embeddings, quantised from the first step on, and weights that hardly move: training counts
        # the codes that transform returns.
        params = {**QUICK, "quantizer": "fsq", "codebook_init": "random", "learning_rate": 1e-9, "batch_size": 16}
        vqvae = VQVAE(random_state=0, **params).fit(images)
        codes = vqvae.transform(images)
        np.testing.assert_array_equal(vqvae.code_counts_, np.bincount(codes.ravel(), minlength=4))
        vqvae.inverse_transform = lambda codes: codes
        drawn = vqvae.sample(4000, random_state=0)
        for position in range(4):
            found, expected = (np.bincount(c[:, position], minlength=4) / len(c) for c in (drawn, codes))
            assert np.all(found[expected == 0] == 0)
            np.testing.assert_allclose(found, expected, atol=4 * 0.5 / np.sqrt(4000))


class TestCopies:
    @pytest.mark.parametrize("copied", [lambda v: pickle.loads(pickle.dumps(v)), copy.deepcopy])
    def test_pickle_and_deepcopy_answer_alike(self, vqvae, images, codes, copied):
        twin = copied(vqvae)
        np.testing.assert_array_equal(twin.transform(images), codes)
        np.testing.assert_array_equal(twin.inverse_transform(codes), vqvae.inverse_transform(codes))

    def test_joblib_memory_mapped(self, vqvae, images, codes, tmp_path):
        joblib.dump(vqvae, tmp_path / "vqvae.joblib")
        np.testing.assert_array_equal(joblib.load(tmp_path / "vqvae.joblib", mmap_mode="r").transform(images), codes)

    def test_clone_is_unfitted_with_equal_parameters(self, vqvae):
        twin = clone(vqvae)
        assert twin.get_params() == vqvae.get_params()
        with pytest.raises(NotFittedError):
            twin.transform(np.zeros((1, 8, 8)))


BAD_PARAMS = [
    ({"beta": -1}, r"'beta' .* must be a float in the range \[0.*Got -1 instead\. .*0\.25 is a common start"),
    ({"beta": float("nan")}, r"'beta' .*Got nan"),
    ({"vq_weight": float("inf")}, r"'vq_weight' .*Got inf"),
    ({"n_embeddings": 1}, r"'n_embeddings' .*\[2, inf\).*Got 1 instead\. It is the number of codes"),
    ({"downsampling": 3}, r"'downsampling' .*Got 3 instead\. Pixels to a code"),
    ({"learning_rate": 0}, r"'learning_rate' .*0\.001 to 0\.004"),
    ({"quantizer": "emma"}, r"'quantizer' .*'ema'.*Got 'emma'"),
    ({"image_shape": (8, 0)}, r"image_shape must be .* positive integers; got \(8, 0\)"),
    ({"random_state": -3}, r"'random_state' .*Got -3"),
]

BAD_X = [
    (np.full((4, 8, 8), np.nan), "NaN"),
    (np.full((4, 8, 8), np.inf), "infinity"),
    (np.zeros((4, 8, 8, 1, 1)), "dim 5|channels last; got shape"),
    (np.zeros((0, 8, 8)), "0 sample"),
    (np.zeros(8), "Reshape your data"),
    (np.array([["a", "b"]]), "convert|dtype='numeric'"),
]


class TestBadInput:
    @pytest.mark.parametrize(("params", "message"), BAD_PARAMS)
    def test_parameters(self, images, params, message):
        vqvae = VQVAE(**{**QUICK, **params})
        with pytest.raises(ValueError, match=message):
            vqvae.fit(images)
        assert not vqvae.__sklearn_is_fitted__()

    @pytest.mark.parametrize(("X", "message"), BAD_X)
    def test_X(self, X, message):
        with pytest.raises(ValueError, match=message):
            VQVAE(**QUICK).fit(X)

    def test_flat_X_that_does_not_match_image_shape(self):
        with pytest.raises(ValueError, match=r"image_shape=\(28, 28, 1\), 784 values a row; got .*100 values"):
            VQVAE(image_shape=(28, 28), **QUICK).fit(np.zeros((4, 100)))

    def test_bad_input_loses_nothing(self, images):
        vqvae = VQVAE(random_state=0, **QUICK).fit(images)
        before = vqvae.transform(images)
        with pytest.raises(ValueError, match="NaN"):
            vqvae.fit(np.full((4, 8, 8), np.nan))
        with pytest.raises(ValueError, match="beta"):
            vqvae.set_params(beta=-1).fit(images)
        np.testing.assert_array_equal(vqvae.transform(images), before)

    def test_unfitted_use(self, images):
        for call in (
            lambda v: v.transform(images),
            lambda v: v.inverse_transform(np.zeros((1, 4), int)),
            lambda v: v.sample(),
            lambda v: v.score(images),
        ):
            with pytest.raises(NotFittedError, match="VQVAE must be fitted"):
                call(VQVAE())

    @pytest.mark.parametrize(
        ("codes", "message"),
        [
            ([[0, 0, 0, 12]], r"codes in \[0, n_embeddings=12\); got 12"),
            ([[0, 0, 0, -1]], r"codes >= 0; got -1"),
            ([[0, 0, 0, 0.5]], r"whole numbers; got 0\.5"),
            ([[0, 0, 0]], r"4 codes to a row.*got 3"),
            ([[0, 0, 0, np.nan]], "NaN"),
        ],
    )
    def test_codes(self, vqvae, codes, message):
        with pytest.raises(ValueError, match=message):
            vqvae.inverse_transform(codes)

    @pytest.mark.parametrize(
        ("params", "X", "message"),
        [
            (
                {"quantizer": object},
                None,
                r"quantizer must be one of \['ema', .*subclass of skvq.*; got <class 'object'>",
            ),
            ({"reconstruction_loss": "ssim"}, np.zeros((20, 30)), r"'ssim' compares images; got vectors of 30 values"),
            (
                {"reconstruction_loss": lambda x, x_hat: ops.mean(ops.square(x - x_hat), axis=(1, 2, 3))},
                None,
                r"reconstruction_loss must return one number .*shape \(96,\) for 96 images.*mean",
            ),
            (
                {"architecture": lambda *shape, **sizes: conv(*shape, **{**sizes, "embedding_dim": 3})},
                None,
                r"architecture must make an encoder to embedding_dim=2 channels; got one to 3\.",
            ),
        ],
    )
    def test_parts_that_do_not_fit(self, images, params, X, message):
        vqvae = VQVAE(**{**QUICK, **params})
        with pytest.raises(ValueError, match=message):
            vqvae.fit(images if X is None else X)
        assert not vqvae.__sklearn_is_fitted__()

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"n_samples": 0}, r"n_samples must be an integer >= 1; got 0\."),
            ({"n_samples": 2.5}, r"n_samples must be an integer >= 1; got 2\.5\."),
            ({"y": [1]}, r"need a prior; got prior=None and y=\[1\]"),
            ({"temperature": 0.9}, r"need a prior; .*temperature=0\.9"),
            ({"top_k": 3}, r"need a prior; .*top_k=3"),
        ],
    )
    def test_samples_without_prior(self, vqvae, arguments, message):
        with pytest.raises(ValueError, match=message):
            vqvae.sample(**arguments)

    def test_a_prior_of_another_grid(self, vqvae):
        one_row = ContextPrior(code_shape=(1, 6)).fit(np.tile([0, 1, 2, 3, 4, 5], (4, 1)))
        more_codes = ContextPrior(code_shape=(2, 2), n_embeddings=13).fit([[0, 1, 2, 3]])
        for prior, found in ((one_row, "1 × 6 codes of 6"), (more_codes, "2 × 2 codes of 13")):
            with pytest.raises(SkvqError, match=rf"must fit the grid of the VQVAE, 2 × 2 codes of 12; got {found}"):
                vqvae.sample(2, prior)
        fewer_codes = ContextPrior().fit([[0, 1, 2, 3]])  # it had to guess how many there are
        assert vqvae.sample(2, fewer_codes).shape == (2, 8, 8)

    def test_images_of_another_size(self, vqvae):
        with pytest.raises(ValueError, match=r"images of shape \(8, 8, 1\), as in fit; got rows of shape \(9, 8\)"):
            vqvae.transform(np.zeros((2, 9, 8)))
        with pytest.raises(ValueError, match="X has 63 features, but VQVAE is expecting 64"):
            vqvae.transform(np.zeros((2, 63)))
