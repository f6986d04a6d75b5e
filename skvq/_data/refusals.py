"""What people hand in that is no array of images: each kind is recognised, and its message names the way out."""

import math
import os
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from skvq._contract.errors import invalid

FEWEST_PIXELS = 64  # of a flat image; 8 × 8
RULE = "be one array of images, (n, height, width), (n, height, width, channels) or (n, features)"


def refuse_what_is_no_array(X: Any) -> None:
    """Raise for things that hold images, or say where they are, without being an array.

    Raises
    ------
    InvalidInputError
        Naming what X is, and how to make an array of it.
    """
    for what, way_out in filter(None, (recognise(X) for recognise in KINDS)):
        raise invalid("X", RULE, what, way_out)


def warn_of_flat_images(X: np.ndarray) -> None:
    """Warn where rows of numbers (n, features) look like flat images, which would be trained on as vectors.

    Rows of a square or three times a square of whole numbers do, unless all are 0 or 1.
    """
    n_features = X.shape[1]
    n_channels = next((c for c in (1, 3) if math.isqrt(n_features // c) ** 2 * c == n_features), None)
    rows = X[:8]
    if n_channels is None or n_features < FEWEST_PIXELS or rows.dtype.kind not in "iuf":
        return
    if rows.min() < 0 or rows.max() <= 1 or (rows != np.rint(rows)).any():
        return
    side = math.isqrt(n_features // n_channels)
    shape = (side, side) if n_channels == 1 else (side, side, n_channels)
    warnings.warn(
        f"X has rows of {n_features} whole numbers, which are taken as vectors. If they are flat images, set "
        f"image_shape={shape}; if they are vectors, architecture='dense' says so.",
        UserWarning,
        stacklevel=4,
    )


def _path(X: Any) -> tuple[str, str] | None:
    if not isinstance(X, (str, bytes, os.PathLike)):
        return None
    return (
        f"the path {X!r}",
        "Read the images first: skvq.datasets.open_images(path) takes a folder, a zip or a pattern.",
    )


def _paths(X: Any) -> tuple[str, str] | None:
    if not isinstance(X, (list, tuple)) or not X or not all(isinstance(item, (str, os.PathLike)) for item in X):
        return None
    return (
        f"a {type(X).__name__} of {len(X)} paths or strings",
        "Read the images first: skvq.datasets.open_images(folder), or np.stack([plt.imread(path) for path in X]).",
    )


def _images_and_labels(X: Any) -> tuple[str, str] | None:
    if not isinstance(X, tuple) or len(X) != 2 or not all(hasattr(part, "shape") for part in X):
        return None
    images, labels = X
    if len(images.shape) < 2 or len(labels.shape) != 1 or len(images) != len(labels):
        return None
    return "a tuple of images and labels", "Pass them one by one: fit(*X), or fit(images, labels)."


def _masked(X: Any) -> tuple[str, str] | None:
    if not isinstance(X, np.ma.MaskedArray):
        return None
    n_masked = int(np.ma.count_masked(X))
    return (
        f"a masked array with {n_masked} masked values",
        "Say what masked pixels should be: X.filled(0), or X.filled(X.mean()). To leave them out, call "
        "fit(X.filled(0), pixel_weight=~np.ma.getmaskarray(X)).",
    )


def _tensorflow_dataset(X: Any) -> tuple[str, str] | None:
    if not callable(getattr(X, "as_numpy_iterator", None)):
        return None
    return "a tf.data.Dataset", "Make an array of its batches: np.concatenate(list(X.as_numpy_iterator()))."


def _keras_dataset(X: Any) -> tuple[str, str] | None:
    if not any(base.__name__ in ("PyDataset", "Sequence") and "keras" in base.__module__ for base in type(X).__mro__):
        return None
    return "a keras PyDataset", "Make an array of its batches: np.concatenate([X[i][0] for i in range(len(X))])."


def _torch_dataset(X: Any) -> tuple[str, str] | None:
    if not any(base.__module__.startswith("torch.utils.data") for base in type(X).__mro__):
        return None
    if hasattr(X, "tensors"):
        return "a torch TensorDataset", "Pass its images: X.tensors[0].numpy()."
    return f"a torch {type(X).__name__}", "Make an array of it: np.stack([np.asarray(item[0]) for item in X])."


def _hugging_face_dataset(X: Any) -> tuple[str, str] | None:
    if type(X).__module__.split(".")[0] != "datasets" or not hasattr(X, "column_names"):
        return None
    return (
        f"a Hugging Face {type(X).__name__} with the columns {X.column_names}",
        'Make an array of its images: np.stack([np.asarray(image) for image in X["image"]]).',
    )


def _column_of_arrays(X: Any) -> tuple[str, str] | None:
    owner = type(X).__module__.split(".")[0]
    is_column = owner in ("pandas", "polars", "pyarrow") and len(getattr(X, "shape", (0,))) == 1
    if not is_column and not (isinstance(X, np.ndarray) and X.dtype == object and X.ndim == 1 and len(X)):
        return None
    to_list = {"pandas": "X.to_list()", "polars": "X.to_list()", "pyarrow": "X.to_pylist()"}.get(owner, "list(X)")
    what = f"a column of {len(X)} objects" + (f" of {owner}" if is_column else "")
    return what, f"Stack them, if each is an image of one size: np.stack({to_list})."


def _sizes(X: Any) -> tuple[str, str] | None:
    if not isinstance(X, (list, tuple)) or not X or not all(hasattr(item, "shape") for item in X):
        return None
    sizes = list(dict.fromkeys(tuple(item.shape) for item in X))
    if len(sizes) == 1:
        return None
    return (
        f"images of {len(sizes)} sizes, {sizes[0]} and {sizes[1]} for two",
        "Bring them to one size first; skvq.datasets.open_images(folder, size=(height, width)) does so for files.",
    )


def _complex(X: Any) -> tuple[str, str] | None:
    if getattr(getattr(X, "dtype", None), "kind", None) != "c":
        return None
    return (
        "complex numbers (Complex data not supported)",
        "Pass their magnitude, np.abs(X), or np.stack([X.real, X.imag], -1).",
    )


def _times(X: Any) -> tuple[str, str] | None:
    if getattr(getattr(X, "dtype", None), "kind", None) not in ("m", "M"):
        return None
    return f"times, of dtype {X.dtype}", "Pass numbers: X.astype(float) of durations counts their unit."


def _mapping(X: Any) -> tuple[str, str] | None:
    if not isinstance(X, Mapping):
        return None
    names = ", ".join(map(repr, list(X)[:6]))
    return f"a {type(X).__name__} with {names}", f"Pass the images in it, such as X[{next(iter(X), 'images')!r}]."


def _iterable(X: Any) -> tuple[str, str] | None:
    if hasattr(X, "shape") or hasattr(X, "__array__") or hasattr(X, "__dataframe__"):
        return None
    if not isinstance(X, Iterator) and (hasattr(X, "__len__") or not hasattr(X, "__iter__")):
        return None
    return f"an iterable, {type(X).__name__}", "Make an array of it: np.stack(list(X))."


KINDS = (
    _path,
    _paths,
    _images_and_labels,
    _masked,
    _tensorflow_dataset,
    _keras_dataset,
    _torch_dataset,
    _hugging_face_dataset,
    _column_of_arrays,
    _sizes,
    _complex,
    _times,
    _mapping,
    _iterable,
)
