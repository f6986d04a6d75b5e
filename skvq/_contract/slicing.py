"""Arrays that are read slice by slice: how they are recognised, and the blocks of rows that one read costs.

A chunk of zarr, HDF5 or Dask is read and unpacked as a whole, whatever is wanted of it. One row of a chunk of 1,024
costs nearly as much as all of them, so such arrays are read block by block.
"""

import math
import threading
from collections import OrderedDict
from typing import Any

import numpy as np

from .errors import SkvqError, invalid

MOST_KEPT_BYTES = 2**27  # of blocks that were read, for the batches that need them next
FEWEST_KEPT = 8  # blocks, however large they are
FEWEST_BLOCK_ROWS = 32  # smaller chunks are read several at a time
CONTIGUOUS_BYTES = 2**18  # of a block, where a file has no chunks


def is_tensor(X: Any) -> bool:
    """Whether X is another framework's array in memory; what reads files has no memory to hand over."""
    return not isinstance(X, np.ndarray) and (hasattr(X, "__dlpack__") or callable(getattr(X, "numpy", None)))


def is_lazy(X: Any) -> bool:
    """Whether X is read from elsewhere, slice by slice: zarr, HDF5, Dask, xarray, image files, or a class like them."""
    looks_like_array = all(hasattr(X, name) for name in ("shape", "dtype", "__getitem__"))  # no length: zarr
    if not looks_like_array or isinstance(X, np.ndarray) or is_tensor(X):
        return False
    return len(X.shape) in (2, 3, 4) and not any(hasattr(X, name) for name in ("toarray", "todense"))


def check_lazy(X: Any, name: str = "X") -> None:
    """Raise unless an array that is read slice by slice is numeric and says how many rows it has.

    Raises
    ------
    InvalidInputError
    """
    if not all(isinstance(side, (int, np.integer)) for side in X.shape):
        raise invalid(name, "have a known shape", f"shape {tuple(X.shape)}", "Of Dask, call X.compute_chunk_sizes().")
    try:
        is_numeric = np.dtype(X.dtype).kind in "buif"
    except TypeError:
        is_numeric = False
    if not is_numeric:
        raise invalid(name, "be numeric", f"dtype {X.dtype}", "Convert it, for instance by X.astype('float32').")


def block_bounds(X: Any) -> np.ndarray | None:
    """Return where the blocks of rows begin and end that are best read whole.

    Parameters
    ----------
    X : array-like
        That :func:`is_lazy` takes. Its chunks are those of its attribute ``chunks``, of zarr, h5py, Dask and xarray, or
        of the file that xarray has opened. Files of h5py without chunks are cut into blocks of 256 KiB.

    Returns
    -------
    ndarray of shape (n_blocks + 1,), int64, or None
        Rising from 0 to the number of rows. None where any row is as cheap to read as the next one.
    """
    n_rows = X.shape[0]
    rows = _chunk_rows(X)
    if rows is None or n_rows == 0:
        return None
    if isinstance(rows, int):
        rows *= -(-FEWEST_BLOCK_ROWS // rows)
        return np.append(np.arange(0, n_rows, rows, dtype=np.int64), n_rows)
    bounds = [0]
    for bound in np.cumsum(rows).tolist():
        if bound - bounds[-1] >= FEWEST_BLOCK_ROWS or bound == n_rows > bounds[-1]:
            bounds.append(bound)
    return np.array(bounds, np.int64)


class LazyRows:
    """Rows of an array that is read slice by slice, in whole blocks of which the latest are kept.

    Threads may share it: one reads at a time, as not every file can be read by two.

    Parameters
    ----------
    array : array-like
        That :func:`is_lazy` takes.

    Attributes
    ----------
    bounds : ndarray or None
        As :func:`block_bounds` returns it.
    """

    def __init__(self, array: Any):
        self.array = array
        self.shape, self.dtype = tuple(int(side) for side in array.shape), np.dtype(array.dtype)
        self.ndim = len(self.shape)
        self.bounds: Any = block_bounds(array)
        self._kept: OrderedDict[int, np.ndarray] = OrderedDict()
        self._lock = threading.RLock()

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def most_kept(self) -> int:
        """Number of blocks that are kept in memory."""
        block_bytes = int(np.diff(self.bounds).max()) * math.prod(self.shape[1:]) * self.dtype.itemsize
        return max(FEWEST_KEPT, MOST_KEPT_BYTES // max(1, block_bytes))

    def __getitem__(self, rows: slice | np.ndarray) -> np.ndarray:
        """Return the rows of a slice without a step, or of an array of indices, as an array in memory."""
        if self.bounds is None:
            return self._read(rows)
        if isinstance(rows, slice):
            start, stop, _ = rows.indices(len(self))
            rows = np.arange(start, max(start, stop))
        rows = np.asarray(rows, np.int64)
        answer = np.empty((len(rows), *self.shape[1:]), self.dtype)
        blocks = np.searchsorted(self.bounds, rows, side="right") - 1
        # Runs of rows of one block: batches come sorted.
        starts = np.flatnonzero(np.diff(blocks, prepend=-1))
        for start, stop in zip(starts.tolist(), np.append(starts, len(rows))[1:].tolist(), strict=True):
            block = int(blocks[start])
            answer[start:stop] = self.block(block)[rows[start:stop] - self.bounds[block]]
        return answer

    def block(self, number: int) -> np.ndarray:
        """Return a block, and keep it for the rows of it that will be wanted soon."""
        with self._lock:
            if number in self._kept:
                self._kept.move_to_end(number)
                return self._kept[number]
            while len(self._kept) >= self.most_kept:
                self._kept.popitem(last=False)
            self._kept[number] = self._read(slice(int(self.bounds[number]), int(self.bounds[number + 1])))
            return self._kept[number]

    def _read(self, rows: slice | np.ndarray) -> np.ndarray:
        try:
            with self._lock:
                return np.asarray(self.array[rows])
        except SkvqError:
            raise
        except Exception as error:
            some = range(*rows.indices(len(self))) if isinstance(rows, slice) else np.asarray(rows)
            which = f"rows {some[0]} to {some[-1]}" if len(some) else "no rows"
            error.add_note(f"skvq was reading {which} of X, a {type(self.array).__name__} of shape {self.shape}.")
            raise


def _chunk_rows(X: Any) -> int | tuple[int, ...] | None:
    """Return the number of rows in a chunk, or of each chunk; None where X does not say that it has chunks."""
    owner = type(X).__module__.split(".")[0]
    chunks = getattr(X, "chunks", None)
    if chunks is None and owner == "xarray":
        encoding = getattr(X, "encoding", {})
        preferred = encoding.get("preferred_chunks", {}).get(X.dims[0])
        preferred = preferred or next(iter(encoding.get("chunksizes") or ()), None)
        return None if preferred is None else max(1, int(preferred))
    if chunks is None and owner == "h5py":
        return max(1, CONTIGUOUS_BYTES // max(1, math.prod(X.shape[1:]) * np.dtype(X.dtype).itemsize))
    if not isinstance(chunks, (tuple, list)) or not chunks:
        return None
    first = chunks[0]
    return tuple(int(size) for size in first) if isinstance(first, (tuple, list)) else max(1, int(first))
