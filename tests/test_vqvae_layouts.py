"""Images of any layout, size, dtype and unit through a VQVAE."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skvq import VQVAE

QUICK = {"n_embeddings": 4, "embedding_dim": 2, "hidden_channels": 4, "n_residual_blocks": 0, "max_iter": 1}
QUICK |= {"optimizer": "sgd"}


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

    @pytest.mark.parametrize("loss", ["mse", "ssim"])
    def test_units_do_not_matter(self, images, loss):
        X = images[:48] / 255.0
        base, *others = (
            VQVAE(random_state=0, reconstruction_loss=loss, **QUICK).fit(X * factor + offset)
            for factor, offset in ((1, 0), (255, -3))
        )
        codes = base.transform(X)
        for fitted, (factor, offset) in zip(others, [(255, -3)], strict=True):
            assert (fitted.transform(X * factor + offset) == codes).mean() > 0.98
            for name, values in base.history_.items():
                assert fitted.history_[name] == pytest.approx(values, rel=1e-3), name
            X_hat = (fitted.reconstruct(X * factor + offset) - offset) / factor
            assert np.abs(X_hat - base.reconstruct(X)).mean() < 1e-3

    @pytest.mark.parametrize(
        ("shape", "downsampling", "dtype", "low", "high", "loss"),
        [
            ((1, 1, 1), 2, "uint8", 0, 255, "mse"),
            ((3, 17, 2), 8, "float32", -5, 5, "ssim"),
            ((13, 7, 3), 16, "float64", 1e6, 1.2e6, "mse"),
            ((33, 31, 4), 2, "uint8", 100, 140, "ssim"),
            ((1, 40, 1), 4, "float64", 0, 1e-6, "ssim"),
            ((35, 18, 1), 16, "float32", -1e9, 1e9, "mse"),
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

    @pytest.mark.parametrize(
        ("value", "dtype", "shape", "loss"),
        [
            (7.5, "float64", (8, 8), "mse"),
            (0, "uint8", (5, 3), "bce"),
            (255, "uint8", (13, 12, 3), "ssim"),
            (-1e6, "float32", (6,), "mae"),
        ],
    )
    def test_constant_images(self, value, dtype, shape, loss):
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
