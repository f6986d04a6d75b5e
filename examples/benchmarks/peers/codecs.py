"""What still-image codecs, and a thumbnail, make of images at about the same number of bits, by Pillow.

One setting of a codec serves all images, as one network does: the smallest whose files are on average no smaller than
the codes, or the next below it where that looks better. Where even the codec's smallest files are larger, those are
taken, and it is their bits that count.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image


@dataclass(frozen=True)
class Coded:
    """Images after a codec.

    Attributes
    ----------
    images : ndarray of uint8, (n, height, width)
    bits : ndarray of float, (n,)
    setting : int
        Quality, or side of the thumbnail.
    """

    images: np.ndarray
    bits: np.ndarray
    setting: int

    @property
    def mean_bits(self) -> float:
        return float(self.bits.mean())


def jpeg(images: np.ndarray, quality: int) -> Coded:
    """JPEG files, with Huffman tables made for each image."""
    return _files(images, quality, len, format="JPEG", quality=quality, optimize=True)


def jpeg_scan(images: np.ndarray, quality: int) -> Coded:
    """JPEG with the standard tables, of which only the coded pixels count: the rest could be sent once for all."""
    return _files(images, quality, scan_bytes, format="JPEG", quality=quality)


def webp(images: np.ndarray, quality: int) -> Coded:
    """WebP files, at the encoder's slowest and best effort."""
    return _files(images, quality, len, format="WEBP", quality=quality, method=6)


def thumbnail(images: np.ndarray, side: int) -> Coded:
    """Images made small and large again, bicubic; 8 bits a pixel, or the PNG file where that is smaller."""
    height, width = images.shape[1:]
    restored, bits = np.empty_like(images), np.empty(len(images))
    for i, pixels in enumerate(images):
        small = Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC)
        restored[i] = np.asarray(small.resize((width, height), Image.Resampling.BICUBIC))
        file = io.BytesIO()
        small.save(file, format="PNG", optimize=True)
        bits[i] = 8 * min(side * side, len(file.getvalue()))
    return Coded(restored, bits, side)


N_BELOW = 3  # settings below the one found by bits that are tried too

# Name -> the codec, and the range of its setting.
CODECS: dict[str, tuple[Callable[[np.ndarray, int], Coded], tuple[int, int]]] = {
    "JPEG": (jpeg, (1, 95)),
    "JPEG without headers": (jpeg_scan, (1, 95)),
    "WebP": (webp, (0, 100)),
    "thumbnail": (thumbnail, (2, 128)),
}


def at_bits(name: str, images: np.ndarray, bits: float, similarity: Callable[[np.ndarray, np.ndarray], float]) -> Coded:
    """Return images after a codec that spends about ``bits`` an image on average.

    A codec's similarity jumps up and down at its lowest settings, where a black background comes out as grey or not.
    So the setting found by bits is compared with some below it, and the best one is kept: more bits for worse images
    would be no fair peer.
    """
    codec, (low, high) = CODECS[name]
    found = {}

    def at(setting: int) -> Coded:
        if setting not in found:
            found[setting] = codec(images, setting)
        return found[setting]

    below, enough = low - 1, high
    while enough - below > 1:
        middle = (below + enough) // 2
        if at(middle).mean_bits >= bits:
            enough = middle
        else:
            below = middle
    candidates = range(max(low, enough - N_BELOW), enough + 1)
    return max((at(setting) for setting in candidates), key=lambda coded: similarity(images, coded.images))


def _files(images: np.ndarray, setting: int, count: Callable[[bytes], int], **options) -> Coded:
    decoded, bits = np.empty_like(images), np.empty(len(images))
    for i, pixels in enumerate(images):
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, **options)
        bits[i] = 8 * count(file.getvalue())
        decoded[i] = np.asarray(Image.open(file).convert("L"))
    return Coded(decoded, bits, setting)


def scan_bytes(file: bytes) -> int:
    """Bytes of the entropy-coded scans of a JPEG file, without the tables and headers between them."""
    at, found = 2, 0
    while at < len(file) and file[at + 1] != 0xD9:
        length = int.from_bytes(file[at + 2 : at + 4], "big")
        start = at + 2 + length
        if file[at + 1] == 0xDA:  # a scan, which ends at the next marker that is no stuffed zero and no restart
            end = start
            while file[end] != 0xFF or file[end + 1] == 0 or 0xD0 <= file[end + 1] <= 0xD7:
                end += 1
            found += end - start
            start = end
        at = start
    return found
