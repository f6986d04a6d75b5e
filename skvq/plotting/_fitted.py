"""What the displays read from fitted estimators, by their public methods and attributes alone."""

from typing import Any

import numpy as np

from skvq._contract.images import layout_of


def fitted(estimator: Any, name: str, parameter: str) -> Any:
    """Return ``estimator.name``, an attribute that fitting makes.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If the estimator lacks it.
    """
    try:
        return getattr(estimator, name)
    except AttributeError:
        from sklearn.exceptions import NotFittedError

        raise NotFittedError(
            f"{parameter} must be a fitted estimator with {name}; got {type(estimator).__name__} without it. "
            f"Call {parameter}.fit(...) first."
        ) from None


def check_count(value: int, name: str, minimum: int = 1) -> int:
    """Return ``value`` as an int of at least ``minimum``."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)) or value < minimum:
        raise ValueError(f"{name} must be an integer >= {minimum}; got {value!r}. Pass a whole number, such as 8.")
    return int(value)


def first_rows(X: Any, n: int, parameter: str = "n_images") -> Any:
    """Return at most the first ``n`` rows of X, in X's own type, so that feature names stay with it."""
    n = check_count(n, parameter)
    return X.iloc[:n] if hasattr(X, "iloc") else X[:n]


def image_shape_of(vqvae: Any) -> tuple[int, int, int]:
    """Return ``vqvae.image_shape_``, with its three lengths.

    Raises
    ------
    ValueError
        If the estimator was fitted on vectors, which are no images to show.
    """
    shape = tuple(fitted(vqvae, "image_shape_", "vqvae"))
    if len(shape) != 3:
        raise ValueError(
            "vqvae must be fitted on images, with image_shape_ == (height, width, channels); "
            f"got image_shape_ == {shape}. Flat rows are taken as vectors: if they are images, "
            "fit VQVAE(image_shape=(height, width))."
        )
    return shape


def images_of(vqvae: Any, X: Any, parameter: str = "X") -> np.ndarray:
    """Return X, in any layout that ``vqvae`` accepts, as ``(n, height, width, channels)`` in its own units.

    Raises
    ------
    ValueError
        If X is empty or does not hold images of ``vqvae.image_shape_``.
    """
    shape = image_shape_of(vqvae)
    X = np.asarray(X)
    if X.ndim == 0 or len(X) == 0:
        raise ValueError(f"{parameter} must hold at least one image to show; got shape {X.shape}.")
    return layout_of(X, shape).to_images(X)


def decoded(vqvae: Any, codes: np.ndarray) -> np.ndarray:
    """Return the images that codes ``(n, positions)`` stand for, as ``(n, height, width, channels)``."""
    shape = image_shape_of(vqvae)
    return np.asarray(vqvae.inverse_transform(codes), dtype=np.float32).reshape(-1, *shape)


def code_maps(vqvae: Any, codes: np.ndarray) -> np.ndarray:
    """Return codes ``(n, positions)`` as maps ``(n, h, w)``."""
    return np.asarray(codes).reshape(-1, *fitted(vqvae, "code_shape_", "vqvae"))


def labels_for(y: Any, n: int) -> np.ndarray | None:
    """Return the first ``n`` labels of ``y``, or None for None.

    Raises
    ------
    ValueError
        If ``y`` is no sequence of labels, or has fewer than there are rows.
    """
    if y is None:
        return None
    y = np.asarray(y)
    if y.ndim != 1 or len(y) < n:
        raise ValueError(
            f"y must hold one label for each row of X, {n} here; got shape {y.shape}. "
            f"For one class throughout pass y=[label] * {n}."
        )
    return y[:n]
