"""Whole files of still-image codecs at their best settings, with the part of them that is not container.

The parts that every file repeats (headers, tables, boxes) could be sent once for all images, as our decoder is. So
both sizes are told: the file, and its payload. For JPEG that is the entropy-coded scan, for WebP and AVIF the coded
picture within its chunk or box. Files of JPEG 2000 and JPEG XL are bare codestreams here, and all payload.

On eight brain slices, of about 1,000 bytes, these choices were best: for AVIF ``tune="ssim"`` (SSIM within the brain
0.819 in 916 bytes, against 0.803 in 938 without), for JPEG 2000 the codestream without boxes (0.822 against 0.806 in
1,086), for JPEG baseline (791 bytes against 982 progressive, for the same image).

Pillow writes JPEG, WebP, AVIF and JPEG 2000; pillow-jxl-plugin adds JPEG XL.
"""

import importlib.util
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image, features

from peers.codecs import scan_bytes


@dataclass(frozen=True)
class ImageFileCodec:
    """A codec, and the settings that span the rates of interest.

    Parameters
    ----------
    format : str
        For ``Image.save``.
    settings : tuple
        From few bytes to many, one for all images.
    options : callable
        ``options(setting)`` are arguments of ``Image.save``.
    payload : callable
        ``payload(file)`` is the number of bytes that are not container.
    """

    format: str
    settings: tuple
    options: Callable[[Any], Mapping[str, Any]]
    payload: Callable[[bytes], int] = field(default=len)


def webp_payload(file: bytes) -> int:
    """Bytes of the only chunk of a WebP file, without its header."""
    return int.from_bytes(file[16:20], "little")


def box_payload(kind: bytes) -> Callable[[bytes], int]:
    """Return a function that counts the bytes in the boxes of one kind, at the top level of a file of boxes."""

    def payload(file: bytes) -> int:
        at, found = 0, 0
        while at + 8 <= len(file):
            size, header = int.from_bytes(file[at : at + 4], "big"), 8
            if size == 1:
                size, header = int.from_bytes(file[at + 8 : at + 16], "big"), 16
            size = size or len(file) - at  # a last box may leave its size out
            if file[at + 4 : at + 8] == kind:
                found += size - header
            at += max(size, 8)
        return found

    return payload


IMAGE_FILES = {
    "WebP": ImageFileCodec(
        "WEBP", (0, 2, 5, 10, 20, 30, 45, 60), lambda quality: {"quality": quality, "method": 6}, webp_payload
    ),
    "AVIF": ImageFileCodec(
        "AVIF",
        (1, 6, 12, 18, 24, 30, 38, 48),
        lambda quality: {"quality": quality, "speed": 0, "subsampling": "4:0:0", "advanced": {"tune": "ssim"}},
        box_payload(b"mdat"),
    ),
    "JPEG XL": ImageFileCodec(
        "JXL", (0, 5, 10, 20, 30, 40, 55, 70), lambda quality: {"quality": quality, "effort": 9, "lossless": False}
    ),
    "JPEG 2000": ImageFileCodec(
        "JPEG2000",
        (160, 110, 80, 60, 45, 35, 25),  # times smaller than the pixels
        lambda ratio: {
            "quality_mode": "rates",
            "quality_layers": [ratio],
            "irreversible": True,
            "no_jp2": True,
        },
    ),
    "JPEG": ImageFileCodec(
        "JPEG",
        (1, 3, 5, 8, 12, 18, 25, 35),
        lambda quality: {"quality": quality, "optimize": True},
        scan_bytes,
    ),
}


def installed() -> list[str]:
    """Return the codecs that there are here, and say of each other one what it lacks."""
    have_jxl = importlib.util.find_spec("pillow_jxl") is not None
    if have_jxl:
        import pillow_jxl  # noqa: F401  teaches Pillow the format
    there = {"JPEG XL": have_jxl, "AVIF": features.check("avif"), "JPEG 2000": features.check("jpg_2000")}
    there["WebP"] = features.check("webp")
    for name in IMAGE_FILES:
        if not there.get(name, True):
            print(f"{name}: left out, {'pillow-jxl-plugin' if name == 'JPEG XL' else 'this Pillow'} does not have it")
    return [name for name in IMAGE_FILES if there.get(name, True)]


@dataclass(frozen=True)
class CodedFiles:
    """Images after a codec.

    Attributes
    ----------
    images : ndarray of uint8, (n, height, width)
    file_bytes, payload_bytes : ndarray of int, (n,)
    """

    images: np.ndarray
    file_bytes: np.ndarray
    payload_bytes: np.ndarray


def coded(name: str, images: np.ndarray, setting: Any) -> CodedFiles:
    """Return images (n, height, width), uint8, after a codec at one setting."""
    codec, decoded = IMAGE_FILES[name], np.empty_like(images)
    sizes = np.empty((2, len(images)), int)
    for i, pixels in enumerate(images):
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, format=codec.format, **codec.options(setting))
        content = file.getvalue()
        sizes[:, i] = len(content), codec.payload(content)
        decoded[i] = np.asarray(Image.open(io.BytesIO(content)).convert("L"))
    return CodedFiles(decoded, *sizes)
