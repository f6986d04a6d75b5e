"""Images as users hand them over: an array, what becomes one, or what only slices like one."""

import numpy as np
from sklearn.utils import check_array


def check_images(X) -> np.ndarray:
    """Return X as a numeric array of two to four dimensions, or as it is if it only looks like an array.

    Something with ``shape``, ``dtype`` and slicing, such as a folder of images, is read batch by batch.
    """
    if is_lazy(X):
        return X
    return check_array(X, dtype="numeric", allow_nd=True, input_name="X")


def is_lazy(X) -> bool:
    """Whether X is read from elsewhere, slice by slice."""
    looks_like_array = all(hasattr(X, name) for name in ("shape", "dtype", "__getitem__", "__len__"))
    return looks_like_array and not isinstance(X, np.ndarray) and len(X.shape) in (3, 4) and not hasattr(X, "toarray")
