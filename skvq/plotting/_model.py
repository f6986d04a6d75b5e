"""Reading of fitted models for the displays, through public methods and attributes alone."""

from typing import Any

import numpy as np

from skvq._contract.codes import CodeGrid
from skvq._contract.counts import check_count
from skvq._contract.errors import invalid
from skvq._contract.images import layout_of
from skvq._contract.labels import check_labels
from skvq.metrics._scorers import autoencoder_of


def fitted_autoencoder(model: Any) -> Any:
    """Return a fitted VQVAE, or the autoencoder of a fitted VQGenerator.

    Raises
    ------
    NotFittedError
        If the model is not fitted.
    InvalidInputError
        If the model was fitted on vectors, which cannot be shown as images.
    """
    from skvq._fitted import check_fitted  # loads scikit-learn, which displays of arrays do not need

    vqvae = autoencoder_of(model)
    for name in ("grid_", "image_shape_"):
        check_fitted(vqvae, name, "model")
    if len(vqvae.image_shape_) != 3:
        raise invalid(
            "model",
            "be fitted on images, with image_shape_ == (height, width, channels)",
            f"image_shape_ == {tuple(vqvae.image_shape_)}",
            "Flat rows are vectors unless image_shape is set: fit VQVAE(image_shape=(height, width)).",
        )
    return vqvae


def fitted_parts(model: Any, prior: Any) -> tuple[Any, Any]:
    """Return the autoencoder and the prior of a VQGenerator, or a VQVAE and its prior.

    Raises
    ------
    NotFittedError
        If the model or the prior is not fitted.
    InvalidInputError
        If there is no prior or more than one, or the prior is for another grid.
    """
    from skvq._fitted import check_fitted

    vqvae = fitted_autoencoder(model)
    if hasattr(model, "prior_"):
        if prior is not None:
            way_out = "Leave prior out, or pass model.vqvae_ as model."
            raise invalid("prior", "be None for a VQGenerator, which has its own prior", type(prior).__name__, way_out)
        prior = model.prior_
    elif prior is None:
        way_out = "Pass prior=..., or a fitted VQGenerator as model."
        raise invalid("prior", "be a fitted prior if model is a VQVAE", "None", way_out)
    check_fitted(prior, "grid_", "prior")
    vqvae.grid_.require(prior.grid_)
    return vqvae, prior


def first_rows(X: Any, n: int, parameter: str = "n_images") -> Any:
    """Return at most the first ``n`` rows of X in the type of X, which keeps its feature names."""
    n = check_count(parameter, n)
    return X.iloc[:n] if hasattr(X, "iloc") else X[:n]


def first_labels(y: Any, X: Any, n: int) -> np.ndarray | None:
    """Return the labels of the first ``n`` rows of X, and None for None. A single label is used for all rows."""
    return None if y is None else check_labels(y, len(X))[:n]


def images_of(vqvae: Any, X: Any, parameter: str = "X") -> np.ndarray:
    """Return X in any layout as images ``(n, height, width, channels)`` in the units of X.

    Raises
    ------
    InvalidInputError
        If X is empty, or its rows are not images of ``vqvae.image_shape_``.
    """
    X = np.asarray(X)
    if X.ndim == 0 or len(X) == 0:
        raise invalid(parameter, "hold at least one image", f"shape {X.shape}", "Pass the images to show.")
    return layout_of(X, tuple(vqvae.image_shape_)).to_images(X)


def decoded(vqvae: Any, codes: np.ndarray, n_quantizers: int | None = None) -> np.ndarray:
    """Return the images of codes, of the first stages alone if asked, as ``(n, height, width, channels)``."""
    options = {} if n_quantizers is None else {"n_quantizers": n_quantizers}
    images = vqvae.inverse_transform(codes, **options)
    return np.asarray(images, dtype=np.float32).reshape(-1, *vqvae.image_shape_)


def code_maps(grid: CodeGrid, codes: np.ndarray) -> np.ndarray:
    """Return one value for each code ``(n, n_codes)`` as maps ``(n, h, w, depth)``."""
    return np.asarray(codes).reshape(-1, *grid.shape, grid.depth)
