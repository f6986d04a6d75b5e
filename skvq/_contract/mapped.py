"""Rows of arrays on disk: memory-mapped ones do not fill the memory, others are read slice by slice."""

import mmap
from typing import Any

import numpy as np

from .slicing import LazyRows, is_lazy

ROWS_AT_ONCE = 16  # of a memory-mapped array, before their pages are handed back


def from_disk(X: Any) -> Any:
    """Return X; for a memory-mapped array its :class:`MappedRows`, for what only slices its :class:`LazyRows`.

    Other arrays are left as they are, copy-on-write ones too: what was written to them is nowhere but in their pages,
    and would go with these. Only a memmap says how its pages were mapped.
    """
    if isinstance(X, (LazyRows, MappedRows)):
        return X
    if is_lazy(X):
        return LazyRows(X)
    array, shared = X, False
    while isinstance(array, np.ndarray):
        shared = shared or (isinstance(array, np.memmap) and array.mode in ("r", "r+", "w+"))
        if isinstance(array.base, mmap.mmap):
            return MappedRows(X, array.base) if shared and hasattr(mmap, "MADV_DONTNEED") else X
        array = array.base
    return X


class MappedRows:
    """Rows of a memory-mapped array that leave the process's memory again once they have been copied.

    A page that was read stays mapped until the system needs the room: a process that goes through a file of many
    gigabytes would be seen to grow by that much.

    Parameters
    ----------
    array : ndarray
        A view of ``pages``.
    pages : mmap
        Shared with its file, so that nothing is lost with a page.
    """

    def __init__(self, array: np.ndarray, pages: mmap.mmap):
        self.array = array
        self.pages = pages
        self.shape, self.dtype, self.ndim = array.shape, array.dtype, array.ndim

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, rows: slice | np.ndarray) -> np.ndarray:
        """Return a copy of a slice, or of the rows of these indices."""
        if isinstance(rows, slice):
            copy = np.array(self.array[rows])
            self.pages.madvise(mmap.MADV_DONTNEED)
            return copy
        copy = np.empty((len(rows), *self.shape[1:]), self.dtype)
        # A page may be as large as 2 MB: rows that lie far apart map much more than themselves.
        for start in range(0, len(rows), ROWS_AT_ONCE):
            some = slice(start, start + ROWS_AT_ONCE)
            copy[some] = self.array[rows[some]]
            self.pages.madvise(mmap.MADV_DONTNEED)
        return copy
