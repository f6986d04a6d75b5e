"""Distances between images and their reconstructions, computed in float64."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._contract.errors import invalid
from .._contract.images import chunks
from .._contract.masks import check_unmasked

# The window of Wang et al. (2004): a Gaussian of standard deviation 1.5, truncated at 3.5 standard deviations.
_WINDOW_SIGMA = 1.5
_WINDOW_SIZE = 11


def mse(X: ArrayLike, X_hat: ArrayLike) -> float:
    """Mean squared error over all values.

    Parameters
    ----------
    X : array_like of shape (n, ...), uint8 or float
        Images or vectors in any layout, one for each row.
    X_hat : array_like of the shape of X
        Their reconstructions, in the same units.

    Returns
    -------
    float
        In squared units of X, >= 0. The error on uint8 images is 255**2 times the error of the same images in
        [0, 1].

    Raises
    ------
    ValueError
        If the shapes differ, there are no rows, or a value is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from skvq.metrics import mse
    >>> mse(np.array([[0, 255]], dtype=np.uint8), np.array([[1, 252]], dtype=np.uint8))
    5.0
    """
    return float(_squared_errors(*check_pair(X, X_hat)).mean())


def psnr(X: ArrayLike, X_hat: ArrayLike, *, data_range: float) -> float:
    """Peak signal-to-noise ratio in dB, averaged over images.

    The ratio of an image is ``10 log10(data_range**2 / mse)``. Do not compare this average with a ratio that was
    computed from the mean error of all images, which is never larger.

    Parameters
    ----------
    X : array_like of shape (n, ...), uint8 or float
        Images in any layout, one for each row.
    X_hat : array_like of the shape of X
        Their reconstructions, in the same units.
    data_range : float
        Difference between the largest and the smallest possible value, > 0: 255 for uint8.

    Returns
    -------
    float
        In dB; ``inf`` if an image is reconstructed without error.

    Raises
    ------
    ValueError
        If the shapes differ, there are no rows, a value is not finite, or ``data_range`` is not > 0.

    Examples
    --------
    >>> import numpy as np
    >>> from skvq.metrics import psnr
    >>> psnr(np.zeros((2, 4, 4)), np.full((2, 4, 4), 0.1), data_range=1.0)
    20.0
    """
    data_range = _check_data_range(data_range)
    errors = _squared_errors(*check_pair(X, X_hat))
    with np.errstate(divide="ignore"):
        ratios = 20.0 * math.log10(data_range) - 10.0 * np.log10(errors)
    return float(ratios.mean())


def ssim(X: ArrayLike, X_hat: ArrayLike, *, data_range: float, per_image: bool = False) -> float | np.ndarray:
    """Structural similarity of Wang et al. [1]_, with the settings of their paper.

    Means, variances and covariances are weighted by an 11×11 Gaussian window of standard deviation 1.5, without
    Bessel's correction; K1 = 0.01 and K2 = 0.03. The similarity is averaged over pixels and channels. A border of 5
    pixels, where the window would leave the image, is not included. Other settings give other numbers, for example
    the uniform 7×7 window that is scikit-image's default.

    Parameters
    ----------
    X : array_like of shape (n, height, width) or (n, height, width, channels), uint8 or float
        Images of at least 11×11 pixels, channels last.
    X_hat : array_like of the shape of X
        Their reconstructions, in the same units.
    data_range : float
        Difference between the largest and the smallest possible value, > 0: 255 for uint8.
    per_image : bool, default=False
        Whether to return one number for each image.

    Returns
    -------
    float, or ndarray of shape (n,), float64
        In [-1, 1]; 1 for equal images.

    Raises
    ------
    ValueError
        If the shapes differ or are not shapes of images, images are smaller than the window, there are no images, a
        value is not finite, or ``data_range`` is not > 0.
    ImportError
        If scikit-image is not installed.

    References
    ----------
    .. [1] Z. Wang, A. C. Bovik, H. R. Sheikh, E. P. Simoncelli, "Image quality assessment: from error
       visibility to structural similarity", IEEE Transactions on Image Processing 13 (2004),
       :doi:`10.1109/TIP.2003.819861`.

    Examples
    --------
    >>> import numpy as np
    >>> from skvq.metrics import ssim
    >>> X = np.random.default_rng(0).integers(0, 256, (3, 16, 16), dtype=np.uint8)
    >>> ssim(X, X, data_range=255)
    1.0
    """
    try:
        from skimage.metrics import structural_similarity
    except ImportError as missing:
        raise ImportError(
            'ssim needs scikit-image, which is not installed. Run `pip install "skvq[examples]"`.'
        ) from missing
    data_range = _check_data_range(data_range)
    X, X_hat = check_pair(X, X_hat)
    if X.ndim not in (3, 4):
        raise invalid(
            "X",
            "hold images, (n, height, width) or (n, height, width, channels)",
            f"shape {X.shape}",
            "Reshape flat rows first, for example with X.reshape(len(X), 28, 28).",
        )
    if min(X.shape[1:3]) < _WINDOW_SIZE:
        raise invalid(
            "X",
            f"hold images of at least {_WINDOW_SIZE}×{_WINDOW_SIZE} pixels, the window of SSIM",
            f"{X.shape[1]}×{X.shape[2]}",
            "Compare smaller images with psnr or mse.",
        )
    similarities = []
    for image, reconstruction in finite_chunks(X, X_hat, rows_at_once=1):
        similarity: Any = structural_similarity(
            image.reshape(*X.shape[1:3], -1),
            reconstruction.reshape(*X.shape[1:3], -1),
            gaussian_weights=True,
            sigma=_WINDOW_SIGMA,
            use_sample_covariance=False,
            data_range=data_range,
            channel_axis=-1,
        )
        similarities.append(float(similarity))
    return np.array(similarities) if per_image else float(np.mean(similarities))


def check_pair(X: ArrayLike, X_hat: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Return images and reconstructions as two arrays of one shape.

    Raises
    ------
    InvalidInputError
        If the shapes differ, there are no rows, or an array does not hold real numbers.
    """
    check_unmasked("X", X)
    check_unmasked("X_hat", X_hat)
    X, X_hat = np.asarray(X), np.asarray(X_hat)
    for name, array in (("X", X), ("X_hat", X_hat)):
        if array.dtype.kind not in "biuf":
            raise invalid(name, "hold real numbers", f"dtype {array.dtype}", f"Convert it with {name}.astype(float).")
    if X.shape != X_hat.shape:
        way_out = "Bring both to one layout: X_hat.reshape(X.shape)."
        raise invalid("X_hat", f"have the shape of X, {X.shape}", X_hat.shape, way_out)
    if X.ndim < 2 or X.size == 0:
        way_out = "For a single image, pass X[None]."
        raise invalid("X", "hold at least one image, one for each row", f"shape {X.shape}", way_out)
    return X, X_hat


def finite_chunks(
    X: np.ndarray, X_hat: np.ndarray, rows_at_once: int | None = None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield rows of both arrays as float64, a few megabytes at a time.

    Raises
    ------
    InvalidInputError
        If a value is not finite.
    """
    pairs: Iterable[tuple[np.ndarray, np.ndarray]]
    if rows_at_once is None:
        pairs = zip(chunks(X), chunks(X_hat), strict=True)
    else:
        starts = range(0, len(X), rows_at_once)
        pairs = ((X[i : i + rows_at_once], X_hat[i : i + rows_at_once]) for i in starts)
    for pair in pairs:
        for name, rows in zip(("X", "X_hat"), pair, strict=True):
            if rows.dtype.kind == "f" and not np.isfinite(rows).all():
                raise invalid(
                    name,
                    "be finite",
                    "NaN or infinity",
                    "In data, drop or fill such values. In reconstructions, they show that training diverged: lower "
                    "the learning rate.",
                )
        yield pair[0].astype(np.float64), pair[1].astype(np.float64)


def _check_data_range(data_range: float) -> float:
    try:
        number = float(data_range)
    except (TypeError, ValueError):
        number = math.nan
    if not (math.isfinite(number) and number > 0):
        raise invalid(
            "data_range",
            "be finite and > 0",
            repr(data_range),
            "It is the difference between the largest and the smallest possible value: 1.0 for images in [0, 1], 255 "
            "for uint8.",
        )
    return number


def _squared_errors(X: np.ndarray, X_hat: np.ndarray) -> np.ndarray:
    """Return the mean squared error of each row, (n,)."""
    errors = [
        np.square(rows - rows_hat).reshape(len(rows), -1).mean(axis=1) for rows, rows_hat in finite_chunks(X, X_hat)
    ]
    return np.concatenate(errors)
