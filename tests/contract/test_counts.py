"""Counts that users pass, and statistics of counts of codes, against slow oracles."""

import math
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skvq import SkvqError
from skvq._contract.counts import as_count, check_count, check_n_samples, perplexity_of_counts, used_codes


@pytest.mark.parametrize("kind", [int, np.int8, np.uint64])
def test_a_count_becomes_a_python_int(kind):
    count = check_count("n", kind(3))
    assert type(count) is int
    assert count == 3
    assert check_count("n", kind(0), minimum=0) == 0


@pytest.mark.parametrize("value", [0, -1, 2.0, True, np.True_, None, "3", Decimal(3)])
def test_other_values_are_refused(value):
    assert as_count(value) is None
    with pytest.raises(SkvqError, match=r"n_rows must be an integer >= 1; got .*\. Pass 8\."):
        check_count("n_rows", value, "Pass 8.")
    with pytest.raises(SkvqError, match=r"n_samples must be an integer >= 1; got .*\. It is the number"):
        check_n_samples(value)


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=50).filter(any))
def test_perplexity_is_the_product_of_frequencies(counts):
    frequencies = [count / sum(counts) for count in counts if count]
    perplexity = perplexity_of_counts(np.array(counts))
    assert perplexity == pytest.approx(math.prod(p**-p for p in frequencies))
    assert 1 <= perplexity <= len(counts)
    assert used_codes(np.array(counts)) == len(frequencies)
