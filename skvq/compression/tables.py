"""Integer tables that give each code a distribution given the codes before it, in NumPy.

Each known neighbour of a code, its position and its class select one row of integers. The rows are added, clipped to
[0, 1023], and multiplied by a last table, which gives one integer for each possible code: its logit::

    hidden = clip(sum of the rows, 0, 1023)       (n_features,)
    logits = hidden @ output + bias               (n_embeddings,), in units of 1 / LOGITS_PER_NAT nats

All numbers are integers, so all machines compute the same ones. They are held in float32, where products are faster:
every sum stays below 2**24, float32 holds such integers exactly, and so the order of additions does not matter.

:mod:`skvq.priors.context` fits the tables, :mod:`skvq.networks.priors.context` runs them in Keras, and
:mod:`skvq.compression.coder` codes with them.
"""

import hashlib
import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np

from skvq._contract.codes import CodeGrid

# Neighbours as (rows up, positions to the right): those nearest of the codes before, in a window of four rows.
WINDOW = tuple(
    (up, right)
    for up, first, last in ((0, -4, -1), (1, -3, 1), (2, -3, 3), (3, -2, 2))
    for right in range(first, last + 1)
)
SLOPE = 2  # position (row, column) needs no position of a wave column + SLOPE * row at or after its own
LARGEST_HIDDEN = 1023
LOGITS_PER_NAT = 8192
LARGEST_LOGIT = 2**24 - 1  # of all sums on the way to a logit, in absolute value
LARGEST_ROW = 2**15 - 1
_PADDING = max(abs(right) for _, right in WINDOW)
_HEIGHT = max(up for up, _ in WINDOW)


class Wave(NamedTuple):
    """Codes that depend on earlier waves alone, so all of them are computed at once.

    Parameters
    ----------
    stage : int
        Which of the codes at a position.
    codes : ndarray of shape (n,)
        Their places in a row of codes.
    neighbours : ndarray of shape (n, n_neighbours)
        Where the canvas has the neighbours of each.
    """

    stage: int
    codes: np.ndarray
    neighbours: np.ndarray


@dataclass(frozen=True, eq=False)
class CodeTables:
    """The tables of one grid of codes. Arrays hold whole numbers as float32.

    Parameters
    ----------
    grid : CodeGrid
    n_classes : int
        0 for tables without classes.
    rows : ndarray of shape (n_rows, n_features)
        One row for each neighbour, stage and code (``n_embeddings`` stands for "beyond the border"), then one for each
        place in a row of codes, then one for each class. In [-LARGEST_ROW, LARGEST_ROW].
    output : ndarray of shape (depth, n_features, n_embeddings)
    bias : ndarray of shape (depth, n_embeddings)
        With ``output`` so small that no sum exceeds LARGEST_LOGIT.
    """

    grid: CodeGrid
    n_classes: int
    rows: np.ndarray
    output: np.ndarray
    bias: np.ndarray
    layout: "ContextLayout" = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "layout", ContextLayout(self.grid, self.n_classes))

    @property
    def n_features(self) -> int:
        """Length of a row."""
        return self.rows.shape[1]

    def logits(self, canvas: np.ndarray, wave: Wave, labels: np.ndarray | None) -> np.ndarray:
        """Return the logits (n, codes of the wave, n_embeddings), whole numbers in float32.

        Parameters
        ----------
        canvas : ndarray of shape (n, size of the canvas)
            See :meth:`ContextLayout.canvas`.
        wave : Wave
        labels : ndarray of shape (n,) or None
        """
        chosen = canvas[:, wave.neighbours] + self.layout.first_rows[wave.stage]  # (n, codes, neighbours)
        hidden = self.rows.take(chosen, axis=0).sum(axis=2)  # (n, codes, features)
        hidden += self.rows[self.layout.position_rows + wave.codes]
        if labels is not None:
            hidden += self.rows[self.layout.class_rows + labels][:, None]
        np.clip(hidden, 0, LARGEST_HIDDEN, out=hidden)
        return hidden @ self.output[wave.stage] + self.bias[wave.stage]

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 of the grid and all tables."""
        words = repr((self.grid.shape, self.grid.n_embeddings, self.grid.depth, self.n_classes, WINDOW))
        total = hashlib.sha256(words.encode())
        for array, dtype in ((self.rows, "<i2"), (self.output, "<i2"), (self.bias, "<i4")):
            total.update(np.ascontiguousarray(array, dtype).tobytes())
        return total.digest()


def largest_sum(output: np.ndarray, bias: np.ndarray) -> float:
    """Return a bound of the absolute value of every sum on the way to a logit."""
    return float((LARGEST_HIDDEN * np.abs(output, dtype=np.float64).sum(axis=1) + np.abs(bias)).max(initial=0))


class ContextLayout:
    """Which rows of the tables a code selects, for one grid.

    Codes are laid out on a canvas: the grid with a border of ``n_embeddings``, so that a neighbour is at a fixed
    distance whether it is inside or not. The codes of one position are neighbours of each other, too: a code's context
    holds the earlier codes of its position, and the codes of its own stage at the other positions.

    Parameters
    ----------
    grid : CodeGrid
    n_classes : int
    """

    def __init__(self, grid: CodeGrid, n_classes: int):
        self.grid: CodeGrid = grid
        self.n_classes: int = n_classes
        height, columns = grid.plane
        self.height: int = height
        self.depth: int = grid.depth
        self.width: int = columns // grid.depth
        # Neighbours that no position has would be rows that nothing uses.
        self.window: tuple[tuple[int, int], ...] = tuple(
            (u, r) for u, r in WINDOW if u < self.height and abs(r) < self.width
        )
        self.n_neighbours: int = len(self.window) + self.depth - 1
        self.stride: int = grid.n_embeddings + 1
        self.position_rows: int = self.n_neighbours * self.depth * self.stride
        self.class_rows: int = self.position_rows + grid.n_codes
        self.n_rows: int = self.class_rows + n_classes

    @cached_property
    def first_rows(self) -> np.ndarray:
        """The row of code 0 of each neighbour (depth, n_neighbours), by the stage of the code that asks."""
        neighbours = np.arange(self.n_neighbours) * self.depth
        return (neighbours + np.arange(self.depth)[:, None]) * self.stride

    @property
    def _canvas_columns(self) -> int:
        return (self.width + 2 * _PADDING) * self.depth

    def canvas(self, n: int) -> np.ndarray:
        """Return the canvases of n grids in which no code is known, flat: (n, size), int32."""
        # The last cell is never written: the earlier stages that a stage lacks.
        size = (self.height + _HEIGHT) * self._canvas_columns + 1
        return np.full((n, size), self.grid.n_embeddings, np.int32)

    @cached_property
    def places(self) -> np.ndarray:
        """Where the canvas has each code of a row (n_codes,)."""
        rows = (np.arange(self.height) + _HEIGHT) * self._canvas_columns + _PADDING * self.depth
        return (rows[:, None] + np.arange(self.width * self.depth)).ravel()

    @cached_property
    def neighbours(self) -> np.ndarray:
        """Where the canvas has the neighbours of each code of a row (n_codes, n_neighbours)."""
        distances = [right * self.depth - up * self._canvas_columns for up, right in self.window]
        around = self.places[:, None] + np.array(distances, np.int64)
        stages = np.arange(self.grid.n_codes) % self.depth
        back = np.arange(1, self.depth)
        unknown = (self.height + _HEIGHT) * self._canvas_columns
        earlier = np.where(back <= stages[:, None], self.places[:, None] - back, unknown)
        return np.concatenate([around, earlier], axis=1)

    @cached_property
    def waves(self) -> list[Wave]:
        """The waves, in the order in which codes are written to a file."""
        rows, columns = np.divmod(np.arange(self.grid.n_codes), self.width * self.depth)
        times = columns + SLOPE * self.depth * rows
        order = np.argsort(times, kind="stable")
        groups = np.split(order, np.flatnonzero(np.diff(times[order])) + 1)
        return [Wave(int(group[0]) % self.depth, group, self.neighbours[group]) for group in groups]

    def selected(self, codes: np.ndarray, places: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
        """Return all rows that given codes select, for fitting.

        Parameters
        ----------
        codes : ndarray of shape (n, n_codes)
        places : ndarray of shape (m,)
            Into the flat codes.
        labels : ndarray of shape (n,) or None

        Returns
        -------
        ndarray of shape (m, n_neighbours + 1, or + 2 with classes), int32
        """
        images, columns = np.divmod(places, self.grid.n_codes)
        touched, images = np.unique(images, return_inverse=True)
        canvas = self.canvas(len(touched))
        canvas[:, self.places] = codes[touched]
        found = canvas[images[:, None], self.neighbours[columns]] + self.first_rows[columns % self.depth]
        parts = [found, (self.position_rows + columns)[:, None]]
        if labels is not None:
            parts.append((self.class_rows + labels[touched][images])[:, None])
        return np.concatenate(parts, axis=1).astype(np.int32)


def bits_of(logits: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Return the cost of codes (...) under logits (..., n_embeddings), in bits."""
    nats = logits / LOGITS_PER_NAT
    largest = nats.max(axis=-1, keepdims=True)
    totals = np.log(np.exp(nats - largest).sum(axis=-1)) + largest[..., 0]
    return (totals - np.take_along_axis(nats, codes[..., None], axis=-1)[..., 0]) / math.log(2)
