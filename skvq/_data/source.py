"""Checked sources of rows: images in the layout and units of the user, or codes with their labels."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from skvq._contract.images import Layout, ValueRange, chunks, layout_of, spread, value_range

from .arrays import from_disk


class ImageSource:
    """Rows of images, read as float32 ``(n, *image_shape)`` in the user's units.

    Parameters
    ----------
    array : array-like of shape (n, features), (n, height, width) or (n, height, width, channels)
        An array, or something that only slices like one and is read batch by batch.
    image_shape : tuple of int or None
        As given by the user.

    Raises
    ------
    InvalidInputError
        If the rows cannot be images of ``image_shape``.
    """

    def __init__(self, array: Any, image_shape: tuple[int, ...] | None = None, layout: Layout | None = None):
        self.layout = layout_of(array, image_shape) if layout is None else layout
        self.array = from_disk(array)

    def __len__(self) -> int:
        return len(self.array)

    def rows(self, indices: np.ndarray | slice) -> np.ndarray:
        """Return the images of some rows, in the order of the indices."""
        return self.layout.to_images(self.array[indices])

    def batches(self, size: int) -> Iterator[np.ndarray]:
        """Yield all rows in order, at most ``size`` at a time."""
        for start in range(0, len(self), size):
            yield self.rows(slice(start, start + size))

    def values(self) -> ValueRange:
        """Measure all values, chunk by chunk."""
        return value_range(self.array)

    def sample(self, n_rows: int) -> Iterator[np.ndarray]:
        """Yield at most ``n_rows`` evenly spaced rows, in chunks."""
        return map(self.layout.to_images, chunks(spread(self.array, n_rows)))


class CodeSource:
    """Rows of codes with the indices of their labels.

    Parameters
    ----------
    codes : ndarray of shape (n, n_codes), int32
    labels : ndarray of shape (n,), int32, or None
    """

    def __init__(self, codes: np.ndarray, labels: np.ndarray | None = None):
        self.codes = codes
        self.labels = labels

    def __len__(self) -> int:
        return len(self.codes)

    def rows(self, indices: np.ndarray) -> tuple:
        """Return the inputs of a prior's network and its targets."""
        x = self.codes[indices]
        return (x, x) if self.labels is None else ((x, self.labels[indices]), x)

    def subset(self, indices: np.ndarray) -> "CodeSource":
        """Return some of the rows."""
        return CodeSource(self.codes[indices], None if self.labels is None else self.labels[indices])
