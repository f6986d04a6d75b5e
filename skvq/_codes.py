"""Codes as the estimators take them from users: checked once, at the door."""

import numpy as np
from sklearn.utils import check_array


def check_codes(codes, n_positions: int | None = None, n_embeddings: int | None = None) -> np.ndarray:
    """Return codes as an int32 array (n, n_positions).

    Parameters
    ----------
    codes : array-like of shape (n, n_positions)
        Integers, of any dtype that can hold them.
    n_positions : int or None
        Wanted length of a row; None takes any.
    n_embeddings : int or None
        Codes must be below it; None takes any.

    Raises
    ------
    ValueError
        If codes are not two-dimensional, fractional, negative, too large, or of another number to a row.
    """
    codes = check_array(codes, dtype="numeric", input_name="X")
    integers = codes if np.issubdtype(codes.dtype, np.integer) else np.rint(codes)
    if not np.array_equal(integers, codes):
        raise ValueError(
            f"X must hold codes, which are whole numbers; got {codes[integers != codes][0]!s}. "
            "Codes are what VQVAE.transform answers; images have to pass through it first."
        )
    if n_positions is not None and codes.shape[1] != n_positions:
        raise ValueError(
            f"X must have {n_positions} codes to a row, one for each position; got {codes.shape[1]}. "
            "Use the codes of the VQVAE that this estimator was fitted with."
        )
    lowest, highest = codes.min(), codes.max()
    if lowest < 0:
        raise ValueError(f"Negative values in data: X must hold codes >= 0; got {lowest}.")
    if n_embeddings is not None and highest >= n_embeddings:
        raise ValueError(
            f"X must hold codes in [0, n_embeddings={n_embeddings}); got {highest}. "
            "Use the codes of the VQVAE that belongs here, or give n_embeddings when fitting the prior."
        )
    return integers.astype(np.int32)
