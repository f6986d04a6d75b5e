"""Layouts and units: what goes in comes back, whatever shape it had."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from skvq._contract.images import Layout, check_image_shape, chunks, layout_of, value_range

DTYPES = [np.uint8, np.uint16, np.float32, np.float64]
image_shapes = st.tuples(st.integers(1, 7), st.integers(1, 7), st.integers(1, 3))


def pixels(shape, dtype, seed):
    """Values that float32 holds exactly, so that a round trip can be asked to be exact."""
    generator = np.random.default_rng(seed)
    if np.issubdtype(dtype, np.integer):
        return generator.integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)
    return generator.normal(size=shape).astype(np.float32).astype(dtype)


@given(st.integers(1, 5), image_shapes, st.sampled_from(DTYPES), st.integers(0, 2**32 - 1))
def test_flat_hw_and_hwc_are_the_same_images_and_come_back_as_they_came(n, shape, dtype, seed):
    images = pixels((n, *shape), dtype, seed)
    given_as = [images, images.reshape(n, -1)]
    if shape[2] == 1:
        given_as.append(images[..., 0])
    for X in given_as:
        layout = layout_of(X, shape)
        assert layout.image_shape == shape
        assert layout.n_features == math.prod(shape)
        assert not layout.is_vector
        inner = layout.to_images(X)
        assert inner.dtype == np.float32
        assert np.array_equal(inner, images.astype(np.float32))
        back = layout.from_images(inner)
        assert back.dtype == X.dtype
        assert np.array_equal(back, X)


@given(image_shapes)
def test_shape_of_images_needs_no_parameter(shape):
    X = np.zeros((2, *shape), dtype=np.float32)
    assert layout_of(X, None) == layout_of(X, shape)
    assert layout_of(X[..., 0], None).image_shape == (*shape[:2], 1)


def test_flat_rows_without_image_shape_are_vectors():
    X = np.arange(12, dtype=np.float64).reshape(3, 4)
    layout = layout_of(X, None)
    assert layout.is_vector
    assert layout.image_shape == (4,)
    assert np.array_equal(layout.from_images(layout.to_images(X)), X)


def test_every_uint8_value_survives_the_round_trip_with_noise_below_half_a_step():
    X = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    layout = layout_of(X, None)
    images = layout.to_images(X)
    noise = np.random.default_rng(0).uniform(-0.49, 0.49, images.shape).astype(np.float32)
    assert np.array_equal(layout.from_images(images + noise), X)


@pytest.mark.parametrize(("dtype", "top"), [(np.uint8, 255), (np.uint16, 65535)])
def test_integers_are_kept_in_range_instead_of_wrapping_around(dtype, top):
    layout = layout_of(np.zeros((1, 4), dtype=dtype), None)
    back = layout.from_images(np.array([[-3.0, 0.4, top + 0.4, 1e9]], dtype=np.float32))
    assert back.tolist() == [[0, 0, top, top]]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("dtype", [np.int8, np.int32, np.uint32, np.int64, np.uint64])
def test_integers_that_float32_cannot_hold_do_not_wrap_around(dtype):
    limits = np.iinfo(dtype)
    layout = layout_of(np.zeros((1, 3), dtype=dtype), None)
    images = np.array([[-1e30, float(limits.max), 1e30]], dtype=np.float32)
    lowest, *highest = layout.from_images(images)[0].tolist()
    assert lowest == limits.min
    for value in highest:
        assert (1 - 1e-7) * limits.max <= value <= limits.max


@pytest.mark.parametrize(
    ("dtype", "kept"),
    [(bool, "float32"), (np.int8, "int8"), (np.int64, "int64"), (np.float16, "float16"), (">f4", "float32")],
)
def test_images_come_back_in_the_dtype_of_x_if_that_is_a_number(dtype, kept):
    assert layout_of(np.zeros((2, 3), dtype=dtype), None).dtype == kept


@given(image_shapes, image_shapes)
def test_a_layout_accepts_its_images_in_any_layout_and_no_others(shape, other):
    layout = Layout(shape, shape, "uint8")
    assert layout.accepts(shape)
    assert layout.accepts((math.prod(shape),))
    assert layout.accepts(shape[:2]) == (shape[2] == 1)
    assert layout.accepts(other) == (other == shape)
    assert layout.accepts((math.prod(other),)) == (math.prod(other) == math.prod(shape))


@given(st.lists(st.integers(1, 9), min_size=2, max_size=3), st.sampled_from([tuple, list, np.array]))
def test_image_shape_becomes_three_ints(sides, kind):
    shape = check_image_shape(kind(sides))
    assert shape == (*sides, 1)[:3]
    assert all(type(side) is int for side in shape)


def test_no_image_shape_stays_none():
    assert check_image_shape(None) is None


@pytest.mark.parametrize("wrong", [28, (28,), (1, 2, 3, 4), (28, 0), (28, -1), (28.0, 28.0), "ab", ("28", "28")])
def test_image_shape_that_is_none(wrong):
    message = r"image_shape must be \(height, width\) or \(height, width, channels\) of positive integers; got"
    with pytest.raises(ValueError, match=message) as caught:
        check_image_shape(wrong)
    assert repr(wrong) in str(caught.value)
    assert "Use (28, 28) for MNIST" in str(caught.value)


@pytest.mark.parametrize("shape", [(5,), (2, 3, 4, 5, 6)])
def test_x_of_another_rank_is_refused(shape):
    with pytest.raises(ValueError, match=r"X must be \(n, features\).*channels last; got shape \("):
        layout_of(np.zeros(shape), None)


@pytest.mark.parametrize("row_shape", [(783,), (27, 28), (28, 28, 3), (14, 56)])
def test_rows_that_are_no_images_of_that_shape_are_refused(row_shape):
    message = r"X must hold images of image_shape=\(28, 28, 1\), 784 values a row; got rows of shape .* Correct"
    with pytest.raises(ValueError, match=message) as caught:
        layout_of(np.zeros((2, *row_shape)), (28, 28))
    assert f"{row_shape}, {math.prod(row_shape)} values" in str(caught.value)


arrays = st.sampled_from(DTYPES).flatmap(
    lambda dtype: hnp.arrays(
        dtype,
        hnp.array_shapes(min_dims=2, max_dims=4, max_side=6),
        elements=(
            st.integers(0, np.iinfo(dtype).max)
            if np.issubdtype(dtype, np.integer)
            else st.floats(-1e4, 1e4, width=np.dtype(dtype).itemsize * 8)
        ),
    )
)


@settings(max_examples=200)
@given(arrays, st.integers(1, 3000))
def test_value_range_is_that_of_numpy_for_any_size_of_chunk(X, chunk_bytes):
    values, exact = value_range(X, chunk_bytes), X.astype(np.float64)
    span = max(1.0, np.abs(exact).max())
    assert values.minimum == exact.min()
    assert values.maximum == exact.max()
    assert values.mean == pytest.approx(exact.mean(), abs=1e-12 * span)
    resolution = np.finfo(np.float32).eps * np.abs(exact).max()
    if exact.std() > 2 * resolution:
        assert values.scale == pytest.approx(exact.std(), rel=1e-6)
    elif exact.std() < resolution / 2:
        assert values.scale == 1.0


def test_spread_far_from_zero_is_not_lost_to_cancellation():
    X = 4e6 + np.random.default_rng(0).normal(size=(200, 30), scale=3.0)
    assert value_range(X, 1000).scale == pytest.approx(X.std(), rel=1e-9)


@pytest.mark.parametrize("value", [0, 0.1, -7.3, 1e30])
def test_constant_data_have_scale_one(value):
    values = value_range(np.full((7, 5), value), 64)
    assert values.scale == 1.0
    assert values.mean == pytest.approx(value)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e39])
@pytest.mark.parametrize("place", [0, 5, 99])
def test_values_that_float32_does_not_hold_are_refused(value, place):
    X = np.zeros((100, 2, 2))
    X[place, 1] = value
    message = r"X must be finite in float32; got NaN or infinity\. Drop such rows, or fill them"
    with pytest.raises(ValueError, match=message):
        value_range(X, 320)
    with pytest.raises(ValueError, match=message):
        layout_of(X, None).to_images(X)


@given(st.integers(0, 40), st.integers(1, 6), st.integers(1, 500))
def test_chunks_put_together_are_x_and_keep_to_their_size(n, n_features, chunk_bytes):
    X = np.arange(n * n_features).reshape(n, n_features)
    pieces = list(chunks(X, chunk_bytes))
    assert np.array_equal(np.concatenate([X[:0], *pieces]), X)
    assert all(len(piece) == 1 or 8 * piece.size <= chunk_bytes for piece in pieces)
    assert all(piece.base is not None for piece in pieces)  # views: a memory map is not read ahead


def test_value_range_of_a_memory_map(tmp_path):
    X = np.random.default_rng(0).integers(0, 256, (50, 6, 6), dtype=np.uint8)
    np.save(tmp_path / "x.npy", X)
    assert value_range(np.load(tmp_path / "x.npy", mmap_mode="r"), 999) == value_range(X, 999)
