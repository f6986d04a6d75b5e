"""Tables as files."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_tables import GRIDS, random_tables

from skvq.compression.packing import pack, unpack
from skvq.compression.tables import CodeTables
from skvq.runtime import ModelFileError


@pytest.mark.parametrize("n_classes", [0, 2])
@pytest.mark.parametrize("name", GRIDS)
def test_round_trip(name, n_classes):
    tables = random_tables(GRIDS[name], n_classes)
    found = unpack(pack(tables))
    assert found.digest == tables.digest
    assert (found.grid, found.n_classes) == (tables.grid, n_classes)
    for name in ("rows", "output", "bias"):
        np.testing.assert_array_equal(getattr(found, name), getattr(tables, name))
        assert getattr(found, name).dtype == np.float32


PACKED = pack(random_tables(GRIDS["square"], 2))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "does not start"),
        (b"PK" + PACKED[2:], "does not start"),
        (PACKED[:7] + b"\2" + PACKED[8:], "format version 2"),
        (PACKED[:8] + b"\xff\xff\xff\xff" + PACKED[12:], "header is too long"),
        (PACKED[:-1], "fewer bytes"),
        (PACKED + b"\0", "more bytes"),
        (PACKED[:20], "header is no JSON"),
    ],
)
def test_other_bytes_are_refused(data, words):
    with pytest.raises(ModelFileError, match=rf"tables\.bin must hold integer tables .*{words}"):
        unpack(data, "tables.bin")


@pytest.mark.parametrize(
    "change",
    [
        {"shape": []},
        {"shape": [4, 4, 4, 4]},
        {"shape": "44"},
        {"shape": [0, 4]},
        {"n_embeddings": 2**40},
        {"n_embeddings": True},
        {"depth": 0},
        {"n_classes": -1},
        {"n_features": 0},
        {"n_features": 1.5},
        {"more": 1},
    ],
)
def test_headers_of_no_tables_are_refused(change):
    length = int.from_bytes(PACKED[8:12], "little")
    text = json.dumps({**json.loads(PACKED[12 : 12 + length]), **change}).encode()
    with pytest.raises(ModelFileError, match="its header"):
        unpack(PACKED[:8] + len(text).to_bytes(4, "little") + text + PACKED[12 + length :])


@given(st.binary(max_size=80))
def test_any_bytes_are_refused(data):
    for start in (b"", PACKED[:8], PACKED[:12]):
        with pytest.raises(ModelFileError):
            unpack(start + data)


def test_sums_beyond_what_float32_holds_are_refused():
    tables = random_tables(GRIDS["square"])
    large = CodeTables(tables.grid, 0, tables.rows, tables.output + 30_000, tables.bias)
    with pytest.raises(ModelFileError, match="its sums can pass"):
        unpack(pack(large))
