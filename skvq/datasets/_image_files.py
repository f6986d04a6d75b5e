"""Image files as one array that decodes images on access."""

import copy
import io
import math
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from ._decoding import Decoder, ImageHeader, pillow
from ._errors import DataFileError, printable, reason
from ._reading import MeteredFile
from ._trees import FileTree

_NAMED_IN_ERRORS = 5
_LOOKED_AT, _LOOKED_AT_PIXELS = 8, 2**24  # files that the check of ranges decodes; fewer if they are large
_SMALL_PART = 1 / 8
_WHERE_MOST = " values, where most are "


class SkippedFile(NamedTuple):
    """A file that was skipped: its path in the folder or zip file, and the reason."""

    path: str
    reason: str


class ImageFiles:
    """Images in files, as an array-like ``(n, height, width, channels)`` that decodes them on access.

    :func:`open_images` makes it. An index (an integer, a slice, or an array of integers or booleans) decodes only the
    selected images and gives an ordinary array. ``numpy.asarray`` decodes all images. It can be pickled, and split by
    scikit-learn's cross-validation.

    Attributes
    ----------
    shape : tuple of int
        ``(n, height, width, channels)``.
    dtype : numpy.dtype
        The dtype of most files, or uint8 with ``data_range``.
    ndim : int
        4.
    size : int
        Total number of values.
    paths : list of str
        The path of each row, relative to the folder or zip file.
    skipped : list of SkippedFile
        The skipped files, with reasons.
    """

    ndim = 4

    def __init__(self, tree: FileTree, paths: Sequence[str], decoder: Decoder, *, on_error: str) -> None:
        if on_error not in ("raise", "skip"):
            raise ValueError(f"on_error must be 'raise' or 'skip'; got {on_error!r}.")
        pillow("open_images")
        self._tree = tree
        self._decoder = decoder
        headers, self.skipped = self._look_at_headers(paths)
        self.paths: list[str] = list(headers)
        self._image_size = decoder.size or next((header.size for header in headers.values()), (0, 0))
        self.dtype: Any = next((header.dtype for header in headers.values()), np.dtype(np.uint8))
        if self.skipped and (on_error == "raise" or not self.paths):
            of_one = f"{'' if decoder.size else ' of one size'}{'' if decoder.data_range else ' and dtype'}"
            resizing = "" if decoder.size else ", or bring all to one size with size=(height, width)"
            scaling = ", or to 8 bits with data_range=(low, high)" if any(map(_is_of_dtype, self.skipped)) else ""
            skipping = ", or leave them out with on_error='skip'" if self.paths else ""
            raise DataFileError(
                f"path must hold images{of_one} that can be read; {len(self.skipped)} of {len(paths)} files in "
                f"{printable(tree.path)} are not: {_listed(self.skipped)}. Replace them{resizing}{scaling}{skipping}."
            )
        self._warn_of_palettes([path for path, header in headers.items() if header.loses_colours])
        self._warn_of_depth([path for path, header in headers.items() if header.is_cut_to_8_bits])

    @property
    def shape(self) -> tuple[int, int, int, int]:
        height, width = self._image_size
        return (len(self.paths), height, width, self._decoder.n_channels)

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))

    def __len__(self) -> int:
        return len(self.paths)

    def __repr__(self) -> str:
        skipped = f", {len(self.skipped)} skipped" if self.skipped else ""
        return f"<{type(self).__name__} {self.shape} {self.dtype} in {str(self._tree.path)!r}{skipped}>"

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
            # NumPy applies its rules for arrays of integers and booleans, and raises its own errors.
            key = np.asarray(key)
            if key.dtype.kind in "iu" and key.size and 0 <= key.min() <= key.max() < len(self):
                positions = key  # a list of all rows would cost more than the images of a batch
            else:
                positions = np.arange(len(self))[key if key.size else key.astype(np.intp)]
            if positions.ndim != 1:
                raise IndexError(f"images must be indexed by arrays of one dimension; got {key.ndim}")
            rows = [self.paths[i] for i in positions]
        return self._decode_all(rows)[(slice(None), *rest)]

    def drop_broken(self) -> "ImageFiles":
        """Decode every file once, and return the images without the files that fail.

        Opening reads only the headers, so a truncated file is noticed only when its image is accessed. This method
        finds all such files at once.

        Returns
        -------
        ImageFiles
            With the broken files in ``skipped``.
        """
        broken = []
        for path in self.paths:
            try:
                self._decode(path)
            except Exception as error:  # kept as the reason; Pillow raises almost any error on broken bytes
                broken.append(SkippedFile(path, reason(error)))
        whole = copy.copy(self)
        lost = {file.path for file in broken}
        whole.paths = [path for path in self.paths if path not in lost]
        whole.skipped = self.skipped + broken
        return whole

    def _look_at_headers(self, paths: Sequence[str]) -> tuple[dict[str, ImageHeader], list[SkippedFile]]:
        """Return the headers of files with the most frequent size and dtype, and the other files with reasons."""
        headers: dict[str, ImageHeader] = {}
        kinds: dict[ImageHeader, ImageHeader] = {}
        reasons = {}
        for path in paths:
            try:
                with self._tree.open(path) as file:
                    header = self._decoder.look(file)
                headers[path] = kinds.setdefault(header, header)  # one for a million files that are alike
            except ImportError:
                raise
            except Exception as error:  # kept as the reason, as above
                reasons[path] = reason(error)
        if self._decoder.size is None:
            most = _most_frequent(header.size for header in headers.values())
            for path, header in headers.items():
                if header.size != most:
                    reasons[path] = f"{_pixels(header.size)}, where most have {most[0]}×{most[1]}"
        most = _most_frequent(header.dtype for path, header in headers.items() if path not in reasons)
        for path, header in headers.items():
            if path not in reasons and header.dtype != most:
                reasons[path] = f"{header.dtype}{_WHERE_MOST}{most}"
        kept = {path: header for path, header in headers.items() if path not in reasons}
        return kept, [SkippedFile(path, reasons[path]) for path in paths if path in reasons]

    def _decode_all(self, paths: Sequence[str]) -> np.ndarray:
        try:
            images = np.empty((len(paths), *self.shape[1:]), dtype=self.dtype)
        except (MemoryError, ValueError) as error:
            raise DataFileError(
                f"images must fit into memory; got {len(paths)} of shape {self.shape[1:]} and dtype {self.dtype} in "
                f"{printable(self._tree.path)}. Ask for fewer at once, images[:100], or shrink them with size=."
            ) from error
        broken = []
        for row, path in enumerate(paths):
            try:
                images[row] = self._decode(path)
            except Exception as error:  # reported below, for all files at once
                broken.append((SkippedFile(path, reason(error)), error))
        if broken:
            files, errors = zip(*broken, strict=True)
            raise DataFileError(
                f"{len(files)} of {len(paths)} images asked for in {printable(self._tree.path)} cannot be decoded: "
                f"{_listed(files)}. Replace them, or go on without them: images = images.drop_broken()."
            ) from errors[0]
        return images

    def _decode(self, path: str) -> np.ndarray:
        content = self._tree.read(path)
        image = self._decoder.decode(content, MeteredFile(io.BytesIO(content), len(content)))
        if image.shape[:2] != self._image_size:
            raise ValueError(f"has changed to {_pixels(image.shape)} since it was opened")
        if image.dtype != self.dtype:
            raise ValueError(f"has changed to {image.dtype} since it was opened")
        return image

    def _warn_of_palettes(self, coloured: list[str]) -> None:
        """Warn if colours of palettes become grey levels: they are often labels, and two may become the same."""
        if coloured:
            warnings.warn(
                f"Grey images should have no colours; got {len(coloured)} files with a palette of colours in "
                f"{printable(self._tree.path)}, {printable(coloured[0])} for one, of which the brightness is read. For "
                "maps of labels pass mode='labels', for pictures mode='rgb'.",
                stacklevel=4,
            )

    def _warn_of_depth(self, cut_to_8_bits: list[str]) -> None:
        """Warn if bit depth is lost, or if values cover only a small part of their range."""
        if cut_to_8_bits:
            warnings.warn(
                f"Colours must have 8 bits; got {len(cut_to_8_bits)} files of 16 in {printable(self._tree.path)}, "
                f"{printable(cut_to_8_bits[0])} for one, of which the upper 8 are read. Scale values below 256 up, or "
                "save each colour as grey of 16 bits.",
                stacklevel=4,
            )
        data_range = self._decoder.data_range
        if self._decoder.mode == "labels" or (data_range is None and self.dtype != np.uint16):
            return
        low, high, n_files = self._range_of_some()
        if not n_files:
            return
        dark, bright = data_range or (0, 65535)
        if np.clip(high, dark, bright) - np.clip(low, dark, bright) >= _SMALL_PART * (bright - dark):
            return
        found = f"values from {low:g} to {high:g} in the {n_files} files looked at, of {printable(self._tree.path)}"
        if data_range is None:
            warnings.warn(
                f"Values of uint16 should fill 0 to 65535; got {found}. They are kept, and estimators scale by the "
                f"data; for displays, and for 8 bits, pass data_range=({low:g}, {high:g}) or what your scanner states.",
                stacklevel=4,
            )
        else:
            warnings.warn(
                f"data_range should be the range of the values in the files; got {data_range}, and {found}: few of 256 "
                f"levels are left. Pass data_range=({low:g}, {high:g}), or None to keep values as they are.",
                stacklevel=4,
            )

    def _range_of_some(self) -> tuple[float, float, int]:
        """Return the minimum and maximum of a sample of files, and the number of files that could be read."""
        n_files = min(_LOOKED_AT, len(self.paths), max(1, _LOOKED_AT_PIXELS // math.prod(self._image_size)))
        # From the middle of equal parts, because the first and last slices of a scan are often empty.
        chosen = (2 * np.arange(n_files) + 1) * len(self.paths) // (2 * n_files)
        decoder, extremes = replace(self._decoder, data_range=None), []
        for path in (self.paths[i] for i in chosen):
            try:
                content = self._tree.read(path)
                values = decoder.decode(content, MeteredFile(io.BytesIO(content), len(content)))
                finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values
                extremes.append((float(finite.min()), float(finite.max())))
            except Exception:  # reported when the image is accessed
                continue
        lows, highs = zip(*extremes, strict=True) if extremes else ((0.0,), (0.0,))
        return min(lows), max(highs), len(extremes)


def _pixels(size: Sequence[int]) -> str:
    return f"{size[0]}×{size[1]} pixels"


def _most_frequent(values: Iterable[Any]) -> Any:
    return next((value for value, _ in Counter(values).most_common(1)), None)


def _is_of_dtype(file: SkippedFile) -> bool:
    return _WHERE_MOST in file.reason


def _listed(files: Sequence[SkippedFile]) -> str:
    first = "; ".join(f"{printable(file.path)} ({file.reason})" for file in files[:_NAMED_IN_ERRORS])
    rest = len(files) - _NAMED_IN_ERRORS
    return f"{first}; and {rest} more" if rest > 0 else first
