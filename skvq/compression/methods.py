"""The two methods that :class:`skvq.VQGenerator` and :class:`skvq.runtime.Runtime` share."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from skvq.compression.codec import Codec


class CompressionMixin:
    """``compress`` and ``decompress``, for a class with ``transform``, ``inverse_transform`` and ``_codec``."""

    transform: Callable[..., np.ndarray]
    inverse_transform: Callable[..., np.ndarray]

    def _codec(self, method: str) -> Codec:
        """Return the codec of the model, for a method that messages name."""
        raise NotImplementedError

    def compress(self, X: Any, y: Any = None) -> list[bytes]:
        """Return images as bytes: their codes, entropy-coded by the integer tables of a ``ContextPrior``.

        What is lost is what ``reconstruct`` loses; the codes themselves are kept exactly. Estimators and exports of
        one model read each other's bytes, on every machine. :mod:`skvq.compression` describes them.

        Parameters
        ----------
        X : array-like of shape (n, height, width, channels), (n, height, width) or (n, features)
            Images in the unit that the estimator was fitted in.
        y : class value, or array-like of shape (n,), default=None
            For a conditional prior, and only then. It is kept in the bytes.

        Returns
        -------
        list of bytes
            One for each image, 11 bytes longer than its entropy-coded codes: header and fingerprint.

        Raises
        ------
        InvalidInputError
            If the prior has no integer tables, images are wrong, or a class is missing or unknown.
        ImportError
            If constriction is missing; ``pip install "skvq[codec]"``.
        """
        codec = self._codec("compress")
        return codec.compress(self.transform(X), y)

    def decompress(self, blobs: Sequence[bytes]) -> np.ndarray:
        """Return the images of bytes that ``compress`` of the same model made.

        Parameters
        ----------
        blobs : sequence of bytes

        Returns
        -------
        ndarray
            In the shape, dtype and unit of the images that the estimator was fitted to: ``reconstruct(X)`` of the
            images that were compressed.

        Raises
        ------
        InvalidInputError
            If the prior has no integer tables, or ``blobs`` is no list.
        CompressedDataError
            If one is not bytes, damaged, of a later version, or of another model.
        ImportError
            If constriction is missing.
        """
        codec = self._codec("decompress")
        return self.inverse_transform(codec.decompress(blobs))
