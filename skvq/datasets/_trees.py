"""The files below a folder or in a zip, by one set of names."""

import os
import re
import zipfile
from collections import deque
from collections.abc import Iterator
from fnmatch import fnmatchcase
from operator import attrgetter
from pathlib import Path
from typing import BinaryIO


class FileTree:
    """A folder or a zip file, read alike.

    Names are relative to it, with ``/`` between parts. Hidden files and the shadow entries that macOS adds to
    archives are left out; linked folders are read like others, but no folder twice. A tree can be pickled, used on
    both sides of a fork, and after the working folder has changed.

    Parameters
    ----------
    path : str or path

    Raises
    ------
    FileNotFoundError
        If nothing is there.
    ValueError
        If it is neither a folder nor a zip file.
    """

    def __init__(self, path: str | os.PathLike) -> None:
        self.path = Path(path).absolute()
        if not self.path.exists():
            raise FileNotFoundError(
                f"path must be a folder or a zip file; got {str(path)!r}, which does not exist "
                f"(relative paths start at {os.getcwd()})."
            )
        self.is_zip = self.path.is_file()
        if self.is_zip and not zipfile.is_zipfile(self.path):
            raise ValueError(
                f"path must be a folder or a zip file; got {str(self.path)!r}, a file of another kind or a "
                "broken download. Unpack other archives, and pass the folder of a single file."
            )
        self._archive: zipfile.ZipFile | None = None
        self._archive_process = 0

    def names(self) -> list[str]:
        """Return the names of all files, numbers in them ordered by value: slice_2 before slice_10.

        Raises
        ------
        OSError
            If a folder cannot be read; it is named.
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

    def open(self, name: str) -> BinaryIO:
        """Open a file for reading bytes."""
        return self._zip().open(name) if self.is_zip else (self.path / name).open("rb")

    def _zip(self) -> zipfile.ZipFile:
        # A forked process shares its parent's place in the file, and would read from wherever that one is.
        if self._archive is None or self._archive_process != os.getpid():
            self._archive, self._archive_process = zipfile.ZipFile(self.path), os.getpid()
        return self._archive

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_archive": None}


def matches(name: str, pattern: str) -> bool:
    """Whether a name fits a pattern in which ``**`` stands for any number of folders."""
    return _parts_match(name.split("/"), pattern.split("/"))


def _parts_match(parts: list[str], pattern: list[str]) -> bool:
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return any(_parts_match(parts[i:], pattern[1:]) for i in range(len(parts) + 1))
    return bool(parts) and fnmatchcase(parts[0], pattern[0]) and _parts_match(parts[1:], pattern[1:])


def _is_hidden(part: str) -> bool:
    return part.startswith(".") or part == "__MACOSX"


def _files_below(top: Path) -> Iterator[str]:
    """Yield the names of files, each folder read once: what lies here first, then what links lead to."""
    folders, links, seen = deque([(str(top), "")]), deque(), set()
    while folders or links:
        folder, prefix = (folders or links).popleft()
        real = os.path.realpath(folder)
        if real in seen:  # a link to it would give the same images twice, and one that leads back up no end
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
    def words(part: str) -> list:
        return [int(w) if i % 2 else w for i, w in enumerate(re.split(r"([0-9]+)", part))]

    return [words(part) for part in name.split("/")], name
