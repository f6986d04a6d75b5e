"""The files below a folder or in a zip, by one set of names."""

import os
import re
import zipfile
from fnmatch import fnmatchcase
from pathlib import Path
from typing import BinaryIO


class FileTree:
    """A folder or a zip file, read alike.

    Names are relative to it, with ``/`` between parts. Hidden files and the shadow entries that macOS adds to
    archives are left out. A tree can be pickled, and used on both sides of a fork.

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
        self.path = Path(path)
        if not self.path.exists():
            raise FileNotFoundError(
                f"path must be a folder or a zip file; got {str(self.path)!r}, which does not exist "
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
        """Return the names of all files, numbers in them ordered by value: slice_2 before slice_10."""
        if self.is_zip:
            found = [entry.filename for entry in self._zip().infolist() if not entry.is_dir()]
        else:
            found = [
                (Path(folder) / file).relative_to(self.path).as_posix()
                for folder, _, files in os.walk(self.path)
                for file in files
            ]
        shown = [n for n in found if not any(p.startswith(".") or p == "__MACOSX" for p in n.split("/"))]
        return sorted(shown, key=_natural_order)

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


def _natural_order(name: str) -> tuple:
    def words(part: str) -> list:
        return [int(w) if i % 2 else w for i, w in enumerate(re.split(r"([0-9]+)", part))]

    return [words(part) for part in name.split("/")], name
