"""Broken files: bytes changed at random, checksums made right again, and zip files that lie about themselves."""

import io
import struct
import warnings
import zipfile
import zlib

import numpy as np

_EXTREMES = [0, 1, 2, 7, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**64 - 1]
_CENTRAL, _LOCAL, _END = b"PK\1\2", b"PK\3\4", b"PK\5\6"
# Offset and width of the fields of a zip's records that a reader goes by.
_FIELDS = {
    _CENTRAL: [(4, 2), (6, 2), (8, 2), (10, 2), (16, 4), (20, 4), (24, 4), (28, 2), (30, 2), (32, 2), (34, 2), (42, 4)],
    _LOCAL: [(4, 2), (6, 2), (8, 2), (14, 4), (18, 4), (22, 4), (26, 2), (28, 2)],
    _END: [(4, 2), (6, 2), (8, 2), (10, 2), (12, 4), (16, 4), (20, 2)],
}


def mutated(content: bytes, rng: np.random.Generator) -> bytes:
    """Return bytes with one to four changes: bits, extreme numbers, parts lost, doubled, moved or new."""
    data = bytearray(content)
    for _ in range(rng.integers(1, 5)):
        # Headers lie in front: half of the changes go there.
        at = int(rng.integers(0, max(1, min(len(data), 64 if rng.random() < 0.5 else len(data)))))
        length = int(min(len(data) - at, rng.choice([1, 2, 4, 8, 16, 100])))
        kind = rng.integers(8)
        if kind == 0 and data:
            data[at] ^= 1 << int(rng.integers(8))
        elif kind == 1:
            width = int(rng.choice([1, 2, 4, 8]))
            value = int(rng.choice(np.array(_EXTREMES, dtype=object))) % 256**width
            data[at : at + width] = value.to_bytes(width, str(rng.choice(["little", "big"])))
        elif kind == 2:
            del data[at : at + length]
        elif kind == 3:
            data[at:at] = data[at : at + length] * int(rng.integers(1, 20))
        elif kind == 4:
            data[at : at + length] = rng.bytes(length)
        elif kind == 5 and rng.random() < 0.5:
            del data[at:]
        elif kind == 6:
            part = bytes(data[at : at + length])
            other = int(rng.integers(0, len(data) + 1))
            data[other : other + length] = part
        else:
            data[at : at + length] = bytes(length)
    return bytes(data)


def with_png_checksums(content: bytes) -> bytes:
    """Return a PNG file whose checksums are right, so that a reader gets past them to what is wrong."""
    data, at = bytearray(content), 8
    while at + 12 <= len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        if at + 12 + length > len(data):
            break
        data[at + 8 + length : at + 12 + length] = struct.pack(">I", zlib.crc32(data[at + 4 : at + 8 + length]))
        at += 12 + length
    return bytes(data)


def broken_zip(entries: dict[str, bytes], rng: np.random.Generator) -> bytes:
    """Return a zip file of some entries whose structure was changed in one to three places."""
    file, names = io.BytesIO(), list(entries)
    methods = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
    odd_names = [
        "../{}",
        "/{}",
        "\x1b[2J{}",
        "{}\0.txt",
        "a/" * 50 + "{}",
        "9" * 5000 + "{}",
        "\u202e{}",
        "C:\\{}",
        "./{}",
    ]
    with warnings.catch_warnings(), zipfile.ZipFile(file, "w") as archive:
        warnings.simplefilter("ignore")  # of names that come twice
        for name in [*names, *rng.choice(names, rng.integers(0, 2))]:
            odd = str(rng.choice(odd_names)).format(name) if rng.random() < 0.1 else name
            archive.writestr(odd, entries[name], compress_type=int(rng.choice(methods)))
    data = bytearray(file.getvalue())
    for _ in range(rng.integers(1, 4)):
        kind = rng.integers(4)
        if kind < 3:
            signature = [_CENTRAL, _CENTRAL, _LOCAL, _END][int(rng.integers(4))]
            places = [i for i in range(len(data) - 3) if data[i : i + 4] == signature]
            if places:
                offset, width = _FIELDS[signature][int(rng.integers(len(_FIELDS[signature])))]
                start = int(rng.choice(places)) + offset
                old = int.from_bytes(data[start : start + width], "little")
                new = [*_EXTREMES, old + 1, max(0, old - 1), old * 2, old ^ 1][int(rng.integers(len(_EXTREMES) + 4))]
                data[start : start + width] = (new % 256**width).to_bytes(width, "little")
        else:
            data = bytearray(mutated(bytes(data), rng))
    return bytes(data)
