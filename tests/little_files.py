"""Little images on disk for the tests of readers."""

import zipfile

import numpy as np
import pytest


def save(path, array, **options):
    Image = pytest.importorskip("PIL.Image")
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(array)).save(path, **options)


def cut(path, share=0.5):
    """Cut a file off, behind its header."""
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])


def zipped(folder, path, below=""):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, below + file.relative_to(folder).as_posix())
    return path


def noise(shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
