"""Write files so that nothing is ever lost: the old content or the new, whole, whenever the process is stopped.

New content goes to a temporary file in the same folder, is forced to the disk, and takes the place of the old one in
one step. A writer holds a lock on its temporary file. What a killed process left behind has no lock any more, and is
removed by the next write to the same target.
"""

import ctypes
import errno
import hashlib
import os
import secrets
import shutil
import stat
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from .errors import invalid, printable

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # Linux, <fcntl.h> and <linux/fs.h>
_RENAME_SWAP = 2  # macOS, <stdio.h>
_OLD_SECONDS = 24 * 3600  # without locks, what is younger may still be in use


def write_file(path: str | os.PathLike[str], data: bytes) -> Path:
    """Write a file, or replace one in a single step.

    Parameters
    ----------
    path : str or path-like
        ``~`` stands for the home folder. At the end of any links there must be a regular file, whose permissions stay,
        or nothing.
    data : bytes-like

    Returns
    -------
    Path
        The file, at the end of any links.

    Raises
    ------
    TypeError
        If ``path`` is no path.
    InvalidInputError
        If something else than a regular file is there, such as a device.
    FileNotFoundError, IsADirectoryError
        If its folder does not exist, or it is a folder itself.
    OSError
        If the system refuses; it names ``path`` as the caller gave it.

    Examples
    --------
    >>> write_file("model.skvq", b"...")  # doctest: +SKIP
    """
    with named_errors(path):
        target = check_file_target(path)
        remove_strays(target, _remove_file)
        with _temporary_file(target) as (temporary, descriptor):
            _write_all(descriptor, data)
            os.fsync(descriptor)
            _copy_mode(target, temporary)
            check_file_target(path)  # what came meanwhile stays
            os.replace(temporary, target)
        sync_folder(target.parent)
    return target


def check_file_target(path: str | os.PathLike[str]) -> Path:
    """Return the file that a path leads to, at the end of any links, if a file can be written there.

    Raises
    ------
    TypeError, InvalidInputError, FileNotFoundError, IsADirectoryError
        As :func:`write_file`.
    """
    target = Path(os.path.realpath(expanded(path)))
    shown = printable(os.fsdecode(path))
    try:
        mode = os.lstat(target).st_mode
    except (FileNotFoundError, NotADirectoryError):
        if not target.parent.is_dir():
            raise FileNotFoundError(
                f"path must lie in a folder that exists; got {shown!r}, and there is no folder "
                f"{printable(target.parent)}. Make it first, by os.makedirs, or choose another place."
            ) from None
        return target
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(
            f"path must be a file, or a new name; got {shown!r}, which is a folder. Add a file's name to it."
        )
    if not stat.S_ISREG(mode):
        raise invalid(
            "path", "be a regular file, or a new name", f"{shown!r}, which is {_kind(mode)}", "Choose another name."
        )
    return target


def expanded(path: Any, name: str = "path", example: str = "a name such as 'model.skvq'") -> str:
    """Return a path as text, with the home folder in place of ``~``.

    Raises
    ------
    TypeError
        If it is no path, or empty.
    InvalidInputError
        If no file system can hold it.
    """
    if not isinstance(path, (str, os.PathLike)) or not os.fspath(path):
        raise TypeError(f"{name} must be a str or path-like object; got {path!r}. Pass {example}.")
    text = os.path.expanduser(os.fsdecode(path))
    if "\0" in text:
        raise invalid(name, "hold no NUL character", repr(text), "Choose another name.")
    return text


@contextmanager
def named_errors(path: str | os.PathLike[str]) -> Iterator[None]:
    """Let errors of the system name the path that the user gave, not a temporary file's."""
    try:
        yield
    except OSError as error:
        if error.errno is None:  # one of our own, which says it all
            raise
        raise type(error)(error.errno, error.strerror, os.fsdecode(path)) from error


def exchange(first: str | os.PathLike[str], second: str | os.PathLike[str]) -> bool:
    """Let two files or folders of one disk trade places, in one step.

    Returns
    -------
    bool
        False, with nothing changed, where the system or the disk cannot do that.

    Raises
    ------
    OSError
        If it can, but refuses.
    """
    paths = os.fsencode(first), os.fsencode(second)
    try:
        library = ctypes.CDLL(None, use_errno=True)
        if sys.platform == "darwin":
            failed = library.renamex_np(*paths, _RENAME_SWAP)
        else:
            failed = library.renameat2(_AT_FDCWD, paths[0], _AT_FDCWD, paths[1], _RENAME_EXCHANGE)
    except (AttributeError, OSError, TypeError):  # no such function, or no such library
        return False
    if not failed:
        return True
    number = ctypes.get_errno()
    if number in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP):
        return False
    raise OSError(number, os.strerror(number), os.fspath(second))


def sync_folder(folder: Path) -> None:
    """Force the names in a folder to the disk, where the system can."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network disks
            raise
    finally:
        os.close(descriptor)


def temporary_name(target: Path) -> Path:
    """Return a new hidden name beside a target; it tells whose it is and fits whatever the target's length."""
    return target.parent / f"{_prefix(target)}{secrets.token_hex(6)}"


def hold(descriptor: int, path: Path) -> bool:
    """Lock an open file or folder until it is closed; False if another process has it, or it is gone from ``path``."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    except OSError:
        return False


def remove_strays(target: Path, remove: Callable[[Path], None]) -> None:
    """Remove what killed processes left beside a target; what cannot be removed stays.

    Parameters
    ----------
    target : Path
    remove : callable
        Takes the path of a temporary file or folder that no process holds.
    """
    try:
        names = [name for name in os.listdir(target.parent) if name.startswith(_prefix(target))]
    except OSError:
        return
    for name in names:
        stray = target.parent / name
        with suppress(OSError):
            if fcntl is None:
                if time.time() - os.lstat(stray).st_mtime > _OLD_SECONDS:
                    remove(stray)
                continue
            descriptor = os.open(stray, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            try:
                if hold(descriptor, stray):
                    remove(stray)
            finally:
                os.close(descriptor)


@contextmanager
def _temporary_file(target: Path) -> Iterator[tuple[Path, int]]:
    """Give a new file beside ``target``, open and locked; it is gone at the end, unless it was renamed."""
    is_held = False
    while not is_held:  # another writer may take a file without a lock for a stray
        temporary = temporary_name(target)
        try:
            # Unlike mkstemp's, with the permissions that the user's new files have.
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
            try:
                if is_held := hold(descriptor, temporary):
                    yield temporary, descriptor
            finally:
                os.close(descriptor)
        finally:
            temporary.unlink(missing_ok=True)


def _write_all(descriptor: int, data: bytes) -> None:
    rest = memoryview(data).cast("B")
    while rest:
        rest = rest[os.write(descriptor, rest[: 2**30]) :]


def _copy_mode(target: Path, temporary: Path) -> None:
    with suppress(FileNotFoundError):
        shutil.copymode(target, temporary)


def _remove_file(stray: Path) -> None:
    if stat.S_ISREG(os.lstat(stray).st_mode):
        stray.unlink()


def _prefix(target: Path) -> str:
    return f".skvq-{hashlib.sha256(os.fsencode(target.name)).hexdigest()[:12]}-"


def _kind(mode: int) -> str:
    kinds = {
        stat.S_IFLNK: "a link in a circle",
        stat.S_IFIFO: "a pipe",
        stat.S_IFSOCK: "a socket",
        stat.S_IFBLK: "a device",
        stat.S_IFCHR: "a device",
    }
    return kinds.get(stat.S_IFMT(mode), "of another kind")
