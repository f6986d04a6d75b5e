import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skvq.networks.code_counts import MOST_CELLS, CodeCounts, regions_of


@given(
    shape=st.lists(st.integers(1, 6), min_size=1, max_size=3).map(tuple),
    n_embeddings=st.integers(1, 9),
    n=st.integers(1, 4),
)
def test_small_grids_are_counted_position_by_position(shape, n_embeddings, n):
    counts = CodeCounts(shape, n_embeddings)
    codes = np.random.default_rng(0).integers(0, n_embeddings, (n, *shape))
    counts.update_state(codes)
    counts.update_state(codes)
    rows = codes.reshape(n, -1)
    expected = [2 * np.bincount(column, minlength=n_embeddings) for column in rows.T]
    np.testing.assert_array_equal(counts.numpy(), expected)
    counts.reset_state()
    assert not counts.numpy().any()


@pytest.mark.parametrize(
    ("shape", "n_embeddings"), [((128, 128), 512), ((64, 64), 256), ((5000,), 100), ((9, 40, 7), 128)]
)
def test_large_grids_are_counted_by_blocks(shape, n_embeddings):
    regions = regions_of(shape, n_embeddings)
    assert len(regions) == np.prod(shape)
    n_regions = regions.max() + 1
    assert n_regions * n_embeddings <= MOST_CELLS
    assert len(np.unique(regions)) == n_regions
    # Neighbours share a block, the far corners do not.
    assert regions[0] == regions[1]
    assert regions[0] != regions[-1]
    codes = np.random.default_rng(0).integers(0, n_embeddings, (1, *shape))
    counts = CodeCounts(shape, n_embeddings)
    counts.update_state(codes)
    expected = np.zeros((n_regions, n_embeddings), int)
    np.add.at(expected, (regions, codes.ravel()), 1)
    np.testing.assert_array_equal(counts.numpy(), expected)
