"""Write an export folder whole or not at all."""

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from skvq.runtime._source import FORMAT, MANIFEST


def check_target(path: str | os.PathLike) -> Path:
    """Return where an export may go.

    Raises
    ------
    TypeError
        If ``path`` is no path.
    ValueError
        If something else is there: a file, or a folder with anything but an earlier export in it; or if the folder
        cannot be written or replaced there.
    """
    if not isinstance(path, (str, os.PathLike)) or not os.fspath(path):
        raise TypeError(
            f"path must be the folder to write; got {path!r}. "
            'Call export_onnx(vqvae, prior, "exports/mnist"), or export_onnx(vqvae, path="exports/mnist").'
        )
    target = Path(path).resolve()  # a link to a folder stays a link
    nearest = next((folder for folder in target.parents if os.path.exists(folder)), target)
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        raise ValueError(
            f"path must be in a folder that can be written to; {nearest} is "
            f"{'write-protected' if nearest.is_dir() else 'a file'}. Choose another place."
        )
    if not target.exists():
        return target
    if not target.is_dir():
        raise ValueError(f"path must be a folder; {target} is a file. Choose another name.")
    unknown = sorted(entry.name for entry in target.iterdir() if entry.name not in _files_of_export(target))
    if unknown:
        raise ValueError(
            f"path must be new, empty, or an earlier export of skvq with nothing else in it; {target} holds "
            f"{', '.join(unknown[:5])}. Choose another folder, or move these files."
        )
    # A new folder takes the old one's place: whoever works in the old one would be left in a folder that is gone.
    is_here = os.path.samefile(target, os.curdir)
    if is_here or os.path.ismount(target):
        raise ValueError(
            f"path must be a folder that can be replaced as a whole; {target} is "
            f"{'the working directory' if is_here else 'a mount point'}. Choose a folder in it: {target / 'export'}."
        )
    return target


def write_folder(target: Path, files: Mapping[str, bytes]) -> None:
    """Replace the folder by one with these files; whatever fails before the swap leaves the old one as it was."""
    target.parent.mkdir(parents=True, exist_ok=True)
    workshop = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))  # same disk: rename is atomic
    try:
        new, old = workshop / "new", workshop / "old"
        new.mkdir()  # unlike the workshop itself, with the permissions that the user's folders have
        for name, content in files.items():
            (new / name).write_bytes(content)
        if not target.exists():
            new.rename(target)
            return
        target.rename(old)
        try:
            new.rename(target)
        except BaseException:
            old.rename(target)
            raise
    finally:
        shutil.rmtree(workshop, ignore_errors=True)


def _files_of_export(folder: Path) -> set[str]:
    """Return the names that an earlier export owns; none if there is no export."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if manifest["format"] == FORMAT:
            return {MANIFEST, *manifest["files"]}
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return set()
