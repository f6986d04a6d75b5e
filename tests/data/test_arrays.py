"""Arrays on disk: their rows, and the memory that reading them takes."""

import mmap
import sys
from pathlib import Path

import numpy as np
import pytest

from skvq import VQVAE
from skvq._contract.mapped import MappedRows, from_disk
from skvq._data import ImageSource
from skvq._data.arrays import check_images


@pytest.fixture
def path(tmp_path):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).integers(0, 256, (40, 5, 3), dtype=np.uint8))
    return tmp_path / "x.npy"


@pytest.mark.parametrize("rows", [np.s_[2:9], np.s_[:0], np.s_[30:99], [5, 5, 39], np.array([1, 0])])
@pytest.mark.parametrize("view", [lambda X: X, lambda X: X[3:], lambda X: np.asarray(X), lambda X: X.reshape(40, -1)])
def test_rows_are_those_of_the_array(path, rows, view):
    X = view(np.load(path, mmap_mode="r"))
    mapped = from_disk(X)
    assert isinstance(mapped, MappedRows)
    assert (mapped.shape, mapped.dtype, mapped.ndim, len(mapped)) == (X.shape, X.dtype, X.ndim, len(X))
    found = mapped[rows if isinstance(rows, slice) else np.asarray(rows) % len(X)]
    np.testing.assert_array_equal(found, X[rows if isinstance(rows, slice) else np.asarray(rows) % len(X)])
    assert found.base is None  # a copy: it has to outlive the pages


def test_what_was_written_is_read_and_kept(path):
    X = np.load(path, mmap_mode="r+")
    X[7] = 123
    assert np.all(from_disk(X)[5:9][2] == 123)
    assert np.all(np.load(path)[7] == 123)


def test_changes_in_a_copy_on_write_array_are_not_lost(path):
    X = np.load(path, mmap_mode="c")
    X[7] = 123
    part = X[3:]
    assert from_disk(X) is X
    assert from_disk(part) is part


@pytest.mark.skipif(sys.platform != "linux", reason="flags of Linux")
@pytest.mark.parametrize("view", [lambda A: A, lambda A: A[3:]])
def test_private_memory_that_only_looks_mapped_is_not_lost(path, view):
    of_nothing = mmap.mmap(-1, 4096, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with open(path, "rb") as file:
        of_a_file = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    for buffer in (of_nothing, of_a_file):
        A = np.ndarray((40, 5, 3), np.uint8, buffer=buffer)
        A[:] = 7
        rows = from_disk(view(A))
        assert isinstance(rows, np.ndarray)
        assert np.all(rows[2:9] == 7)
        assert np.all(A == 7)


@pytest.mark.parametrize("X", [np.zeros((3, 4)), np.zeros((6, 4))[::2], [[1, 2]]], ids=["array", "view", "list"])
def test_what_is_in_memory_stays_as_it_is(X):
    assert from_disk(X) is X


class Lazy:
    """What reads files on demand: an array to look at, which NumPy may convert."""

    shape, dtype, ndim = (40, 5, 3), np.dtype("uint8"), 3

    def __len__(self):
        return 40

    def __getitem__(self, rows):
        return self.__array__()[rows]

    def __array__(self, dtype=None, copy=None):
        return np.ones(self.shape, dtype or self.dtype)


def dataset_of_hdf5(tmp_path):
    file = pytest.importorskip("h5py").File(tmp_path / "x.h5", "w")
    return file.create_dataset("x", data=np.ones((40, 5, 3), np.uint8))


def test_what_is_read_on_demand_is_checked_as_it_is_read(images):
    class Broken(Lazy):
        shape, dtype = images.shape, np.dtype("float32")

        def __len__(self):
            return len(images)

        def __array__(self, dtype=None, copy=None):
            X = images.astype(dtype or self.dtype)
            X[-1, 3, 3] = np.nan
            return X

    quick = {"hidden_channels": 4, "n_residual_blocks": 0, "optimizer": "sgd", "max_iter": 1, "random_state": 0}
    for method in ("fit", "partial_fit"):
        vqvae = VQVAE(4, 2, **quick)
        with pytest.raises(ValueError, match="X must be finite in float32; got NaN"):
            getattr(vqvae, method)(Broken())
        assert not vqvae.__sklearn_is_fitted__()
    vqvae = VQVAE(4, 2, **quick).fit(images)
    before = vqvae.transform(images)
    for method in ("fit", "transform", "reconstruct", "reconstruction_errors"):
        with pytest.raises(ValueError, match="X must be finite in float32; got NaN"):
            getattr(vqvae, method)(Broken())
    np.testing.assert_array_equal(vqvae.transform(images), before)


@pytest.mark.parametrize("make", [lambda folder: Lazy(), dataset_of_hdf5])
def test_what_is_read_on_demand_stays_as_it_is(make, tmp_path):
    X = make(tmp_path)
    assert check_images(X) is X


def torch_tensor(X):
    return pytest.importorskip("torch").tensor(X)


def tensorflow_tensor(X):
    return pytest.importorskip("tensorflow").constant(X)


def tensorflow_variable(X):
    return pytest.importorskip("tensorflow").Variable(X)


def jax_array(X):
    return pytest.importorskip("jax").numpy.asarray(X)


@pytest.mark.parametrize("make", [torch_tensor, tensorflow_tensor, tensorflow_variable, jax_array])
@pytest.mark.parametrize("shape", [(6, 4), (6, 4, 4), (6, 4, 4, 3)])
def test_tensors_in_memory_become_arrays(make, shape):
    X = np.random.default_rng(0).random(shape, dtype=np.float32)
    found = check_images(make(X))
    assert isinstance(found, np.ndarray)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, X)
    X[0] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        ImageSource(check_images(make(X))).values()


@pytest.mark.parametrize("shape", [(6, 4), (6, 4, 4)])
def test_a_tensor_that_numpy_cannot_read_is_refused_with_the_way_out(shape):
    X = torch_tensor(np.ones(shape)).requires_grad_()
    with pytest.raises(ValueError, match=r"X must be an array .*got a Tensor.*requires grad.*X\.detach\(\)\.cpu"):
        check_images(X)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_pages_that_were_read_do_not_stay(tmp_path):
    def of_files():
        lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
        return int(lines["RssFile"].split()[0]) / 1024  # MB

    X = np.lib.format.open_memmap(tmp_path / "x.npy", mode="w+", dtype=np.uint8, shape=(1024, 256, 256))
    before = of_files()
    mapped = from_disk(X)
    assert sum(int(mapped[start : start + 64].sum()) for start in range(0, 1024, 64)) == 0
    assert of_files() - before < 16
    generator = np.random.default_rng(0)
    assert int(mapped[generator.permutation(1024)].sum()) == 0
    assert of_files() - before < 16
    int(X.sum())  # as it would be
    assert of_files() - before > 48
