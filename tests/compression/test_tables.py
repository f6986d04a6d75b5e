"""Integer tables against the same formula, written with Python's integers and loops."""

import numpy as np
import pytest
from random_tables import GRIDS, random_tables

from skvq.compression.tables import WINDOW, Wave, bits_of, largest_sum


def neighbours_by_loops(grid, codes, place):
    """The codes that a place's context holds, in order; K where there is none."""
    height, columns = grid.plane
    width, stage = columns // grid.depth, place % grid.depth
    row, column = divmod(place // grid.depth, width)
    found = []
    for up, right in WINDOW:
        if up < height and abs(right) < width:
            inside = row >= up and 0 <= column + right < width
            found.append(codes[place - up * columns + right * grid.depth] if inside else grid.n_embeddings)
    return found + [codes[place - back] if back <= stage else grid.n_embeddings for back in range(1, grid.depth)]


def logits_by_loops(tables, codes, label, place):
    """Logits of one place as Python integers."""
    grid, stage = tables.grid, place % tables.grid.depth
    stride, n_neighbours = grid.n_embeddings + 1, tables.layout.n_neighbours
    rows = [
        (neighbour * grid.depth + stage) * stride + code
        for neighbour, code in enumerate(neighbours_by_loops(grid, codes, place))
    ]
    rows.append(n_neighbours * grid.depth * stride + place)
    if label is not None:
        rows.append(n_neighbours * grid.depth * stride + grid.n_codes + label)
    hidden = [
        min(max(sum(int(tables.rows[row, feature]) for row in rows), 0), 1023) for feature in range(tables.n_features)
    ]
    return [
        int(tables.bias[stage, code]) + sum(h * int(tables.output[stage, j, code]) for j, h in enumerate(hidden))
        for code in range(grid.n_embeddings)
    ]


@pytest.mark.parametrize("n_classes", [0, 3])
@pytest.mark.parametrize("name", GRIDS)
def test_logits_are_those_of_python_integers(name, n_classes):
    grid = GRIDS[name]
    tables = random_tables(grid, n_classes)
    generator = np.random.default_rng(1)
    codes = generator.integers(grid.n_embeddings, size=(2, grid.n_codes))
    labels = generator.integers(n_classes, size=2) if n_classes else None
    canvas = tables.layout.canvas(2)
    canvas[:, tables.layout.places] = codes
    for wave in tables.layout.waves:
        found = tables.logits(canvas, wave, labels)
        for row in range(2):
            label = None if labels is None else labels[row]
            expected = [logits_by_loops(tables, codes[row].tolist(), label, place) for place in wave.codes]
            assert found[row].tolist() == expected


@pytest.mark.parametrize("name", GRIDS)
def test_a_wave_depends_on_earlier_waves_alone(name):
    grid = GRIDS[name]
    layout = random_tables(grid).layout
    assert sorted(np.concatenate([wave.codes for wave in layout.waves])) == list(range(grid.n_codes))
    known = set(np.flatnonzero(~np.isin(np.arange(layout.canvas(1).shape[1]), layout.places)))  # the border
    for wave in layout.waves:
        assert set(wave.neighbours.ravel()) <= known
        assert (wave.codes % grid.depth == wave.stage).all()
        known |= set(layout.places[wave.codes])


@pytest.mark.parametrize("name", GRIDS)
def test_rows_for_fitting_are_those_that_logits_add(name):
    grid = GRIDS[name]
    tables = random_tables(grid, 2)
    generator = np.random.default_rng(2)
    codes, labels = generator.integers(grid.n_embeddings, size=(3, grid.n_codes)), np.array([1, 0, 1])
    places = generator.permutation(codes.size)[:20]
    chosen = tables.layout.selected(codes, places, labels)
    hidden = np.clip(tables.rows[chosen].sum(axis=1), 0, 1023)
    canvas = tables.layout.canvas(3)
    canvas[:, tables.layout.places] = codes
    for i, place in enumerate(places):
        image, column = divmod(place, grid.n_codes)
        wave = Wave(column % grid.depth, np.array([column]), tables.layout.neighbours[[column]])
        expected = tables.logits(canvas[[image]], wave, labels[[image]])[0, 0]
        stage = column % grid.depth
        np.testing.assert_array_equal(hidden[i] @ tables.output[stage] + tables.bias[stage], expected)


def test_bounds_and_bits():
    assert largest_sum(np.full((1, 2, 3), -2.0), np.full((1, 3), 5.0)) == 1023 * 4 + 5
    assert bits_of(np.zeros((2, 8)), np.array([3, 7])).tolist() == [3, 3]


def test_the_digest_tells_tables_apart():
    tables = random_tables(GRIDS["square"])
    assert tables.digest == random_tables(GRIDS["square"]).digest
    assert tables.digest != random_tables(GRIDS["square"], seed=1).digest
    assert tables.digest != random_tables(GRIDS["square"], 1).digest
