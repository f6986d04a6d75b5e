"""Choose the rows that are held out for validation."""

import numpy as np

from skvq._contract.errors import invalid
from skvq._data import Rows, divided

FEWEST_ROWS = 10  # with fewer rows, none are held out


def split_validation(n_rows: int, fraction: float, generator: np.random.Generator) -> tuple[Rows, Rows]:
    """Return the rows to train on and the rows to validate on.

    Parameters
    ----------
    n_rows : int
    fraction : float
        Part of the rows to hold out. With 0, or with fewer than 10 rows, none are held out.
    generator : numpy Generator

    Raises
    ------
    InvalidInputError
        If no row would be left to train on.
    """
    if not fraction or n_rows < FEWEST_ROWS:
        return divided(n_rows, 0, generator)
    n_held_out = max(1, round(fraction * n_rows))
    if n_held_out == n_rows:
        raise invalid(
            "validation_fraction",
            "leave rows to train on",
            f"{fraction} of {n_rows} rows",
            "It is the part of X that is held out when early_stopping=True; 0.1 is a common start.",
        )
    return divided(n_rows, n_held_out, generator)
