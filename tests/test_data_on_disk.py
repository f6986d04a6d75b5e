"""Fit and transform on whatever slices: equal codes of equal images, threads that end, errors that stay themselves."""

import pickle
import threading
import zipfile

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from skvq import VQVAE, PixelCNNPrior, VQGenerator
from skvq._contract.ahead import THREAD_NAME
from skvq.datasets import open_images

QUICK = {"hidden_channels": 4, "n_residual_blocks": 0, "random_state": 0, "max_iter": 2, "batch_size": 16}


@pytest.fixture(scope="module")
def pictures():
    """100 images of 8 × 8 in two sorted classes."""
    generator = np.random.default_rng(0)
    dark, bright = generator.integers(0, 100, (50, 8, 8)), generator.integers(150, 256, (50, 8, 8))
    return np.concatenate([dark, bright]).astype(np.uint8)


@pytest.fixture(scope="module")
def fitted(pictures):
    return VQVAE(8, 4, **QUICK).fit(pictures)


@pytest.fixture(autouse=True)
def _no_thread_is_left():
    yield
    assert not [thread for thread in threading.enumerate() if thread.name.startswith(THREAD_NAME)]


def memmap(X, folder):
    np.save(folder / "x.npy", X)
    return np.load(folder / "x.npy", mmap_mode="r")


def hdf5(X, folder):
    return pytest.importorskip("h5py").File(folder / "x.h5", "w").create_dataset("x", data=X, chunks=(33, *X.shape[1:]))


def zarr(X, folder):
    chunks = (33, *X.shape[1:])
    return pytest.importorskip("zarr").create_array(str(folder / "x.zarr"), data=X, chunks=chunks)


def dask(X, folder):
    return pytest.importorskip("dask.array").from_array(X, chunks=(33, *X.shape[1:]))


def xarray(X, folder):
    dims = ("row", "height", "width")[: X.ndim]
    return pytest.importorskip("xarray").DataArray(dask(X, folder), dims=dims)


def image_files(X, folder):
    PIL_Image = pytest.importorskip("PIL.Image")
    with zipfile.ZipFile(folder / "x.zip", "w") as archive:
        for i, image in enumerate(X):
            PIL_Image.fromarray(image).save(folder / "x.png")
            archive.write(folder / "x.png", f"{i}.png")
    return open_images(folder / "x.zip")


class Slices:
    """A class of one's own, of which rows are read in any order."""

    def __init__(self, X, folder=None):
        self.X, self.shape, self.dtype, self.ndim = X, X.shape, X.dtype, X.ndim

    def __len__(self):
        return len(self.X)

    def __getitem__(self, rows):
        return self.X[rows]


WHOLE, BY_CHUNKS = [memmap, image_files, Slices], [hdf5, zarr, dask, xarray]


@pytest.mark.parametrize("make", WHOLE)
def test_rows_that_cost_the_same_anywhere_are_shuffled_as_in_memory(make, pictures, fitted, tmp_path):
    vqvae = VQVAE(8, 4, **QUICK).fit(make(pictures, tmp_path))
    for mine, in_memory in zip(vqvae._weights, fitted._weights, strict=True):
        np.testing.assert_array_equal(mine, in_memory)


@pytest.mark.parametrize("make", BY_CHUNKS)
def test_rows_in_chunks_are_shuffled_in_windows_that_a_seed_decides(make, pictures, fitted, tmp_path):
    X = make(pictures, tmp_path)
    vqvae, again = (VQVAE(8, 4, **QUICK).fit(X) for _ in range(2))
    for mine, repeated in zip(vqvae._weights, again._weights, strict=True):
        np.testing.assert_array_equal(mine, repeated)
    assert vqvae.data_range_ == fitted.data_range_
    assert vqvae.history_["loss"][-1] == pytest.approx(fitted.history_["loss"][-1], rel=0.3)


@pytest.mark.parametrize("make", WHOLE + BY_CHUNKS)
def test_transform_gives_what_it_gives_of_an_array(make, pictures, fitted, tmp_path):
    many = np.concatenate([pictures] * 2)  # more than a batch
    on_disk = make(many, tmp_path)
    for output in ("codes", "quantized", "latents", "histogram"):
        fitted.set_params(output=output)
        found, expected = fitted.transform(on_disk), fitted.transform(many)
        np.testing.assert_array_equal(found, expected)
        assert found.dtype == expected.dtype == (np.int64 if output == "codes" else np.float32)
    fitted.set_params(output="codes")


@pytest.mark.parametrize("make", [zarr, xarray, Slices])
def test_flat_rows_are_read_in_parts_too(make, pictures, fitted, tmp_path):
    flat = make(pictures.reshape(100, 64), tmp_path)
    vqvae = VQVAE(8, 4, image_shape=(8, 8), **QUICK).fit(flat)
    assert (vqvae.image_shape_, vqvae.n_features_in_) == ((8, 8, 1), 64)
    np.testing.assert_array_equal(vqvae.transform(flat), vqvae.transform(pictures))
    narrow = tmp_path / "narrow"
    narrow.mkdir()
    with pytest.raises(ValueError, match="X has 63 features, but VQVAE is expecting 64"):
        vqvae.transform(make(pictures.reshape(100, 64)[:, 1:], narrow))


@pytest.mark.parametrize(("make", "early_stopping"), [(memmap, True), (zarr, False), (dask, True)])
def test_a_prior_takes_codes_on_disk(make, early_stopping, pictures, fitted, tmp_path):
    codes = np.repeat(fitted.transform(pictures), 4, axis=0).astype(np.uint8)
    prior = PixelCNNPrior(8, hidden_channels=4, n_layers=1, max_iter=2, early_stopping=early_stopping, random_state=0)
    in_memory = prior.fit(codes).score(codes)
    found = prior.fit(make(codes, tmp_path))
    assert found.score(codes) == pytest.approx(in_memory, rel=0.0 if make is memmap else 0.1)
    again = tmp_path / "again"
    again.mkdir()
    assert found.set_params(warm_start=True).fit(make(codes, again)).n_iter_ == 4


@pytest.mark.parametrize("make", [zarr, image_files])
def test_both_stages_at_once(make, pictures, tmp_path):
    prior = PixelCNNPrior(hidden_channels=4, n_layers=1, max_iter=1, random_state=0)
    model = VQGenerator(VQVAE(8, 4, **QUICK), prior).fit(make(pictures, tmp_path))
    assert model.sample(2, random_state=0).shape[:3] == (2, 8, 8)


class Fails(Slices):
    """Raises at a read in training, far from the first one."""

    def __init__(self, X, error, chunks=None):
        super().__init__(X)
        self.error, self.left, self.chunks = error, 10**9, chunks

    def __getitem__(self, rows):
        self.left -= 1
        if self.left < 0:
            raise self.error
        return super().__getitem__(rows)


@pytest.mark.parametrize("chunks", [None, (33, 8, 8)])
def test_an_error_of_the_reader_comes_out_as_itself_and_leaves_the_estimator_as_it_was(pictures, fitted, chunks):
    vqvae = pickle.loads(pickle.dumps(fitted)).set_params(warm_start=True)
    X = Fails(pictures, PermissionError(13, "no more"), chunks)
    vqvae.fit(X)
    before, X.left = vqvae._weights, 3
    with pytest.raises(PermissionError, match="no more") as caught:
        vqvae.fit(X)
    assert "skvq was reading rows" in caught.value.__notes__[0]
    assert all(map(np.array_equal, vqvae._weights, before))


def test_nan_in_a_late_row_is_named_as_ever(pictures):
    X = pictures.astype(np.float32)
    vqvae = VQVAE(8, 4, **QUICK).fit(Slices(X))
    X = X.copy()
    X[77, 3, 3] = np.nan
    with pytest.raises(ValueError, match="X must be finite in float32"):
        vqvae.set_params(warm_start=True).fit(Slices(X))


def test_ctrl_c_ends_the_thread_and_keeps_whole_epochs(pictures, monkeypatch):
    from skvq._vqvae.training import AutoencoderObserver

    def interrupted(self, step, batch):
        if step == 10:  # of seven an epoch
            raise KeyboardInterrupt

    monkeypatch.setattr(AutoencoderObserver, "before_step", interrupted)
    with pytest.warns(ConvergenceWarning, match="interrupted after 1 of 2 epochs"):
        assert VQVAE(8, 4, **QUICK).fit(Slices(pictures)).n_iter_ == 1


def test_a_thread_reads_what_is_not_in_memory(pictures):
    class Counts(Slices):
        threads = set()

        def __getitem__(self, rows):
            self.threads.add(threading.current_thread().name.split("_")[0])
            return super().__getitem__(rows)

    VQVAE(8, 4, **QUICK).fit(Counts(pictures))
    assert THREAD_NAME in Counts.threads
