"""An export folder, a single ONNX file, or its bytes, checked before anything in it is run.

Files are read once: the bytes that are hashed and looked through are the ones that are handed on to onnxruntime.
"""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from skvq._contract.description import ModelDescription
from skvq._contract.errors import ModelFileError, printable
from skvq._contract.reading import LARGER_LIMIT, read_file, read_stream
from skvq._contract.writing import expanded
from skvq.compression.packing import unpack
from skvq.compression.tables import CodeTables

from ._agreement import check_metadata, check_roles
from ._description import (
    CODING,
    FILE,
    FILES,
    MANIFEST,
    MAX_MANIFEST_BYTES,
    PART,
    TABLES,
    VECTORS,
    VECTORS_FILE,
    check_entries,
    check_format,
    damaged,
    description_of,
    parse_json,
)
from ._operators import ModelText, check_model

MAX_BYTES = 2**29
_ATTEMPTS = 5
_PREFIX = "skvq."


@dataclass(frozen=True)
class PartFile:
    """One ONNX file.

    Parameters
    ----------
    part : str
        ``encoder``, ``decoder``, ``prior``, ``sampler``, ``generator``, ….
    kind : str
        What it does; see :data:`skvq.runtime._agreement.KINDS`.
    name : str
        Of the file, for people.
    n_bytes : int
    sha256 : str
    inputs, outputs : tuple of dict
        Each with ``name``, ``role``, ``shape``, ``dtype`` and ``description``.
    """

    part: str
    kind: str
    name: str
    n_bytes: int
    sha256: str
    inputs: tuple[dict[str, Any], ...]
    outputs: tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class Coding:
    """What compression needs of a model.

    Parameters
    ----------
    tables : CodeTables
    sha256 : str
        Of the file of the tables.
    decoder_digest : bytes
        SHA-256 of the weights of the autoencoder that was exported.
    """

    tables: CodeTables
    sha256: str
    decoder_digest: bytes


@dataclass(frozen=True)
class Source:
    """What was exported.

    Parameters
    ----------
    origin : Path or bytes
        Where it was read from: absolute, as the working directory may change; or the bytes themselves.
    name : str
        Of the origin, for messages.
    parts : dict of PartFile
        By part.
    description : ModelDescription
        Grids, layout, units and classes.
    versions : dict of str
        Of the packages that made the files.
    coding : Coding or None
        The integer tables of a ContextPrior; None without.
    """

    origin: Path | bytes
    name: str
    parts: dict[str, PartFile]
    description: ModelDescription
    versions: dict[str, str] = field(default_factory=dict)
    coding: Coding | None = None

    @property
    def hashes(self) -> dict[str, str]:
        """SHA-256 of each part's file, and of the tables."""
        tables = {} if self.coding is None else {TABLES: self.coding.sha256}
        return {part: file.sha256 for part, file in self.parts.items()} | tables


def open_source(
    origin: str | os.PathLike[str] | bytes | BinaryIO, max_bytes: int = MAX_BYTES
) -> tuple[Source, dict[str, bytes]]:
    """Return what an export says about itself, and the bytes of each part's file, after checking all of them.

    Raises
    ------
    TypeError
        If ``origin`` is no path, bytes or binary stream.
    FileNotFoundError
        If there is nothing there, or a file of the export is missing.
    ModelFileError
        If it is no export of skvq, of another format version, changed, or holds what the runtime refuses.
    """
    if isinstance(origin, (bytes, bytearray, memoryview)):
        return _open_bytes(bytes(origin), "the given bytes", max_bytes)
    if not isinstance(origin, (str, os.PathLike)) and callable(getattr(origin, "read", None)):
        return _open_bytes(read_stream(origin, max_bytes, "the given stream"), "the given stream", max_bytes)
    path = Path(expanded(origin, example="the path of an export, the bytes of an ONNX file, or a binary stream"))
    path = path.absolute()
    if path.is_dir():
        return _open_folder(path, max_bytes)
    if not os.path.lexists(path):
        raise FileNotFoundError(
            f"There is no export at {printable(path)}. Make one with skvq.export_onnx(model, path)."
        )
    return _open_single(read_file(path, max_bytes), path, printable(path))


def _open_bytes(data: bytes, name: str, max_bytes: int) -> tuple[Source, dict[str, bytes]]:
    if len(data) > max_bytes:
        raise ModelFileError(f"{name} are {len(data)}, more than {max_bytes}. Pass a larger max_bytes to load.")
    return _open_single(data, data, name)


def _open_single(data: bytes, origin: Path | bytes, name: str) -> tuple[Source, dict[str, bytes]]:
    metadata = _metadata(_checked(data, name), name)
    check_format(metadata, name)
    check_entries(metadata, PART, name)
    model = description_of(metadata, name)
    check_roles(metadata, model, name)
    part = _part(metadata, name, hashlib.sha256(data).hexdigest(), len(data))
    return Source(origin, name, {part.part: part}, model, _versions(metadata)), {part.part: data}


def _open_folder(path: Path, max_bytes: int) -> tuple[Source, dict[str, bytes]]:
    """Read a folder; once more if another export took its place meanwhile."""
    for attempt in range(_ATTEMPTS):
        folder = _Folder(path)
        try:
            return _read_folder(folder, max_bytes)
        except (OSError, ModelFileError):
            if attempt == _ATTEMPTS - 1 or not folder.was_replaced():
                raise
        finally:
            folder.close()
    raise AssertionError("unreachable")


def _read_folder(folder: "_Folder", max_bytes: int) -> tuple[Source, dict[str, bytes]]:
    manifest_name = printable(folder.path / MANIFEST)
    try:
        text = folder.read(MANIFEST, MAX_MANIFEST_BYTES)
    except FileNotFoundError:
        raise ModelFileError(
            f"{printable(folder.path)} is not an export of skvq: it has no {MANIFEST}. "
            "Make one with skvq.export_onnx(model, path), or give the path of a single .onnx file."
        ) from None
    manifest = parse_json(text, manifest_name)
    check_format(manifest, manifest_name)
    check_entries(manifest, FILES, manifest_name)
    model = description_of(manifest, manifest_name)
    parts: dict[str, PartFile] = {}
    models: dict[str, bytes] = {}
    for file, entry in manifest["files"].items():
        if file != os.path.basename(file) or not file.endswith(".onnx") or "\0" in file:
            raise ModelFileError(
                f"{manifest_name} names the file {printable(file)!r}, which is no .onnx file beside it."
            )
        check_entries(entry, FILE, manifest_name, f"files/{file}")
        check_roles(entry, model, manifest_name)
        if entry["part"] in parts:
            raise damaged(manifest_name, f"files/{file}/part", "of no other file", entry["part"])
        name = printable(folder.path / file)
        data = _intact(folder, file, entry, name, max_bytes)
        check_metadata(manifest, entry, _metadata(_checked(data, name), name), name)
        parts[entry["part"]] = _part(entry, name, entry["sha256"], len(data))
        models[entry["part"]] = data
    coding = _coding(folder, manifest, model, manifest_name, max_bytes)
    if "vectors" in manifest:
        check_entries(manifest["vectors"], VECTORS_FILE, manifest_name, "vectors")
        _intact(folder, VECTORS, manifest["vectors"], printable(folder.path / VECTORS), max_bytes)
    return Source(folder.path, printable(folder.path), parts, model, _versions(manifest), coding), models


def _coding(
    folder: "_Folder", manifest: Mapping, model: ModelDescription, manifest_name: str, max_bytes: int
) -> Coding | None:
    """Return what the manifest and its file of tables say about compression."""
    entry = manifest.get("coding")
    if entry is None:
        return None
    check_entries(entry, CODING, manifest_name, "coding")
    name = printable(folder.path / TABLES)
    tables = unpack(_intact(folder, TABLES, entry, name, max_bytes), name)
    n_classes = 0 if model.classes is None else len(model.classes)
    if model.grid is None or model.prior_grid != tables.grid or n_classes != tables.n_classes:
        raise damaged(manifest_name, "coding", "for the grids and the classes of the model", str(tables.grid))
    return Coding(tables, entry["sha256"], bytes.fromhex(entry["decoder_sha256"]))


class _Folder:
    """A folder that stays the same while its files are read, even if another one takes its place."""

    def __init__(self, path: Path):
        self.path = path
        can = os.open in os.supports_dir_fd and os.name == "posix"
        self.descriptor = os.open(path, os.O_RDONLY) if can else None

    def read(self, name: str, max_bytes: int) -> bytes:
        way_out = "No manifest of skvq is as large: do not trust the folder." if name == MANIFEST else LARGER_LIMIT
        return read_file(self.path / name, max_bytes, self.descriptor, way_out)

    def was_replaced(self) -> bool:
        try:
            return self.descriptor is not None and not os.path.samestat(os.fstat(self.descriptor), os.stat(self.path))
        except OSError:
            return False

    def close(self) -> None:
        if self.descriptor is not None:
            os.close(self.descriptor)


def _intact(folder: _Folder, file: str, entry: Mapping[str, Any], name: str, max_bytes: int) -> bytes:
    try:
        data = folder.read(file, max_bytes)
    except FileNotFoundError:
        raise FileNotFoundError(f"{name} is missing, which {MANIFEST} names. Copy the folder again.") from None
    found = hashlib.sha256(data).hexdigest()
    if found != entry["sha256"] or len(data) != entry["bytes"]:
        raise ModelFileError(
            f"{name} must have the SHA-256 {entry['sha256'][:12]}… and {entry['bytes']} bytes that {MANIFEST} names; "
            f"it has {found[:12]}… and {len(data)} bytes. The file was changed or only partly copied: copy it again, "
            "or export again, and load that."
        )
    return data


def _checked(data: bytes, name: str) -> ModelText:
    try:
        return check_model(data)
    except ModelFileError as error:
        raise ModelFileError(
            f"{name} is not an ONNX model that skvq runs: {error}. Export it again with skvq.export_onnx; "
            "do not trust the file if it came from elsewhere."
        ) from None


def _metadata(text: ModelText, name: str) -> dict[str, Any]:
    """Return what a file says about itself under names of skvq's own."""
    entries = {key: value for key, value in text.metadata.items() if key.startswith(_PREFIX)}
    if sum(map(len, entries.values())) > MAX_MANIFEST_BYTES:
        raise ModelFileError(f"{name} describes itself in more than {MAX_MANIFEST_BYTES} characters. Export it again.")
    described = {key.removeprefix(_PREFIX): parse_json(value, name) for key, value in entries.items()}
    if described.get("opset", text.opset) != text.opset:
        raise damaged(name, "opset", f"{text.opset} as in the graph", described["opset"])
    return described


def _part(entry: Mapping[str, Any], name: str, sha256: str, n_bytes: int) -> PartFile:
    inputs, outputs = tuple(entry["inputs"]), tuple(entry["outputs"])
    return PartFile(entry["part"], entry["kind"], name, n_bytes, sha256, inputs, outputs)


def _versions(described: Mapping[str, Any]) -> dict[str, str]:
    versions = described.get("versions")
    found = versions if isinstance(versions, dict) else {}
    return {printable(name): printable(version) for name, version in found.items()}
