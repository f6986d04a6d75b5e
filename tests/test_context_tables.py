"""Tables of counts against what must hold for any data; their formula is held in test_metrics_codes.py."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skvq._context_tables import ContextTables, CountTable, context_sizes, held_out_rows, n_contexts, neighbours


@pytest.mark.parametrize("n", [*range(1, 12), 49, 50, 99, 100, 149, 1536, 5000])
def test_held_out_rows_are_a_tenth_in_runs(n):
    held_out = held_out_rows(n)
    assert held_out.sum() < n
    assert held_out.any() == (n > 1)
    if n >= 50:
        assert 0.06 < held_out.mean() < 0.14
        assert (np.diff(held_out.astype(int)) == 1).sum() in range(4, 10)


@settings(max_examples=20)
@given(
    n=st.integers(1, 30), n_classes=st.integers(0, 3), most=st.sampled_from([1, 12, 10_000]), seed=st.integers(0, 99)
)
def test_probabilities_of_all_grids_add_up_to_one(n, n_classes, most, seed):
    generator = np.random.default_rng(seed)
    labels = generator.integers(n_classes, size=n) if n_classes else None
    tables = ContextTables.fit(generator.integers(3, size=(n, 4)), (2, 2), 3, labels, n_classes, max_table_size=most)
    every = np.array(list(itertools.product(range(3), repeat=4)))
    asked = np.full(len(every), n_classes - 1) if n_classes else None
    assert np.exp(tables.log_probabilities(every, asked).sum(axis=1)).sum() == pytest.approx(1)


def test_neighbours_beyond_the_border_are_one_code_more():
    left, up = neighbours(np.array([[0, 1, 2, 3, 4, 5]]), (2, 3), 9)
    assert left.tolist() == [[9, 0, 1, 9, 3, 4]]
    assert up.tolist() == [[9, 9, 9, 0, 1, 2]]


def test_dense_rows_are_the_blend_of_counts_and_broader_probabilities():
    generator = np.random.default_rng(0)
    contexts, codes = generator.integers(5, size=(20, 6)) * 2, generator.integers(4, size=(20, 6))
    table = CountTable.count(contexts, codes, 4, weight=3.0)
    index, shares, broader = table.dense(10)
    assert (index[1::2] == 0).all()
    assert (index[::2] > 0).all()
    for context in range(10):
        seen = np.bincount(codes[contexts == context], minlength=4)
        np.testing.assert_allclose(shares[index[context]], seen / (seen.sum() + 3.0), rtol=1e-6)
        assert broader[index[context]] == pytest.approx(3.0 / (seen.sum() + 3.0))


def test_the_most_frequent_contexts_are_kept():
    contexts = np.repeat([3, 1, 2, 0], [5, 7, 1, 2])
    table = CountTable.count(contexts, np.zeros(15, int), 2, weight=1.0, max_contexts=2)
    assert table.keys.tolist() == [1, 3]
    assert table.counts.tolist() == [7, 5]
    assert table.pair_keys.tolist() == [2, 6]


@pytest.mark.parametrize("most", [1, 40, 150, 1000])
def test_no_dense_table_is_larger_than_allowed(most):
    generator = np.random.default_rng(0)
    codes, labels = generator.integers(8, size=(300, 12)), generator.integers(3, size=300)
    tables = ContextTables.fit(codes, (3, 4), 8, labels, 3, max_table_size=most)
    sizes = context_sizes((3, 4), 8, 3)
    # One row is always there: that of contexts never seen, and one more of the first table.
    assert all(n_contexts(parts, sizes) <= most for parts in tables.contexts)
    assert all(8 * rows <= max(most, 8) for rows in tables.n_rows)
    assert len(tables.contexts) == {1: 1, 40: 4, 150: 6, 1000: 7}[most]


def test_a_context_that_tells_is_used():
    generator = np.random.default_rng(0)
    labels = generator.integers(3, size=400)
    codes = (labels[:, None] + np.arange(4)) % 3
    by_class = ContextTables.fit(codes, (2, 2), 3, labels, 3)
    blind = ContextTables.fit(codes, (2, 2), 3)
    first = np.exp(by_class.log_probabilities(codes[:20], labels[:20])[:, 0])
    assert (first > 0.95).all()
    assert (np.exp(blind.log_probabilities(codes[:20])[:, 0]) < 0.5).all()
