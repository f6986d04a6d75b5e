"""Fitted estimators as files that are safe to open.

``save`` and ``load`` are the two doors. :mod:`~skvq._files.container` has the bytes, :mod:`~skvq._files.estimators` has
what each class is made of. A file holds numbers, names and arrays, never code. Loading checks each entry by type, shape
and range, then the entries against each other, then the arrays against the network that the entries describe; only
then is that network made. ``save`` reads what it has made by the same rules before it writes a byte.
"""

import io
import os
import re
from pathlib import Path
from typing import Any, BinaryIO

from skvq import __version__
from skvq._contract.errors import InvalidInputError, ModelFileError, printable
from skvq._contract.reading import read_file, read_stream
from skvq._contract.writing import expanded, write_file
from skvq._files.checks import Refused, mapping
from skvq._files.container import pack, unpack
from skvq._files.estimators import read_estimator, write_estimator

MAX_BYTES = 2**31


def save(estimator: Any, path: str | os.PathLike[str] | BinaryIO) -> None:
    """Write a fitted estimator.

    Parameters
    ----------
    estimator : VQVAE, PixelCNNPrior, ContextPrior or VQGenerator
        Fitted. Its state is saved as it is, optimizer included: ``partial_fit`` goes on as if it had never been in a
        file. Output containers, callbacks, metadata requests and ``checkpoint`` are not saved. Of a generator,
        unfitted stages are saved as their parameters.
    path : str, path-like or binary stream
        An existing file is replaced in one step, and stays as it is if anything fails. ``~`` stands for the home
        folder.

    Raises
    ------
    InvalidInputError
        If ``load`` would refuse the file: for a class of one's own, or a parameter that is an object or a function.
    TypeError, OSError
        If ``path`` is nothing to write to.
    """
    data = _packed(estimator)
    if callable(getattr(path, "write", None)):
        _write_stream(path, data)
    else:
        write_file(path, data)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] # it refuses the rest


def load(path: str | os.PathLike[str] | bytes | BinaryIO, *, max_bytes: int = MAX_BYTES) -> Any:
    """Read an estimator that ``save`` wrote.

    A file may come from anyone: reading it runs no code that it brings, and takes memory in proportion to its size.

    Parameters
    ----------
    path : str, path-like, bytes or binary stream
        Of the file, or the file itself. ``~`` stands for the home folder.
    max_bytes : int, default=2**31
        A larger file is refused.

    Returns
    -------
    VQVAE, PixelCNNPrior, ContextPrior or VQGenerator
        Fitted. It answers as the one that was saved, under any Keras backend.

    Raises
    ------
    ModelFileError
        If it is no saved estimator, was written by another major version of the format, is damaged, or its entries do
        not fit each other. The message names the file.
    FileNotFoundError, OSError
        If there is no such file, or it may not be read.
    TypeError
        If ``path`` is none of these.

    Examples
    --------
    >>> import numpy as np, os, skvq, tempfile
    >>> X = np.random.default_rng(0).random((64, 6)).astype("float32")
    >>> vqvae = skvq.VQVAE(n_embeddings=4, hidden_channels=8, max_iter=1, random_state=0).fit(X)
    >>> path = os.path.join(tempfile.mkdtemp(), "vectors.skvq")
    >>> vqvae.save(path)
    >>> bool((skvq.load(path).transform(X) == vqvae.transform(X)).all())
    True
    """
    data, name = _read(path, max_bytes)
    try:
        return _unpacked(data)
    except Refused as error:
        raise ModelFileError(_message(name, str(error), error.way_out)) from None
    except Exception as error:
        # The rules above should have said it. Whatever they missed is still no estimator.
        raise ModelFileError(_message(name, f"{type(error).__name__}: {printable(error)}", None)) from error


def _packed(estimator: Any) -> bytes:
    try:
        arrays: dict = {}
        document = write_estimator(estimator, arrays)
        data = pack({"estimator": document}, arrays)
        _checked(data)
    except Refused as error:
        raise InvalidInputError(
            f"{type(estimator).__name__} must be one that load accepts, to be saved; got one in which {error}. "
            "Keep it by pickle, or fit it anew."
        ) from None
    return data


def _unpacked(data: bytes) -> Any:
    estimator, networks = _checked(data)
    from skvq._files.networks import check_network  # a file that is refused need not wait for Keras

    for arguments in networks:
        check_network(*arguments)
    return estimator


def _checked(data: bytes) -> tuple[Any, list[tuple]]:
    """Return what the file holds, its entries checked, but no network."""
    document, arrays, writer = unpack(data)
    try:
        document = mapping(document, "the description", ("estimator",))
        estimator, networks = read_estimator(document["estimator"], arrays)
        if arrays:
            raise Refused(f"no entry asks for its array {printable(next(iter(arrays)))}")
    except Refused as error:
        raise Refused(str(error), _upgrade(writer)) from None
    return estimator, networks


def _upgrade(writer: str) -> str | None:
    """Return advice for a file that a later version of skvq wrote; None for another."""
    written, present = ([int(n) for n in re.findall(r"\d{1,4}", version[:20])[:3]] for version in (writer, __version__))
    if written <= present:
        return None
    return f"skvq {printable(writer)} wrote it, and this is skvq {__version__}: pip install --upgrade skvq."


def _read(path: Any, max_bytes: int) -> tuple[bytes, str]:
    """Return the bytes of a file, and its name for messages."""
    if isinstance(path, (bytes, bytearray, memoryview)):
        name = "the given bytes"
        return read_stream(io.BytesIO(path), max_bytes, name), name
    if callable(getattr(path, "read", None)):
        given = getattr(path, "name", None)
        name = f"the stream {printable(given)}" if isinstance(given, str) else "the given stream"
        return read_stream(path, max_bytes, name), name
    file = Path(expanded(path, example="the path of a saved estimator, its bytes, or a binary stream"))
    if not os.path.lexists(file):
        raise FileNotFoundError(
            f"path must be a saved estimator; there is no file {printable(file)}. Make one with estimator.save(path)."
        )
    return read_file(file, max_bytes), printable(file)


def _write_stream(stream: Any, data: bytes) -> None:
    if isinstance(stream, io.TextIOBase):
        raise TypeError(f"path must be opened in binary mode; got {stream!r}. Use open(…, 'wb').")
    rest = memoryview(data)
    while rest:
        n_written = stream.write(rest)
        if not n_written:
            raise BlockingIOError(f"path must take all bytes of the file; got {stream!r}, which takes no more.")
        rest = rest[n_written:]


def _message(name: str, why: str, way_out: str | None) -> str:
    return (
        f"path must be an estimator's file as skvq {__version__} writes it; got {name}, {_clause(why)}. Nothing was "
        f"loaded. {way_out or 'Fetch the file again, or save the estimator anew.'}"
    )


def _clause(why: str) -> str:
    return why if why.startswith(("a file", "which", "whose")) else f"in which {why}"
