"""Load Keras, or say which extra brings the backend that is missing."""

import importlib
import os


def load_keras():
    """Import Keras with the backend that the user chose.

    Raises
    ------
    ImportError
        If that backend is not installed; the message names the extra that installs it.
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
            "'tensorflow', 'jax' or 'torch', whichever you have. To run exported files, `import skvq.runtime` "
            "needs none of them."
        ) from missing
