"""Bits of an image given its reconstruction: the second part of the image's likelihood."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .._contract.errors import invalid
from ._reconstruction import check_pair, finite_chunks

LEVELS = 256


def residual_bits(X: ArrayLike, X_hat: ArrayLike, scale: ArrayLike, *, outliers: float = 1e-3) -> np.ndarray:
    """Bits to encode each image exactly, given its reconstruction.

    Each value has a normal distribution around its reconstruction, rounded to whole grey levels. The probability of a
    level is the mass of the interval of width 1 around it; levels 0 and 255 also get the mass beyond them. A small
    part of the probability is shared equally by all levels, so one value with a large error costs 18 bits instead of
    thousands.

    Together with the bits of the codes under a prior, this bounds the likelihood of an image:
    ``-log2 p(x) <= -log2 p(codes) - log2 p(x | codes)``. It is a bound because only the encoder's codes are counted,
    although other codes could also produce ``x``. Divide the sum by the number of values to compare it, in bits per
    dimension, with models of pixels.

    Parameters
    ----------
    X : array_like of shape (n, ...), whole numbers in [0, 255]
        Images, one for each row.
    X_hat : array_like of the shape of X
        Their reconstructions, in the same units.
    scale : array_like
        Standard deviation of X - X_hat in grey levels, > 0: one number, or one for each value of an image, of shape
        ``X.shape[1:]``. Estimate it on images that are neither training nor test images.
    outliers : float, default=1e-3
        Part of the probability that all levels share equally, in (0, 1].

    Returns
    -------
    ndarray of shape (n,), float64
        In bits, >= 0.

    Raises
    ------
    ValueError
        If X does not hold whole numbers in [0, 255], the shapes differ, a value is not finite, or ``scale`` or
        ``outliers`` is out of its range.

    References
    ----------
    The intervals follow Salimans et al., "PixelCNN++", ICLR 2017, arXiv:1701.05517, section 2.1, with a normal
    distribution instead of a logistic one.

    Examples
    --------
    >>> import numpy as np
    >>> from skvq.metrics import residual_bits
    >>> X = np.array([[10, 20], [10, 90]], dtype=np.uint8)
    >>> residual_bits(X, np.full((2, 2), [10, 20]), scale=2.0).round(2)
    array([ 4.68, 20.31])
    """
    X, X_hat = check_pair(X, X_hat)
    scale = np.asarray(scale, dtype=np.float64)
    if not (np.isfinite(scale).all() and np.all(scale > 0)) or scale.shape not in ((), X.shape[1:]):
        raise invalid(
            "scale",
            f"be finite and > 0, and one number or one for each value of an image, {X.shape[1:]}",
            f"shape {scale.shape}, minimum {scale.min() if scale.size else 'none'}",
            "It is the standard deviation of X - X_hat on validation images; where that is 0, use a small number.",
        )
    if not 0 < outliers <= 1:
        way_out = "It is the part of the probability that all levels share."
        raise invalid("outliers", "lie in (0, 1]", repr(outliers), way_out)
    from scipy.special import ndtr

    bits = []
    for rows, rows_hat in finite_chunks(X, X_hat):
        if rows.min() < 0 or rows.max() >= LEVELS or np.any(rows != np.rint(rows)):
            raise invalid(
                "X",
                "hold whole numbers in [0, 255]",
                f"values from {rows.min():g} to {rows.max():g}",
                "Only whole grey levels have an exact cost: pass the uint8 images.",
            )
        upper = np.where(rows < LEVELS - 1, (rows + 0.5 - rows_hat) / scale, np.inf)
        lower = np.where(rows > 0, (rows - 0.5 - rows_hat) / scale, -np.inf)
        probability = (1 - outliers) * (ndtr(upper) - ndtr(lower)) + outliers / LEVELS
        bits.append(-np.log2(probability).reshape(len(rows), -1).sum(axis=1))
    return np.concatenate(bits)
