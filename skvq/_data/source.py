"""Checked sources of rows: what images and codes have in common, and images in the layout and units of the user."""

import copy
import math
from collections.abc import Generator, Iterator
from contextlib import closing
from typing import Any

import numpy as np

from skvq._contract.ahead import DEPTH, read_ahead
from skvq._contract.images import (
    Layout,
    ValueRange,
    chunk_slices,
    chunks,
    layout_of,
    spread,
    spread_indices,
    value_range,
)
from skvq._contract.mapped import MappedRows, from_disk
from skvq._contract.slicing import LazyRows
from skvq._contract.units import FEW_ROWS, UNIT_ROWS
from skvq._contract.weights import PixelWeights, no_weight, weighted_value_range

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

    def batches(self, size: int) -> Generator[Any, None, None]:
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

    def weighted_rows(self, indices: np.ndarray | slice) -> tuple[np.ndarray, np.ndarray | None]:
        """Return the images of some rows, and the weights of their pixels; None where all count alike."""
        return self.rows(indices), None

    def values(self) -> ValueRange:
        """Measure all values, chunk by chunk."""
        return value_range(self.array)

    def sample(self, n_rows: int) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
        """Yield at most ``n_rows`` evenly spaced rows, in chunks, and the weights of their pixels."""
        for chunk in chunks(spread(self.array, n_rows)):
            yield self.layout.to_images(chunk), None


class WeightedImageSource(ImageSource):
    """Rows of images whose pixels count by weights. Pixels of weight 0 are unknown: their values are never passed on.

    Parameters
    ----------
    array, layout
        As of :class:`ImageSource`.
    weights : PixelWeights
    fill : float or None
        What unknown pixels are replaced by. None measures the weighted mean of the others.

    Raises
    ------
    InvalidInputError
        If a weight is negative, NaN or infinite, or all are zero.
    """

    def __init__(self, array: Any, layout: Layout, weights: PixelWeights, fill: float | None = None):
        super().__init__(array, layout=layout)
        self.weights = weights
        self.unit = np.float32(1)  # weights are divided by it
        self.measured = weighted_value_range(self._known_values()) if fill is None else None
        self.fill: Any = fill if self.measured is None else self.measured.mean

    def rows(self, indices: np.ndarray | slice) -> np.ndarray:
        return self.weighted_rows(indices)[0]

    def weighted_rows(self, indices: np.ndarray | slice) -> tuple[np.ndarray, np.ndarray]:
        raw = np.asarray(self.array[indices])
        weights = self.weights.of(raw, indices)
        return self.layout.to_images(raw, weights > 0, self.fill), weights / self.unit

    def values(self) -> ValueRange:
        """Measure the values that count, chunk by chunk."""
        return self.measured or weighted_value_range(self._known_values())

    def _known_values(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for rows in chunk_slices(self.array):
            raw = np.asarray(self.array[rows])
            images = raw.reshape(len(raw), *self.layout.image_shape)
            weights = np.broadcast_to(self.weights.of(raw, rows), images.shape)
            yield images[weights > 0], weights[weights > 0]

    def sample(self, n_rows: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        indices = spread_indices(len(self), n_rows)
        for rows in chunk_slices(self.array):
            some = indices[(indices >= rows.start) & (indices < rows.stop)]
            if len(some):
                yield self.weighted_rows(some)

    def some_known(self) -> np.ndarray:
        """Return some evenly spaced rows, with NaN in place of what does not count."""
        n_rows = UNIT_ROWS if isinstance(self.array, np.ndarray) else FEW_ROWS
        images, weights = self.weighted_rows(spread_indices(len(self), n_rows))
        return np.where(weights > 0, images, np.nan)

    def for_training(self) -> ImageSource:
        """Return the source to train on, whose weights have the mean 1; one without weights if all are equal."""
        total, n_weights, lowest, highest = 0.0, 0, math.inf, 0.0
        for rows in chunk_slices(self.array):
            # Only a callable looks at the values, which may have to be read from files.
            raw = np.asarray(self.array[rows]) if self.weights.function else np.empty(len(range(len(self))[rows]))
            weights = self.weights.of(raw, rows)
            total, n_weights = total + float(weights.sum(dtype=np.float64)), n_weights + weights.size
            lowest, highest = min(lowest, float(weights.min())), max(highest, float(weights.max()))
        if not highest:
            raise no_weight()
        if lowest == highest:
            return ImageSource(self.array, layout=self.layout)
        trained = copy.copy(self)
        trained.unit = np.float32(total / n_weights)
        return trained


class WeightedExamples:
    """What a :class:`~skvq.training.Trainer` reads of a weighted source: images as ``x``, and weights as ``y``."""

    def __init__(self, source: WeightedImageSource):
        self.source = source
        self.blocks, self.depth, self.keep = source.blocks, source.depth, source.keep

    def rows(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the images of some rows and the weights of their pixels."""
        return self.source.weighted_rows(indices)
