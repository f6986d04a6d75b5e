"""Blobs: each way in which one can be wrong has its own error, and every bit counts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_tables import GRIDS, random_tables

from skvq import SkvqError
from skvq._contract.labels import Classes
from skvq.compression import Codec, CompressedDataError, sizes
from skvq.compression.blobs import HEADER_BYTES, read_blob, split_label, write_blob

pytest.importorskip("constriction")

CLASSES = Classes.of(["a", "b", "c"])


def codec_of(name="square", classes=None, seed=0, decoder=b"decoder"):
    return Codec(random_tables(GRIDS[name], len(classes or ()), seed=seed), decoder, classes)


def codes_of(codec, n=3):
    grid = codec.tables.grid
    return np.random.default_rng(3).integers(grid.n_embeddings, size=(n, grid.n_codes))


@pytest.mark.parametrize("classes", [None, CLASSES])
@pytest.mark.parametrize("name", GRIDS)
def test_round_trip(name, classes):
    codec = codec_of(name, classes)
    codes = codes_of(codec)
    blobs = codec.compress(codes, None if classes is None else ["c", "a", "b"])
    np.testing.assert_array_equal(codec.decompress(blobs), codes)
    assert codec.decompress(blobs).dtype == np.int64
    np.testing.assert_array_equal(codec.decompress([memoryview(blobs[2]), bytearray(blobs[0])]), codes[[2, 0]])


def test_header_and_fingerprint_have_eleven_bytes():
    codec = codec_of()
    blobs = codec.compress(codes_of(codec))
    assert HEADER_BYTES == 7
    assert sizes(blobs).whole == np.mean([len(blob) for blob in blobs])
    assert sizes(blobs).payload == sizes(blobs).whole - 11


@pytest.mark.parametrize("classes", [None, CLASSES])
def test_every_flip_of_a_bit_is_an_error(classes):
    codec = codec_of(classes=classes)
    blob = codec.compress(codes_of(codec, 1), None if classes is None else "b")[0]
    for bit in range(8 * len(blob)):
        flipped = bytearray(blob)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(CompressedDataError, match=r"^blobs\[0\] must "):
            codec.decompress([bytes(flipped)])


@pytest.mark.parametrize("classes", [None, CLASSES])
def test_every_cut_is_an_error(classes):
    codec = codec_of(classes=classes)
    blob = codec.compress(codes_of(codec, 1), None if classes is None else "b")[0]
    for n in range(len(blob)):
        with pytest.raises(CompressedDataError, match=r"cut off|start with|CRC-32"):
            codec.decompress([blob[:n]])
    with pytest.raises(CompressedDataError, match="CRC-32"):
        codec.decompress([blob + b"\0"])


@given(st.binary(max_size=60))
def test_any_bytes_are_an_error(data):
    with pytest.raises(CompressedDataError):
        codec_of().decompress([data])


@given(st.binary(max_size=40))
def test_any_payload_with_a_right_header_is_an_error_or_codes(payload):
    codec = codec_of()
    blob = write_blob(None, payload)
    try:
        codes = codec.decompress([blob])
    except CompressedDataError:
        return
    assert codec.compress(codes) == [blob]


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (codec_of(seed=1), "come from this model"),
        (codec_of(decoder=b"another"), "come from this model"),
        (codec_of("wide"), "come from this model"),
        (codec_of(classes=CLASSES), "name one of 3 classes.* another model"),
    ],
)
def test_another_model_is_refused(other, words):
    codec = codec_of()
    with pytest.raises(CompressedDataError, match=words):
        other.decompress(codec.compress(codes_of(codec)))


def test_a_later_version_is_named():
    codec = codec_of()
    blob = bytearray(codec.compress(codes_of(codec, 1))[0])
    blob[2] = 2
    with pytest.raises(CompressedDataError, match=r"format version 1; got 2\. .*pip install --upgrade skvq"):
        codec.decompress([bytes(blob)])


@pytest.mark.parametrize(
    ("blobs", "words"),
    [
        ([], r"blobs must hold at least one image; got none\. Pass what compress returned"),
        (b"VQ", r"blobs must be a list of bytes, one for each image; got bytes\. .*\[blob\]"),
        (None, "got NoneType"),
        (7, "got int"),
        ("text", "got str"),
        (["text"], r"blobs\[0\] must be bytes; got str\. Open files in binary mode"),
        ([b"", 3], r"blobs\[1\] must be bytes; got int"),
        ([b""], r"blobs\[0\] must have at least 7 bytes; got 0\. It was cut off"),
        ([b"PNG" * 9], "another kind of data"),
    ],
)
def test_what_is_no_list_of_blobs(blobs, words):
    with pytest.raises(SkvqError, match=words):
        codec_of().decompress(blobs)


def test_a_wrong_blob_among_others_is_named():
    codec = codec_of()
    blobs = codec.compress(codes_of(codec))
    with pytest.raises(CompressedDataError, match=r"blobs\[1\]"):
        codec.decompress([blobs[0], blobs[1][:-1], blobs[2]])


@given(st.integers(0, 2**31 - 1))
def test_classes_are_read_as_they_are_written(label):
    content = read_blob(write_blob(label, b"rest"), "blob")
    assert split_label(content, label + 1, "blob") == (label, b"rest")
    with pytest.raises(CompressedDataError, match="one of"):
        split_label(content, label, "blob")


def test_a_class_is_written_in_one_way():
    for content in (b"\x80\x00rest", b"\x80", b"", b"\xff" * 9):
        with pytest.raises(CompressedDataError, match="name one of 3 classes"):
            split_label(content, 3, "blob")


def test_classes_are_needed_where_there_are_some():
    codec = codec_of(classes=CLASSES)
    with pytest.raises(SkvqError, match="requires y"):
        codec.compress(codes_of(codec))
    with pytest.raises(SkvqError, match="y must be None"):
        codec_of().compress(codes_of(codec), "a")
    with pytest.raises(SkvqError, match="hold classes that the prior was fitted with"):
        codec.compress(codes_of(codec), "d")


def test_codes_of_another_grid_are_refused():
    with pytest.raises(SkvqError, match="codes must hold codes in"):
        codec_of().compress(np.full((1, 16), 7))


def test_too_many_kinds_of_codes():
    from skvq import CodeGrid

    with pytest.raises(SkvqError, match=r"n_embeddings must be at most 65536 for compression; got 65537\. Fit a VQVAE"):
        Codec(random_tables(CodeGrid((1,), 2**16 + 1), n_features=1), b"")
