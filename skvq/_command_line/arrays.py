"""Arrays and pictures that commands read and write."""

import glob
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from skvq._contract.description import ModelDescription
from skvq._contract.errors import DataFileError, invalid, printable
from skvq._contract.writing import check_file_target, expanded, write_file
from skvq.runtime._png import mosaic, write_png

ROWS_AT_ONCE = 256
IMAGES_HELP = "an .npy file, an .npz file, a picture, or a folder or zip file of pictures"
_PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".dcm")


def read_array(path: str, name: str = "X") -> np.ndarray:
    """Return the array of an ``.npy`` file, mapped into memory, or of an ``.npz`` file.

    Parameters
    ----------
    path : str
    name : str
        The array to take from an ``.npz`` file that holds more than one.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    DataFileError
        If it is no such file, or holds Python objects, or lacks the array.
    """
    path = expanded(path)
    shown = printable(path)
    try:
        if not path.endswith(".npz"):
            return np.load(path, mmap_mode="r", allow_pickle=False)
        with np.load(path, allow_pickle=False) as arrays:
            chosen = arrays.files[0] if len(arrays.files) == 1 else name
            if chosen in arrays.files:
                return arrays[chosen]
            names = ", ".join(map(printable, arrays.files))
    except (ValueError, EOFError, TypeError) as error:
        raise DataFileError(
            f"{shown} must be an .npy or .npz file of numbers; it cannot be read ({printable(error)}). Write it with "
            "numpy.save(path, array)."
        ) from error
    raise DataFileError(f"{shown} must hold one array, or one named {name}; it holds {names}. Save that array alone.")


def read_images(path: str, description: ModelDescription, resize: bool = False) -> Any:
    """Return images, as an array or as an array-like that reads pictures on access.

    Parameters
    ----------
    path : str
        See :data:`IMAGES_HELP`.
    description : ModelDescription
        Of the model that takes the images.
    resize : bool
        Whether pictures are brought to the model's size.

    Raises
    ------
    FileNotFoundError, DataFileError
        If there is nothing to read.
    ImportError
        If pictures are to be read and Pillow is not installed.
    """
    if path.lower().endswith((".npy", ".npz")):
        return read_array(path)
    from skvq.datasets import open_images

    image_shape = () if description.layout is None else description.layout.image_shape
    mode = "rgb" if image_shape[2:] == (3,) else "grey"
    size = image_shape[:2] if resize and len(image_shape) == 3 else None
    if path.lower().endswith(_PICTURES):
        folder, name = os.path.split(expanded(path))
        return open_images(folder or ".", pattern=glob.escape(name), mode=mode, size=size)
    return open_images(path, mode=mode, size=size)


def in_batches(function: Callable[[Any], np.ndarray], rows: Any, report: Callable[[int, int], None]) -> np.ndarray:
    """Apply a function to some rows at a time, and say after each batch how many are done."""
    answers = []
    for start in range(0, len(rows), ROWS_AT_ONCE):
        answers.append(function(rows[start : start + ROWS_AT_ONCE]))
        report(min(start + ROWS_AT_ONCE, len(rows)), len(rows))
    return np.concatenate(answers) if answers else function(rows[:0])


def check_output(path: str, suffixes: tuple[str, ...]) -> Path:
    """Return where a result goes; asked before any work is done.

    Raises
    ------
    InvalidInputError
        If the name ends otherwise, or something else than a file is there.
    OSError
        If its folder does not exist.
    """
    if not path.lower().endswith(suffixes):
        raise invalid("output", f"end in {' or '.join(suffixes)}", printable(path), "Choose another name.")
    return check_file_target(path)


def write_array(path: Path, array: np.ndarray) -> None:
    """Write an ``.npy`` file in one step."""
    import io

    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=False)
    write_file(path, stream.getvalue())


def write_images(path: Path, images: np.ndarray, description: ModelDescription) -> None:
    """Write images as an ``.npy`` file, or as one sheet in a ``.png`` file.

    Raises
    ------
    InvalidInputError
        If a sheet is asked for and the rows are vectors, or there are none.
    """
    if path.suffix.lower() == ".npy":
        return write_array(path, images)
    layout, limits = description.layout, description.data_range
    if layout is None or limits is None or layout.is_vector or not len(images):
        what = "no images" if not len(images) else "vectors"
        raise invalid("output", "be an .npy file unless there are images to draw", what, "Choose a name with .npy.")
    return write_png(path, mosaic(layout.to_images(images), *limits))
