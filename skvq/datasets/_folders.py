"""Open folders and zip files of images as arrays that decode images on access."""

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
    path: str | os.PathLike[str],
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

    Values keep their bit depth: 16-bit grey images give uint16, TIFF files of floats give float32, and CT slices give
    int16. Files need not be trusted: other formats are refused, whatever their suffix, and so are archives and images
    over the limits.

    Parameters
    ----------
    path : str or path
        A folder or a zip file. Linked folders are read like others. Hidden files are ignored. Entries of zip files must
        be stored or deflated, not encrypted, and have unique names, and the directory may have up to 16 MiB.
    pattern : str, default="**/*"
        Which files to open, relative to ``path``. ``**`` matches any number of folders, as in ``"train/**/*.png"``.
        It is case-sensitive.
    size : int, tuple of int or None, default=None
        Side, or ``(height, width)``, to which images are resized. Proportions are not kept. None keeps the size, which
        must then be the same in all files.
    mode : {"grey", "rgb", "labels"}, default="grey"
        One channel or three. Files with the other number are converted, and transparency is dropped. ``"labels"`` gives
        the stored values: indices of the palette, or levels of 1, 2 or 4 bits that are not scaled to 255.
        Photographs are turned as their orientation tag says.
    interpolation : {"bilinear", "nearest"} or None, default=None
        How images are resized. Bilinear averages the pixels when it shrinks. Nearest makes no new values, which masks
        of labels need. None uses bilinear, or nearest with ``mode="labels"``, which allows only nearest.
    data_range : tuple of float or None, default=None
        ``(low, high)``: the values in the files that become 0 and 255 of uint8, linearly and clipped. For example
        ``(0, 4095)`` for 12-bit values in 16-bit files, or ``(-160, 240)`` for a CT window. None keeps
        values and dtype.
    on_error : {"raise", "skip"}, default="raise"
        What to do with files whose header cannot be read, whose size is not the most frequent one (without ``size``),
        or whose dtype is not the most frequent one (without ``data_range``). ``skipped`` lists the skipped files.
    max_pixels : int, default=2**26
        Limit on height times width of an image. (Pillow itself refuses images of more than
        ``2 * PIL.Image.MAX_IMAGE_PIXELS``, 178,956,970.)
    max_bytes : int, default=2**28
        Limit on the size of each file, unpacked.

    Returns
    -------
    ImageFiles
        Array-like of shape (n, height, width, channels), in the order of file names, with numbers in names by value.
        The dtype is uint8, in [0, 255], for 8-bit files and with ``data_range``. Otherwise it is that of the files:
        uint16, int16, int32, uint32 or float32 (TIFF files of float64 lose digits). DICOM values are rescaled by slope
        and intercept, in the smallest integer type for them, or in float32.

    Warns
    -----
    UserWarning
        If, in eight files, values cover less than an eighth of ``data_range``; without it, if values of
        uint16 files cover less than an eighth of 0 to 65535. Also if 16-bit colours are cut to 8 bits.

    Raises
    ------
    FileNotFoundError
        If ``path`` does not exist.
    OSError
        If a folder in it cannot be read.
    DataFileError
        If no image matches ``pattern``, or files are corrupt, over a limit, or of several sizes or dtypes. There is one
        error for all files, and it names the first ones. Only headers are read here. A file that is truncated after its
        header raises the error when its image is accessed; see :meth:`ImageFiles.drop_broken`.
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
