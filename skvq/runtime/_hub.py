"""Exports in repositories of the Hugging Face hub: download one to open it, upload one to share it.

A repository holds an export folder as it stands. What is downloaded is checked like any other folder. Needs the
package ``huggingface_hub``, which the extra ``hub`` installs; its cache, tokens and settings are used as they are.
"""

import os
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from skvq._contract.errors import ModelFileError, invalid, printable
from skvq._contract.reading import LARGER_LIMIT, read_file

from ._description import COMPANIONS, FILES, MANIFEST, MAX_MANIFEST_BYTES, check_entries, check_format, parse_json
from ._source import MAX_BYTES, Source, open_source

SCHEME = "hf://"
_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
_FILE = re.compile(r"[A-Za-z0-9][\w.-]{0,95}")

CARD = """\
---
library_name: skvq
pipeline_tag: unconditional-image-generation
tags:
- onnx
- vq-vae
---

# {title}

An export of skvq with the parts {parts}. It holds {grid}.

```python
import skvq

model = skvq.runtime.load("{address}")
```
"""


def downloaded(address: str, max_bytes: int = MAX_BYTES) -> Path:
    """Return the local folder of an export in a repository, after downloading what is not there yet.

    Only the manifest and the files that it names are downloaded.

    Parameters
    ----------
    address : str
        ``hf://user/name``, or ``hf://user/name@revision`` with a branch, a tag or a commit.
    max_bytes : int
        Largest file to be downloaded, by the size that the manifest states. The file itself is checked when it is read.

    Raises
    ------
    InvalidInputError
        If the address has another form.
    ImportError
        If huggingface_hub is not installed.
    FileNotFoundError
        If there is no such repository or revision, or it lacks a file that its manifest names.
    OSError
        If the hub cannot be reached, and the files have not been downloaded before.
    ModelFileError
        If the repository holds no export, or a file is larger than ``max_bytes``.
    """
    name, _, revision = address.removeprefix(SCHEME).partition("@")
    _check_name(name, address)
    hub = _require_hub()
    options = {"repo_id": name, "revision": revision or None}
    manifest = Path(_fetched(hub, address, filename=MANIFEST, **options))
    described = parse_json(read_file(manifest, MAX_MANIFEST_BYTES), printable(address))
    check_format(described, printable(address))
    check_entries(described, FILES, printable(address))
    # The snapshot's folder is that of one commit: further files are taken from the same.
    options["revision"] = manifest.parent.name
    for file, size in _named_files(described):
        if not isinstance(file, str) or not _FILE.fullmatch(file):
            raise ModelFileError(
                f"The {MANIFEST} of {printable(address)} names the file {printable(file)!r}, which is no plain name. "
                "Do not trust it."
            )
        if not isinstance(size, int) or size > max_bytes:
            raise ModelFileError(
                f"{printable(address)} has a file {printable(file)!r} of {printable(size)} bytes, more than "
                f"{max_bytes}. {LARGER_LIMIT}"
            )
        _fetched(hub, address, filename=file, **options)
    return manifest.parent


def _named_files(manifest: dict[str, Any]) -> Iterator[tuple[Any, Any]]:
    """Yield name and size of each file that a manifest names: those under ``files``, and entries with a ``file``."""
    for name, entry in manifest["files"].items():
        yield name, entry.get("bytes") if isinstance(entry, dict) else None
    for entry in manifest.values():
        if isinstance(entry, dict) and "file" in entry:
            yield entry["file"], entry.get("bytes")


def push_to_hub(
    folder: str | os.PathLike[str],
    name: str,
    *,
    private: bool = False,
    token: str | None = None,
    message: str = "Upload an export of skvq",
) -> str:
    """Upload an export folder to a repository of the Hugging Face hub, in one commit.

    The export is checked as by :func:`load`, and the bytes that were checked are the ones that are uploaded, with
    ``README.md`` and ``samples.png`` if the folder has them. Without ``README.md`` a short model card is made. Other
    files in the folder stay where they are.

    Parameters
    ----------
    folder : path-like
        Written by ``skvq.export_onnx``.
    name : str
        ``user/name`` or ``organisation/name``. The repository is made if it does not exist.
    private : bool, default=False
        Whether only you see a repository that is made.
    token : str, optional
        None takes the one that ``hf auth login`` saved, or the environment variable ``HF_TOKEN``.
    message : str
        Of the commit.

    Returns
    -------
    str
        The address for :func:`load`: ``hf://user/name``.

    Raises
    ------
    FileNotFoundError, ModelFileError
        If the folder is no export, as :func:`load`.
    InvalidInputError
        If ``name`` has another form, or ``folder`` is a single file.
    ImportError
        If huggingface_hub is not installed: ``pip install "skvq[hub]"``.
    OSError
        If the hub refuses, or cannot be reached.

    Examples
    --------
    >>> skvq.runtime.push_to_hub("exports/mnist", "me/mnist-codes")  # doctest: +SKIP
    'hf://me/mnist-codes'
    """
    _check_name(name, name)
    source, models = open_source(folder)
    if not isinstance(source.origin, Path) or not source.origin.is_dir():
        raise invalid("folder", "be an export folder", source.name, "Write one with skvq.export_onnx(model, path).")
    address = f"{SCHEME}{name}"
    content = {MANIFEST: read_file(source.origin / MANIFEST, MAX_MANIFEST_BYTES)}
    content |= {os.path.basename(file.name): models[part] for part, file in source.parts.items()}
    named = [name for name, _ in _named_files(parse_json(content[MANIFEST], source.name))]
    for name_beside in (*named, *COMPANIONS):
        if name_beside not in content and (source.origin / name_beside).is_file():
            content[name_beside] = read_file(source.origin / name_beside, MAX_BYTES)
    content.setdefault("README.md", _card(source, name, address).encode())
    hub = _require_hub()
    api = hub.HfApi(token=token)
    api.create_repo(name, private=private, exist_ok=True)
    operations = [
        hub.CommitOperationAdd(path_in_repo=path, path_or_fileobj=data) for path, data in sorted(content.items())
    ]
    api.create_commit(name, operations, commit_message=message)
    return address


def _card(source: Source, name: str, address: str) -> str:
    return CARD.format(
        title=name.partition("/")[2], parts=", ".join(source.parts), grid=source.description.codes, address=address
    )


def _check_name(name: str, given: str) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise invalid(
            "name",
            "be a repository of the hub, user/name",
            repr(given),
            "An address for load is hf://user/name, or hf://user/name@revision.",
        )


def _fetched(hub: Any, address: str, **options: Any) -> str:
    try:
        return hub.hf_hub_download(**options)
    except hub.errors.LocalEntryNotFoundError as error:
        raise ConnectionError(
            f"The hub cannot be reached, and {printable(address)} has not been downloaded before. Try again later, or "
            "give the path of an export folder."
        ) from error
    except (hub.errors.RepositoryNotFoundError, hub.errors.RevisionNotFoundError) as error:
        raise FileNotFoundError(
            f"There is no repository {printable(address)}, or you may not read it. For a private one, run "
            "`hf auth login` first."
        ) from error
    except hub.errors.EntryNotFoundError as error:
        if options["filename"] != MANIFEST:
            raise FileNotFoundError(
                f"{printable(address)} lacks {printable(options['filename'])}, which its {MANIFEST} names."
            ) from error
        raise ModelFileError(
            f"{printable(address)} is not an export of skvq: it has no {MANIFEST}. Upload one with "
            "skvq.runtime.push_to_hub(folder, name)."
        ) from error


def _require_hub() -> Any:
    try:
        return import_module("huggingface_hub")
    except ModuleNotFoundError as missing:
        raise ImportError(
            "Addresses of the Hugging Face hub need huggingface_hub, which is not installed. Install it with "
            '`pip install "skvq[hub]"`.'
        ) from missing
