"""Read bytes of files that need not be trusted: only regular files, and with limits on all reads."""

import io
import os
import stat
from typing import Any, BinaryIO, TypeAlias

from ._errors import DataFileError, printable

BinaryFile: TypeAlias = BinaryIO | io.RawIOBase | io.BufferedIOBase  # gzip's and our own are no BinaryIO
MAX_FILE_BYTES = 2**28  # of one image file, unpacked: 256 MiB
_CHUNK = 2**20
_MOST_READS = 2**18


def open_regular(path: str | os.PathLike[str]) -> io.FileIO:
    """Open a regular file, or a link to one, for reading bytes.

    Opening a named pipe can wait forever, and opening a device can have effects. So they are refused without opening.

    Raises
    ------
    OSError
        If it cannot be opened (``FileNotFoundError`` if it does not exist).
    DataFileError
        If it is not a regular file.
    """
    _check_regular(path, os.stat(path))
    # The file may have been replaced by a pipe since the check: opening it must not wait.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    file = io.FileIO(os.open(path, flags), "rb")
    try:
        _check_regular(path, os.fstat(file.fileno()))
    except DataFileError:
        file.close()
        raise
    return file


def _check_regular(path: str | os.PathLike[str], status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        kinds = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket"}
        got = kinds.get(stat.S_IFMT(status.st_mode), "a device")
        raise DataFileError(f"{printable(path)} must be a regular file; got {got}. Name or put a plain file there.")


def read_at_most(file: BinaryFile, n_bytes: int) -> bytearray:
    """Read until the end, but at most ``n_bytes``. Memory grows only with the bytes that exist."""
    content = bytearray()
    while len(content) < n_bytes:
        chunk = file.read(min(_CHUNK, n_bytes - len(content)))
        if not chunk:
            break
        content += chunk
    return content


class MeteredFile(io.RawIOBase):
    """A file with limits on each read and on all reads together, for parsers that do not check what they read.

    A few bytes can make a parser read the same megabytes for each of thousands of tags, or millions of empty blocks.
    So it can read four times the length of the file, in at most 2**18 reads.

    Parameters
    ----------
    file : binary file
        It must be seekable.
    n_bytes : int
        Its length.
    """

    def __init__(self, file: BinaryFile, n_bytes: int) -> None:
        self._file = file
        self._n_bytes = n_bytes
        self._reads_left = _MOST_READS
        self._bytes_left = 4 * n_bytes + _CHUNK

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._file.tell()

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if whence == os.SEEK_END:
            offset, whence = self._n_bytes + offset, os.SEEK_SET
        return self._file.seek(offset, whence)

    def read(self, size: int | None = -1) -> bytes:
        rest = max(0, self._n_bytes - self._file.tell())
        size = rest if size is None or size < 0 else min(size, rest)
        self._reads_left -= 1
        self._bytes_left -= size
        if self._reads_left < 0 or self._bytes_left < 0:
            raise ValueError("a structure that sends its reader over the same bytes again and again")
        return self._file.read(size) or b""

    def readall(self) -> bytes:
        return self.read()

    def readinto(self, buffer: Any) -> int:
        chunk = self.read(len(buffer))
        buffer[: len(chunk)] = chunk
        return len(chunk)

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()
