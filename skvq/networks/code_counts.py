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


def counts_of_codes(region_counts: np.ndarray, depth: int) -> np.ndarray:
    """Return the uses of each code in all regions.

    Parameters
    ----------
    region_counts : ndarray of shape (n_regions, n_embeddings)
        From :class:`CodeCounts`.
    depth : int

    Returns
    -------
    ndarray of shape (n_embeddings,), or (depth, n_embeddings) where depth is above 1
    """
    by_stage = region_counts.reshape(-1, depth, region_counts.shape[-1]).sum(axis=0)
    return by_stage if depth > 1 else by_stage[0]


class CodeCounts(keras.metrics.Metric):
    """Uses of each code in each region, (n_regions, n_embeddings), since the last reset.

    It is a metric, so its variable is not a weight of the network, and is neither copied nor saved with the weights.

    Parameters
    ----------
    code_shape : tuple of int
    n_embeddings : int
    depth : int, default=1
        Codes at each position. Each stage has regions of its own: all stages of a place come one after the other.
    """

    def __init__(self, code_shape: tuple[int, ...], n_embeddings: int, depth: int = 1):
        super().__init__(name="code_counts")
        self.n_embeddings = n_embeddings
        places = regions_of(code_shape, depth * n_embeddings)
        self.regions: np.ndarray = (places[:, None] * depth + np.arange(depth, dtype=np.int32)).ravel()  # (n_codes,)
        self.n_regions: int = int(self.regions.max()) + 1
        self.counts: Any = self.add_variable((self.n_regions, n_embeddings), initializer="zeros", name="counts")

    def update_state(self, codes: Any) -> None:
        """Count codes (n, *code_shape), or (n, *code_shape, depth)."""
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
