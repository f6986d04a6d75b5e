"""The order of rows: each once an epoch, at random, in batches of one size, without lists of what is large."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skvq._data import order
from skvq._data.order import Blocks, Permutation, RowSubset, divided, drawn, in_order, shuffled_batches


def generator(seed=0):
    return np.random.default_rng(seed)


def rows_of(batches):
    return np.concatenate([batch.rows for batch in batches])


class TestPermutation:
    @given(st.integers(1, 5000), st.integers(0, 9))
    @settings(deadline=None, max_examples=60)
    def test_each_number_comes_once_and_the_inverse_finds_its_place(self, n, seed):
        permutation = Permutation(n, generator(seed))
        found = permutation(np.arange(n))
        assert np.array_equal(np.sort(found), np.arange(n))
        np.testing.assert_array_equal(permutation.inverse(found), np.arange(n))

    @pytest.mark.parametrize("n", [2**31 + 11, 10**12])
    def test_numbers_beyond_32_bits(self, n):
        permutation = Permutation(n, generator())
        places = generator().integers(n, size=1000)
        found = permutation(places)
        assert 0 <= found.min() <= found.max() < n
        np.testing.assert_array_equal(permutation.inverse(found), places)

    def test_neighbours_are_spread_evenly_and_independently(self):
        n = 10**8
        found = Permutation(n, generator())(np.arange(20_000))
        # A uniform sample: 100 equal parts hold 200 each, give or take five standard deviations.
        counts = np.bincount(found // (n // 100), minlength=100)
        assert abs(counts - 200).max() < 5 * np.sqrt(200)
        assert abs(np.corrcoef(found[:-1], found[1:])[0, 1]) < 5 / np.sqrt(20_000)

    def test_a_seed_decides(self):
        first, again, other = (Permutation(10**6, generator(seed))(np.arange(50)) for seed in (1, 1, 2))
        assert np.array_equal(first, again)
        assert not np.array_equal(first, other)


class TestDivision:
    @pytest.mark.parametrize("n_held_out", [0, 1, 300])
    def test_lists_and_formulas_divide_alike(self, monkeypatch, n_held_out):
        monkeypatch.setattr(order, "LARGEST_LIST", 100)
        training, held_out = divided(1000, n_held_out, generator())
        assert isinstance(training, RowSubset)
        assert (len(training), len(held_out)) == (1000 - n_held_out, n_held_out)
        parts = [np.concatenate([np.arange(0), *in_order(rows, 7)]) for rows in (training, held_out)]
        for part in parts:
            assert np.array_equal(part, np.unique(part))
        assert sorted(np.concatenate(parts)) == list(range(1000))
        chosen = drawn(training, 50, generator())
        assert np.array_equal(chosen, np.unique(chosen))
        assert len(chosen) == 50
        assert set(chosen) <= set(parts[0])

    def test_few_rows_are_divided_as_ever(self):
        training, held_out = divided(50, 10, generator())
        expected = generator().permutation(50)
        np.testing.assert_array_equal(training, np.sort(expected[10:]))
        np.testing.assert_array_equal(held_out, np.sort(expected[:10]))
        np.testing.assert_array_equal(
            drawn(training, 5, generator(1)), np.sort(generator(1).choice(training, 5, replace=False))
        )


BLOCKS = {
    "whole": None,
    "chunks": Blocks(np.append(np.arange(0, 1000, 16), 1000), 2**20),
    "uneven": Blocks(np.array([0, 3, 400, 401, 999, 1000]), 2**16),
    "one": Blocks(np.array([0, 1000]), 1),
}


class TestBatches:
    @pytest.mark.parametrize("blocks", BLOCKS.values(), ids=BLOCKS)
    @pytest.mark.parametrize("listed", [True, False], ids=["list", "formula"])
    @pytest.mark.parametrize(("n_held_out", "batch_size"), [(0, 10), (77, 32), (1, 999), (0, 1)])
    def test_each_row_comes_once_and_the_last_batch_is_filled(
        self, monkeypatch, blocks, listed, n_held_out, batch_size
    ):
        monkeypatch.setattr(order, "LARGEST_LIST", 10**6 if listed else 10)
        training, _ = divided(1000, n_held_out, generator())
        epochs = [list(shuffled_batches(training, batch_size, g, blocks)) for g in [generator(3)] for _ in range(2)]
        for batches in epochs:
            assert {len(batch.rows) for batch in batches} == {batch_size}
            assert all(np.all(np.diff(batch.rows) >= 0) for batch in batches)
            assert len(batches) == -(-len(training) // batch_size)
            np.testing.assert_array_equal(np.unique(rows_of(batches)), np.concatenate(list(in_order(training, 999))))
        if batch_size < 999:
            assert not np.array_equal(rows_of(epochs[0]), rows_of(epochs[1]))
        again = list(shuffled_batches(training, batch_size, generator(3), blocks))
        np.testing.assert_array_equal(rows_of(again), rows_of(epochs[0]))

    def test_arrays_in_memory_come_in_the_order_they_always_came_in(self):
        batches = list(shuffled_batches(np.arange(25), 10, generator()))
        expected = np.resize(generator().permutation(25), 30).reshape(3, 10)
        np.testing.assert_array_equal([batch.rows for batch in batches], np.sort(expected, axis=1))

    def test_windows_hold_few_chunks_and_ask_for_the_next_ones_in_time(self):
        blocks = BLOCKS["chunks"]  # of 16 MB: four to a window
        windows = [set(window.tolist()) for window in blocks.windows(generator())]
        assert max(map(len, windows)) == 4
        known = set(windows[0])
        for batch in shuffled_batches(np.arange(1000), 8, generator(), blocks):
            touched = set((np.searchsorted(blocks.bounds, batch.rows, side="right") - 1).tolist())
            assert touched <= known  # read when it is wanted, or asked for before
            assert any(touched <= first | second for first, second in zip(windows, [*windows[1:], set()], strict=True))
            known |= set(batch.blocks_ahead)
        assert known == set.union(*windows)

    def test_rows_of_a_window_are_mixed(self):
        # 1,000 rows of ten sorted classes in chunks of 16: without mixing, most batches would hold one class.
        blocks = Blocks(BLOCKS["chunks"].bounds, 2**18)  # sixteen chunks to a window
        classes = [np.unique(batch.rows // 100) for batch in shuffled_batches(np.arange(1000), 20, generator(), blocks)]
        assert np.mean([len(found) for found in classes]) > 6

    def test_a_hundred_million_rows_need_little_memory(self):
        n = 10**8
        tracemalloc.start()
        try:
            training, held_out = divided(n, n // 10, generator())
            assert len(training) + len(held_out) == n
            batches = shuffled_batches(training, 32, generator())
            assert len({tuple(next(batches).rows) for _ in range(1000)}) == 1000
            bounds = np.append(np.arange(0, n, 1024), n)
            by_window = shuffled_batches(training, 32, generator(), Blocks(bounds, 784))
            assert len(np.unique(rows_of([next(by_window) for _ in range(100)]))) == 3200
            assert len(next(in_order(held_out, 128))) == 128
            assert len(drawn(training, 2048, generator())) == 2048
            assert tracemalloc.get_traced_memory()[1] < 50e6
        finally:
            tracemalloc.stop()
