"""Codes for a prior: checked, in the smallest dtype, and left on the disk where they lie there."""

import numpy as np
import pytest

from skvq._contract.errors import InvalidInputError
from skvq._data import CodeSource, read_codes


@pytest.fixture
def codes():
    return np.random.default_rng(0).integers(0, 200, (50, 6))


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.float32, np.int16])
def test_codes_in_memory_take_the_smallest_dtype(codes, dtype):
    found, largest = read_codes(codes.astype(dtype))
    assert (found.dtype, largest) == (np.uint8, codes.max())
    np.testing.assert_array_equal(found, codes)
    assert read_codes(codes * 1000)[0].dtype == np.uint32


def test_the_smallest_dtype_is_not_copied(codes):
    small = codes.astype(np.uint8)
    assert np.shares_memory(read_codes(small)[0], small)


def on_disk(codes, folder, kind):
    if kind == "memmap":
        np.save(folder / "codes.npy", codes)
        return np.load(folder / "codes.npy", mmap_mode="r")
    if kind == "h5py":
        return pytest.importorskip("h5py").File(folder / "codes.h5", "w").create_dataset("c", data=codes, chunks=(9, 6))
    if kind == "zarr":
        return pytest.importorskip("zarr").create_array(str(folder / "codes.zarr"), data=codes, chunks=(9, 6))
    return pytest.importorskip("dask.array").from_array(codes, chunks=(9, 6))


@pytest.mark.parametrize("kind", ["memmap", "h5py", "zarr", "dask"])
def test_codes_on_disk_stay_there(codes, tmp_path, kind):
    X = on_disk(codes.astype(np.int32), tmp_path, kind)
    found, largest = read_codes(X)
    assert largest == codes.max()
    assert found is X or np.shares_memory(found, X)
    source = CodeSource(found)
    rows = np.array([3, 40, 41])
    (x, y) = source.rows(rows)
    np.testing.assert_array_equal(x, codes[rows])
    assert x.dtype == np.int32
    assert y is x
    assert source.commonest() == np.bincount(codes.ravel()).argmax()
    assert (len(source), source.size, source.depth > 0) == (50, 300, True)


def test_labels_go_with_their_rows(codes):
    labels = np.arange(50, dtype=np.int32)
    (x, found), y = CodeSource(codes, labels).rows(np.array([2, 7]))
    assert found.tolist() == [2, 7]
    np.testing.assert_array_equal(y, codes[[2, 7]])
    assert x is y


@pytest.mark.parametrize("kind", ["memmap", "dask"])
def test_codes_on_disk_are_checked(codes, tmp_path, kind):
    with pytest.raises(InvalidInputError, match="Negative values in data: X must hold codes >= 0; got -1"):
        read_codes(on_disk(codes - 1 - codes.min(), tmp_path, kind))
    with pytest.raises(InvalidInputError, match=r"whole numbers; got 0\.5"):
        read_codes(on_disk(np.full((3, 6), 0.5), tmp_path, kind))
    with pytest.raises(InvalidInputError, match=r"one row of codes for each image.*reshape"):
        read_codes(on_disk(codes.reshape(50, 2, 3), tmp_path, kind) if kind == "memmap" else codes.reshape(50, 2, 3))
