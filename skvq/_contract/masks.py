"""Masked arrays are refused wherever their mask would be ignored."""

from typing import Any

import numpy as np

from .errors import invalid


def check_unmasked(name: str, array: Any, way_out: str | None = None) -> None:
    """Raise for a masked array, which NumPy would convert by dropping its mask.

    Parameters
    ----------
    name : str
        Of the argument.
    array : object
    way_out : str or None
        None advises to fill it.

    Raises
    ------
    InvalidInputError
    """
    if isinstance(array, np.ma.MaskedArray):
        raise invalid(
            name,
            "be an array without a mask",
            f"a masked array with {int(np.ma.count_masked(array))} masked values",
            way_out or f"Say what masked values should be: {name}.filled(0).",
        )
