import copy
import pickle
import random

import joblib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError

from skvq import VQVAE, CodeGrid
from skvq._contract.images import Layout
from skvq.networks import keras, ops
from skvq.networks.architectures import conv
from skvq.networks.losses import LOSSES
from skvq.networks.quantizers import QUANTIZERS, Quantizer

QUICK = {"n_embeddings": 4, "embedding_dim": 2, "hidden_channels": 4, "n_residual_blocks": 1, "max_iter": 1}
LEARNS = {"hidden_channels": 16, "n_residual_blocks": 1, "learning_rate": 0.01, "batch_size": 16, "max_iter": 20}


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
        assert vqvae.position_counts_.sum(axis=1).tolist() == [96] * 4
        np.testing.assert_array_equal(vqvae.code_counts_, vqvae.position_counts_.sum(axis=0))

    def test_score_is_minus_the_squared_error_in_units_of_X(self, vqvae, images):
        # The score sees floats before they are rounded to uint8: half a grey level apart at most.
        exact = np.square(images - vqvae.reconstruct(images).astype(float)).reshape(96, -1).mean(axis=1)
        np.testing.assert_allclose(np.sqrt(-vqvae.score_samples(images)), np.sqrt(exact), atol=0.5)
        assert vqvae.score(images) == pytest.approx(vqvae.score_samples(images).mean())

    def test_state_is_parameters_and_plain_arrays(self, vqvae):
        def plain(value):
            if isinstance(value, (list, tuple)):
                return all(map(plain, value))
            if isinstance(value, dict):
                return all(map(plain, value.values()))
            return (
                value is None
                or isinstance(value, (np.ndarray, int, float, str))
                or isinstance(value, (Layout, CodeGrid))
            )

        assert all(plain(value) for value in vars(vqvae).values())


class TestLayouts:
    def test_flat_grey_and_channel_layouts_give_equal_codes(self, vqvae, images, codes):
        for layout in (images.reshape(96, 64), images, images[..., None]):
            np.testing.assert_array_equal(vqvae.transform(layout), codes)

    def test_fits_on_every_layout_agree(self, images):
        fits = [
            VQVAE(image_shape=(8, 8), random_state=0, **QUICK).fit(X)
            for X in (images.reshape(96, 64), images, images[..., None])
        ]
        for fit, shape in zip(fits, [(96, 64), (96, 8, 8), (96, 8, 8, 1)], strict=True):
            np.testing.assert_array_equal(fit.transform(images), fits[0].transform(images))
            assert fit.reconstruct(images).shape == shape

    @settings(max_examples=4)
    @given(
        height=st.integers(1, 11),
        width=st.integers(1, 11),
        channels=st.integers(1, 4),
        downsampling=st.sampled_from([1, 2, 4]),
        dtype=st.sampled_from(["uint8", "float32", "float64"]),
    )
    def test_any_size_is_padded_and_cropped(self, height, width, channels, downsampling, dtype):
        X = np.random.default_rng(0).integers(0, 256, (12, height, width, channels)).astype(dtype)
        vqvae = VQVAE(downsampling=downsampling, random_state=0, **QUICK).fit(X)
        assert vqvae.grid_.shape == (-(-height // downsampling), -(-width // downsampling))
        X_hat = vqvae.reconstruct(X)
        assert X_hat.shape == X.shape
        assert X_hat.dtype == X.dtype
        assert np.all(np.isfinite(X_hat.astype(float)))

    @pytest.mark.parametrize("loss", LOSSES)
    def test_units_do_not_matter(self, images, loss):
        X = images[:48] / 255.0
        base, *others = (
            VQVAE(random_state=0, reconstruction_loss=loss, **QUICK).fit(X * factor + offset)
            for factor, offset in ((1, 0), (255, 0), (3, -1))
        )
        codes = base.transform(X)
        for fitted, (factor, offset) in zip(others, ((255, 0), (3, -1)), strict=True):
            assert (fitted.transform(X * factor + offset) == codes).mean() > 0.98
            for name, values in base.history_.items():
                assert fitted.history_[name] == pytest.approx(values, rel=1e-3), name
            X_hat = (fitted.reconstruct(X * factor + offset) - offset) / factor
            assert np.abs(X_hat - base.reconstruct(X)).mean() < 1e-3

    @pytest.mark.parametrize("loss", ["mse", "ssim"])
    @pytest.mark.parametrize(
        ("shape", "downsampling", "dtype", "low", "high"),
        [
            ((1, 1, 1), 2, "uint8", 0, 255),
            ((3, 17, 2), 8, "float32", -5, 5),
            ((13, 7, 3), 16, "float64", 1e6, 1.2e6),
            ((33, 31, 4), 2, "uint8", 100, 140),
            ((1, 40, 1), 4, "float64", 0, 1e-6),
            ((35, 18, 1), 16, "float32", -1e9, 1e9),
        ],
    )
    def test_any_image(self, shape, downsampling, dtype, low, high, loss):
        X = np.random.default_rng(0).uniform(low, high, (20, *shape)).astype(dtype)
        vqvae = VQVAE(downsampling=downsampling, reconstruction_loss=loss, random_state=0, **QUICK).fit(X)
        assert vqvae.grid_.shape == tuple(-(-side // downsampling) for side in shape[:2])
        assert vqvae.transform(X).shape == (20, np.prod(vqvae.grid_.shape))
        X_hat = vqvae.reconstruct(X)
        assert X_hat.shape == X.shape
        assert X_hat.dtype == X.dtype
        # Float64 images pass through float32.
        slack = 1e-6 * (high - low) + 1e-7 * abs(high)
        assert X.min() - slack <= X_hat.min()
        assert X_hat.max() <= X.max() + slack
        assert np.isfinite(vqvae.history_["loss"]).all()
        assert np.square(X_hat.astype(float) - X).mean() < 2 * np.var(X.astype(float)) + slack

    @pytest.mark.parametrize("loss", LOSSES)
    @pytest.mark.parametrize(
        ("value", "dtype", "shape"),
        [(7.5, "float64", (8, 8)), (0, "uint8", (5, 3)), (255, "uint8", (13, 12, 3)), (-1e6, "float32", (6,))],
    )
    def test_constant_images(self, value, dtype, shape, loss):
        if len(shape) == 1 and loss == "ssim":
            pytest.skip("ssim is of images")
        X = np.full((20, *shape), value, dtype)
        fitted = VQVAE(random_state=0, reconstruction_loss=loss, **QUICK).fit(X)
        X_hat = fitted.reconstruct(X)
        assert X_hat.dtype == X.dtype
        np.testing.assert_allclose(X_hat, X, rtol=0 if dtype == "uint8" else 1e-3)
        assert np.isfinite(fitted.history_["loss"]).all()

    def test_vectors_go_through_the_dense_network(self):
        X = np.random.default_rng(0).normal(size=(60, 10))
        vqvae = VQVAE(random_state=0, **QUICK).fit(X)
        assert vqvae.grid_.shape == (3,)
        assert vqvae.reconstruct(X).shape == X.shape

    def test_something_that_only_slices_like_an_array_is_streamed(self, images, vqvae, codes):
        class OnDisk:
            shape, dtype, ndim = images.shape, images.dtype, images.ndim

            def __len__(self):
                return len(images)

            def __getitem__(self, rows):
                assert np.size(np.arange(96)[rows]) <= 96
                return images[rows]

        np.testing.assert_array_equal(vqvae.transform(OnDisk()), codes)
        fitted = VQVAE(random_state=0, **QUICK).fit(OnDisk())
        np.testing.assert_array_equal(
            fitted.transform(images), VQVAE(random_state=0, **QUICK).fit(images).transform(images)
        )


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

    def test_samples_without_prior_follow_the_frequencies_of_each_position(self, vqvae):
        twin = copy.copy(vqvae)
        twin.inverse_transform = lambda codes: codes
        codes = twin.sample(4000, random_state=0)
        drawn = np.stack([np.bincount(column, minlength=12) for column in codes.T]) / 4000  # (positions, K)
        shares = vqvae.position_counts_ / vqvae.position_counts_.sum(axis=1, keepdims=True)
        assert np.all(drawn[shares == 0] == 0)
        np.testing.assert_allclose(drawn, shares, atol=4 * 0.5 / np.sqrt(4000))


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


class TestTraining:
    @pytest.mark.parametrize("quantizer", QUANTIZERS)
    def test_every_quantizer_learns(self, images, quantizer):
        vqvae = VQVAE(12, 4, **LEARNS, quantizer=quantizer, random_state=0).fit(images)
        assert -vqvae.score(images) < 0.6 * images.var()
        assert (vqvae.code_counts_ > 0).sum() >= 6

    @pytest.mark.parametrize("loss", ["mae", "bce", "ssim"])
    def test_every_loss_starts_near_one_and_falls(self, images, loss):
        vqvae = VQVAE(12, 4, **LEARNS, reconstruction_loss=loss, random_state=0).fit(images)
        terms = vqvae.history_["reconstruction_loss"]
        assert 0.3 < terms[0] < 1.5
        assert terms[-1] < 0.8 * terms[0]

    def test_a_decoder_may_be_open_to_any_size(self, images):
        def open_decoder(shape, **sizes):
            encoder, _ = conv(shape, **sizes)
            embeddings = keras.Input((None, None, sizes["embedding_dim"]))
            pixels = keras.layers.Conv2DTranspose(shape[-1], 4, strides=4, padding="same")(embeddings)
            return encoder, keras.Model(embeddings, pixels)

        vqvae = VQVAE(**QUICK, architecture=open_decoder).fit(images)
        assert vqvae.reconstruct(images).shape == images.shape

    def test_a_callable_loss(self, images):
        def mixture(images, reconstructions):
            return 0.2 * LOSSES["ssim"](images, reconstructions) + 0.8 * LOSSES["mae"](images, reconstructions)

        def weighted_alike(images, reconstructions):
            return 5.0 * mixture(images, reconstructions)

        # A mixture is divided by its own value for the constant picture: a factor before all of it is no weight.
        one, other = (VQVAE(reconstruction_loss=loss, random_state=0, **QUICK) for loss in (mixture, weighted_alike))
        assert one.fit(images).history_["loss"] == pytest.approx(other.fit(images).history_["loss"], rel=1e-4)
        ssim_alone = VQVAE(reconstruction_loss="ssim", random_state=0, **QUICK).fit(images)
        assert one.history_["loss"] != pytest.approx(ssim_alone.history_["loss"], rel=1e-4)

    def test_only_the_product_of_the_weights_acts_on_moving_averages(self, images):
        weights = [{"beta": 0.5, "vq_weight": 1.0}, {"beta": 0.25, "vq_weight": 2.0}, {"beta": 0.25, "vq_weight": 1.0}]
        one, same, half = (VQVAE(random_state=0, **pair, **QUICK).fit(images) for pair in weights)
        # Powers of two: the products are equal to the last bit.
        assert all(np.array_equal(a, b) for a, b in zip(one._weights, same._weights, strict=True))
        assert not all(np.array_equal(a, b) for a, b in zip(one._weights, half._weights, strict=True))

    def test_the_grid_has_nothing_to_weigh(self, images):
        weights = [{"beta": 0.25, "vq_weight": 1.0}, {"beta": 3.0, "vq_weight": 7.0}]
        one, other = (VQVAE(quantizer="fsq", random_state=0, **pair, **QUICK).fit(images) for pair in weights)
        assert all(np.array_equal(a, b) for a, b in zip(one._weights, other._weights, strict=True))

    def test_codes_stay_in_use_where_restarts_are_needed(self, images):
        vqvae = VQVAE(32, 4, **LEARNS, random_state=0).fit(images)
        assert vqvae.history_["codes_in_use"][-1] >= 24

    def test_restarts_keep_the_use_of_codes_even(self, images):
        def perplexity(**params):
            vqvae = VQVAE(32, 4, **LEARNS, codebook_init="random", random_state=0, **params).fit(images)
            return vqvae.history_["perplexity"][-1]

        assert perplexity() > 1.3 * perplexity(restart_threshold=0)

    def test_no_code_is_restarted_at_threshold_0(self, images, monkeypatch):
        asked = []
        monkeypatch.setattr(
            Quantizer, "restart_dead", lambda self, latents, threshold, generator: asked.append(threshold)
        )
        VQVAE(32, 4, **LEARNS, restart_threshold=0, random_state=0).fit(images)
        assert not asked
        VQVAE(32, 4, **LEARNS, restart_threshold=0.5, random_state=0).fit(images)
        assert set(asked) == {0.5}

    @pytest.mark.parametrize("quantizer", ["ema", "gradient"])
    def test_a_random_codebook_quantises_from_the_first_step(self, images, quantizer):
        n_steps = 4
        params = dict(quantizer=quantizer, batch_size=24, max_iter=1, learning_rate=1e-9, restart_threshold=0)
        params |= dict(hidden_channels=4, n_residual_blocks=0, random_state=0)
        vqvae = VQVAE(16, 2, codebook_init="random", **params).fit(images[: 24 * n_steps])
        # Of a codebook drawn from [-1, 1], most embeddings lie far from latents that nobody trained.
        untouched = np.abs(vqvae.codebook_).max(axis=1) > 0.5
        assert vqvae.code_counts_.sum() == 24 * n_steps * np.prod(vqvae.grid_.shape)
        assert vqvae.history_["commitment_loss"][0] > 0
        assert untouched.sum() >= 4
        started = VQVAE(16, 2, codebook_init="kmeans", **params).fit(images[: 24 * n_steps])
        assert started.history_["perplexity"][0] > vqvae.history_["perplexity"][0]

    def test_warm_start_continues_with_the_new_weights_of_the_loss(self, images):
        vqvae = VQVAE(random_state=0, warm_start=True, **QUICK).fit(images)
        vqvae.set_params(beta=3.0, vq_weight=0.5).fit(images)
        assert vqvae.n_iter_ == 2
        last = {name: values[-1] for name, values in vqvae.history_.items()}
        expected = last["reconstruction_loss"] + 0.5 * (last["codebook_loss"] + 3.0 * last["commitment_loss"])
        assert last["loss"] == pytest.approx(expected, rel=1e-5)

    def test_warm_start_refuses_another_network(self, images):
        vqvae = VQVAE(random_state=0, warm_start=True, **QUICK).fit(images)
        with pytest.raises(ValueError, match=r"n_embeddings must stay 4 .*; got 9\. .*warm_start=False"):
            vqvae.set_params(n_embeddings=9).fit(images)
        assert vqvae.codebook_.shape == (4, 2)

    def test_partial_fit_streams(self, images):
        vqvae = VQVAE(random_state=0, **{**QUICK, "n_embeddings": 8})
        for start in range(0, 96, 32):
            vqvae.partial_fit(images[start : start + 32])
        assert vqvae.n_iter_ == 3
        assert vqvae.transform(images).max() < 8

    def test_a_memory_mapped_array_fits_as_the_array_does_and_is_never_read_whole(self, images, tmp_path, monkeypatch):
        np.save(tmp_path / "images.npy", images)
        on_disk = np.load(tmp_path / "images.npy", mmap_mode="r")
        asked = []

        def watched(layout, rows, to_images=Layout.to_images):
            asked.append(len(rows))
            return to_images(layout, rows)

        monkeypatch.setattr(Layout, "to_images", watched)
        fitted = VQVAE(random_state=0, **{**QUICK, "batch_size": 16}).fit(on_disk)
        fitted.transform(on_disk)
        assert max(asked) <= 96
        assert asked.count(16) >= 6  # the six steps
        in_memory = VQVAE(random_state=0, **{**QUICK, "batch_size": 16}).fit(images)
        np.testing.assert_array_equal(fitted.transform(images), in_memory.transform(images))
        streamed = VQVAE(random_state=0, **QUICK)
        for chunk in (on_disk[start : start + 48] for start in (0, 48)):
            streamed.partial_fit(chunk)
        assert streamed.n_iter_ == 2

    def test_early_stopping_restores_the_best_epoch(self, images):
        vqvae = VQVAE(
            early_stopping=True, n_iter_no_change=2, tol=10.0, random_state=0, **{**QUICK, "max_iter": 9}
        ).fit(images)
        assert vqvae.n_iter_ == 3  # the first gains over nothing, the next two by less than tol
        assert len(vqvae.history_["val_loss"]) == 3

    def test_a_loss_that_turns_nan_keeps_the_last_good_weights(self, images):
        with pytest.warns(ConvergenceWarning, match=r"turned (nan|inf).* in epoch 1 of VQVAE; .*Lower learning_rate"):
            vqvae = VQVAE(
                optimizer="sgd",
                learning_rate=1e30,
                random_state=0,
                **{**QUICK, "max_iter": 3},
            ).fit(images)
        assert all(np.isfinite(w).all() for w in vqvae._weights)
        vqvae.transform(images)

    def test_interrupted_fit_is_fitted(self, images, monkeypatch):
        from skvq._fitting import Training

        epoch = Training._epoch

        def interrupted(self, number, before_step):
            if number == 2:
                raise KeyboardInterrupt
            return epoch(self, number, before_step)

        monkeypatch.setattr(Training, "_epoch", interrupted)
        with pytest.warns(ConvergenceWarning, match="interrupted after 2 of 5 epochs"):
            vqvae = VQVAE(random_state=0, **{**QUICK, "max_iter": 5}).fit(images)
        assert vqvae.n_iter_ == 2
        vqvae.transform(images)

    def test_verbose_reports_every_epoch(self, images, capsys):
        VQVAE(random_state=0, verbose=1, **{**QUICK, "max_iter": 2}).fit(images)
        out = capsys.readouterr().out
        assert "VQVAE epoch 1/2" in out
        assert "VQVAE epoch 2/2" in out
        assert "perplexity" in out


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
        assert not hasattr(vqvae, "weights_")

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
            with pytest.raises(NotFittedError, match="VQVAE instance is not fitted yet"):
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
        assert not hasattr(vqvae, "weights_")

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

    def test_images_of_another_size(self, vqvae):
        with pytest.raises(ValueError, match=r"images of shape \(8, 8, 1\), as in fit; got rows of shape \(9, 8\)"):
            vqvae.transform(np.zeros((2, 9, 8)))
        with pytest.raises(ValueError, match="X has 63 features, but VQVAE is expecting 64"):
            vqvae.transform(np.zeros((2, 63)))
