"""What a reconstruction left unsaid, in bits: the second part of the likelihood of an image."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ._reconstruction import _finite_chunks, _pair

LEVELS = 256


def residual_bits(X: ArrayLike, X_hat: ArrayLike, scale: ArrayLike, *, outliers: float = 1e-3) -> np.ndarray:
    """Bits that each image costs exactly, once its reconstruction is known.

    Each value is taken as drawn from a normal distribution around its reconstruction, in whole grey levels:
    the probability of a level is that of the interval of width 1 around it, and levels 0 and 255 get what lies beyond
    them. A small part of the probability is spread evenly over all levels, so that one value far off costs 18 bits
    and not thousands.

    With the bits of the codes under a prior, this bounds the likelihood of the image itself: of all codes that
    could have made x, only those of the encoder are counted, so that ``-log2 p(x) <= -log2 p(codes) - log2 p(x |
    codes)``. Divided by the number of values it is comparable with models of pixels, in bits per dimension.

    Parameters
    ----------
    X : array_like of shape (n, ...), whole numbers in [0, 255]
        Images, one a row.
    X_hat : array_like of the shape of X
        Their reconstructions, in the same units.
    scale : array_like
        Standard deviation of X around X_hat in grey levels, > 0: one number, or one for each value of an image,
        of shape ``X.shape[1:]``. Estimate it on images that neither fitted the model nor are judged.
    outliers : float, default=1e-3
        Part of the probability spread over all levels, in (0, 1].

    Returns
    -------
    ndarray of shape (n,), float64
        In bits, >= 0.

    Raises
    ------
    ValueError
        If X is not of whole numbers in [0, 255], the shapes differ, a value is not finite, or ``scale`` or
        ``outliers`` is out of its range.

    References
    ----------
    The intervals: Salimans et al., "PixelCNN++", ICLR 2017, arXiv:1701.05517, section 2.1, with a normal in place of
    a logistic distribution.

    Examples
    --------
    >>> import numpy as np
    >>> from skvq.metrics import residual_bits
    >>> X = np.array([[10, 20], [10, 90]], dtype=np.uint8)
    >>> residual_bits(X, np.full((2, 2), [10, 20]), scale=2.0).round(2)
    array([ 4.68, 20.31])
    """
    X, X_hat = _pair(X, X_hat)
    scale = np.asarray(scale, dtype=np.float64)
    if not (np.isfinite(scale).all() and np.all(scale > 0)) or scale.shape not in ((), X.shape[1:]):
        raise ValueError(
            f"scale must be finite and > 0, one number or one for each value of an image, {X.shape[1:]}; got "
            f"shape {scale.shape}, least value {scale.min() if scale.size else 'none'}. It is the standard deviation "
            "of X - X_hat on validation images; where that is 0, use a small number."
        )
    if not 0 < outliers <= 1:
        raise ValueError(
            f"outliers must lie in (0, 1]; got {outliers!r}. It is the part of the probability that all levels share."
        )
    from scipy.special import ndtr

    bits = []
    for rows, rows_hat in _finite_chunks(X, X_hat):
        if rows.min() < 0 or rows.max() >= LEVELS or np.any(rows != np.rint(rows)):
            raise ValueError(
                f"X must be whole numbers in [0, 255]; got values from {rows.min():g} to {rows.max():g}. The bits of "
                "an exact value are defined for whole levels alone: pass the uint8 images."
            )
        upper = np.where(rows < LEVELS - 1, (rows + 0.5 - rows_hat) / scale, np.inf)
        lower = np.where(rows > 0, (rows - 0.5 - rows_hat) / scale, -np.inf)
        probability = (1 - outliers) * (ndtr(upper) - ndtr(lower)) + outliers / LEVELS
        bits.append(-np.log2(probability).reshape(len(rows), -1).sum(axis=1))
    return np.concatenate(bits)
