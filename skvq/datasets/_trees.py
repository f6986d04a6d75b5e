"""The files of a folder or zip file, with the same names for both."""

import io
import os
import re
from collections import deque
from collections.abc import Iterator
from fnmatch import fnmatchcase
from itertools import accumulate
from operator import attrgetter, or_
from pathlib import Path

from ._archives import Archive
from ._errors import DataFileError
from ._reading import MAX_FILE_BYTES, MeteredFile, open_regular, read_at_most


class FileTree:
    """A folder or a zip file with one interface.

    Names are relative to it, with ``/`` between parts. Hidden files and the metadata entries that macOS adds to
    archives are ignored. Linked folders are read like others, but no folder is read twice. A tree can be pickled, and
    works on both sides of a fork and after a change of the working folder.

    Parameters
    ----------
    path : str or path
    max_bytes : int, default=2**28
        Limit on the size of each file, unpacked.

    Raises
    ------
    FileNotFoundError
        If ``path`` does not exist.
    DataFileError
        If it is neither a folder nor a zip file, or if :class:`Archive` refuses the zip file.
    """

    def __init__(self, path: str | os.PathLike[str], max_bytes: int = MAX_FILE_BYTES) -> None:
        self.path = Path(path).absolute()
        self.max_bytes = max_bytes
        if not self.path.exists():
            raise FileNotFoundError(
                f"path must be a folder or a zip file; got {str(path)!r}, which does not exist "
                f"(relative paths start at {os.getcwd()})."
            )
        self.is_zip = not self.path.is_dir()
        self._archive: Archive | None = None
        self._archive_process = 0
        if self.is_zip:
            self._zip()

    def names(self) -> list[str]:
        """Return the sorted names of all files. Numbers in names are sorted by value: slice_2 before slice_10.

        Raises
        ------
        OSError
            If a folder cannot be read. The error names it.
        """
        if self.is_zip:
            files = [entry.filename for entry in self._zip().infolist() if not entry.is_dir()]
            found = [name for name in files if not any(map(_is_hidden, name.split("/")))]
        else:
            found = list(_files_below(self.path))
        return sorted(found, key=_natural_order)

    def size(self, name: str) -> int:
        """Return the length of a file in bytes, unpacked."""
        return self._zip().getinfo(name).file_size if self.is_zip else (self.path / name).stat().st_size

    def open(self, name: str) -> MeteredFile:
        """Open a file, with limits on the bytes that are read.

        Raises
        ------
        OSError
            If it cannot be opened.
        DataFileError
            If it is not a regular file, longer than ``max_bytes``, encrypted or damaged. The message is only the
            reason, and the caller adds the name. Reading raises it, too, if an archive is damaged.
        """
        if self.is_zip:
            return MeteredFile(*self._zip().unfold(name, self.max_bytes))
        file = open_regular(self.path / name)
        n_bytes = os.fstat(file.fileno()).st_size
        if n_bytes > self.max_bytes:
            file.close()
            raise DataFileError(f"{n_bytes} bytes, over the limit max_bytes={self.max_bytes}: raise it")
        return MeteredFile(io.BufferedReader(file), n_bytes)

    def read(self, name: str) -> bytes:
        """Read a whole file. It raises the same errors as :meth:`open`."""
        with self.open(name) as file:
            return bytes(read_at_most(file, self.max_bytes))

    def _zip(self) -> Archive:
        # A forked process shares the position in the file with its parent, so it opens the file again.
        if self._archive is None or self._archive_process != os.getpid():
            self._archive, self._archive_process = Archive(self.path), os.getpid()
        return self._archive

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_archive": None}


def matches(name: str, pattern: str) -> bool:
    """Return whether a name matches a pattern in which ``**`` matches any number of folders."""
    parts = name.split("/")
    # fits[i]: whether the parts of the pattern so far match the first i parts of the name. The time is proportional to
    # the length of the name times that of the pattern. A search through all assignments could be exponential.
    fits = [True] + [False] * len(parts)
    for glob in pattern.split("/"):
        if glob == "**":
            fits = list(accumulate(fits, or_))
        else:
            fits = [False, *(fit and fnmatchcase(part, glob) for fit, part in zip(fits, parts, strict=False))]
    return fits[-1]


def _is_hidden(part: str) -> bool:
    return part.startswith(".") or part == "__MACOSX"


def _files_below(top: Path) -> Iterator[str]:
    """Yield the names of files: first those in real folders, then those in linked ones. Each folder is read once."""
    folders, seen = deque([(str(top), "")]), set()
    links: deque[tuple[str, str]] = deque()
    while folders or links:
        folder, prefix = (folders or links).popleft()
        real = os.path.realpath(folder)
        if real in seen:  # a second link would give the same images again, and a link to a parent would never end
            continue
        seen.add(real)
        for entry in _entries(folder):
            if os.path.isdir(entry.path):
                (links if entry.is_symlink() else folders).append((entry.path, f"{prefix}{entry.name}/"))
            else:
                yield prefix + entry.name


def _entries(folder: str) -> list[os.DirEntry]:
    try:
        with os.scandir(folder) as entries:
            return sorted((entry for entry in entries if not _is_hidden(entry.name)), key=attrgetter("name"))
    except OSError as error:
        raise OSError(
            error.errno,
            f"path must hold folders that can all be read; got one that cannot ({error.strerror}). "
            "Allow reading it, or move it away",
            folder,
        ) from error


def _natural_order(name: str) -> tuple:
    def number(digits: str) -> tuple[int, str]:
        # Length, then digits, gives the order of values. int() would refuse very long numbers.
        digits = digits.lstrip("0")
        return len(digits), digits

    def words(part: str) -> list:
        return [number(w) if i % 2 else w for i, w in enumerate(re.split(r"([0-9]+)", part))]

    return [words(part) for part in name.split("/")], name
