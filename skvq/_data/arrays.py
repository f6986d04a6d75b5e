"""Images as users hand them over: an array, what becomes one, or what only slices like one."""

import mmap
from typing import Any

import numpy as np
from sklearn.utils import check_array

from .refusals import refuse_what_is_no_array

ROWS_AT_ONCE = 16  # of a memory-mapped array, before their pages are handed back


def check_images(X: Any) -> np.ndarray:
    """Return X as a numeric array of two to four dimensions, or as it is if it only looks like an array.

    Something with ``shape``, ``dtype`` and slicing, such as a folder of images, is read batch by batch.

    Raises
    ------
    ValueError
        If X is not numeric, or is a tensor that NumPy cannot read.
    """
    refuse_what_is_no_array(X)
    if is_tensor(X):
        X = array_of_tensor(X)
    if is_lazy(X):
        return X
    # NaN and infinity are looked for where values are read, with a message of our own.
    return check_array(X, dtype="numeric", allow_nd=True, ensure_all_finite=False, input_name="X")


def is_tensor(X: Any) -> bool:
    """Whether X is another framework's array in memory; what reads files has no memory to hand over."""
    return not isinstance(X, np.ndarray) and (hasattr(X, "__dlpack__") or callable(getattr(X, "numpy", None)))


def array_of_tensor(X: Any) -> np.ndarray:
    """Return a tensor's values; those of a torch tensor in main memory are not copied."""
    try:
        return np.asarray(X)
    except (TypeError, RuntimeError) as error:
        raise ValueError(
            f"X must be an array that NumPy can read; got a {type(X).__name__}, and: {error!s:.200} "
            "Make the array yourself: of a torch tensor X.detach().cpu().numpy(), with .float() first for bfloat16."
        ) from error


def is_lazy(X: Any) -> bool:
    """Whether X is read from elsewhere, slice by slice."""
    looks_like_array = all(hasattr(X, name) for name in ("shape", "dtype", "__getitem__", "__len__"))
    return looks_like_array and not isinstance(X, np.ndarray) and len(X.shape) in (3, 4) and not hasattr(X, "toarray")


def from_disk(X: Any) -> Any:
    """Return X, or for a memory-mapped array its :class:`MappedRows`.

    Others are left as they are, copy-on-write ones too: what was written to them is nowhere but in their pages, and
    would go with these. Only a memmap says how its pages were mapped.
    """
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
