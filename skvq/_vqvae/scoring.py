"""The errors and the score of a VQVAE, by pixel or by weights of pixels."""

from typing import Any

import numpy as np

from skvq._fitted import check_fitted
from skvq._vqvae.base import AutoencoderEstimator
from skvq._vqvae.errors import mean_error


class ScoredAutoencoder(AutoencoderEstimator):
    """Base of :class:`skvq.VQVAE`: how well images are reconstructed."""

    def reconstruction_errors(self, X: Any, *, pixel_weight: Any = None) -> np.ndarray:
        """Return the mean squared error of each row's reconstruction, in squared units of X.

        Parameters
        ----------
        X : array-like
            Images in any layout of ``fit``'s X.
        pixel_weight : array-like of shape (n, height, width), or callable, default=None
            As in ``fit``: the mean is weighted, and pixels of weight 0 are neither encoded nor compared.

        Returns
        -------
        ndarray of shape (n,), float64, >= 0
            nan for rows without a weight above 0.
        """
        check_fitted(self)
        return self._errors(self._source(X, pixel_weight)).errors

    def score(self, X: Any, y: Any = None, *, pixel_weight: Any = None) -> float:
        """Return minus the mean squared error of all values, each counted by the weight of its pixel.

        Without weights, that is minus the mean of :meth:`reconstruction_errors`. No weight of the loss is in it.

        Parameters
        ----------
        X : array-like
            Images in any layout of ``fit``'s X.
        y : None
            Ignored.
        pixel_weight : array-like of shape (n, height, width), or callable, default=None
            As in ``fit``.

        Returns
        -------
        float, <= 0
        """
        check_fitted(self)
        return -mean_error([self._errors(self._source(X, pixel_weight))])
