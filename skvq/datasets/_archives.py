"""Zip files that need not be trusted: the directory of entries is checked before anything is unpacked."""

import io
import os
import zipfile
import zlib
from collections import Counter
from operator import attrgetter
from typing import IO

from ._errors import DataFileError, parsing, printable, reason
from ._reading import BinaryFile, open_regular

_MAX_DIRECTORY_BYTES = 2**24  # more than a hundred thousand entries with names of usual length
_LOCAL_HEADER_BYTES = 30
_CHUNK = 2**20
_ENCRYPTED = 0x1
_UNPACK = "Download it again, or unpack it with a program that you trust and pass the folder."


class Archive(zipfile.ZipFile):
    """A zip file with plain entries: stored or deflated, with unique names, and without overlaps.

    Raises
    ------
    OSError
        If it cannot be opened.
    DataFileError
        If it is not a zip file, is damaged, or has duplicate or overlapping entries.
    """

    _bytes: io.BufferedReader | None = None  # needed by close, which Python also calls if opening failed

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._bytes = _BoundedReads(open_regular(path))
        try:
            if not zipfile.is_zipfile(self._bytes):
                raise DataFileError(
                    f"path must be a folder or a zip file; got {str(path)!r}, a file of another kind or a broken "
                    "download. Unpack other archives, and pass the folder of a single file."
                )
            with parsing(path, "be a whole zip file", _UNPACK, name="path"):
                super().__init__(self._bytes)
                self._check_entries(path)
        except DataFileError:
            self._bytes.close()
            raise

    def close(self) -> None:
        super().close()
        if self._bytes is not None:
            self._bytes.close()

    def unfold(self, name: str, max_bytes: int) -> tuple[BinaryFile, int]:
        """Return one entry as a seekable file, and its length.

        Raises
        ------
        DataFileError
            If the entry is encrypted, compressed by another method than deflate, or longer than ``max_bytes``. Reading
            the file raises it if the data are damaged.
        """
        if name not in self.NameToInfo:
            raise DataFileError("no longer in the zip file")
        entry = self.getinfo(name)
        if entry.flag_bits & _ENCRYPTED:
            raise DataFileError("encrypted: unpack it with its password")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise DataFileError(f"compressed by method {entry.compress_type}: pack it by deflate, or unpack it")
        if entry.file_size > max_bytes:
            raise DataFileError(f"{entry.file_size} bytes unpacked, over the limit max_bytes={max_bytes}: raise it")
        if entry.compress_type == zipfile.ZIP_STORED and entry.compress_size != entry.file_size:
            raise DataFileError("damaged in the zip file: two lengths that differ")
        try:
            return _Unfolded(self.open(entry), entry.file_size), entry.file_size
        except Exception as error:  # zipfile raises many kinds of errors on a damaged local header
            raise DataFileError(f"damaged in the zip file: {reason(error)}") from error

    def _check_entries(self, path: str | os.PathLike[str]) -> None:
        entries = sorted(self.infolist(), key=attrgetter("header_offset"))
        names = Counter(entry.filename for entry in entries if not entry.is_dir())
        twice = [name for name, n in names.items() if n > 1]
        if twice:
            raise _not_plain(path, "each name once", f"{printable(twice[0])} more than once")
        end = 0
        for entry in entries:
            if entry.header_offset < end:
                raise _not_plain(path, "entries apart", f"one that overlaps another, {printable(entry.filename)},")
            end = entry.header_offset + _LOCAL_HEADER_BYTES + len(entry.orig_filename) + entry.compress_size
        if end > self.start_dir:
            raise _not_plain(path, "entries before its directory", f"{printable(entries[-1].filename)} beyond")


def _not_plain(path: str | os.PathLike[str], rule: str, got: str) -> DataFileError:
    return DataFileError(f"path must be a zip file with {rule}; got {got} in {printable(path)}. {_UNPACK}")


class _BoundedReads(io.BufferedReader):
    """A file with a limit on each read. zipfile reads a whole directory at once and needs 15 times its length."""

    def read(self, size: int | None = -1) -> bytes:
        if size is not None and size > _MAX_DIRECTORY_BYTES:
            raise ValueError(f"a directory of {size} bytes, over the limit of {_MAX_DIRECTORY_BYTES}")
        return super().read(_MAX_DIRECTORY_BYTES if size is None or size < 0 else size)


class _Unfolded(io.RawIOBase):
    """One entry as a seekable file. Unpacked data are kept, so that seeking back does not unpack again."""

    def __init__(self, stream: IO[bytes], n_bytes: int) -> None:
        self._stream = stream
        self._n_bytes = n_bytes
        self._content = bytearray()
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._n_bytes}[whence]
        if start + offset < 0:
            raise ValueError(f"negative position {start + offset}")
        self._position = start + offset
        return self._position

    def read(self, size: int | None = -1) -> bytes:
        end = self._n_bytes if size is None or size < 0 else min(self._position + size, self._n_bytes)
        try:
            while len(self._content) < end:
                # Always read with a length: an entry may unpack to more than its header says.
                chunk = self._stream.read(min(_CHUNK, end - len(self._content)))
                if not chunk:
                    raise EOFError("it ends before the length that it states")
                self._content += chunk
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError) as error:
            raise DataFileError(f"damaged in the zip file: {reason(error)}") from error
        chunk = bytes(self._content[self._position : end])
        self._position += len(chunk)
        return chunk

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
        super().close()
