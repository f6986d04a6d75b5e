"""Run exported files with NumPy and onnxruntime alone: no Keras, no scikit-learn.

:func:`load` opens a folder that ``skvq.export_onnx`` wrote, or one ONNX file of it. From a shell,
``python -m skvq.runtime FOLDER`` says what is in it, and draws samples into a PNG.
"""

import os

from ._checks import Providers
from ._errors import ModelFileError
from ._runtime import Runtime
from ._source import MAX_BYTES, open_source

__all__ = ["ModelFileError", "Runtime", "load"]


def load(
    path: str | os.PathLike,
    providers: Providers = None,
    *,
    threads: int | None = None,
    batch_size: int = 32,
    max_bytes: int = MAX_BYTES,
) -> Runtime:
    """Open an export, checking every file in it.

    A file is read again, and checked again, when its part is first used: until then it must stay where it is, as it is.

    Parameters
    ----------
    path : path-like
        A folder, or one ONNX file of it, which offers what that part can do.
    providers : sequence of str or (str, dict), optional
        Of onnxruntime, in order of preference; None is the CPU.
    threads : int, optional
        Threads within an operator; None leaves it to onnxruntime.
    batch_size : int, default=32
        Rows to a run. Shorter batches are padded: 1 answers a single row soonest, more suits many rows.
    max_bytes : int, default=2**29
        Largest file to be read.

    Returns
    -------
    Runtime

    Raises
    ------
    FileNotFoundError
        If there is nothing at ``path``, or a file of the export is missing.
    ModelFileError
        A ValueError: if it is no export of skvq, of an unknown version, incomplete, differs from its manifest's
        SHA-256, is too large, or uses operators or data from elsewhere.
    ValueError
        If a provider is not to be had, or a number is out of its range.

    Examples
    --------
    >>> runtime = skvq.runtime.load("exports/mnist", threads=1)  # doctest: +SKIP
    >>> codes = runtime.transform(images)  # doctest: +SKIP
    """
    return Runtime(open_source(path, max_bytes), providers, threads, batch_size)
