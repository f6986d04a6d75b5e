"""The order in which the rows of an epoch are read.

- **Rows that cost the same wherever they lie** (arrays in memory, memory maps, image files) are shuffled as a whole:
  one permutation of all rows an epoch.
- **Rows in chunks** (zarr, HDF5, Dask) are shuffled in windows. The chunks come in random order. As many as fit into
  64 MiB, and at least four, make a window, and the rows of a window are shuffled as a whole. So each chunk is read once
  an epoch.
- **More than 8 million rows** are never listed. :class:`Permutation` computes the row of each place, in blocks.

All three draw from the generator that is passed, so the same seed gives the same order on any machine.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

LARGEST_LIST = 2**23  # rows; more are permuted by a formula
WINDOW_BYTES = 2**26
FEWEST_IN_WINDOW = 4  # blocks, however large they are
PLACES_AT_ONCE = 2**14  # their arrays stay in the processor's cache


@dataclass(frozen=True)
class Blocks:
    """The blocks that rows are read in.

    Parameters
    ----------
    bounds : ndarray of shape (n_blocks + 1,), int64
        Rows at which blocks begin, and the number of rows.
    row_bytes : int
    """

    bounds: np.ndarray
    row_bytes: int

    def windows(self, generator: np.random.Generator) -> list[np.ndarray]:
        """Return the numbers of all blocks in random order, divided into windows of nearly equal length."""
        n_blocks = len(self.bounds) - 1
        largest = int(np.diff(self.bounds).max()) * self.row_bytes
        in_window = max(FEWEST_IN_WINDOW, WINDOW_BYTES // max(1, largest))
        return np.array_split(generator.permutation(n_blocks), math.ceil(n_blocks / in_window))


@dataclass(frozen=True)
class Batch:
    """The rows of a batch, sorted, and the blocks to read after them, for batches to come."""

    rows: np.ndarray
    blocks_ahead: tuple[int, ...] = ()


class Permutation:
    """A random permutation of many whole numbers, computed where it is asked for.

    A number is a place in a table of about equal sides. Its row is moved by an amount that its column decides, then its
    column by an amount that its row decides, then its row again, each amount from a table of random numbers: a Feistel
    network of three rounds. Places beyond the last number are moved on until they are not. Memory is that of the
    tables, about three times the root of ``n``.

    Parameters
    ----------
    n : int
        Permutes 0 … n - 1.
    generator : numpy Generator

    References
    ----------
    Luby, Rackoff, "How to construct pseudorandom permutations from pseudorandom functions", SIAM J. Comput., 1988.
    Black, Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002 (cycle walking).

    Examples
    --------
    >>> permutation = Permutation(5, np.random.default_rng(0))
    >>> sorted(permutation(np.arange(5)).tolist())
    [0, 1, 2, 3, 4]
    >>> permutation.inverse(permutation(np.array([3, 1]))).tolist()
    [3, 1]
    """

    def __init__(self, n: int, generator: np.random.Generator):
        self.n = n
        self.bits = (n - 1).bit_length() // 2  # a column is a number of so many bits
        self.n_columns = 1 << self.bits
        self.n_rows = -(-n // self.n_columns)
        # Half the width is nearly twice as fast.
        self.dtype: Any = np.int32 if n < 2**30 else np.int64
        self.unsigned: Any = np.uint32 if n < 2**30 else np.uint64
        sizes = ((self.n_rows, self.n_columns), (self.n_columns, self.n_rows), (self.n_rows, self.n_columns))
        self.shifts = [generator.integers(limit, size=size, dtype=self.dtype) for limit, size in sizes]

    def __call__(self, places: np.ndarray) -> np.ndarray:
        """Return the number at each place, int64."""
        return self._walk(places, self._forward)

    def inverse(self, numbers: np.ndarray) -> np.ndarray:
        """Return the place of each number, int64."""
        return self._walk(numbers, self._backward)

    def _walk(self, values: np.ndarray, step: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        values = step(np.asarray(values).astype(self.dtype))
        while len(outside := np.flatnonzero(values >= self.n)):
            values[outside] = step(values[outside])
        return values.astype(np.int64)

    def _forward(self, values: np.ndarray) -> np.ndarray:
        row, column = values >> self.bits, values & (self.n_columns - 1)
        first, second, third = self.shifts
        row = self._wrapped(row + first.take(column, mode="clip"))
        column = (column + second.take(row, mode="clip")) & (self.n_columns - 1)
        row = self._wrapped(row + third.take(column, mode="clip"))
        return (row << self.bits) | column

    def _backward(self, values: np.ndarray) -> np.ndarray:
        row, column = values >> self.bits, values & (self.n_columns - 1)
        first, second, third = self.shifts
        row = self._wrapped(row - third.take(column, mode="clip") + self.n_rows)
        column = (column - second.take(row, mode="clip")) & (self.n_columns - 1)
        row = self._wrapped(row - first.take(column, mode="clip") + self.n_rows)
        return (row << self.bits) | column

    def _wrapped(self, rows: np.ndarray) -> np.ndarray:
        """Return rows in [0, 2 n_rows) modulo n_rows, in place: below 0, an unsigned number is large."""
        unsigned = rows.view(self.unsigned)
        np.minimum(unsigned, unsigned - self.unsigned(self.n_rows), out=unsigned)
        return rows


class RowSubset:
    """Some of very many rows, in rising order, that are never listed.

    Parameters
    ----------
    permutation : Permutation
    first, last : int
        The rows at these places of the permutation: first <= place < last.
    """

    def __init__(self, permutation: Permutation, first: int, last: int):
        self.permutation, self.first, self.last = permutation, first, last

    def __len__(self) -> int:
        return self.last - self.first

    def between(self, start: int, stop: int) -> np.ndarray:
        """Return those from ``start`` to ``stop``."""
        rows = np.arange(start, stop)
        if len(self) == self.permutation.n:
            return rows
        places = self.permutation.inverse(rows)
        return rows[(places >= self.first) & (places < self.last)]

    def draw(self, n_rows: int, generator: np.random.Generator) -> np.ndarray:
        """Return some at random, none twice."""
        return self.permutation(self.first + generator.choice(len(self), n_rows, replace=False))

    def shuffled(self, generator: np.random.Generator) -> Iterator[np.ndarray]:
        """Yield all in random order, some thousands at a time."""
        order = Permutation(len(self), generator)
        for start in range(0, len(self), PLACES_AT_ONCE):
            places = order(np.arange(start, min(start + PLACES_AT_ONCE, len(self))))
            yield places if len(self) == self.permutation.n else self.permutation(self.first + places)


Rows = np.ndarray | RowSubset


def divided(n_rows: int, n_held_out: int, generator: np.random.Generator) -> tuple[Rows, Rows]:
    """Divide rows at random into those to train on and ``n_held_out`` others.

    Returns
    -------
    training, held_out : ndarray of int64, sorted; or RowSubset where there are more than 8 million rows
    """
    if n_rows > LARGEST_LIST:
        permutation = Permutation(n_rows, generator)
        return RowSubset(permutation, n_held_out, n_rows), RowSubset(permutation, 0, n_held_out)
    if not n_held_out:
        return np.arange(n_rows), np.arange(0)
    order = generator.permutation(n_rows)
    return np.sort(order[n_held_out:]), np.sort(order[:n_held_out])


def drawn(rows: Rows, n_rows: int, generator: np.random.Generator) -> np.ndarray:
    """Return some of the rows at random, none twice, sorted."""
    chosen = rows.draw(n_rows, generator) if isinstance(rows, RowSubset) else generator.choice(rows, n_rows, False)
    return np.sort(chosen)


def in_order(rows: Rows, size: int) -> Iterator[np.ndarray]:
    """Yield all rows in rising order, ``size`` at a time; the last ones may be fewer."""
    if not isinstance(rows, RowSubset):
        for start in range(0, len(rows), size):
            yield rows[start : start + size]
        return
    stretches = range(0, rows.permutation.n, PLACES_AT_ONCE)
    parts = (rows.between(start, min(start + PLACES_AT_ONCE, rows.permutation.n)) for start in stretches)
    yield from _rebatched(parts, size, fill=False)


def shuffled_batches(
    rows: Rows, batch_size: int, generator: np.random.Generator, blocks: Blocks | None = None
) -> Iterator[Batch]:
    """Yield the batches of one epoch: each row once, in random order.

    All batches have the same size, so that a training step is compiled once. The last one is filled with rows that
    came before: the first of the epoch, or of its last window.

    Parameters
    ----------
    rows : ndarray, sorted, or RowSubset
    batch_size : int
    generator : numpy Generator
    blocks : Blocks or None
        Where rows are read by blocks.
    """
    if blocks is not None:
        yield from _batches_by_windows(rows, batch_size, generator, blocks)
    elif isinstance(rows, RowSubset):
        yield from (Batch(np.sort(found)) for found in _rebatched(rows.shuffled(generator), batch_size, fill=True))
    else:
        order = generator.permutation(rows)
        order = np.resize(order, math.ceil(len(rows) / batch_size) * batch_size)
        for start in range(0, len(order), batch_size):
            yield Batch(np.sort(order[start : start + batch_size]))


def _batches_by_windows(rows: Rows, batch_size: int, generator: np.random.Generator, blocks: Blocks) -> Iterator[Batch]:
    windows = blocks.windows(generator)
    rest = np.arange(0)
    for number, window in enumerate(windows):
        is_last = number + 1 == len(windows)
        bounds = [(int(blocks.bounds[block]), int(blocks.bounds[block + 1])) for block in window]
        found = generator.permutation(np.concatenate([_between(rows, *bound) for bound in bounds]))
        found = np.concatenate([rest, found])
        n_batches = math.ceil(len(found) / batch_size) if is_last else len(found) // batch_size
        if is_last:
            found = np.resize(found, n_batches * batch_size)
        # The next window's blocks are read one by one between this window's batches.
        coming = () if is_last else tuple(int(block) for block in windows[number + 1])
        for i in range(n_batches):
            ahead = coming[len(coming) * i // n_batches : len(coming) * (i + 1) // n_batches]
            yield Batch(np.sort(found[i * batch_size : (i + 1) * batch_size]), ahead)
        rest = found[n_batches * batch_size :]


def _between(rows: Rows, start: int, stop: int) -> np.ndarray:
    if isinstance(rows, RowSubset):
        return rows.between(start, stop)
    first, last = np.searchsorted(rows, [start, stop])
    return rows[first:last]


def _rebatched(parts: Iterator[np.ndarray], size: int, *, fill: bool) -> Iterator[np.ndarray]:
    """Yield the same numbers, ``size`` at a time; with ``fill`` the first ones fill up the last part."""
    rest = np.arange(0)
    first: Any = None
    for part in parts:
        found = np.concatenate([rest, part])
        first = found[:size] if first is None else first
        n_whole = len(found) // size * size
        for start in range(0, n_whole, size):
            yield found[start : start + size]
        rest = found[n_whole:]
    if len(rest):
        yield np.concatenate([rest, np.resize(first, size - len(rest))]) if fill else rest
