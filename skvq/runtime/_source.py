"""An export folder or a single ONNX file, checked before anything in it is run.

Files are read when an export is opened, to check them, and again when a part is first used. Each time, the bytes that
are hashed and looked through are the ones that are handed on, so nothing can be put in their place in between.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from skvq._contract.images import Layout

from ._description import FILE, FILES, PART, check_entries, check_sections, damaged
from ._errors import ModelFileError
from ._wire import Outline, outline

FORMAT, FORMAT_VERSION, MANIFEST = "skvq-export", 1, "manifest.json"
DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml"})
MAX_BYTES = 2**29


@dataclass(frozen=True)
class PartFile:
    """One ONNX file.

    Parameters
    ----------
    part : str
        ``encoder``, ``decoder``, ``prior``, ``sampler``, ``generator``, ….
    path : Path
    n_bytes : int
    sha256 : str
        As the manifest says; for a file without one, as it was when it was opened.
    inputs, outputs : tuple of dict
        Each with ``name``, ``shape``, ``dtype`` and ``description``.
    """

    part: str
    path: Path
    n_bytes: int
    sha256: str
    inputs: tuple[dict, ...]
    outputs: tuple[dict, ...]


@dataclass(frozen=True)
class Source:
    """What was exported, and where its files are.

    Parameters
    ----------
    path : Path
        Absolute, as the working directory may change.
    parts : dict of PartFile
        By part.
    code_shape : tuple of int
    n_embeddings : int or None
        Codes that the decoder knows; None without one.
    prior_n_embeddings : int or None
        Codes that the prior knows; None without one.
    classes : tuple or None
        Class values, in the order of labels; None for an unconditional prior.
    layout : Layout or None
        How the user's images look; None without an autoencoder.
    data_range : tuple of float or None
        Smallest and largest value of the training images.
    versions : dict of str
        Of the packages that made the files.
    max_bytes : int
        Largest file to be read.
    """

    path: Path
    parts: dict[str, PartFile]
    code_shape: tuple[int, ...]
    n_embeddings: int | None = None
    prior_n_embeddings: int | None = None
    classes: tuple | None = None
    layout: Layout | None = None
    data_range: tuple[float, float] | None = None
    versions: dict[str, str] = field(default_factory=dict)
    max_bytes: int = MAX_BYTES

    def read(self, part: str) -> bytes:
        """Return a part's bytes, unchanged and fit to be run.

        Raises
        ------
        FileNotFoundError
            If the file is gone.
        ModelFileError
            If the file has another hash than it should, or holds what the runtime refuses.
        """
        file = self.parts[part]
        data = _read(file.path, self.max_bytes)
        found = hashlib.sha256(data).hexdigest()
        if found != file.sha256:
            by = "it had when it was loaded" if file.path == self.path else f"{MANIFEST} names"
            raise ModelFileError(
                f"{file.path} must have the SHA-256 {file.sha256[:12]}… that {by}; it has {found[:12]}…. "
                "The file was changed or only partly copied: copy it again, or export again, and load that."
            )
        _refuse(file.path, data)
        return data


def open_source(path: str | os.PathLike, max_bytes: int = MAX_BYTES) -> Source:
    """Return what a folder or file says about itself, after checking every file.

    Raises
    ------
    FileNotFoundError
        If there is nothing at ``path``, or a file of the export is missing.
    ModelFileError
        If it is no export of skvq, of an unknown version, changed, or holds what the runtime refuses.
    """
    path = Path(path).absolute()
    if not path.exists():
        raise FileNotFoundError(f"There is no export at {path}. Make one with skvq.export_onnx(vqvae, prior, path).")
    source = _open_folder(path, max_bytes) if path.is_dir() else _open_file(path, max_bytes)
    for part in source.parts:
        source.read(part)
    return source


def _open_folder(folder: Path, max_bytes: int) -> Source:
    if not (folder / MANIFEST).is_file():
        raise ModelFileError(
            f"{folder} is not an export of skvq: it has no {MANIFEST}. "
            "Make one with skvq.export_onnx(vqvae, prior, path), or give the path of a single .onnx file."
        )
    manifest = folder / MANIFEST
    described = _parsed(_read(manifest, max_bytes), manifest)
    check_entries(described, FILES, manifest)
    parts: dict[str, PartFile] = {}
    for name, entry in described["files"].items():
        if name != os.path.basename(name) or name in ("", ".", ".."):
            raise ModelFileError(f"{manifest} names the file {name!r}, which is not in its own folder.")
        check_entries(entry, FILE, manifest, f"files/{name}")
        if entry["part"] in parts:
            raise damaged(manifest, f"files/{name}/part", "of no other file", entry["part"])
        if not (folder / name).is_file():
            raise FileNotFoundError(f"{folder / name} is missing, which {MANIFEST} names. Copy the folder again.")
        parts[entry["part"]] = _part(folder / name, entry, entry["sha256"], entry["bytes"])
    return _source(folder, parts, described, manifest, max_bytes)


def _open_file(path: Path, max_bytes: int) -> Source:
    data = _read(path, max_bytes)
    described = {
        key.removeprefix("skvq."): _parsed(text, path, is_section=True)
        for key, text in _outline(path, data).metadata.items()
        if key.startswith("skvq.")
    }
    _check_format(described, path)
    check_entries(described, PART, path)
    part = _part(path, described, hashlib.sha256(data).hexdigest(), len(data))
    return _source(path, {part.part: part}, described, path, max_bytes)


def _part(path: Path, entry: Mapping, sha256: str, n_bytes: int) -> PartFile:
    return PartFile(entry["part"], path, n_bytes, sha256, tuple(entry["inputs"]), tuple(entry["outputs"]))


def _source(path: Path, parts: dict[str, PartFile], described: Mapping, read_from: Path, max_bytes: int) -> Source:
    check_sections(described, parts, read_from)
    prior = described.get("prior") or {}
    layout = described.get("layout")
    if layout is not None:
        layout = Layout(tuple(layout["row_shape"]), tuple(layout["image_shape"]), layout["dtype"])
        if not layout.accepts(layout.row_shape):
            words = f"of images of shape {layout.image_shape}"
            raise damaged(read_from, "layout/row_shape", words, list(layout.row_shape))
    classes, data_range = prior.get("classes"), described.get("data_range")
    return Source(
        path=path,
        parts=parts,
        code_shape=tuple(described["code_shape"]),
        n_embeddings=described.get("n_embeddings"),
        prior_n_embeddings=prior.get("n_embeddings"),
        classes=None if classes is None else tuple(classes),
        layout=layout,
        data_range=None if data_range is None else tuple(data_range),
        versions=dict(described.get("versions") or {}),
        max_bytes=max_bytes,
    )


def _read(path: Path, max_bytes: int) -> bytes:
    with open(path, "rb") as file:
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise ModelFileError(
            f"{path} has {path.stat().st_size} bytes; the runtime reads at most max_bytes={max_bytes}. "
            "If you trust the file, pass a larger max_bytes to load."
        )
    return data


def _outline(path: Path, data: bytes) -> Outline:
    try:
        return outline(data)
    except ModelFileError as error:
        raise ModelFileError(f"{path} is not an ONNX model ({error}). Export it again with skvq.export_onnx.") from None


def _refuse(path: Path, data: bytes) -> None:
    found = _outline(path, data)
    strangers = sorted(found.domains - DOMAINS)
    if strangers:
        raise ModelFileError(
            f"{path} uses operators of {', '.join(map(repr, strangers))}; the runtime runs ONNX's own only. "
            "skvq does not export others: do not trust the file, or run it with onnxruntime yourself."
        )
    if found.has_external_data:
        raise ModelFileError(
            f"{path} keeps tensors in other files, which no hash covers. skvq does not export such files: "
            "do not trust the file, or save it with its data inside."
        )


def _parsed(text: str | bytes, path: Path, is_section: bool = False) -> Any:
    try:
        described = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"{path} is not an export of skvq: its description is not JSON ({error}).") from error
    if not is_section:
        _check_format(described, path)
    return described


def _check_format(described: Any, path: Path) -> None:
    if not isinstance(described, dict) or described.get("format") != FORMAT:
        raise ModelFileError(
            f"{path} was not written by skvq: it does not name the format {FORMAT!r}. "
            "Export with skvq.export_onnx; for other ONNX files use onnxruntime itself."
        )
    if described.get("format_version") != FORMAT_VERSION:
        raise ModelFileError(
            f"{path} has format version {described.get('format_version')!r}; this skvq reads {FORMAT_VERSION}. "
            "Install the skvq that wrote it, or export again."
        )
