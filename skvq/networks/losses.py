"""Reconstruction losses: functions of images and reconstructions, listed in :data:`LOSSES`.

Both arguments are scaled to [0, 1], the minimum and maximum of the training data. A combination of losses is a
function with the same arguments::

    def mixture(images, reconstructions, weights=None):
        return 0.8 * losses.ssim(images, reconstructions, weights) + 0.2 * losses.mae(images, reconstructions, weights)

``weights`` is needed for ``fit(X, pixel_weight=…)`` alone. It is an array ``(n, height, width, 1)``, or
``(n, n_features)`` for vectors, with the mean 1 over all pixels of X; or None without ``pixel_weight``. A loss is then
the mean of weight times loss over all pixels. Where a weight is 0, the value of the image is unknown, and must not
change the loss.

The model divides each loss by the loss of a constant reconstruction, the mean of the training data. So an untrained
network has a loss of about 1 for every loss function and scale of data, and ``beta`` and ``vq_weight`` have the same
meaning for all.

How the weights interact
------------------------
The loss of a batch is ::

    loss(x, x_hat) / loss(x, mean)  +  vq_weight * (codebook + beta * commitment)

where the codebook and commitment terms are mean squared distances over all values of the latents.

- **The scale of the data** has no influence on the terms. Images are standardised for the encoder and scaled to [0, 1]
  for the loss. So ``X``, ``255 * X`` and ``3 * X - 1`` give the same training, and the same weights suit all three.
- **The β of the paper.** The paper does not give the scale of its first term. With ``mse``, the first term here is the
  squared error divided by the variance of the data, as in the code of the authors. With ``vq_weight=1``, ``beta`` is
  then the β of the paper. For code without this divisor, ``loss(x, x_hat) + w * (codebook + β * commitment)``, use
  ``vq_weight = w / loss(x, mean)``. For MSE on [0, 1], the divisor is the variance: 0.095 for the digits of MNIST. For
  code with sums instead of means, also multiply by the number of values of the latents, divided by that of the image.
- **With moving averages**, the codebook term is 0, so only the product ``vq_weight * beta`` matters. ``"fsq"`` has
  neither term, and both weights have no effect. With ``"gradient"``, the gradient of the embeddings has the factor
  ``vq_weight``. Adam and similar optimizers normalise it, so there, too, almost only the product matters.
- **The commitment term has the units of the latents**, and no other term fixes their scale. If encoder and codebook
  halve the latents and the decoder doubles them, all codes and images stay the same, but the term is a quarter. So the
  product does not trade against image error; it keeps latents from drifting. Measured on digits: with a product of 0,
  latents drift away from their embeddings and few codes are used. From 0.05 to 4, latents get smaller, and from 0.25
  to 4, the perplexity falls.
"""

import inspect
import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from keras import ops

from skvq._contract.errors import invalid
from skvq._contract.images import ValueRange


def mse(images: Any, reconstructions: Any, weights: Any = None) -> Any:
    """Mean squared error."""
    return _mean(ops.square(images - reconstructions), weights)


def mae(images: Any, reconstructions: Any, weights: Any = None) -> Any:
    """Mean absolute error."""
    return _mean(ops.abs(images - reconstructions), weights)


def bce(images: Any, reconstructions: Any, weights: Any = None) -> Any:
    """Mean cross-entropy in nats. Values of images are interpreted as probabilities."""
    probabilities = ops.clip(reconstructions, 1e-6, 1.0 - 1e-6)
    return -_mean(images * ops.log(probabilities) + (1.0 - images) * ops.log(1.0 - probabilities), weights)


def _mean(values, weights):
    return ops.mean(values) if weights is None else ops.mean(weights * values)


def ssim(images: Any, reconstructions: Any, weights: Any = None) -> Any:
    """One minus the structural similarity, averaged over images, channels and positions.

    The settings are those of the paper: a Gaussian window of 11 × 11 pixels with sigma 1.5, population covariance,
    K1 = 0.01, K2 = 0.03, data range 1, and only windows inside the image. It equals
    ``structural_similarity(gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1)`` of
    scikit-image. For smaller images, the window is the largest odd one that fits.

    With weights, a window compares the known pixels in it, those of a weight above 0, and counts by the mean weight of
    its pixels.

    References
    ----------
    Wang et al., "Image Quality Assessment: From Error Visibility to Structural Similarity", 2004, eq. 13.
    """
    height, width = images.shape[1], images.shape[2]
    size = min(11, height - 1 + height % 2, width - 1 + width % 2)
    offsets = np.arange(size) - size // 2
    window = np.exp(-0.5 * (offsets / 1.5) ** 2)
    window = (window / window.sum()).astype("float32")
    # One convolution of all five maps takes two thirds of the time of five convolutions.
    maps = [images, reconstructions, images * images, reconstructions * reconstructions, images * reconstructions]
    window_weight: Any = None
    if weights is None:
        mean_x, mean_y, square_x, square_y, product = ops.split(_blur(ops.concatenate(maps, axis=-1), window), 5, -1)
    else:
        known = ops.cast(weights > 0, "float32")  # (n, height, width, 1)
        blurred = _blur(ops.concatenate([*(known * each for each in maps), known, weights], axis=-1), window)
        sums, share, window_weight = blurred[..., :-2], blurred[..., -2:-1], blurred[..., -1:]
        mean_x, mean_y, square_x, square_y, product = ops.split(sums / ops.maximum(share, 1e-12), 5, -1)
    variance_x = square_x - mean_x * mean_x
    variance_y = square_y - mean_y * mean_y
    covariance = product - mean_x * mean_y
    c1, c2 = 0.01**2, 0.03**2
    similarity = ((2 * mean_x * mean_y + c1) * (2 * covariance + c2)) / (
        (mean_x * mean_x + mean_y * mean_y + c1) * (variance_x + variance_y + c2)
    )
    return 1.0 - ops.mean(similarity) if weights is None else ops.mean(window_weight * (1.0 - similarity))


def _blur(maps, window: np.ndarray):
    """Return the means of maps (n, height, width, channels) in all windows inside the image."""
    for shape in ((-1, 1, 1, 1), (1, -1, 1, 1)):
        kernel = np.tile(window.reshape(shape), (1, 1, maps.shape[-1], 1))
        maps = ops.depthwise_conv(maps, kernel, padding="valid", data_format="channels_last")
    return maps


LOSSES = {"mse": mse, "mae": mae, "bce": bce, "ssim": ssim}


def check_takes_weights(loss: Any) -> None:
    """Raise if a loss cannot weigh pixels.

    Raises
    ------
    InvalidInputError
    """
    try:
        parameters = list(inspect.signature(loss).parameters)
    except (TypeError, ValueError):  # of what is written in C
        parameters = []
    if "weights" not in parameters:
        raise invalid(
            "reconstruction_loss",
            "take weights where pixel_weight is given",
            f"{getattr(loss, '__name__', loss)!s}({', '.join(parameters)})",
            "Add the argument weights=None, which skvq.networks.losses describes, and use it; losses of skvq take it, "
            "too.",
        )


def constant_picture_loss(loss: Callable[..., Any], batches: Iterable[Any], values: ValueRange) -> float:
    """Return the loss of a constant reconstruction, the mean of the data. Losses are divided by it.

    Parameters
    ----------
    loss : callable
    batches : iterable of (ndarray, ndarray or None)
        Images in the user's units, and the weights of their pixels. Batches should be small, because a loss needs many
        arrays of their size.
    values : ValueRange
        Of the training data.

    Raises
    ------
    ValueError
        If the loss is not one number.
    """
    span = values.maximum - values.minimum or 1.0
    total, n_images = 0.0, 0
    for images, weights in batches:
        unit_images = ops.convert_to_tensor((images - values.minimum) / span, "float32")
        picture = ops.full_like(unit_images, (values.mean - values.minimum) / span)
        weighing = {} if weights is None else {"weights": ops.convert_to_tensor(weights, "float32")}
        value = ops.convert_to_numpy(loss(unit_images, picture, **weighing))
        if np.ndim(value):
            raise ValueError(
                f"reconstruction_loss must return one number for a batch; got an array of shape {np.shape(value)} for "
                f"{len(images)} images. Return its mean, by keras.ops.mean."
            )
        total += len(images) * float(value)
        n_images += len(images)
    result = total / n_images
    return result if math.isfinite(result) and result > 1e-12 else 1.0
