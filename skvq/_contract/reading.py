"""Read files that may be anything: regular ones alone, up to a limit, without waiting for what never comes."""

import os
import stat
from pathlib import Path
from typing import Any, BinaryIO

from .errors import ModelFileError, printable

_CHUNK = 2**24  # memory grows with what is there, not with what is allowed
LARGER_LIMIT = "If you trust a large model, pass a larger max_bytes to load."


def read_file(path: Path, max_bytes: int, folder: int | None = None, way_out: str = LARGER_LIMIT) -> bytes:
    """Return the bytes of a file.

    Parameters
    ----------
    path : Path
    max_bytes : int
    folder : int, optional
        Descriptor of the folder that the file lies in, whatever ``path`` leads to by now.
    way_out : str
        What to do about a file that is too large, for the message.

    Raises
    ------
    OSError
        If there is no such file, or it may not be read.
    ModelFileError
        If it is not a regular file, or too large.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)  # a pipe would block
    try:
        descriptor = os.open(path if folder is None else path.name, flags, dir_fd=folder)
    except OSError as error:
        raise type(error)(error.errno, error.strerror, printable(path)) from None
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            what = "a folder" if stat.S_ISDIR(mode) else "a pipe, a socket or a device"
            raise ModelFileError(f"{printable(path)} must be a regular file; it is {what}. Give the path of a file.")
        with open(descriptor, "rb", closefd=False) as file:
            return read_stream(file, max_bytes, printable(path), way_out)
    finally:
        os.close(descriptor)


def read_stream(stream: BinaryIO, max_bytes: int, name: str, way_out: str = LARGER_LIMIT) -> bytes:
    """Return all bytes of a stream.

    Raises
    ------
    TypeError
        If it gives text.
    ModelFileError
        If there are more than ``max_bytes``.
    """
    chunks: list[Any] = []
    rest = max_bytes + 1
    while rest > 0 and (chunk := stream.read(min(rest, _CHUNK))):
        if not isinstance(chunk, bytes):
            raise TypeError(
                f"path must be opened in binary mode; {name} gives {type(chunk).__name__}. Use open(…, 'rb')."
            )
        chunks.append(chunk)
        rest -= len(chunk)
    if rest <= 0:
        raise ModelFileError(f"{name} has more than {max_bytes} bytes, and no more are read. {way_out}")
    return b"".join(chunks)
