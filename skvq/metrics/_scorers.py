"""Ready scorers: ``scorer(estimator, X, y=None) -> float``, greater is better.

They ask of the estimator ``reconstruct(X)`` or ``transform(X)``, and its attributes ``image_shape_``,
``data_range_`` = (darkest, brightest) value of the training data in X's units, and ``n_embeddings``. Being
functions of a module they can be pickled, so a parallel search can take them.
"""

from __future__ import annotations

from copy import copy
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ._codes import perplexity
from ._reconstruction import mse, psnr, ssim


def neg_mse_scorer(estimator: Any, X: ArrayLike, y: Any = None) -> float:
    """Minus the mean squared error of reconstructions, in squared units of X, <= 0.

    Parameters
    ----------
    estimator : fitted VQVAE, or whatever offers ``reconstruct`` and ``image_shape_``
    X : array_like of shape (n, features), (n, height, width) or (n, height, width, channels)
    y : ignored

    Returns
    -------
    float

    Examples
    --------
    Any of the scorers, or several, steer a search::

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
    estimator : fitted VQVAE, or whatever offers ``reconstruct``, ``image_shape_`` and ``data_range_``
    X : array_like of shape (n, features), (n, height, width) or (n, height, width, channels)
    y : ignored

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If the training data were constant, so that there is no range to compare errors with.
    """
    return psnr(*_images(estimator, X), data_range=_data_range(estimator))


def ssim_scorer(estimator: Any, X: ArrayLike, y: Any = None) -> float:
    """Structural similarity of reconstructions, averaged over images, <= 1; see :func:`ssim`.

    Parameters
    ----------
    estimator : fitted VQVAE, or whatever offers ``reconstruct``, ``image_shape_`` and ``data_range_``
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
    return ssim(*_images(estimator, X), data_range=_data_range(estimator))


def perplexity_scorer(estimator: Any, X: ArrayLike, y: Any = None) -> float:
    """Perplexity of the codes of X, in [1, n_embeddings]; see :func:`perplexity`.

    It says how much of the codebook is used and nothing about reconstructions: watch it beside another score.

    Parameters
    ----------
    estimator : fitted VQVAE, or whatever offers ``transform`` and ``n_embeddings``
    X : array_like of shape (n, features), (n, height, width) or (n, height, width, channels)
    y : ignored

    Returns
    -------
    float
    """
    return perplexity(codes_of(estimator, X), estimator.n_embeddings)


def codes_of(estimator: Any, X: ArrayLike) -> np.ndarray:
    """Codes of X, whatever the estimator's ``encode`` has ``transform`` answer."""
    if getattr(estimator, "encode", "codes") != "codes":
        estimator = copy(estimator).set_params(encode="codes")
    return np.asarray(estimator.transform(X))


def _images(estimator: Any, X: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """X and its reconstruction, both ``(n, *image_shape_)`` whatever layout either came in."""
    X_hat = np.asarray(estimator.reconstruct(X))
    X = np.asarray(X)
    return tuple(rows.reshape(len(rows), *estimator.image_shape_) for rows in (X, X_hat))


def _data_range(estimator: Any) -> float:
    darkest, brightest = (float(limit) for limit in estimator.data_range_)
    if not brightest > darkest:
        raise ValueError(
            f"estimator.data_range_ must be (darkest, brightest) with darkest < brightest; got "
            f"({darkest:g}, {brightest:g}). Fit on images that are not all of one value."
        )
    return brightest - darkest
