"""Folders and zips of image files as arrays that decode what is asked for."""

import copy
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from ._trees import FileTree, matches

_SUFFIXES = {".png", ".jpg", ".jpeg", ".tif", ".tiff"}
_CHANNELS = {"grey": 1, "rgb": 3}
_NAMED_IN_ERRORS = 5


class SkippedFile(NamedTuple):
    """A file that was left out: its path below the folder or zip, and why."""

    path: str
    reason: str


class ImageFiles:
    """Images in files, seen as an array ``(n, height, width, channels)`` of uint8 in [0, 255].

    Made by :func:`open_images`. Indexing by an integer, a slice, or an array of integers or booleans decodes
    just those images into an ordinary array; ``numpy.asarray`` decodes all of them. Can be pickled, and split
    by scikit-learn's cross-validation.

    Attributes
    ----------
    shape : tuple of int
        ``(n, height, width, channels)``.
    dtype : numpy.dtype
        uint8.
    ndim : int
        4.
    size : int
        Number of values in all.
    paths : list of str
        One for each row, relative to the folder or zip.
    skipped : list of SkippedFile
        What was left out, and why.
    """

    dtype = np.dtype(np.uint8)
    ndim = 4

    def __init__(
        self,
        tree: FileTree,
        paths: Sequence[str],
        *,
        size: int | tuple[int, int] | None,
        mode: str,
        interpolation: str,
        on_error: str,
    ) -> None:
        for name, value, allowed in (
            ("mode", mode, tuple(_CHANNELS)),
            ("interpolation", interpolation, ("bilinear", "nearest")),
            ("on_error", on_error, ("raise", "skip")),
        ):
            if value not in allowed:
                raise ValueError(f"{name} must be {' or '.join(map(repr, allowed))}; got {value!r}.")
        pillow("open_images")
        self._tree = tree
        self._mode = mode
        self._interpolation = interpolation
        self._resized_to = check_size(size)
        self._image_size, self.paths, self.skipped = self._look_at_headers(paths)
        if self.skipped and (on_error == "raise" or not self.paths):
            resizing = "" if size else ", or bring all to one size with size=(height, width)"
            skipping = ", or leave them out with on_error='skip'" if self.paths else ""
            raise ValueError(
                f"path must hold images{'' if size else ' of one size'} that can be read; "
                f"{len(self.skipped)} of {len(paths)} files in {tree.path} are not: {_listed(self.skipped)}. "
                f"Replace them{resizing}{skipping}."
            )

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return (len(self.paths), *self._image_size, _CHANNELS[self._mode])

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))

    def __len__(self) -> int:
        return len(self.paths)

    def __repr__(self) -> str:
        skipped = f", {len(self.skipped)} skipped" if self.skipped else ""
        return f"<{type(self).__name__} {self.shape} uint8 in {str(self._tree.path)!r}{skipped}>"

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[i] for i in range(len(self)))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("copy must not be False; got False. Images in files have no array to share.")
        return self[:].astype(dtype or self.dtype, copy=False)

    def __getitem__(self, key: Any) -> np.ndarray:
        key, *rest = key if isinstance(key, tuple) else (key,)
        if any(not isinstance(k, (int, np.integer, slice, type(Ellipsis))) for k in rest):
            raise IndexError("Only the first index may be an array, as in images[[0, 5], ..., 0].")
        if key is Ellipsis:
            return self[:][(..., *rest)]
        if isinstance(key, (int, np.integer)) and not isinstance(key, (bool, np.bool_)):
            if not -len(self) <= key < len(self):
                raise IndexError(f"index {key} is out of range for {len(self)} images")
            return self._decode_all([self.paths[key]])[0][tuple(rest)]
        if isinstance(key, slice):
            rows = self.paths[key]
        else:
            # NumPy's own rules for arrays of integers and booleans, and its own errors.
            key = np.asarray(key)
            positions = np.arange(len(self))[key if key.size else key.astype(np.intp)]
            if positions.ndim != 1:
                raise IndexError(f"images must be indexed by arrays of one dimension; got {key.ndim}")
            rows = [self.paths[i] for i in positions]
        return self._decode_all(rows)[(slice(None), *rest)]

    def drop_broken(self) -> "ImageFiles":
        """Decode every file once, and return the images without the files that fail.

        Headers are all that is read at opening, so a file cut off in transit is noticed only when its image
        is asked for. This is the way to find all of them at once.

        Returns
        -------
        ImageFiles
            With the broken files in ``skipped``.
        """
        broken = []
        for path in self.paths:
            try:
                self._decode(path)
            except Exception as error:  # kept as the reason; Pillow raises almost any kind on broken bytes
                broken.append(SkippedFile(path, _reason(error)))
        whole = copy.copy(self)
        lost = {file.path for file in broken}
        whole.paths = [path for path in self.paths if path not in lost]
        whole.skipped = self.skipped + broken
        return whole

    def _look_at_headers(self, paths: Sequence[str]) -> tuple[tuple[int, int], list[str], list[SkippedFile]]:
        sizes, reasons = {}, {}
        for path in paths:
            try:
                with self._tree.open(path) as file, pillow("open_images").open(file) as image:
                    _check_kind(image)
                    sizes[path] = image.size[::-1]
            except Exception as error:  # kept as the reason, as above
                reasons[path] = _reason(error)
        image_size = self._resized_to or Counter(sizes.values() or [(0, 0)]).most_common(1)[0][0]
        if self._resized_to is None:
            for path, (height, width) in sizes.items():
                if (height, width) != image_size:
                    reasons[path] = f"{height}×{width} pixels, where most have {image_size[0]}×{image_size[1]}"
        kept = [path for path in paths if path not in reasons]
        return image_size, kept, [SkippedFile(path, reasons[path]) for path in paths if path in reasons]

    def _decode_all(self, paths: Sequence[str]) -> np.ndarray:
        images = np.empty((len(paths), *self.shape[1:]), dtype=np.uint8)
        broken = []
        for row, path in enumerate(paths):
            try:
                images[row] = self._decode(path)
            except Exception as error:  # told below, for all files at once
                broken.append((SkippedFile(path, _reason(error)), error))
        if broken:
            files, errors = zip(*broken, strict=True)
            raise ValueError(
                f"{len(files)} of {len(paths)} images asked for in {self._tree.path} cannot be decoded: "
                f"{_listed(files)}. Replace them, or go on without them: images = images.drop_broken()."
            ) from errors[0]
        return images

    def _decode(self, path: str) -> np.ndarray:
        PIL_Image = pillow("open_images")
        with self._tree.open(path) as file, PIL_Image.open(file) as image:
            if image.mode.startswith("I"):
                # Pillow's own conversion would cut 16-bit values off at 255.
                values = np.asarray(image).astype(np.uint16)
                image = PIL_Image.fromarray(np.rint(values / 257).astype(np.uint8))
            image = image.convert("L" if self._mode == "grey" else "RGB")
            if self._resized_to is not None and image.size != self._resized_to[::-1]:
                image = resize(image, self._resized_to, self._interpolation)
            if image.size != self._image_size[::-1]:
                raise ValueError(f"has changed to {image.size[1]}×{image.size[0]} pixels since it was opened")
            return np.asarray(image).reshape(*self._image_size, -1)


def open_images(
    path: str | os.PathLike,
    *,
    pattern: str = "**/*",
    size: int | tuple[int, int] | None = None,
    mode: str = "grey",
    interpolation: str = "bilinear",
    on_error: str = "raise",
) -> ImageFiles:
    """Open the PNG, JPEG and TIFF files of a folder or a zip as one lazy array.

    Parameters
    ----------
    path : str or path
        A folder or a zip file. Linked folders are read like others, hidden files are passed over.
    pattern : str, default="**/*"
        Which files, relative to ``path``; ``**`` stands for any number of folders: ``"train/**/*.png"``.
        Upper and lower case differ.
    size : int, tuple of int or None, default=None
        Side, or ``(height, width)``, that images are resized to, whatever their proportions. With None all
        files must have one size.
    mode : {"grey", "rgb"}, default="grey"
        One channel or three. Files of the other kind are converted; transparency is dropped. 16-bit grey
        files are taken to span 0 to 65535; the orientation tag of photographs is not applied.
    interpolation : {"bilinear", "nearest"}, default="bilinear"
        How images are resized. Bilinear averages over the pixels that it shrinks; nearest makes no new
        values, as masks of labels need.
    on_error : {"raise", "skip"}, default="raise"
        What to do with files whose header cannot be read, and, without ``size``, with those whose size is not
        the most frequent one. Those skipped are listed in ``skipped``.

    Returns
    -------
    ImageFiles
        Array-like of shape (n, height, width, channels), uint8, in [0, 255]; files in order of their names,
        numbers in names by value.

    Raises
    ------
    FileNotFoundError
        If ``path`` does not exist.
    OSError
        If a folder in it cannot be read.
    ValueError
        If it holds no image that fits ``pattern``, or files are corrupt or of several sizes (one error for
        all, naming the first). Only headers are read here: data cut off after the header raises a ValueError
        that names the file when its image is asked for, see :meth:`ImageFiles.drop_broken`.
    ImportError
        If Pillow is not installed.

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
    tree = FileTree(path)
    everything = [name for name in tree.names() if PurePosixPath(name).suffix.lower() in _SUFFIXES]
    names = [name for name in everything if matches(name, pattern)]
    if not names:
        raise ValueError(
            f"path must hold PNG, JPEG or TIFF files that fit pattern={pattern!r}; got {tree.path} with "
            f"{len(everything)} such files, none of which fits"
            f"{f', {everything[0]} for one' if everything else ''}. `**/*` is all of them, in subfolders too."
        )
    return ImageFiles(tree, names, size=size, mode=mode, interpolation=interpolation, on_error=on_error)


def pillow(asker: str) -> ModuleType:
    """Return ``PIL.Image``, or raise an ImportError that tells how to get it."""
    try:
        from PIL import Image
    except ImportError as missing:
        raise ImportError(
            f'{asker} needs Pillow, which is not installed. Install it with `pip install "skvq[examples]"`.'
        ) from missing
    return Image


def resize(image: Any, size: tuple[int, int], interpolation: str) -> Any:
    """Resize a Pillow image to ``(height, width)``; bilinear antialiases when it shrinks."""
    Resampling = pillow("size").Resampling
    return image.resize(size[::-1], Resampling.NEAREST if interpolation == "nearest" else Resampling.BILINEAR)


def check_size(size: int | tuple[int, int] | None) -> tuple[int, int] | None:
    """Return ``(height, width)`` for a user's ``size``, and None for None."""
    if size is None:
        return None
    sides = (size, size) if isinstance(size, (int, np.integer)) else size
    if (
        not isinstance(sides, (tuple, list))
        or len(sides) != 2
        or not all(isinstance(s, (int, np.integer)) and not isinstance(s, bool) and s > 0 for s in sides)
    ):
        raise ValueError(
            f"size must be a positive integer or (height, width) of two; got {size!r}. "
            "Use size=64 for 64×64 pixels, or None to keep the images' own size."
        )
    return int(sides[0]), int(sides[1])


def _check_kind(image: Any) -> None:
    """Refuse what would be misread without a word."""
    sixteen_bits = image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PNG")
    if image.mode[0] in "IF" and not sixteen_bits:
        raise ValueError("32-bit values, whose range is unknown: save it with 8 or 16 bits")
    if image.format == "TIFF" and image.n_frames > 1:
        raise ValueError(f"{image.n_frames} pages, where one image is expected: save each page as a file")


def _reason(error: Exception) -> str:
    text = str(error) or type(error).__name__
    return "not an image, or broken" if text.startswith("cannot identify image file") else text


def _listed(files: Sequence[SkippedFile]) -> str:
    first = "; ".join(f"{file.path} ({file.reason})" for file in files[:_NAMED_IN_ERRORS])
    rest = len(files) - _NAMED_IN_ERRORS
    return f"{first}; and {rest} more" if rest > 0 else first
