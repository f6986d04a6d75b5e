"""Images as users hand them over: an array, what becomes one, or what only slices like one."""

from typing import Any

import numpy as np
from sklearn.utils import check_array

from skvq._contract.slicing import check_lazy, is_lazy, is_tensor

from .refusals import refuse_what_is_no_array


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
        check_lazy(X)
        return X
    # NaN and infinity are looked for where values are read, with a message of our own.
    return check_array(X, dtype="numeric", allow_nd=True, ensure_all_finite=False, input_name="X")


def array_of_tensor(X: Any) -> np.ndarray:
    """Return a tensor's values; those of a torch tensor in main memory are not copied."""
    try:
        return np.asarray(X)
    except (TypeError, RuntimeError) as error:
        raise ValueError(
            f"X must be an array that NumPy can read; got a {type(X).__name__}, and: {error!s:.200} "
            "Make the array yourself: of a torch tensor X.detach().cpu().numpy(), with .float() first for bfloat16."
        ) from error
