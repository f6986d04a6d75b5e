"""Little images on disk for the tests of readers."""

import struct
import zipfile
import zlib

import numpy as np
import pytest


def save(path, array, **options):
    Image = pytest.importorskip("PIL.Image")
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(array)).save(path, **options)


def cut(path, share=0.5):
    """Cut a file off, behind its header."""
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])


def zipped(folder, path, below=""):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, below + file.relative_to(folder).as_posix())
    return path


def noise(shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def png_chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def write_png(path, size, bits, colour, rows, palette=None):
    """Write a PNG file of any depth and kind of colour (0 grey, 2 colours, 3 palette) from its rows, or from none."""
    height, width = size
    chunks = [png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))]
    if palette is not None:
        chunks.append(png_chunk(b"PLTE", palette.tobytes()))
    data = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    chunks += [png_chunk(b"IDAT", data), png_chunk(b"IEND", b"")]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))
