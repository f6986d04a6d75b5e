"""Read DICOM files of one grey frame, in the units given by their rescale slope and intercept."""

import struct
from types import ModuleType
from typing import Any

import numpy as np

from ._reading import BinaryFile

_PREAMBLE = 128
# Only uncompressed ones: the size of the others after decompression has no bound.
_TRANSFER_SYNTAXES = {
    "1.2.840.10008.1.2": "implicit, little endian",
    "1.2.840.10008.1.2.1": "explicit, little endian",
    "1.2.840.10008.1.2.2": "explicit, big endian",
}
_LONG_LENGTHS = (b"OB", b"OW", b"OF", b"OD", b"OL", b"OV", b"SQ", b"UC", b"UN", b"UR", b"UT", b"SV", b"UV")
_MOST_META_ELEMENTS = 64


def is_dicom(file: BinaryFile) -> bool:
    """Return whether a file is marked as DICOM. Its position is then its beginning."""
    head = file.read(_PREAMBLE + 4)
    file.seek(0)
    return head[_PREAMBLE:] == b"DICM"


def look(file: BinaryFile) -> tuple[tuple[int, int], np.dtype]:
    """Return ``(height, width)`` of a file and the dtype of its values after rescaling.

    Raises
    ------
    ValueError
        If it is not one uncompressed grey frame. Broken files raise any error of pydicom.
    """
    dataset = _read(file, stop_before_pixels=True)
    frames, samples = int(dataset.get("NumberOfFrames") or 1), int(dataset.get("SamplesPerPixel") or 1)
    photometric = str(dataset.get("PhotometricInterpretation", "MONOCHROME2"))
    if frames > 1:
        raise ValueError(f"{frames} frames, where one image is expected: save each frame as a file")
    if samples > 1 or photometric != "MONOCHROME2":
        got = f"{photometric} of {samples} values a pixel"
        raise ValueError(f"{got}, where grey values with black below white (MONOCHROME2) are expected: convert it")
    if "Rows" not in dataset or "Columns" not in dataset:
        raise ValueError("a DICOM file without an image")
    bits, slope, intercept = int(dataset.BitsStored), *_rescaling(dataset)
    if int(dataset.BitsAllocated) not in (8, 16, 32) or not 1 <= bits <= int(dataset.BitsAllocated):
        raise ValueError(f"{bits} bits stored in {int(dataset.BitsAllocated)}, where 8, 16 or 32 are expected")
    return (int(dataset.Rows), int(dataset.Columns)), _dtype(bits, bool(dataset.PixelRepresentation), slope, intercept)


def read(file: BinaryFile, dtype: np.dtype) -> np.ndarray:
    """Return the values (h, w) of a file that :func:`look` has accepted: stored · slope + intercept."""
    dataset = _read(file)
    slope, intercept = _rescaling(dataset)
    stored = dataset.pixel_array
    if stored.ndim != 2:
        raise ValueError(f"pixels of shape {stored.shape}, where one grey image is expected")
    values = stored.astype(np.float64)
    values *= slope
    values += intercept
    if dtype.kind != "f":  # bits above the stored ones may have any value
        limits = np.iinfo(dtype)
        np.clip(values, limits.min, limits.max, out=values)
    return values.astype(dtype)


def _dtype(bits: int, is_signed: bool, slope: float, intercept: float) -> np.dtype:
    """Return the smallest integer type for all possible values, or float32 for fractions."""
    if slope % 1 or intercept % 1:
        return np.dtype(np.float32)
    stored = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if is_signed else (0, 2**bits - 1)
    low, high = sorted(value * int(slope) + int(intercept) for value in stored)
    for dtype in (np.uint8, np.uint16, np.int16, np.int32, np.uint32):
        limits = np.iinfo(dtype)
        if limits.min <= low and high <= limits.max:
            return np.dtype(dtype)
    return np.dtype(np.float32)


def _rescaling(dataset: Any) -> tuple[float, float]:
    slope, intercept = dataset.get("RescaleSlope"), dataset.get("RescaleIntercept")
    slope, intercept = 1.0 if slope is None else float(slope), 0.0 if intercept is None else float(intercept)
    if not (np.isfinite([slope, intercept]).all() and slope != 0):
        raise ValueError(f"a rescale slope of {slope} and intercept of {intercept}")
    return slope, intercept


def _read(file: BinaryFile, stop_before_pixels: bool = False) -> Any:
    pydicom = _pydicom()
    syntax = _transfer_syntax(file)
    if syntax not in _TRANSFER_SYNTAXES:
        raise ValueError(f"compressed (transfer syntax {syntax}): decompress it, by pydicom's decompress() for one")
    file.seek(0)
    return pydicom.dcmread(file, stop_before_pixels=stop_before_pixels)


def _transfer_syntax(file: BinaryFile) -> str:
    """Read the transfer syntax without pydicom, which would first decompress deflated files to any length."""
    file.seek(_PREAMBLE + 4)
    for _ in range(_MOST_META_ELEMENTS):
        head = file.read(8)
        if len(head) < 8 or head[:2] != b"\2\0":
            break
        long = head[4:6] in _LONG_LENGTHS
        (length,) = struct.unpack("<I", file.read(4)) if long else struct.unpack("<H", head[6:])
        value = file.read(length)
        if head[2:4] == b"\x10\0":
            return value.decode("ascii").rstrip("\0 ")
    raise ValueError("a DICOM file whose transfer syntax is not stated")


def _pydicom() -> ModuleType:
    try:
        import pydicom
    except ImportError as missing:
        raise ImportError(
            "open_images needs pydicom for DICOM files, which is not installed. Install it with "
            '`pip install "skvq[medical]"`.'
        ) from missing
    return pydicom
