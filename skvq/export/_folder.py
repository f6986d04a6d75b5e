"""Write an export folder whole or not at all, and lose nothing that is not an earlier export.

The new folder is made in a hidden one beside the target, and trades places with the earlier export in a single step
where the system can do that (Linux, macOS). Elsewhere the earlier export is moved into the hidden folder first.
Whatever stops the process, :func:`_settle` finds out from the names on the disk what has to be done: at the end of a
write, or at the start of the next one.
"""

import errno
import json
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from skvq._contract import writing
from skvq._contract.errors import invalid, printable
from skvq._contract.reading import read_file
from skvq.runtime._description import COMPANIONS, FORMAT, MANIFEST, MAX_MANIFEST_BYTES, TABLES, VECTORS

_NEW, _READY, _OLD, _GONE = "new", "ready", "old", "gone"


def check_target(path: str | os.PathLike[str] | None) -> Path:
    """Return where an export may go.

    Raises
    ------
    TypeError
        If ``path`` is no path.
    InvalidInputError
        If something else is there: a file, or a folder with anything but an earlier export in it; or if the folder
        cannot be written or replaced there.
    """
    # A link to a folder stays a link.
    text = writing.expanded(path, example='the folder to write, as export_onnx(model, "exports/mnist") does')
    target = Path(text).resolve()
    nearest = next((folder for folder in target.parents if os.path.exists(folder)), target)
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        what = "write-protected" if nearest.is_dir() else "a file"
        raise invalid(
            "path", "be in a folder that can be written to", f"{printable(nearest)}, {what}", "Choose another."
        )
    if not os.path.lexists(target):
        return target
    if not target.is_dir():
        raise invalid("path", "be a folder", f"{printable(target)}, which is none", "Choose another name.")
    unknown = _unknown(target)
    if unknown:
        raise invalid(
            "path",
            "be new, empty, or an earlier export of skvq with nothing else in it",
            f"{printable(target)} with {', '.join(map(printable, unknown[:5]))}",
            "Choose another folder, or move these files.",
        )
    # A new folder takes the old one's place: whoever works in the old one would be left in a folder that is gone.
    is_here = os.path.samefile(target, os.curdir)
    if is_here or os.path.ismount(target):
        raise invalid(
            "path",
            "be a folder that can be replaced as a whole",
            f"{printable(target)}, {'the working directory' if is_here else 'a mount point'}",
            f"Choose a folder in it: {printable(target / 'export')}.",
        )
    return target


def write_folder(target: Path, files: Mapping[str, bytes]) -> None:
    """Replace the folder by one with these files.

    Parameters
    ----------
    target : Path
        From :func:`check_target`, which is asked again right before the swap.
    files : mapping of str to bytes
        The manifest, the tables, the test vectors and ``*.onnx`` files.

    Raises
    ------
    InvalidInputError
        If something came into the folder meanwhile. It stays, as does the earlier export.
    OSError
        If the system refuses; nothing has changed then.
    """
    with writing.named_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        writing.remove_strays(target, lambda workshop: _settle(workshop, target))
        with _workshop(target) as workshop:
            new = workshop / _NEW
            new.mkdir()
            for name, content in files.items():
                with open(new / name, "xb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
            writing.sync_folder(new)
            _swap(workshop, check_target(target))
        writing.sync_folder(target.parent)


def _swap(workshop: Path, target: Path) -> None:
    ready, old = workshop / _READY, workshop / _OLD
    os.rename(workshop / _NEW, ready)
    if not target.exists():
        try:
            os.rename(ready, target)
            return
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise
            # Another writer's first export came in this moment: it is an earlier export like any other.
    if not writing.exchange(ready, target):
        os.rename(target, old)
        os.rename(ready, target)


@contextmanager
def _workshop(target: Path) -> Iterator[Path]:
    """Give a new hidden folder beside the target, locked; at the end it is settled and gone."""
    is_held = False
    while not is_held:  # another writer may take a folder without a lock for a stray
        workshop = writing.temporary_name(target)
        workshop.mkdir()
        try:
            descriptor = None if os.name == "nt" else os.open(workshop, os.O_RDONLY)
            try:
                if is_held := descriptor is None or writing.hold(descriptor, workshop):
                    yield workshop
            finally:
                try:
                    if is_held:
                        _settle(workshop, target)
                finally:
                    # Also after Ctrl-C: the next write removes what is not locked.
                    if descriptor is not None:
                        os.close(descriptor)
        except FileNotFoundError:
            if is_held:
                raise


def _settle(workshop: Path, target: Path) -> None:
    """Put the target in order after a swap that was done, failed or never began, and remove the workshop.

    The workshop may hold ``new``, which is not complete; ``ready``, which is, or is the earlier export after an
    exchange; ``old``, the earlier export where the system cannot exchange; and ``gone``, an export that is being
    removed. It has a name of its own because an export without its manifest looks like files of the user.

    Raises
    ------
    InvalidInputError
        If something else than an export came into the folder in the last moment. It is back in its place.
    """
    new, ready, old, gone = (workshop / name for name in (_NEW, _READY, _OLD, _GONE))
    came: list[str] = []
    if gone.is_dir():
        _remove(gone)
    if old.is_dir():
        if not os.path.lexists(target):
            os.rename(old, target)
        elif ready.is_dir():
            return  # another folder took the place: both exports stay in the workshop
        elif came := _unknown(old):
            os.rename(target, new)
            os.rename(old, target)
        else:
            os.rename(old, gone)
            _remove(gone)
    if ready.is_dir():
        came = _unknown(ready)
        if came and not writing.exchange(ready, target):
            return
        os.rename(ready, gone)
        _remove(gone)
    if new.is_dir():
        _remove(new)
    with suppress(OSError):
        workshop.rmdir()
    if came:
        raise invalid(
            "path",
            "stay as it is while it is written",
            f"{printable(target)}, to which came {', '.join(map(printable, came[:5]))}",
            "It is as it was. Choose another folder, or move these files.",
        )


def _remove(folder: Path) -> None:
    """Remove an export and its folder, file by file: what is not ours stays."""
    for name in os.listdir(folder):
        if _may_be_ours(folder, name):
            (folder / name).unlink()
    with suppress(OSError):
        folder.rmdir()


def _unknown(folder: Path) -> list[str]:
    """Return the names in a folder that no export put there."""
    ours: set[str] = set()
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        manifest = json.loads(read_file(folder / MANIFEST, MAX_MANIFEST_BYTES))
        if manifest["format"] == FORMAT:
            named = [name for name, entry in ((TABLES, "coding"), (VECTORS, "vectors")) if entry in manifest]
            ours = {MANIFEST, *named, *manifest["files"], *manifest.get("companions", ())}
    return sorted(name for name in os.listdir(folder) if name not in ours or not _may_be_ours(folder, name))


def _may_be_ours(folder: Path, name: str) -> bool:
    """Whether a name is one that exports use, and stands for a plain file, no folder or link."""
    ours = (MANIFEST, TABLES, VECTORS, *COMPANIONS)
    is_name = name in ours or (name.endswith(".onnx") and name == os.path.basename(name))
    return is_name and stat.S_ISREG(os.lstat(folder / name).st_mode)
