"""Images for the command line: a folder, a zip file, or an array on disk, never in memory as a whole."""

import hashlib
import os
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from skvq._contract.errors import invalid, printable
from skvq._contract.images import Layout, check_rows
from skvq._contract.writing import expanded

_ZARR = ("zarr.json", ".zarray")  # of versions 3 and 2
_HDF5 = (".h5", ".hdf5")


@dataclass(frozen=True)
class ImageInput:
    """Images to be encoded.

    Parameters
    ----------
    rows : array-like
        What slices into images.
    fingerprint : dict
        Tells these images from others: names and sizes of files, shape, dtype, time of the last change.
    names : list of str or None
        Of the files, in the order of rows.
    """

    rows: Any
    fingerprint: dict
    names: list[str] | None = field(default=None, repr=False)


def open_input(path: str | os.PathLike[str], layout: Layout) -> ImageInput:
    """Open images that a model of this layout can encode.

    Parameters
    ----------
    path : path-like
        A folder or zip file of images, an array in a ``.npy`` file or a zarr folder, or a dataset of an HDF5 file,
        ``images.h5`` or ``images.h5::name``.
    layout : Layout

    Raises
    ------
    FileNotFoundError
        If there is nothing.
    InvalidInputError
        If it holds no images of the layout.
    ImportError
        If a package that reads it is missing.
    """
    text = expanded(path, "images", "a folder or a file")
    file, _, dataset = text.partition("::")
    place = Path(file)
    if not place.exists():
        raise FileNotFoundError(f"images must be a folder or a file; got {printable(text)}, which does not exist.")
    if place.is_dir() and not any((place / name).exists() for name in _ZARR):
        return _image_files(place, layout)
    if place.is_dir():
        rows = _zarr(place)
        changed: Any = max(os.stat(place / name).st_mtime_ns for name in _ZARR if (place / name).exists())
    else:
        changed = [place.stat().st_size, place.stat().st_mtime_ns]
        if place.suffix.lower() == ".npy":
            rows = np.load(place, mmap_mode="r", allow_pickle=False)
        elif place.suffix.lower() in _HDF5:
            rows = _hdf5(place, dataset)
        else:
            return _image_files(place, layout)
    rows = check_rows(rows, layout)
    return ImageInput(rows, {"shape": list(rows.shape), "dtype": str(rows.dtype), "changed": changed})


def _image_files(place: Path, layout: Layout) -> ImageInput:
    from skvq.datasets import open_images

    if layout.is_vector or layout.image_shape[-1] not in (1, 3):
        what = f"rows of shape {layout.row_shape}"
        raise invalid("images", "be an array for this model", f"files, and {what}", "Save them as one .npy file.")
    images = open_images(place, mode="grey" if layout.image_shape[-1] == 1 else "rgb")
    digest = hashlib.sha256()
    for name in images.paths:
        size = 0 if place.is_file() else os.stat(place / name).st_size
        digest.update(f"{name}\0{size}\n".encode(errors="surrogatepass"))
    changed = [place.stat().st_size, place.stat().st_mtime_ns] if place.is_file() else 0
    fingerprint = {"shape": list(images.shape), "files": digest.hexdigest(), "changed": changed}
    return ImageInput(check_rows(images, layout), fingerprint, images.paths)


def _zarr(place: Path) -> Any:
    zarr = _needed("zarr", place)
    found = zarr.open(str(place), mode="r")
    if not hasattr(found, "dtype"):
        names = ", ".join(map(printable, list(found.array_keys())[:8]))
        raise invalid("images", "be one array", f"a zarr group with {names}", f"Name one: {place / 'NAME'}.")
    return found


def _hdf5(place: Path, name: str) -> Any:
    h5py = _needed("h5py", place)
    file = h5py.File(place, "r")
    names = [key for key in file if isinstance(file[key], h5py.Dataset)]
    if not name and len(names) == 1:
        name = names[0]
    if not name or name not in file:
        found = ", ".join(map(printable, names[:8])) or "none"
        raise invalid("images", "name one dataset", f"a file with {found}", f"Write {place}::NAME.")
    return file[name]


def _needed(module: str, file: Path) -> Any:
    try:
        return import_module(module)
    except ImportError as missing:
        raise ImportError(
            f"{printable(file)} needs {module}, which is not installed. Install it with `pip install {module}`."
        ) from missing
