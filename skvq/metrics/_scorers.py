"""Scorers for searches: ``scorer(estimator, X, y=None) -> float``, where greater is better.

A scorer takes a fitted VQVAE, or a fitted VQGenerator, of which it scores the autoencoder. Scorers are functions of a
module, so they can be pickled and used in parallel searches.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._contract.errors import invalid
from ._codes import perplexity
from ._reconstruction import mse, psnr, ssim


def neg_mse_scorer(estimator: Any, X: ArrayLike, y: Any = None) -> float:
    """Negative mean squared error of reconstructions, in squared units of X, <= 0.

    Parameters
    ----------
    estimator : fitted VQVAE or VQGenerator
    X : array_like of shape (n, features), (n, height, width) or (n, height, width, channels)
    y : ignored

    Returns
    -------
    float

    Examples
    --------
    A search may use one or several scorers::

        GridSearchCV(
            VQVAE(image_shape=(28, 28)),
            {"beta": [0.1, 0.25, 1.5]},
            scoring={"psnr": psnr_scorer, "perplexity": perplexity_scorer},
            refit="psnr",
        ).fit(X)
    """
    return -mse(*_images(estimator, X))


def psnr_scorer(estimator: Any, X: ArrayLike, y: Any = None) -> float:
    """Peak signal-to-noise ratio of reconstructions in dB, averaged over images; see :func:`psnr`.

    Parameters
    ----------
    estimator : fitted VQVAE or VQGenerator
    X : array_like of shape (n, features), (n, height, width) or (n, height, width, channels)
    y : ignored

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If the training data were constant, and so have no range.
    """
    return psnr(*_images(estimator, X), data_range=_data_range(estimator))


def ssim_scorer(estimator: Any, X: ArrayLike, y: Any = None) -> float:
    """Structural similarity of reconstructions, averaged over images, <= 1; see :func:`ssim`.

    Parameters
    ----------
    estimator : fitted VQVAE or VQGenerator
    X : array_like of shape (n, features), (n, height, width) or (n, height, width, channels)
    y : ignored

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If rows are vectors or images smaller than 11×11, or the training data were constant.
    ImportError
        If scikit-image is not installed.
    """
    return float(ssim(*_images(estimator, X), data_range=_data_range(estimator)))


def perplexity_scorer(estimator: Any, X: ArrayLike, y: Any = None) -> float:
    """Perplexity of the codes of X, in [1, n_embeddings]; see :func:`perplexity`. Of several quantisers, their mean.

    It measures only how much of the codebook is used. Use it together with a score of the reconstructions.

    Parameters
    ----------
    estimator : fitted VQVAE or VQGenerator
    X : array_like of shape (n, features), (n, height, width) or (n, height, width, channels)
    y : ignored

    Returns
    -------
    float
    """
    grid = autoencoder_of(estimator).grid_
    codes = codes_of(estimator, X).reshape(-1, grid.n_positions, grid.depth)
    return float(np.mean([perplexity(codes[..., i], grid.n_embeddings) for i in range(grid.depth)]))


def autoencoder_of(model: Any) -> Any:
    """Return the autoencoder of a fitted VQGenerator. Any other model is returned as it is."""
    return getattr(model, "vqvae_", model)


def codes_of(model: Any, X: ArrayLike) -> np.ndarray:
    """Return the codes of X (n, n_codes), for any ``output`` of the autoencoder."""
    return np.asarray(autoencoder_of(model).encode(X))


def _images(estimator: Any, X: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Return X and its reconstruction, both ``(n, *image_shape_)``, for any layout of either."""
    X_hat = np.asarray(estimator.reconstruct(X))
    X = np.asarray(X)
    image_shape = autoencoder_of(estimator).image_shape_
    return X.reshape(len(X), *image_shape), X_hat.reshape(len(X_hat), *image_shape)


def _data_range(estimator: Any) -> float:
    minimum, maximum = (float(limit) for limit in autoencoder_of(estimator).data_range_)
    if not maximum > minimum:
        raise invalid(
            "estimator.data_range_",
            "be (minimum, maximum) with minimum < maximum",
            f"({minimum:g}, {maximum:g})",
            "Fit on images that are not constant.",
        )
    return maximum - minimum
