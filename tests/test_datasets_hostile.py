"""Data files made to mislead: each is one clear error, at once, and opens nothing else."""

import bz2
import gzip
import os
import struct
import subprocess
import time
import zipfile
import zlib

import numpy as np
import pytest
from little_files import noise, png_chunk, save, write_png

from skvq.datasets import (
    DataFileError,
    check_oasis_manifest,
    load_idx,
    open_images,
    slices_from_nifti,
    subjects_from_names,
)
from skvq.datasets._archives import _MAX_DIRECTORY_BYTES
from skvq.datasets._errors import printable
from skvq.datasets._trees import matches

pytest.importorskip("PIL")


@pytest.fixture(autouse=True)
def in_seconds():
    """Whatever a file claims, saying no takes no time."""
    start = time.monotonic()
    yield
    assert time.monotonic() - start < 8


@pytest.fixture
def image(tmp_path):
    """The bytes of a whole PNG file."""
    save(tmp_path / "whole" / "a.png", noise((8, 8)))
    return (tmp_path / "whole" / "a.png").read_bytes()


def zipped(path, entries, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return path


def patch(path, signature, offset, value):
    """Write bytes at an offset behind the first place of a signature."""
    content = bytearray(path.read_bytes())
    at = content.index(signature) + offset
    content[at : at + len(value)] = value
    path.write_bytes(content)
    return path


# What is no regular file


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are Unix's")
def test_named_pipes_are_not_waited_for(tmp_path, image):
    home = tmp_path / "images"
    save(home / "a.png", noise((8, 8)))
    os.mkfifo(home / "b.png")
    with pytest.raises(DataFileError, match=r"b\.png must be a regular file; got a named pipe"):
        open_images(home)
    assert open_images(home, on_error="skip").paths == ["a.png"]
    for read in (open_images, slices_from_nifti, lambda path: check_oasis_manifest(home, path)):
        with pytest.raises(DataFileError, match=r"b\.png must be a regular file; got a named pipe"):
            read(home / "b.png")


def test_a_file_that_becomes_a_pipe_is_not_waited_for(tmp_path):
    if not hasattr(os, "mkfifo"):
        pytest.skip("named pipes are Unix's")
    save(tmp_path / "a.png", noise((8, 8)))
    images = open_images(tmp_path)
    (tmp_path / "a.png").unlink()
    os.mkfifo(tmp_path / "a.png")
    with pytest.raises(DataFileError, match=r"a\.png must be a regular file; got a named pipe"):
        images[:]


# Formats


@pytest.mark.parametrize(
    ("content", "got"),
    [
        (b"GIF89a" + bytes(60), "a GIF image, not a PNG, JPEG or TIFF one"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "a PostScript file, not a PNG"),
        (b"BM" + bytes(60), "a BMP image, not a PNG"),
        (b"<html>", "a page of HTML or XML"),
        (b"", "not an image, or broken"),
    ],
)
def test_other_formats_are_named_and_start_no_program(tmp_path, monkeypatch, content, got):
    monkeypatch.setattr(subprocess, "Popen", lambda *args, **options: pytest.fail("a program was started"))
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(DataFileError, match=rf"a\.png \({got}"):
        open_images(tmp_path)


def test_images_over_a_limit_say_which(tmp_path):
    save(tmp_path / "a.png", noise((30, 40)))
    with pytest.raises(DataFileError, match=r"30×40 pixels, over the limit max_pixels=1199: raise it"):
        open_images(tmp_path, max_pixels=1199)
    length = (tmp_path / "a.png").stat().st_size
    with pytest.raises(DataFileError, match=rf"{length} bytes, over the limit max_bytes={length - 1}: raise it"):
        open_images(tmp_path, max_bytes=length - 1)
    assert len(open_images(tmp_path, max_pixels=1200, max_bytes=length)) == 1
    with pytest.raises(ValueError, match=r"max_pixels must be a positive integer; got 0"):
        open_images(tmp_path, max_pixels=0)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize(("height", "width"), [(13_370, 13_370), (2**31 - 1, 2**31 - 1), (0, 8), (1, 0)])
def test_sizes_that_headers_claim_are_checked_before_memory_is_taken(tmp_path, height, width):
    write_png(tmp_path / "a.png", (height, width), 16, 0, [])
    with pytest.raises(DataFileError, match=r"a\.png \("):
        open_images(tmp_path)


def test_millions_of_empty_blocks_are_not_gone_through(tmp_path, image):
    flood = image[:33] + png_chunk(b"abCd", b"") * 1_000_000 + image[33:]
    with pytest.raises(DataFileError, match=r"a\.png \(a structure that sends its reader over the same bytes again"):
        open_images(zipped(tmp_path / "a.zip", [("a.png", flood)]))


@pytest.mark.filterwarnings("ignore:Tag data larger:UserWarning")
def test_tags_that_all_point_to_the_same_megabytes_are_not_read(tmp_path):
    n_tags, shared = 2000, 2**22
    entries = [struct.pack("<HHII", 40_000 + i, 1, shared, 8 + 2 + 12 * n_tags + 4) for i in range(n_tags)]
    directory = struct.pack("<H", n_tags) + b"".join(entries) + bytes(4)
    (tmp_path / "a.tif").write_bytes(b"II*\0" + struct.pack("<I", 8) + directory + bytes(shared))
    with pytest.raises(DataFileError, match=r"a\.tif \("):
        open_images(tmp_path)


def test_pages_without_end_are_not_counted(tmp_path):
    n_pages = 300_000
    starts = [8 + 18 * i for i in range(n_pages)]
    page = struct.pack("<HII", 256, 4, 1)
    pages = b"".join(
        struct.pack("<H", 1) + page[:2] + struct.pack("<HII", 3, 1, 9) + struct.pack("<I", s + 18) for s in starts
    )
    (tmp_path / "a.tif").write_bytes(b"II*\0" + struct.pack("<I", 8) + pages)
    with pytest.raises(DataFileError, match=r"a\.tif \("):
        open_images(tmp_path)


def test_scans_without_end_are_not_drawn(tmp_path):
    save(tmp_path / "a.jpg", noise((16, 16)), progressive=True)
    content = (tmp_path / "a.jpg").read_bytes()
    start = content.rindex(b"\xff\xda")
    (tmp_path / "a.jpg").write_bytes(content[:start] + content[start:-2] * 500 + content[-2:])
    with pytest.raises(DataFileError, match=r"a\.jpg \(\d+ scans of 16×16 pixels: save it as a plain JPEG"):
        open_images(tmp_path)[:]


# Zip files


@pytest.mark.parametrize(
    ("signature", "offset", "value", "message"),
    [
        (b"PK\1\2", 0, b"\xff", r"must be a whole zip file; got .*BadZipFile"),
        (b"PK\1\2", 6, b"\xff\xff", r"must be a whole zip file; got .*NotImplementedError"),
        (b"PK\1\2", 8, b"\x01", r"a\.png \(encrypted: unpack it with its password\)"),
        (b"PK\1\2", 10, b"\x63", r"a\.png \(compressed by method 99: pack it by deflate"),
        (b"PK\1\2", 24, b"\xff\xff\xff\x7f", r"a\.png \(2147483647 bytes unpacked, over the limit max_bytes=268435456"),
        (b"PK\1\2", 20, b"\xff\xff\xff\x7f", r"must be a zip file with entries before its directory; got a\.png"),
        (b"PK\1\2", 16, b"\0\0\0\0", r"a\.png \(.*CRC"),
        (b"PK\3\4", 0, b"\xff", r"a\.png \(damaged in the zip file"),
        (b"PK\5\6", 12, b"\xff\xff\xff\x7f", r"must be a whole zip file"),
    ],
)
def test_zip_files_that_lie_are_named(tmp_path, image, signature, offset, value, message):
    path = patch(zipped(tmp_path / "a.zip", [("a.png", image)]), signature, offset, value)
    with pytest.raises(DataFileError, match=message):
        open_images(path)[:]


def test_names_that_come_twice_and_entries_that_overlap_are_refused(tmp_path, image):
    with pytest.warns(UserWarning, match="Duplicate"):
        path = zipped(tmp_path / "twice.zip", [("a.png", image), ("a.png", image)])
    with pytest.raises(DataFileError, match=r"zip file with each name once; got a\.png more than once in .*twice\.zip"):
        open_images(path)
    path = zipped(tmp_path / "over.zip", [("a.png", image), ("b.png", image)])
    content = bytearray(path.read_bytes())
    second = content.rindex(b"PK\1\2")
    content[second + 42 : second + 46] = bytes(4)
    path.write_bytes(content)
    with pytest.raises(DataFileError, match=r"entries apart; got one that overlaps another, b\.png, in .*over\.zip"):
        open_images(path)


def test_entries_do_not_unfold_to_more_than_they_say(tmp_path):
    # Says 99 bytes, unfolds to 100 MB of zeros.
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = b"".join(packer.compress(bytes(2**20)) for _ in range(100)) + packer.flush()
    path = zipped(tmp_path / "a.zip", [("a.png", packed)], zipfile.ZIP_STORED)
    for signature, method, length in ((b"PK\3\4", 8, 22), (b"PK\1\2", 10, 24)):
        patch(patch(path, signature, method, b"\x08\0"), signature, length, struct.pack("<I", 99))
    with pytest.raises(DataFileError, match=r"a\.png \(damaged in the zip file: BadZipFile: Bad CRC-32"):
        open_images(path)


def test_other_compressions_have_no_bound_and_are_refused(tmp_path):
    path = zipped(tmp_path / "a.zip", [("a.png", bz2.compress(b""))], zipfile.ZIP_BZIP2)
    with pytest.raises(DataFileError, match=r"a\.png \(compressed by method 12: pack it by deflate, or unpack it\)"):
        open_images(path)


def test_a_directory_without_end_is_not_read(tmp_path, image):
    path = zipped(tmp_path / "a.zip", [("a.png", image)])
    content = path.read_bytes()
    start = content.index(b"PK\1\2")
    end = content.index(b"PK\5\6")
    entry = content[start:end]
    n = _MAX_DIRECTORY_BYTES // len(entry) + 1
    tail = content[end : end + 12] + struct.pack("<II", n * len(entry), start) + content[end + 20 :]
    path.write_bytes(content[:start] + entry * n + tail)
    with pytest.raises(DataFileError, match=r"a directory of \d+ bytes, over the limit of \d+\. .*unpack it"):
        open_images(path)


# Names


@pytest.mark.parametrize("n_stars", [1, 5, 30])
def test_patterns_with_many_stars_end(n_stars):
    name, stars = "a/" * 300 + "x.jpg", "**/" * n_stars
    assert matches(name, stars + "*.jpg")
    assert not matches(name, stars + "*.png")
    assert matches(name, stars + "a/**/a/x.*")
    assert not matches("a/x.jpg", "*/*/" + stars + "x.jpg")


def test_numbers_of_any_length_are_ordered_by_value(tmp_path, image):
    names = ["7.png", "0008.png", "9" * 5000 + ".png", "1" + "0" * 5000 + ".png"]
    assert open_images(zipped(tmp_path / "a.zip", [(name, image) for name in reversed(names)])).paths == names


def test_patients_of_any_length_do_not_multiply():
    with pytest.raises(DataFileError, match=r"in at most 255 characters; got 5000, 1+…1+\. Pass a pattern"):
        subjects_from_names(["case_" + "1" * 5000 + "_slice_0.png"])
    assert subjects_from_names(["case_" + "1" * 200]).tolist() == ["1" * 200]


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("slice_1 ä.png", "slice_1 ä.png"),
        ("\x1b[2J\r\n\x07", r"\x1b[2J\r\n\x07"),
        ("a\u202egnp.exe\u2028", r"a\u202egnp.exe\u2028"),
        ("\udc80", r"\udc80"),
        ("x" * 70_000, "x" * 100 + "…" + "x" * 100),
    ],
)
def test_names_are_printed_without_control_characters(text, printed):
    assert printable(text) == printed
    assert printable(printed) == printed


def test_messages_hold_no_control_characters(tmp_path):
    bad = "\x1b[31m\u202e.png"
    with pytest.raises(DataFileError) as caught:
        open_images(zipped(tmp_path / "a.zip", [(bad, b"no image")]))
    assert str(caught.value).isprintable()
    with pytest.raises(ValueError, match=r"\\x1b\[31m") as caught:
        subjects_from_names([bad])
    assert str(caught.value).isprintable()


# Digits, volumes, lists


def digits(folder, shape=(4, 5, 5), behind=0):
    for stem, sides in (("train-images-idx3", shape), ("train-labels-idx1", (4,)), ("t10k-images-idx3", (4, 5, 5))):
        with gzip.open(folder / f"{stem}-ubyte.gz", "wb", compresslevel=1) as file:
            file.write(
                bytes([0, 0, 8, len(sides)]) + struct.pack(f">{len(sides)}I", *sides) + bytes(100 if sides[1:] else 4)
            )
            for _ in range(behind if sides is shape else 0):
                file.write(bytes(2**20))
    content = (folder / "train-labels-idx1-ubyte.gz").read_bytes()
    (folder / "t10k-labels-idx1-ubyte.gz").write_bytes(content)
    return folder


def test_digits_are_read_as_far_as_their_header_says(tmp_path):
    assert load_idx(digits(tmp_path))[0].shape == (4, 5, 5)
    with pytest.raises(DataFileError, match=r"must hold 100 values, as its header says \(4, 5, 5\); got more"):
        load_idx(digits(tmp_path, behind=300))
    with pytest.raises(DataFileError, match=r"at most max_bytes=99 values; got a header of \(4, 5, 5\), which are 100"):
        load_idx(digits(tmp_path), max_bytes=99)
    with pytest.raises(DataFileError, match=r"must hold at least one value; got \(0, 4294967295, 4294967295\)"):
        load_idx(digits(tmp_path, (0, 2**32 - 1, 2**32 - 1)))
    with pytest.raises(DataFileError, match=r"at most max_bytes=1073741824 values"):
        load_idx(digits(tmp_path, (2**32 - 1,) * 3))


def volume_file(path, shape=(4, 4, 4), offset=352.0):
    nibabel = pytest.importorskip("nibabel")
    content = bytearray(nibabel.Nifti1Image(np.ones((4, 4, 4), np.int16), np.eye(4)).to_bytes())
    content[42:48] = struct.pack("<3h", *shape)
    content[108:112] = struct.pack("<f", offset)
    path.write_bytes(gzip.compress(bytes(content)))
    return path


def test_volumes_are_read_as_far_as_their_header_says(tmp_path):
    path = volume_file(tmp_path / "scan.nii.gz")
    assert slices_from_nifti(path).shape == (4, 4, 4)
    with pytest.raises(
        DataFileError, match=r"at most max_voxels=63; got .*scan\.nii\.gz of shape \(4, 4, 4\), 64 voxels"
    ):
        slices_from_nifti(path, max_voxels=63)
    with pytest.raises(DataFileError, match=r"at most max_voxels=134217728; got .* of shape \(32767, 32767, 32767\)"):
        slices_from_nifti(volume_file(path, (32767,) * 3))
    with pytest.raises(DataFileError, match=r"cannot be read: EOFError: the file ends after 64 of 160000 voxels"):
        slices_from_nifti(volume_file(path, (40, 40, 100)))
    for offset in (1e18, -16.0, float("nan")):
        with pytest.raises(
            DataFileError, match=r"must be a whole NIfTI file; got .*scan\.nii\.gz, which cannot be read"
        ):
            slices_from_nifti(volume_file(path, offset=offset))


def test_headers_whose_data_are_elsewhere_are_refused(tmp_path):
    nibabel = pytest.importorskip("nibabel")
    nibabel.save(nibabel.Nifti1Pair(np.ones((4, 4, 4), np.int16), np.eye(4)), tmp_path / "scan.img")
    with pytest.raises(DataFileError, match=r"a header whose data are in another file: save both as one \.nii file"):
        slices_from_nifti(tmp_path / "scan.hdr")


def test_lists_of_files_have_an_end(tmp_path, image):
    with gzip.open(tmp_path / "m.tsv.gz", "wb", compresslevel=1) as file:
        for _ in range(200):
            file.write(b"a" * 2**20)
    with pytest.raises(DataFileError, match=r"manifest_tsv_gz must be .* more than 16777216 bytes unpacked"):
        check_oasis_manifest(tmp_path, tmp_path / "m.tsv.gz")
    rows = "path\tsha256\tbytes\nkeras_png_slices_test/a.png\t" + "0" * 64 + "\t"
    (tmp_path / "m.tsv.gz").write_bytes(gzip.compress((rows + "1" * 5000).encode()))
    with pytest.raises(DataFileError, match=r"in line 2 of .*m\.tsv\.gz"):
        check_oasis_manifest(tmp_path, tmp_path / "m.tsv.gz")
    # An entry that cannot be unpacked is not the file that the list means.
    path = zipped(tmp_path / "a.zip", [("keras_png_slices_test/a.png", image)])
    patch(path, b"PK\1\2", 8, b"\x01")
    (tmp_path / "m.tsv.gz").write_bytes(gzip.compress((rows + str(len(image))).encode()))
    report = check_oasis_manifest(path, tmp_path / "m.tsv.gz")
    assert report.altered == ("keras_png_slices_test/a.png",)
