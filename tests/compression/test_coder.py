"""Round trips of codes through payloads."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_tables import GRIDS, random_tables

from skvq import CodeGrid
from skvq.compression import coder
from skvq.compression.coder import Foreign, decode, encode
from skvq.compression.tables import Wave, bits_of

pytest.importorskip("constriction")


def some_codes(grid, n, seed=0):
    return np.random.default_rng(seed).integers(grid.n_embeddings, size=(n, grid.n_codes))


@pytest.mark.parametrize("n_classes", [0, 3])
@pytest.mark.parametrize("name", GRIDS)
def test_codes_come_back(name, n_classes):
    grid = GRIDS[name]
    tables, codes = random_tables(grid, n_classes), some_codes(grid, 5)
    labels = np.arange(5) % 3 if n_classes else None
    payloads = encode(tables, codes, labels)
    np.testing.assert_array_equal(decode(tables, payloads, labels), codes)


@settings(max_examples=60)
@given(
    shape=st.lists(st.integers(1, 5), min_size=1, max_size=3),
    n_embeddings=st.integers(1, 40),
    depth=st.integers(1, 3),
    n_classes=st.integers(0, 2),
    n_features=st.integers(1, 9),
    n=st.integers(0, 4),
    seed=st.integers(0, 999),
)
def test_codes_of_any_grid_come_back(shape, n_embeddings, depth, n_classes, n_features, n, seed):
    grid = CodeGrid(tuple(shape), n_embeddings, depth)
    tables, codes = random_tables(grid, n_classes, n_features, seed), some_codes(grid, n, seed)
    labels = np.arange(n) % n_classes if n_classes else None
    payloads = encode(tables, codes, labels)
    np.testing.assert_array_equal(decode(tables, payloads, labels), codes)
    one_by_one = [encode(tables, codes[[i]], None if labels is None else labels[[i]])[0] for i in range(n)]
    assert one_by_one == payloads


def test_payloads_are_as_long_as_the_tables_say():
    grid = CodeGrid((24, 24), 50)
    tables, codes = random_tables(grid), some_codes(grid, 3)
    canvas = tables.layout.canvas(3)
    canvas[:, tables.layout.places] = codes
    everywhere = Wave(0, np.arange(grid.n_codes), tables.layout.neighbours)
    bits = bits_of(tables.logits(canvas, everywhere, None), codes).sum(axis=1)
    sizes = np.array([len(payload) for payload in encode(tables, codes)])
    assert (np.abs(sizes - 4 - bits / 8) < 1 + 0.001 * sizes).all()


def test_many_images_are_decoded_in_parts(monkeypatch):
    tables, codes = random_tables(GRIDS["square"]), some_codes(GRIDS["square"], 20)
    whole = encode(tables, codes)
    monkeypatch.setattr(coder, "_VALUES_AT_ONCE", 100)
    assert encode(tables, codes) == whole
    np.testing.assert_array_equal(decode(tables, whole), codes)


def test_other_bytes_are_refused():
    tables, codes = random_tables(GRIDS["square"]), some_codes(GRIDS["square"], 1)
    payload = encode(tables, codes)[0]
    for wrong in (payload + b"\0", payload + b"\1", payload[:-1], payload * 2, b""):
        with pytest.raises(Foreign):
            decode(tables, [wrong])
    with pytest.raises(Foreign) as error:
        decode(tables, [payload, encode(tables, codes, None, 2**31 + 1)[0]])
    assert error.value.row == 1
    with pytest.raises(Foreign):
        decode(random_tables(GRIDS["one-code"]), [b"\1"])
