"""Rows of codes for a prior: checked in parts, held in the smallest dtype, read from the disk where they lie there."""

from typing import Any

import numpy as np
from sklearn.utils import check_array

from skvq._contract.codes import LARGEST_CODE, check_codes
from skvq._contract.images import chunks
from skvq._contract.mapped import MappedRows, from_disk
from skvq._contract.slicing import check_lazy, is_lazy

from .source import RowSource


class CodeSource(RowSource):
    """Rows of codes with the indices of their labels.

    Parameters
    ----------
    codes : array-like of shape (n, n_codes), of an integer dtype
        Checked, as :func:`read_codes` returns them.
    labels : ndarray of shape (n,), int32, or None
    """

    def __init__(self, codes: Any, labels: np.ndarray | None = None):
        super().__init__(codes)
        self.labels = labels

    @property
    def size(self) -> int:
        """Number of codes in all rows."""
        return len(self) * self.array.shape[1]

    def codes(self, indices: np.ndarray | slice) -> np.ndarray:
        """Return the codes of some rows, int32."""
        return np.asarray(self.array[indices]).astype(np.int32)

    def rows(self, indices: np.ndarray | slice) -> tuple:
        """Return the inputs of a prior's network and its targets."""
        x, labels = self.codes(indices), self.labels_of(indices)
        return (x, x) if labels is None else ((x, labels), x)

    def labels_of(self, indices: np.ndarray | slice) -> np.ndarray | None:
        """Return the indices of the labels of some rows."""
        return None if self.labels is None else self.labels[indices]

    def commonest(self) -> int:
        """Return the code that occurs most often; the smallest of several."""
        counts = np.zeros(0, np.int64)
        for part in chunks(self.array):
            found = np.bincount(np.ravel(part))
            counts = np.pad(counts, (0, max(0, len(found) - len(counts))))
            counts[: len(found)] += found
        return int(counts.argmax())


def read_codes(X: Any) -> tuple[Any, int]:
    """Return codes to make a :class:`CodeSource` of, and the largest of them.

    Parameters
    ----------
    X : array-like of shape (n, n_codes)
        Whole numbers. Integers on disk, mapped or read slice by slice, stay there. Others become an array of the
        smallest dtype, part by part.

    Raises
    ------
    InvalidInputError
        As :func:`skvq._contract.codes.check_codes`.
    """
    if is_lazy(X):
        check_lazy(X)
        stays = np.dtype(X.dtype).kind in "iu"
    else:
        X = check_array(X, dtype="numeric", allow_nd=True, input_name="X")
        stays = X.dtype.kind in "iu" and isinstance(from_disk(X), MappedRows)
    if len(X.shape) != 2:
        check_codes(X[:1])  # raises, and says how to flatten maps of codes
    rows = from_disk(X)
    largest = 0
    for part in chunks(rows):
        largest = max(largest, _largest(np.asarray(part)))
    if stays or (isinstance(X, np.ndarray) and X.dtype == np.min_scalar_type(largest)):
        return X, largest
    codes = np.empty(X.shape, np.min_scalar_type(largest))
    start = 0
    for part in chunks(rows):
        codes[start : start + len(part)] = part
        start += len(part)
    return codes, largest


def _largest(part: np.ndarray) -> int:
    """Return the largest of some codes, after checking them."""
    if part.dtype.kind in "iu" and part.size and part.min() >= 0 and part.max() <= LARGEST_CODE:
        return int(part.max())
    return int(check_codes(part).max(initial=0))
