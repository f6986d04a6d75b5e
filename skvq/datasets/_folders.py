"""Folders and zips of image files as arrays that decode what is asked for."""

import os
from pathlib import PurePosixPath

from ._decoding import MAX_PIXELS, Decoder
from ._errors import DataFileError, printable
from ._image_files import ImageFiles
from ._options import check_choice, check_data_range, check_limit, check_size
from ._reading import MAX_FILE_BYTES
from ._trees import FileTree, matches

_SUFFIXES = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".dcm"}


def open_images(
    path: str | os.PathLike,
    *,
    pattern: str = "**/*",
    size: int | tuple[int, int] | None = None,
    mode: str = "grey",
    interpolation: str | None = None,
    data_range: tuple[float, float] | None = None,
    on_error: str = "raise",
    max_pixels: int = MAX_PIXELS,
    max_bytes: int = MAX_FILE_BYTES,
) -> ImageFiles:
    """Open the PNG, JPEG, TIFF and DICOM files of a folder or a zip as one lazy array.

    Values keep the depth that they have in the files: grey of 16 bits comes as uint16, TIFF files of floats as
    float32, CT slices as int16. Files may come from anywhere: other formats are refused, whatever their suffix, and
    so are archives and headers that claim too much.

    Parameters
    ----------
    path : str or path
        A folder or a zip file. Linked folders are read like others, hidden files are passed over. Zip files must be
        plain: entries stored or deflated, no encryption, no name twice, a directory of up to 16 MiB.
    pattern : str, default="**/*"
        Which files, relative to ``path``; ``**`` stands for any number of folders: ``"train/**/*.png"``.
        Upper and lower case differ.
    size : int, tuple of int or None, default=None
        Side, or ``(height, width)``, that images are resized to, whatever their proportions. With None all
        files must have one size.
    mode : {"grey", "rgb", "labels"}, default="grey"
        One channel or three; files of the other kind are converted, transparency is dropped. ``"labels"`` gives the
        values as they are stored: indices into the palette, levels of 1, 2 or 4 bits without spreading them to 255.
        The orientation tag of photographs is not applied.
    interpolation : {"bilinear", "nearest"} or None, default=None
        How images are resized. Bilinear averages over the pixels that it shrinks; nearest makes no new
        values, as masks of labels need. None is bilinear, and nearest with ``mode="labels"``, which allows no other.
    data_range : tuple of float or None, default=None
        ``(low, high)``: these values of the files become 0 and 255 of uint8, linearly and clipped; ``(0, 4095)`` for
        12 bits in files of 16, ``(-160, 240)`` for a window of CT. None keeps values and dtype.
    on_error : {"raise", "skip"}, default="raise"
        What to do with files whose header cannot be read, and, without ``size``, with those whose size is not
        the most frequent one; without ``data_range``, likewise for the dtype. Those skipped are listed in ``skipped``.
    max_pixels : int, default=2**26
        Height times width of the largest image that is decoded, at most. (Pillow itself refuses images of more than
        ``2 * PIL.Image.MAX_IMAGE_PIXELS``, 178,956,970.)
    max_bytes : int, default=2**28
        Length of the longest file that is read, out of a zip unpacked.

    Returns
    -------
    ImageFiles
        Array-like of shape (n, height, width, channels); files in order of their names, numbers in names by value.
        uint8 in [0, 255] for files of 8 bits and with ``data_range``; else the dtype of the files: uint16, int16,
        int32, uint32 or float32 (TIFF files of float64 lose digits). DICOM values are in the units that rescale slope
        and intercept give, in the smallest integer type that holds them, or float32.

    Warns
    -----
    UserWarning
        If the values of uint16 files fill less than an eighth of 0 to 65535, or those of any files an eighth of
        ``data_range``, by the look of eight files; or if colours of 16 bits are cut to 8.

    Raises
    ------
    FileNotFoundError
        If ``path`` does not exist.
    OSError
        If a folder in it cannot be read.
    DataFileError
        If it holds no image that fits ``pattern``, or files are corrupt, over a limit, or of several sizes or dtypes
        (one error for all, naming the first). Only headers are read here: data cut off after the header raises it
        when the image is asked for, naming the file, see :meth:`ImageFiles.drop_broken`.
    ValueError
        If an option is out of range.
    ImportError
        If Pillow is not installed, or pydicom for DICOM files.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> from PIL import Image
    >>> from skvq.datasets import open_images
    >>> folder = tempfile.TemporaryDirectory()
    >>> for i in range(3):
    ...     Image.fromarray(np.full((8, 6), i, dtype=np.uint8)).save(f"{folder.name}/slice_{i}.png")
    >>> images = open_images(folder.name)
    >>> images.shape, images.paths[0]
    ((3, 8, 6, 1), 'slice_0.png')
    >>> images[1:].mean(axis=(1, 2, 3)).tolist()
    [1.0, 2.0]
    >>> folder.cleanup()
    """
    check_choice("mode", mode, ("grey", "rgb", "labels"))
    if interpolation is None:
        interpolation = "nearest" if mode == "labels" else "bilinear"
    check_choice("interpolation", interpolation, ("nearest",) if mode == "labels" else ("bilinear", "nearest"))
    decoder = Decoder(
        mode=mode,
        size=check_size(size),
        interpolation=interpolation,
        data_range=check_data_range(data_range, mode),
        max_pixels=check_limit("max_pixels", max_pixels),
    )
    tree = FileTree(path, check_limit("max_bytes", max_bytes))
    everything = [name for name in tree.names() if PurePosixPath(name).suffix.lower() in _SUFFIXES]
    names = [name for name in everything if matches(name, pattern)]
    if not names:
        raise DataFileError(
            f"path must hold PNG, JPEG, TIFF or DICOM files that fit pattern={pattern!r}; got {printable(tree.path)} "
            f"with {len(everything)} such files, none of which fits"
            f"{f', {printable(everything[0])} for one' if everything else ''}. `**/*` is all of them, in subfolders "
            "too."
        )
    return ImageFiles(tree, names, decoder, on_error=on_error)
