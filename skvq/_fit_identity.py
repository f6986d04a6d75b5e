"""What a fit is given, as a table of short texts: equal tables make equal models.

Processes that train together compare their tables, and a checkpoint belongs to one table. Each part has an entry of its
own, so that a message can name the part that differs.
"""

import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from skvq import __version__
from skvq.networks import keras

# Parameters that change no weight.
WITHOUT_EFFECT = ("checkpoint", "random_state", "verbose")
HASHED = ("X", "the weights to continue from")  # entries that tell a reader nothing
MOST_BYTES = 2**28  # of rows that are hashed: all rows of most data, and evenly spaced blocks of more
N_BLOCKS = 64


def fit_identity(
    estimator: Any, source: Any, *, seed: int | None, start: list[np.ndarray] | None = None
) -> dict[str, str]:
    """Return the table of a fit.

    Parameters
    ----------
    estimator : estimator
    source : object
        Has ``rows(slice)`` and a length; of images also a ``layout`` and ``weighted_rows(slice)``.
    seed : int or None
        None where ``random_state`` is None, whatever number was drawn.
    start : list of ndarray or None
        The arrays that training continues from. None begins anew.

    Returns
    -------
    dict of str to str
    """
    params = estimator.get_params(deep=False)
    shown = {name: _described(params[name]) for name in sorted(params) if name not in WITHOUT_EFFECT}
    return {
        "the class": f"{type(estimator).__module__}.{type(estimator).__qualname__}",
        **shown,
        "X": hash_of_rows(source),
        "random_state": str(seed),
        "the weights to continue from": "new" if start is None else _hash_of(start),
        "the version of skvq": __version__,
        "the backend of Keras": keras.config.backend(),
    }


def hash_of_rows(source: Any) -> str:
    """Return a hash of the rows of a source: of all, or of 64 evenly spaced blocks if they take more than 256 MiB."""
    n, read = len(source), getattr(source, "weighted_rows", source.rows)
    n_bytes = sum(array.nbytes for array in _arrays(read(slice(0, 1))))
    n_hashed = min(n, max(N_BLOCKS, MOST_BYTES // max(n_bytes, 1)))
    size = -(-n_hashed // N_BLOCKS)
    starts = range(0, n, size) if n_hashed == n else np.linspace(0, n - size, N_BLOCKS).astype(int).tolist()
    blocks = (array for start in starts for array in _arrays(read(slice(start, start + size))))
    return _hash_of(blocks, f"{n} rows, {getattr(source, 'layout', None)}")


def _arrays(rows: Any) -> Iterator[np.ndarray]:
    if isinstance(rows, tuple):
        for part in rows:
            yield from _arrays(part)
    elif rows is not None:
        yield np.ascontiguousarray(rows)


def _hash_of(arrays: Any, text: str = "") -> str:
    digest = hashlib.blake2b(text.encode(), digest_size=16)
    for array in arrays:
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _described(value: Any) -> str:
    """Return a text for a parameter that is the same in every process; objects are told by their class."""
    if value is None or isinstance(value, (bool, int, float, str, np.generic)):
        return repr(value.item() if isinstance(value, np.generic) else value)
    if isinstance(value, (tuple, list)):
        return f"{type(value).__name__}({', '.join(map(_described, value))})"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{name}: {_described(value[name])}' for name in sorted(value, key=str))}}}"
    if hasattr(value, "get_config"):
        return f"{_name(type(value))}{_described(value.get_config())}"
    if callable(value):
        return _name(value if hasattr(value, "__qualname__") else type(value))
    # An object without a text of its own shows its address, which the next process has not.
    return _name(type(value)) if type(value).__repr__ is object.__repr__ else repr(value)


def _name(named: Any) -> str:
    return f"{named.__module__}.{named.__qualname__}"
