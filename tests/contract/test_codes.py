import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from skvq import CodeGrid, SkvqError
from skvq._contract.codes import check_code_values, check_codes, guess_grid, nearest_codes


@given(
    codes=arrays(np.int64, st.tuples(st.integers(1, 5), st.integers(1, 6)), elements=st.integers(0, 99)),
    dtype=st.sampled_from(["int64", "int32", "uint8", "float32", "float64"]),
)
def test_any_dtype_that_holds_integers(codes, dtype):
    answer = CodeGrid((codes.shape[1],), 100).check(codes.astype(dtype))
    assert answer.dtype == np.int32
    np.testing.assert_array_equal(answer, codes)


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        ([[1.5]], r"whole numbers; got 1\.5"),
        ([[np.nan]], "whole numbers; got nan"),
        ([[-1]], "codes >= 0; got -1"),
        ([[7]], r"\[0, n_embeddings=7\); got 7"),
        ([[1, 2]], "1 codes to a row, for a grid of 1 codes of 7; got 2"),
        ([[np.inf]], "whole numbers; got inf"),
        ([1, 2], r"shape \(2,\)\. For a single row, pass X\[None\]"),
        (np.zeros((2, 3, 3)), r"shape \(2, 3, 3\)\. Flatten maps of codes by X\.reshape\(len\(X\), -1\)"),
        ([["a"]], "whole numbers; got dtype <U1"),
    ],
)
def test_messages(codes, message):
    with pytest.raises(SkvqError, match=message):
        CodeGrid((1,), 7).check(codes)


@pytest.mark.parametrize("code", [2**31 - 1, 2**32, np.uint64(2**63), 1e20])
def test_codes_that_would_wrap_around_are_refused(code):
    with pytest.raises(ValueError, match=r"X must hold codes below 2\*\*31 - 1; got .*VQVAE"):
        check_codes(np.array([[code, 1]] * 10))
    assert check_codes([[2**31 - 2]]).item() == 2**31 - 2


@pytest.mark.parametrize("shape", [(), (0, 3), (2, -1), (2, 2, 2, 2), (2.0, 2), "ab", 4, None, (True, 2)])
def test_a_grid_has_one_to_three_positive_sides(shape):
    with pytest.raises(SkvqError, match="code_shape must be one to three positive integers"):
        CodeGrid(shape, 8)


@pytest.mark.parametrize(("n_embeddings", "depth"), [(0, 1), (8, 0), (2.5, 1), (None, 1), (8, True)])
def test_a_grid_counts_from_one(n_embeddings, depth):
    with pytest.raises(SkvqError, match="must be an integer >= 1"):
        CodeGrid((2, 2), n_embeddings, depth)


@given(
    shape=st.lists(st.integers(1, 5), min_size=1, max_size=3).map(tuple),
    n_embeddings=st.integers(1, 600),
    depth=st.integers(1, 3),
)
def test_rows_and_maps_are_inverse(shape, n_embeddings, depth):
    grid = CodeGrid(shape, n_embeddings, depth)
    codes = np.random.default_rng(0).integers(0, n_embeddings, (3, grid.n_codes))
    maps = grid.to_grid(codes)
    assert maps.shape == (3, *shape, *([depth] if depth > 1 else []))
    np.testing.assert_array_equal(grid.from_grid(maps), codes)
    assert grid.plane[0] * grid.plane[1] == grid.n_codes
    assert CodeGrid(**grid.as_json()) == grid
    assert len(set(grid.column_names())) == grid.n_codes


def test_what_fits_a_grid():
    grid = CodeGrid((4, 16), 128)
    for other in (grid, CodeGrid([4, 16], np.int64(100)), CodeGrid((1, 4, 16), 128)):
        assert grid.accepts(other)
        grid.require(other)
    for other in (CodeGrid((8, 8), 128), CodeGrid((4, 16), 129), CodeGrid((64,), 128), CodeGrid((4, 16), 128, 2)):
        assert not grid.accepts(other)
        with pytest.raises(SkvqError, match=r"prior\.grid_ must fit the grid of the VQVAE, 4 × 16 codes of 128; got"):
            grid.require(other)
    assert CodeGrid((49,), 8).accepts(CodeGrid((1, 49), 8))


def test_only_squares_are_guessed_quietly():
    assert guess_grid(49, 8) == (CodeGrid((7, 7), 8), True)
    assert guess_grid(64, 8) == (CodeGrid((8, 8), 8), True)
    assert guess_grid(98, 8) == (CodeGrid((1, 98), 8), False)


@given(
    shape=st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple),
    depth=st.integers(1, 3),
    n_rows=st.integers(1, 3),
)
def test_masks_of_positions_and_of_codes_are_the_same(shape, depth, n_rows):
    grid = CodeGrid(shape, 5, depth)
    positions = np.random.default_rng(0).random((n_rows, *shape)) < 0.5
    expected = np.repeat(positions.reshape(n_rows, -1), depth, axis=1)
    for mask in (positions, expected):
        np.testing.assert_array_equal(grid.check_mask(mask, n_rows), expected)
    for mask in (positions[0], expected[0]):
        np.testing.assert_array_equal(grid.check_mask(mask, n_rows), np.tile(expected[0], (n_rows, 1)))


@pytest.mark.parametrize("mask", [np.ones((3, 2), bool), np.ones(6), [[True]], np.ones((4, 6), bool), None])
def test_other_masks_are_refused(mask):
    message = r"mask must be an array of bool of shape \(6,\) or \(5, 6\) or \(2, 3\) or \(5, 2, 3\); got \w+, shape"
    with pytest.raises(SkvqError, match=message):
        CodeGrid((2, 3), 8).check_mask(mask, 5)


@given(codes=arrays(np.int64, array_shapes(max_dims=3), elements=st.integers(0, 8)))
def test_code_values_keep_their_shape(codes):
    for n_embeddings in (9, None):
        checked = check_code_values(codes.astype(np.float32), n_embeddings=n_embeddings)
        assert checked.dtype == np.int64
        np.testing.assert_array_equal(checked, codes)
    with pytest.raises(SkvqError, match=rf"codes must lie in \[0, n_embeddings\) = \[0, {codes.max()}\)"):
        check_code_values(codes, n_embeddings=codes.max())


@given(vectors=arrays(np.float32, (4, 3, 2), elements=st.floats(-2, 2, width=16)))
def test_nearest_codes_are_the_nearest(vectors):
    codebook = np.random.default_rng(0).standard_normal((9, 2)).astype(np.float32)
    distances = np.square(vectors[..., None, :].astype(np.float64) - codebook).sum(-1)
    found = nearest_codes(vectors, codebook)
    chosen = np.take_along_axis(distances, found[..., None], -1)[..., 0]
    np.testing.assert_allclose(chosen, distances.min(-1), atol=1e-12)
