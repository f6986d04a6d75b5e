"""Tables of counts against what must hold for any data; their formula is held in test_metrics_codes.py."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skvq._context_tables import fit_tables, held_out_rows, neighbours, probabilities


@pytest.mark.parametrize("n", [*range(1, 12), 49, 50, 99, 100, 149, 1536, 5000])
def test_held_out_rows_are_a_tenth_in_runs(n):
    held_out = held_out_rows(n)
    assert held_out.sum() < n
    assert held_out.any() == (n > 1)
    if n >= 50:
        assert 0.06 < held_out.mean() < 0.14
        assert (np.diff(held_out.astype(int)) == 1).sum() in range(4, 10)


@settings(max_examples=20)
@given(n=st.integers(1, 30), seed=st.integers(0, 99))
def test_probabilities_of_all_grids_add_up_to_one(n, seed):
    generator = np.random.default_rng(seed)

    def chain(codes):
        left, up = neighbours(codes, (2, 2), 3)
        return [np.zeros_like(codes), left, left * 4 + up]

    codes = generator.integers(3, size=(n, 4))
    tables = fit_tables(chain(codes), codes, 3)
    every = np.array(list(itertools.product(range(3), repeat=4)))
    assert probabilities(tables, chain(every), every).prod(axis=1).sum() == pytest.approx(1)


def test_neighbours_beyond_the_border_are_one_code_more():
    left, up = neighbours(np.array([[0, 1, 2, 3, 4, 5]]), (2, 3), 9)
    assert left.tolist() == [[9, 0, 1, 9, 3, 4]]
    assert up.tolist() == [[9, 9, 9, 0, 1, 2]]
