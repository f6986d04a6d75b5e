"""Decode one image file to an array: supported formats, bit depths and limits."""

from dataclasses import dataclass
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from . import _dicom
from ._errors import DataFileError
from ._reading import BinaryFile

FORMATS = ("PNG", "JPEG", "TIFF")
MAX_PIXELS = 2**26  # of one image: 8192 × 8192

_CHANNELS = {"grey": 1, "rgb": 3, "labels": 1}
_OTHER_FORMATS = {
    b"GIF8": "a GIF image",
    b"%!PS": "a PostScript file",
    b"%PDF": "a PDF file",
    b"BM": "a BMP image",
    b"RIFF": "a WebP image or another RIFF file",
    b"\0\0\1\0": "an icon",
    b"PK\3\4": "a zip file",
    b"\x1f\x8b": "a gzip file",
    b"<": "a page of HTML or XML",
    b"{": "JSON",
}
_BITS, _PHOTOMETRIC, _SAMPLE_FORMAT = 258, 262, 339  # tags of TIFF
_SIGNED, _WHITE_IS_ZERO = 2, 0
_ORIENTATION, _FIRST_ON_ITS_SIDE = 274, 5  # tag of EXIF; 5 to 8 swap height and width
_MOST_SCANS, _MOST_SCANNED_PIXELS = 100, 2**30
_LEVELS = {"L;2": 85, "L;4": 17}  # Pillow multiplies grey levels of 2 and 4 bits by these factors


class ImageHeader(NamedTuple):
    """The header of a file: size ``(height, width)``, dtype, and what is lost of its values.

    They may be cut to 8 bits, or be numbers of colours in a palette that become grey levels.
    """

    size: tuple[int, int]
    dtype: np.dtype
    is_cut_to_8_bits: bool = False
    loses_colours: bool = False


@dataclass(frozen=True)
class Decoder:
    """How image files become arrays.

    Parameters
    ----------
    mode : {"grey", "rgb", "labels"}
    size : tuple of int or None
        ``(height, width)`` to resize to.
    interpolation : {"bilinear", "nearest"}
    data_range : tuple of float or None
        Values that become 0 and 255. None keeps values and dtype.
    max_pixels : int
    """

    mode: str
    size: tuple[int, int] | None
    interpolation: str
    data_range: tuple[float, float] | None
    max_pixels: int

    @property
    def n_channels(self) -> int:
        return _CHANNELS[self.mode]

    def look(self, file: BinaryFile) -> ImageHeader:
        """Read the header of a file.

        Raises
        ------
        Exception
            Any error that Pillow or pydicom raises on broken files.
        """
        if _dicom.is_dicom(file):
            header = ImageHeader(*_dicom.look(file))
            self._check_size(header.size)
            self._check_dtype(header.dtype)
        else:
            with _open(file) as image:
                header = self._look(image)
        return header if self.data_range is None else header._replace(dtype=np.dtype(np.uint8))

    def decode(self, content: bytes, file: BinaryFile) -> np.ndarray:
        """Decode and resize one file.

        Parameters
        ----------
        content : bytes
            The whole file.
        file : binary file
            The same content, for parsers.

        Returns
        -------
        ndarray of shape (height, width, n_channels)
        """
        if _dicom.is_dicom(file):
            size, dtype = _dicom.look(file)
            self._check_size(size)
            self._check_dtype(dtype)
            file.seek(0)
            return self._arranged(_dicom.read(file, dtype))
        with _open(file) as image:
            header = self._look(image)
            _check_scans(image, content)
            image = _upright(image)
            if self.mode == "labels":
                return self._arranged(_labels(image, header.dtype))
            if header.dtype != np.uint8:
                return self._arranged(_deep_values(image, header.dtype))
            image = image.convert("L" if self.mode == "grey" else "RGB")
            if self.size is not None and image.size != self.size[::-1]:
                image = resize(image, self.size, self.interpolation)
            return self._scaled(np.asarray(image).reshape(*image.size[::-1], -1))

    def _look(self, image: Any) -> ImageHeader:
        self._check_size(image.size[::-1])
        dtype = _dtype(image)
        self._check_dtype(dtype)
        if image.format == "TIFF":
            if image.n_frames > 1:
                raise ValueError(f"{image.n_frames} pages, where one image is expected: save each page as a file")
            if image.tag_v2.get(_PHOTOMETRIC) == _WHITE_IS_ZERO and dtype != np.uint8:
                raise ValueError("its zero is white, deeper than 8 bits: save it with black as zero")
        has_colours = image.mode not in ("1", "L", "P", "PA", "I", "F") and not image.mode.startswith("I;16")
        if self.mode == "labels" and has_colours:
            raise ValueError(f"colours ({image.mode}), where labels are expected: save it with a palette or as grey")
        size = image.size if _orientation(image) >= _FIRST_ON_ITS_SIDE else image.size[::-1]
        return ImageHeader(size, dtype, dtype == np.uint8 and ";16" in _raw_mode(image), self._loses_colours(image))

    def _loses_colours(self, image: Any) -> bool:
        if self.mode != "grey" or image.mode not in ("P", "PA"):
            return False
        palette = np.array(image.getpalette("RGB") or [], np.uint8).reshape(-1, 3)
        return bool((palette != palette[:, :1]).any())

    def _check_size(self, size: tuple[int, int]) -> None:
        height, width = size
        if min(size) < 1:
            raise ValueError(f"{height}×{width} pixels, which is no image")
        if height * width > self.max_pixels:
            raise ValueError(f"{height}×{width} pixels, over the limit max_pixels={self.max_pixels}: raise it")

    def _check_dtype(self, dtype: np.dtype) -> None:
        if self.mode == "labels" and dtype.kind == "f":
            raise ValueError("floats, where labels are expected: save it with integers")

    def _arranged(self, values: np.ndarray) -> np.ndarray:
        """Resize and scale values (h, w), and add the axis of channels: (h, w, c)."""
        if self.size is not None and values.shape != self.size:
            values = _resized_values(values, self.size, self.interpolation)
        return self._scaled(np.repeat(values[..., None], self.n_channels, axis=2))

    def _scaled(self, values: np.ndarray) -> np.ndarray:
        if self.data_range is None:
            return values
        if values.dtype in (np.uint8, np.uint16):  # a lookup table needs less time and memory
            return _scaled_to_bytes(np.arange(np.iinfo(values.dtype).max + 1, dtype=np.float64), self.data_range)[
                values
            ]
        if not np.isfinite(values).all():
            raise ValueError("NaN or infinity, which data_range cannot scale: fill such pixels, or use data_range=None")
        # Row by row, because float64 needs eight times the memory of the result.
        scaled = np.empty(values.shape, dtype=np.uint8)
        for row, of_row in zip(scaled, values, strict=True):
            row[:] = _scaled_to_bytes(of_row.astype(np.float64), self.data_range)
        return scaled


def _scaled_to_bytes(values: np.ndarray, data_range: tuple[float, float]) -> np.ndarray:
    low, high = data_range
    return np.rint(255 * np.clip((values - low) / (high - low), 0, 1)).astype(np.uint8)


def pillow(asker: str) -> ModuleType:
    """Return ``PIL.Image``, or raise an ImportError that says how to install it."""
    try:
        from PIL import Image
    except ImportError as missing:
        raise ImportError(
            f'{asker} needs Pillow, which is not installed. Install it with `pip install "skvq[examples]"`.'
        ) from missing
    return Image


def resize(image: Any, size: tuple[int, int], interpolation: str) -> Any:
    """Resize a Pillow image to ``(height, width)``. Bilinear shrinking is antialiased."""
    Resampling = pillow("size").Resampling
    return image.resize(size[::-1], Resampling.NEAREST if interpolation == "nearest" else Resampling.BILINEAR)


def _resized_values(values: np.ndarray, size: tuple[int, int], interpolation: str) -> np.ndarray:
    """Resize values (h, w) of any dtype. Integers are rounded and clipped to the range of their dtype."""
    PIL_Image = pillow("size")
    dtype = values.dtype
    if interpolation == "nearest":
        # Resize the indices of pixels instead of the values, so that the dtype does not change.
        rows, columns = (
            np.asarray(resize(PIL_Image.fromarray(np.arange(n, dtype=np.int32)[:, None]), (m, 1), "nearest")).ravel()
            for n, m in zip(values.shape, size, strict=True)
        )
        return values[rows[:, None], columns]
    resized = np.asarray(resize(PIL_Image.fromarray(values.astype(np.float32)), size, interpolation))
    if dtype.kind == "f":
        return resized.astype(dtype)
    limits = np.iinfo(dtype)
    return np.clip(np.rint(resized.astype(np.float64)), limits.min, limits.max).astype(dtype)


def _open(file: BinaryFile) -> Any:
    """Open an image of an allowed format. For some other formats, Pillow would start external programs."""
    PIL_Image = pillow("open_images")
    head = file.read(8)
    file.seek(0)
    try:
        return PIL_Image.open(file, formats=FORMATS)
    except PIL_Image.UnidentifiedImageError as error:
        other = next((name for magic, name in _OTHER_FORMATS.items() if head.startswith(magic)), None)
        raise DataFileError(f"{other}, not a PNG, JPEG or TIFF one" if other else "not an image, or broken") from error


def _orientation(image: Any) -> int:
    """Return how a JPEG image is to be turned, as EXIF numbers it. TIFF images are turned by Pillow."""
    if image.format not in ("JPEG", "MPO"):
        return 1
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # broken notes of a camera are no reason to refuse its picture
        return 1


def _upright(image: Any) -> Any:
    """Return an image as viewers show it."""
    Transpose = pillow("open_images").Transpose
    ways = (
        *(Transpose.FLIP_LEFT_RIGHT, Transpose.ROTATE_180, Transpose.FLIP_TOP_BOTTOM, Transpose.TRANSPOSE),
        *(Transpose.ROTATE_270, Transpose.TRANSVERSE, Transpose.ROTATE_90),
    )
    way = dict(enumerate(ways, start=2)).get(_orientation(image))
    return image if way is None else image.transpose(way)


def _dtype(image: Any) -> np.dtype:
    """Return the dtype of the values in a file, as Pillow reads them."""
    tags = image.tag_v2 if image.format == "TIFF" else {}
    is_signed = _first(tags.get(_SAMPLE_FORMAT)) == _SIGNED
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PNG"):
        return np.dtype(np.uint16)
    if image.mode == "I":
        return np.dtype(f"{'i' if is_signed else 'u'}{_first(tags.get(_BITS, 32)) // 8}")
    if image.mode == "F":
        return np.dtype(np.float32)
    return np.dtype(np.int8 if image.mode == "L" and is_signed else np.uint8)


def _first(tag: Any) -> Any:
    return tag[0] if isinstance(tag, tuple) and tag else tag


def _raw_mode(image: Any) -> str:
    """Return Pillow's name of the storage format of values, for example ``"RGB;16B"``."""
    tile = getattr(image, "tile", None)  # an image that was turned has none
    args = tile[0][3] if tile else ""
    return str(_first(args))


def _deep_values(image: Any, dtype: np.dtype) -> np.ndarray:
    values = np.asarray(image)
    # Pillow stores uint32 values as int32, and int8 values as uint8: same bits, other type.
    return values.view(dtype) if dtype in (np.uint32, np.int8) else values.astype(dtype)


def _labels(image: Any, dtype: np.dtype) -> np.ndarray:
    """Return the stored values of a file: indices of its palette, or grey levels."""
    if dtype != np.uint8:
        return _deep_values(image, dtype)
    step = _LEVELS.get(_raw_mode(image)[:3], 1)
    values = np.asarray(image)
    if values.ndim == 3:  # a palette with transparency
        values = values[..., 0]
    return values.astype(np.uint8) // np.uint8(step)


def _check_scans(image: Any, content: bytes) -> None:
    """Reject JPEG files with hundreds of scans of the whole image: each needs few bytes but much time."""
    if image.format in ("JPEG", "MPO"):
        n_scans = content.count(b"\xff\xda")
        height, width = image.size
        if n_scans > _MOST_SCANS or (n_scans > 3 and n_scans * height * width > _MOST_SCANNED_PIXELS):
            raise ValueError(f"{n_scans} scans of {width}×{height} pixels: save it as a plain JPEG or PNG file")
