"""Image files to compressed files and back, for the command line and for folders.

One image is one file, whose content is the blob alone. Its name is the image's with ``.skvqc`` behind it, so
``a.png`` becomes ``a.png.skvqc``. Decompressed images are PNG files: ``a.png`` again, and ``b.jpg.png`` of ``b.jpg``.
A file that cannot be read is reported, and the others are written. Files are written whole or not at all, and no file
that exists is replaced unless ``overwrite`` says so.
"""

import io
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from skvq._contract.errors import CompressedDataError, DataFileError, InvalidInputError, SkvqError, invalid, printable
from skvq._contract.images import Layout
from skvq._contract.png import png_bytes
from skvq._contract.reading import read_file
from skvq._contract.writing import expanded, write_file

SUFFIX = ".skvqc"
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
LARGEST_FILE = 2**28
AT_ONCE = 16  # images in memory

Progress = Callable[[int, int, "FileResult"], None]


class FileResult(NamedTuple):
    """What became of one file.

    Parameters
    ----------
    source : Path
    target : Path or None
        The file that was written; None if none was.
    n_bytes_read, n_bytes_written : int
    error : str or None
        Why nothing was written.
    """

    source: Path
    target: Path | None
    n_bytes_read: int
    n_bytes_written: int
    error: str | None = None


def compress_files(
    model: Any,
    paths: Iterable[str | os.PathLike],
    out: str | os.PathLike,
    progress: Progress | None = None,
    *,
    y: Any = None,
    overwrite: bool = False,
) -> list[FileResult]:
    """Compress image files, each into one file.

    Parameters
    ----------
    model : VQGenerator or Runtime
        With integer tables, and fitted to images of uint8 or uint16.
    paths : iterable of path-like
        Image files, and folders, which are searched for image files with all their folders.
    out : path-like
        A folder, made if need be. It gets the folders of ``paths``, too.
    progress : callable, default=None
        ``progress(n_done, n_files, result)`` after each file.
    y : class value, default=None
        Of all images, for a conditional model.
    overwrite : bool, default=False
        Whether files that exist are replaced.

    Returns
    -------
    list of FileResult
        One for each image file, with an ``error`` for each that could not be compressed.

    Raises
    ------
    InvalidInputError
        If the model cannot compress such images, there is no image file, or two would get one name.
    FileNotFoundError
        If there is nothing at a path.
    """
    layout = _layout_of(model)
    model._codec("compress_files")
    jobs = _jobs(paths, out, IMAGE_SUFFIXES, lambda name: name + SUFFIX)
    return _each(
        jobs,
        lambda source: _read_image(source, layout),
        lambda images: model.compress(layout.from_images(np.stack(images).astype(np.float32)), y),
        write_file,
        progress,
        overwrite,
    )


def decompress_files(
    model: Any,
    paths: Iterable[str | os.PathLike],
    out: str | os.PathLike,
    progress: Progress | None = None,
    *,
    overwrite: bool = False,
) -> list[FileResult]:
    """Decompress files that :func:`compress_files` wrote, each into a PNG file.

    Parameters
    ----------
    model : VQGenerator or Runtime
        The model that compressed them.
    paths : iterable of path-like
        Files, and folders, which are searched for ``*.skvqc`` with all their folders.
    out, progress, overwrite
        As for :func:`compress_files`.

    Returns
    -------
    list of FileResult
        One for each file, with an ``error`` for each that could not be decompressed.

    Raises
    ------
    InvalidInputError, FileNotFoundError
        As for :func:`compress_files`.
    """
    layout = _layout_of(model)
    model._codec("decompress_files")
    jobs = _jobs(paths, out, (SUFFIX,), _image_name)
    return _each(
        jobs,
        lambda source: read_file(source, LARGEST_FILE, way_out="It is no compressed image."),
        lambda blobs: list(layout.to_images(model.decompress(blobs))),
        lambda target, image: write_file(target, _png(image, layout)),
        progress,
        overwrite,
    )


def _each(
    jobs: Sequence[tuple[Path, Path]],
    read: Callable[[Path], Any],
    convert: Callable[[list], list],
    write: Callable[[Path, Any], Any],
    progress: Progress | None,
    overwrite: bool,
) -> list[FileResult]:
    """Read, convert and write files, some at a time."""
    results: list[FileResult] = []

    def done(result: FileResult) -> None:
        results.append(result)
        if progress is not None:
            progress(len(results), len(jobs), result)

    for start in range(0, len(jobs), AT_ONCE):
        loaded = []
        for source, target in jobs[start : start + AT_ONCE]:
            try:
                if not overwrite and os.path.lexists(target):
                    raise FileExistsError(
                        f"{printable(target)} exists. Choose another folder, or pass overwrite=True to replace it."
                    )
                loaded.append((source, target, read(source)))
            except (SkvqError, OSError) as error:
                done(_failed(source, error))
        for source, target, converted in _converted(loaded, convert):
            try:
                if isinstance(converted, Exception):
                    raise converted
                target.parent.mkdir(parents=True, exist_ok=True)
                write(target, converted)
                done(FileResult(source, target, os.path.getsize(source), os.path.getsize(target)))
            except (SkvqError, OSError) as error:
                done(_failed(source, error))
    return results


def _converted(loaded: list[tuple[Path, Path, Any]], convert: Callable[[list], list]) -> list[tuple[Path, Path, Any]]:
    """Convert all at once; if one is wrong, each alone, so that the others are not lost."""
    if not loaded:
        return []
    try:
        found: list[Any] = convert([item for _, _, item in loaded])
    except (CompressedDataError, InvalidInputError):
        found = []
        for _, _, item in loaded:
            try:
                found += convert([item])
            except (CompressedDataError, InvalidInputError) as error:
                found.append(error)
    return [(source, target, item) for (source, target, _), item in zip(loaded, found, strict=True)]


def _failed(source: Path, error: Exception) -> FileResult:
    return FileResult(source, None, 0, 0, str(error))


def _jobs(
    paths: Iterable[str | os.PathLike], out: Any, suffixes: tuple[str, ...], renamed: Callable[[str], str]
) -> list[tuple[Path, Path]]:
    """Return each file to read, and the file to write for it."""
    if isinstance(paths, (str, os.PathLike)):
        paths = [paths]
    folder = Path(expanded(out, "out", "a folder such as 'compressed'"))
    jobs: dict[Path, Path] = {}
    for path in paths:
        given = Path(expanded(path, "paths", "image files and folders"))
        if given.is_dir():
            found = (Path(at, name) for at, _, names in os.walk(given) for name in names)
            sources = sorted(source for source in found if source.suffix.lower() in suffixes and source.name[0] != ".")
            pairs = [(source, source.relative_to(given)) for source in sources]
        elif os.path.lexists(given):
            pairs = [(given, Path(given.name))]
        else:
            raise FileNotFoundError(f"There is nothing at {printable(given)}. Give image files, or folders of them.")
        for source, relative in pairs:
            target = folder / relative.with_name(renamed(relative.name))
            if jobs.setdefault(target, source) != source:
                raise invalid(
                    "paths",
                    "give each file of out one source",
                    f"{printable(jobs[target])} and {printable(source)}, both for {printable(target)}",
                    "Call it once for each folder, with an out of its own.",
                )
    if not jobs:
        raise invalid("paths", f"hold files that end in {', '.join(suffixes)}", "none", "Look at the folder's name.")
    return [(source, target) for target, source in jobs.items()]


def _image_name(name: str) -> str:
    name = name.removesuffix(SUFFIX)
    return name if name.lower().endswith(".png") else f"{name}.png"


def _layout_of(model: Any) -> Layout:
    """Return the layout of a model's images, if image files can hold them."""
    if not hasattr(model, "compress"):
        raise invalid(
            "model",
            "have compress and decompress",
            type(model).__name__,
            "Give a VQGenerator with a ContextPrior, or skvq.runtime.load of its export.",
        )
    described = model.source.description if hasattr(model, "source") else model.describe()
    layout = described.layout
    n_channels = 0 if layout is None or layout.is_vector else layout.image_shape[-1]
    kinds = {"uint8": (1, 3), "uint16": (1,)}
    if layout is None or layout.is_vector or n_channels not in kinds.get(layout.dtype, ()):
        held = "no images" if layout is None else f"{layout.dtype} of shape {layout.image_shape}"
        raise invalid(
            "model",
            "be fitted to grey or RGB images of uint8, or grey ones of uint16, to work on image files",
            held,
            "Use compress and decompress on arrays.",
        )
    return layout


def _read_image(source: Path, layout: Layout) -> np.ndarray:
    """Return one image (height, width, channels) of the model's size."""
    from skvq.datasets._decoding import MAX_PIXELS, Decoder
    from skvq.datasets._reading import MeteredFile

    shape = layout.image_shape
    decoder = Decoder("grey" if shape[-1] == 1 else "rgb", None, "bilinear", None, MAX_PIXELS)
    content = read_file(source, LARGEST_FILE, way_out="Save the image in less.")
    try:
        image = decoder.decode(content, MeteredFile(io.BytesIO(content), len(content)))
    except Exception as error:  # Pillow raises almost any error on broken bytes
        raise DataFileError(f"{printable(source)} must be an image that can be read; {printable(error)}.") from error
    if image.shape != shape or image.dtype != layout.dtype:
        raise DataFileError(
            f"{printable(source)} must be {layout.dtype} of {shape[0]}×{shape[1]} pixels, as the model's images are; "
            f"it is {image.dtype} of {image.shape[0]}×{image.shape[1]}. Resize or pad it first."
        )
    return image


def _png(image: np.ndarray, layout: Layout) -> bytes:
    """Return the PNG file of a decoded image (height, width, channels)."""
    pixels = image.astype(layout.dtype)
    return png_bytes(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
