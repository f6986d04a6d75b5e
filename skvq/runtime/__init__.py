"""Run exported files with NumPy and onnxruntime alone: no Keras, no scikit-learn.

:func:`load` opens a folder that ``skvq.export_onnx`` wrote, or one ONNX file of it. From a shell,
``python -m skvq.runtime FOLDER`` says what is in it, draws samples into a PNG, and encodes any number of images into a
file.
"""

import os
from typing import BinaryIO

from skvq._contract.counts import check_count
from skvq._contract.errors import ModelFileError

from ._hub import push_to_hub
from ._places import located
from ._runtime import Runtime
from ._sessions import Providers, SessionOptions
from ._source import MAX_BYTES, open_source

__all__ = ["ModelFileError", "Runtime", "load", "push_to_hub"]


def load(
    path: str | os.PathLike[str] | bytes | BinaryIO,
    providers: Providers = None,
    *,
    threads: int | None = None,
    batch_size: int = 8,
    timeout: float | None = None,
    max_bytes: int = MAX_BYTES,
) -> Runtime:
    """Open an export, after checking every file in it.

    Nothing in the files is run as code and no other file is read: each must be an ONNX model of the operators that skvq
    writes, with all its values inside. Manifest, metadata and graphs must agree, and every answer is checked before it
    is handed out. A file that is merely wrong, such as one that draws dull images, is not found out.

    Parameters
    ----------
    path : path-like, bytes or binary stream
        A folder, or one ONNX file of it, which offers what that part can do; or such a file's content. ``"digits"`` is
        a small model of digits that comes with skvq. ``"hf://user/name"`` and ``"hf://user/name@revision"`` are
        repositories of the Hugging Face hub, which are downloaded first; they need ``pip install "skvq[hub]"``.
    providers : sequence of str or (str, dict), optional
        Of onnxruntime, in order of preference; None is the CPU.
    threads : int, optional
        Threads within an operator; None leaves it to onnxruntime.
    batch_size : int, default=8
        Rows to a run. Shorter batches are padded: 1 answers a single row soonest. On a CPU, more than 8 gain nothing
        for many rows; on a GPU they do.
    timeout : float, optional
        Seconds after which a run is ended; None for never. Set it for files that you do not trust.
    max_bytes : int, default=2**29
        Largest file to be read.

    Returns
    -------
    Runtime

    Raises
    ------
    FileNotFoundError
        If there is nothing at ``path``, or a file of the export is missing.
    OSError, ImportError
        If a repository cannot be reached, or huggingface_hub is not installed.
    ModelFileError
        A ValueError: if it is no export of skvq, of another format version, incomplete, differs from its manifest's
        SHA-256, is too large, contradicts itself, or holds operators, types or data that skvq does not write.
    InvalidInputError
        A ValueError: if a provider is not to be had, or a number is out of its range.
    TypeError
        If ``path`` is none of the above.

    Examples
    --------
    >>> import skvq
    >>> runtime = skvq.runtime.load("digits", threads=1)
    >>> runtime.sample(2, y=3, random_state=0).shape
    (2, 8, 8)
    """
    options = SessionOptions.checked(providers, threads, batch_size, timeout)
    max_bytes = check_count("max_bytes", max_bytes)
    source, models = open_source(located(path, max_bytes), max_bytes)
    return Runtime(source, models, options, max_bytes)
