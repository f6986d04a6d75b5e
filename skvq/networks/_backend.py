"""Load Keras, or say which extra installs a missing backend."""

import importlib
import os
from typing import Any


def load_keras() -> Any:
    """Import Keras with the backend that the user chose.

    Raises
    ------
    ImportError
        If that backend is not installed. The message names the extra that installs it.
    """
    try:
        return importlib.import_module("keras")
    except ModuleNotFoundError as missing:
        backend = os.environ.get("KERAS_BACKEND", "tensorflow")
        if missing.name is None or missing.name.split(".")[0] not in ("tensorflow", "jax", "jaxlib", "torch"):
            raise
        raise ImportError(
            f"skvq trains with Keras, whose backend {backend!r} is not installed (no module named {missing.name!r}). "
            f'Install it with `pip install "skvq[{backend}]"`, or set the environment variable KERAS_BACKEND to '
            "'tensorflow', 'jax' or 'torch' for an installed backend. To run exported files, skvq.runtime needs no "
            "backend."
        ) from missing
