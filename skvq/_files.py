"""Fitted estimators as files that are safe to open.

A file is an uncompressed zip of ``estimator.json`` and raw array bytes. Reading it runs no code that the file brings:
no pickle, no NumPy headers, no Keras deserialisation. Names, sizes, types and hashes are checked against the JSON
before an array is made, and nothing is ever written outside memory. As entries are stored, not compressed, a file can
never unfold to more than its own size.
"""

import hashlib
import json
import math
import os
import re
import shutil
import tempfile
import zipfile
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from skvq import __version__
from skvq._contract.codes import CodeGrid
from skvq._contract.images import Layout

FORMAT_VERSION = 1
MANIFEST = "estimator.json"
CLASSES = {"VQVAE": "skvq.vqvae", "PixelCNNPrior": "skvq.priors.pixelcnn"}
DTYPES = ("bool", *(f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)))
DTYPES += ("float16", "float32", "float64")


def save(estimator, path: str | os.PathLike) -> None:
    """Write a fitted estimator; an existing file is replaced at the end, in one step."""
    target = check_target(path)
    blobs: list[bytes] = []
    arrays: list[dict] = []

    def encode(value: Any, name: str) -> Any:
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        if isinstance(value, np.generic):
            return encode(value.item(), name)
        if isinstance(value, np.ndarray) and value.dtype.name in DTYPES:
            blob = value.astype(stored(value.dtype.name), copy=False).tobytes()
            arrays.append({"dtype": value.dtype.name, "shape": value.shape, "sha256": hashlib.sha256(blob).hexdigest()})
            blobs.append(blob)
            return {"array": len(arrays) - 1}
        if isinstance(value, np.ndarray) and value.dtype.kind in "UO" and all(isinstance(v, str) for v in value.flat):
            return {"strings": value.tolist(), "object": value.dtype.kind == "O"}
        if isinstance(value, np.ndarray) and value.dtype.kind == "S":
            return {"bytes": np.char.decode(value, "latin-1").tolist()}
        if isinstance(value, np.ndarray):
            raise ValueError(
                f"{name} must hold numbers or strings to be saved; got an array of dtype {value.dtype}. Turn labels "
                "into integers or strings before fit, as y.astype(str) does, or keep the estimator by pickle."
            )
        if isinstance(value, CodeGrid):
            return {"grid": value.as_json()}
        if isinstance(value, Layout):
            return {"layout": [list(value.row_shape), list(value.image_shape), value.dtype]}
        if isinstance(value, tuple):
            return {"tuple": [encode(v, name) for v in value]}
        if isinstance(value, list):
            return [encode(v, name) for v in value]
        if isinstance(value, dict):
            return {"dict": {str(k): encode(v, name) for k, v in value.items()}}
        raise ValueError(
            f"{name} must be a number, a string or an array to be saved; got {value!r}. "
            "A class or a function lives in Python code: keep such an estimator by pickle, or set_params it to a "
            "built-in choice."
        )

    params = estimator.get_params(deep=False)
    # What set_output and set_callbacks have noted is not of the fit.
    state = {n: v for n, v in vars(estimator).items() if n not in params and not n.startswith(("_s", "_metadata"))}
    manifest = {
        "format": "skvq estimator",
        "format_version": FORMAT_VERSION,
        "skvq_version": __version__,
        "class": type(estimator).__name__,
        "params": {name: encode(value, name) for name, value in params.items()},
        "state": {name: encode(value, name) for name, value in state.items()},
        "arrays": arrays,
    }
    # In a folder of its own and on the same disk: renaming is atomic there, and unlike mkstemp's the file has the
    # permissions of any new file.
    with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as workshop:
        new = Path(workshop) / "new"
        with zipfile.ZipFile(new, "w", zipfile.ZIP_STORED) as archive:
            # Fixed dates: equal estimators give equal bytes.
            archive.writestr(zipfile.ZipInfo(MANIFEST), json.dumps(manifest, indent=1))
            for i, blob in enumerate(blobs):
                archive.writestr(zipfile.ZipInfo(array_name(i)), blob)
        if target.exists():
            shutil.copymode(target, new)
        os.replace(new, target)


def check_target(path: str | os.PathLike) -> Path:
    """Return the file to write, at the end of any links.

    Raises
    ------
    FileNotFoundError
        If its folder does not exist.
    IsADirectoryError
        If it is a folder itself.
    """
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise IsADirectoryError(
            f"path must be a file, or a new name; got {str(path)!r}, which is a folder. "
            "Add a name to it, such as 'vqvae.skvq'."
        )
    if not target.parent.is_dir():
        raise FileNotFoundError(
            f"path must lie in a folder that exists; got {str(path)!r}, and there is no folder {target.parent}. "
            "Make it first, by os.makedirs, or save elsewhere."
        )
    return target


def load(path: str | os.PathLike):
    """Read an estimator that ``save`` wrote.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    VQVAE or PixelCNNPrior
        Fitted; it answers as the one that was saved, under any Keras backend.

    Raises
    ------
    ValueError
        If the file is no saved estimator, is damaged, or holds anything but what its own list declares.

    Examples
    --------
    >>> import numpy as np, os, skvq, tempfile
    >>> X = np.random.default_rng(0).random((64, 6)).astype("float32")
    >>> vqvae = skvq.VQVAE(n_embeddings=4, hidden_channels=8, max_iter=1, random_state=0).fit(X)
    >>> path = os.path.join(tempfile.mkdtemp(), "vectors.skvq")
    >>> vqvae.save(path)
    >>> bool((skvq.load(path).transform(X) == vqvae.transform(X)).all())
    True
    """
    path = Path(path)
    try:
        with zipfile.ZipFile(path) as archive:
            return read(archive, path)
    except (zipfile.BadZipFile, EOFError, KeyError, json.JSONDecodeError, UnicodeDecodeError, OverflowError) as error:
        raise damaged(path, f"{type(error).__name__}: {error}") from None


def read(archive: zipfile.ZipFile, path: Path):
    """Check an open archive against its own list, and build the estimator."""
    entries = {entry.filename: entry for entry in archive.infolist()}
    if len(entries) != len(archive.infolist()):
        raise damaged(path, "it names an entry twice")
    for entry in entries.values():
        if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
            raise damaged(path, f"entry {entry.filename!r} is compressed, which save never does")
    if MANIFEST not in entries:
        raise damaged(path, f"it has no {MANIFEST}")
    manifest = json.loads(archive.read(MANIFEST))
    if not isinstance(manifest, dict) or manifest.get("format") != "skvq estimator":
        raise damaged(path, "it does not say that it is an skvq estimator")
    if manifest.get("format_version") != FORMAT_VERSION:
        raise ValueError(
            f"path must be a file of format version {FORMAT_VERSION}; got version {manifest.get('format_version')!r} "
            f"in {path}, written by skvq {manifest.get('skvq_version')}. Install that version of skvq to read it."
        )
    if manifest.get("class") not in CLASSES:
        raise ValueError(
            f"path must hold one of {', '.join(CLASSES)}; got class {manifest.get('class')!r} in {path}. "
            "Only these are ever built from a file."
        )
    wanted = {MANIFEST, *(array_name(i) for i in range(len(manifest["arrays"])))}
    if set(entries) != wanted:
        odd = sorted(set(entries) ^ wanted)
        raise damaged(path, f"its entries are not those that it lists: {', '.join(map(repr, odd[:5]))}")
    arrays = [
        read_array(archive, entries[array_name(i)], description, path)
        for i, description in enumerate(manifest["arrays"])
    ]

    def decode(value: Any) -> Any:
        if isinstance(value, list):
            return [decode(v) for v in value]
        if not isinstance(value, dict):
            return value
        if "array" in value:
            return arrays[value["array"]]
        if "strings" in value:
            return np.array(value["strings"], dtype=object if value["object"] else None)
        if "bytes" in value:
            return np.char.encode(np.array(value["bytes"]), "latin-1")
        if "grid" in value:
            return CodeGrid(**value["grid"])
        if "layout" in value:
            row_shape, image_shape, dtype = value["layout"]
            if dtype not in DTYPES:
                raise damaged(path, f"dtype {dtype!r} is not one that images have")
            return Layout(tuple(row_shape), tuple(image_shape), dtype)
        if "tuple" in value:
            return tuple(decode(v) for v in value["tuple"])
        return {name: decode(v) for name, v in value["dict"].items()}

    estimator_class = getattr(import_module(CLASSES[manifest["class"]]), manifest["class"])
    estimator = estimator_class()
    params = {name: decode(value) for name, value in manifest["params"].items()}
    if unknown := sorted(set(params) - set(estimator.get_params(deep=False))):
        raise damaged(path, f"it has parameters that {manifest['class']} has not: {unknown}")
    estimator.set_params(**params)
    for name, value in manifest["state"].items():
        # Fitted attributes alone: a file must not be able to put a method or a private name in the way.
        if not re.fullmatch(r"_?[a-z][a-z0-9_]*", name) or hasattr(estimator_class, name):
            raise damaged(path, f"{name!r} is not a fitted attribute")
        setattr(estimator, name, decode(value))
    return estimator


def read_array(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, description: dict, path: Path) -> np.ndarray:
    """Return one array, once its size, type and hash are those declared."""
    name, dtype, shape = entry.filename, description["dtype"], description["shape"]
    if dtype not in DTYPES or not all(isinstance(side, int) and side >= 0 for side in shape):
        raise damaged(path, f"{name} declares dtype {dtype!r} and shape {shape!r}")
    declared = math.prod(shape) * np.dtype(dtype).itemsize
    if entry.file_size != declared:
        raise damaged(path, f"{name} holds {entry.file_size} bytes where {declared} are declared")
    blob = archive.read(name)
    if hashlib.sha256(blob).hexdigest() != description["sha256"]:
        raise damaged(path, f"the SHA-256 of {name} is not the one listed")
    return np.frombuffer(blob, dtype=stored(dtype)).reshape(shape).astype(dtype)


def stored(dtype: str) -> np.dtype:
    """Return a dtype as it is in files, the lowest byte first on any machine."""
    return np.dtype(dtype).newbyteorder("<")


def array_name(i: int) -> str:
    """Name of the i-th array's entry."""
    return f"arrays/{i:04d}.bin"


def damaged(path: Path, why: str) -> ValueError:
    """Return the error for a file that is not what ``save`` wrote."""
    return ValueError(
        f"path must be an estimator's file as written by save; got {path}, and {why}. "
        "Nothing was loaded. Fetch the file again, or save the estimator anew."
    )
