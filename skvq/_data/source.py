"""Checked sources of rows: what images and codes have in common, and images in the layout and units of the user."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import numpy as np

from skvq._contract.ahead import DEPTH, read_ahead
from skvq._contract.images import Layout, ValueRange, chunks, layout_of, spread, value_range
from skvq._contract.mapped import MappedRows, from_disk
from skvq._contract.slicing import LazyRows

from .order import Blocks


class RowSource:
    """Rows of an array that is in memory, mapped into it, or read slice by slice.

    Parameters
    ----------
    array : array-like
    """

    def __init__(self, array: Any):
        self.array = from_disk(array)

    def __len__(self) -> int:
        return len(self.array)

    @property
    def blocks(self) -> Blocks | None:
        """The blocks that rows are read in; None where any row is as cheap to read as the next one."""
        bounds = getattr(self.array, "bounds", None)
        if bounds is None:
            return None
        row_bytes = int(np.prod(self.array.shape[1:])) * self.array.dtype.itemsize
        return Blocks(bounds, row_bytes)

    @property
    def depth(self) -> int:
        """Batches to read ahead by a thread; 0 for an array in memory."""
        return DEPTH if isinstance(self.array, (LazyRows, MappedRows)) else 0

    def rows(self, indices: np.ndarray | slice) -> Any:
        """Return what a network takes of some rows, in the order of the indices."""
        raise NotImplementedError

    def keep(self, blocks: tuple[int, ...]) -> None:
        """Read blocks whose rows will be wanted soon."""
        for block in blocks:
            self.array.block(block)

    def batches(self, size: int) -> Iterator[Any]:
        """Yield all rows in order, at most ``size`` at a time."""
        slices = (slice(start, start + size) for start in range(0, len(self), size))
        with closing(read_ahead(self.rows, slices, self.depth if len(self) > size else 0)) as answers:
            for _, rows in answers:
                yield rows


class ImageSource(RowSource):
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
        super().__init__(array)

    def rows(self, indices: np.ndarray | slice) -> np.ndarray:
        """Return the images of some rows, in the order of the indices."""
        return self.layout.to_images(self.array[indices])

    def values(self) -> ValueRange:
        """Measure all values, chunk by chunk."""
        return value_range(self.array)

    def sample(self, n_rows: int) -> Iterator[np.ndarray]:
        """Yield at most ``n_rows`` evenly spaced rows, in chunks."""
        return map(self.layout.to_images, chunks(spread(self.array, n_rows)))
