"""Count how often each code occurs in each region of the grid. Counts are statistics of training, not weights."""

import math
from typing import Any

import keras
import numpy as np
from keras import ops

MOST_CELLS = 2**17  # limit on regions times codes, so that counts of large grids need little memory and small files


def regions_of(code_shape: tuple[int, ...], n_embeddings: int) -> np.ndarray:
    """Return the region of each position of a grid, in row-major order.

    Each position is its own region, unless that gives too many cells. Then regions are square blocks of positions, as
    small as the limit allows.

    Returns
    -------
    ndarray of shape (n_positions,), int32, in [0, n_regions)
    """
    side, n_blocks = 1, list(code_shape)
    for side in range(1, max(code_shape) + 1):
        n_blocks = [math.ceil(length / side) for length in code_shape]
        if math.prod(n_blocks) * n_embeddings <= MOST_CELLS:
            break
    blocks = np.indices(code_shape).reshape(len(code_shape), -1) // side  # (dimensions, n_positions)
    return np.asarray(np.ravel_multi_index(tuple(blocks), n_blocks), np.int32)


class CodeCounts(keras.metrics.Metric):
    """Uses of each code in each region, (n_regions, n_embeddings), since the last reset.

    It is a metric, so its variable is not a weight of the network, and is neither copied nor saved with the weights.

    Parameters
    ----------
    code_shape : tuple of int
    n_embeddings : int
    """

    def __init__(self, code_shape: tuple[int, ...], n_embeddings: int):
        super().__init__(name="code_counts")
        self.n_embeddings = n_embeddings
        self.regions: np.ndarray = regions_of(code_shape, n_embeddings)
        self.n_regions: int = int(self.regions.max()) + 1
        self.counts: Any = self.add_variable((self.n_regions, n_embeddings), initializer="zeros", name="counts")

    def update_state(self, codes: Any) -> None:
        """Count codes (n, *code_shape)."""
        codes = ops.cast(ops.reshape(codes, (-1, len(self.regions))), "int32")
        cells = ops.reshape(codes + self.regions * np.int32(self.n_embeddings), (-1,))
        ones = ops.ones_like(cells, dtype="float32")
        counted = ops.segment_sum(ones, cells, num_segments=self.n_regions * self.n_embeddings)
        self.counts.assign(self.counts + ops.reshape(counted, (self.n_regions, self.n_embeddings)))

    def result(self) -> Any:
        """Return the counts."""
        return ops.convert_to_tensor(self.counts)

    def numpy(self) -> np.ndarray:
        """Return the counts as int32. In float32, they are exact up to 2**24."""
        return ops.convert_to_numpy(self.counts).astype(np.int32)
