"""What training a VQVAE does: quantisers, losses, restarts, warm starts, streams, early stopping."""

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from skvq import VQVAE
from skvq._contract.images import Layout
from skvq.networks import keras
from skvq.networks.architectures import conv
from skvq.networks.losses import LOSSES
from skvq.networks.quantizers import QUANTIZERS, Quantizer

QUICK = {"n_embeddings": 4, "embedding_dim": 2, "hidden_channels": 4, "n_residual_blocks": 0, "max_iter": 1}
QUICK |= {"optimizer": "sgd"}
LEARNS = {"hidden_channels": 16, "n_residual_blocks": 0, "learning_rate": 0.01, "batch_size": 16, "max_iter": 15}


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
        params = {**QUICK, "batch_size": 8, "max_iter": 4}  # 48 steps
        VQVAE(**params, restart_threshold=0, random_state=0).fit(images)
        assert not asked
        VQVAE(**params, restart_threshold=0.5, random_state=0).fit(images)
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
        with pytest.warns(ConvergenceWarning, match=r"turned (nan|NaN|inf).* in epoch 1 of VQVAE; .*Lower"):
            vqvae = VQVAE(learning_rate=1e30, random_state=0, **{**QUICK, "max_iter": 3}).fit(images)
        assert all(np.isfinite(w).all() for w in vqvae._weights)
        vqvae.transform(images)

    def test_verbose_reports_every_epoch(self, images, capsys):
        VQVAE(random_state=0, verbose=1, **{**QUICK, "max_iter": 2}).fit(images)
        out = capsys.readouterr().out
        assert "VQVAE epoch 1/2" in out
        assert "VQVAE epoch 2/2" in out
        assert "perplexity" in out
