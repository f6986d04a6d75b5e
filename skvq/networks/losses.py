"""Reconstruction losses, each a function of images and reconstructions: one row in :data:`LOSSES`.

Both arguments are in [0, 1] (the training data's minimum and maximum). A mixture is a callable of the same
form::

    def mixture(images, reconstructions):
        return 0.8 * losses.ssim(images, reconstructions) + 0.2 * losses.mae(images, reconstructions)

The model divides each loss by its value for the training data's mean as the answer to every image, so that a network
that has learnt nothing scores about 1 whatever the loss and the data's scale; ``beta`` and ``vq_weight`` then mean
the same under each of them.

What the weights do to one another
----------------------------------
The loss of a batch is ::

    loss(x, x_hat) / loss(x, mean)  +  vq_weight * (codebook + beta * commitment)

where the codebook and commitment terms are mean squared distances over all numbers of the latents.

- **The scale of the data** is in none of the terms. Images are standardised for the encoder and brought to [0, 1] for
  the loss: ``X``, ``255 * X`` and ``3 * X - 1`` train alike, and weights found on one are right for the others.
- **The paper's β.** The paper leaves the scale of its first term open. With ``mse`` the first term here is the squared
  error over the data's variance, as in the authors' published code, and at ``vq_weight=1`` ``beta`` is the paper's β.
  Code with a bare loss, ``loss(x, x_hat) + w * (codebook + β * commitment)``, is matched by
  ``vq_weight = w / loss(x, mean)``: for MSE on [0, 1] this divisor is the variance, for the digits of MNIST 0.095.
  Code that sums where means are taken here is matched by the number of the latents' values over that of the image's.
- **Moving averages** learn without a codebook term: it is 0, and only ``vq_weight * beta`` acts. ``"fsq"`` has neither
  term, and both weights do nothing. With ``"gradient"`` the embeddings' whole gradient has the factor ``vq_weight``,
  which Adam and its kin divide out again: there, too, it is nearly the product alone that acts.
- **The commitment has the units of the latents**, which nothing else fixes. An encoder that halves them, a codebook
  that follows and a decoder that doubles them again keep every code and image, and quarter the term. So the product is
  no price of an error in the image: it holds the latents together. Measured on digits: at 0 they run away from their
  embeddings and the codes collapse; from 0.05 to 4 they get smaller, and from 0.25 to 4 the perplexity falls.
"""

import math
from collections.abc import Callable, Iterable

import numpy as np
from keras import ops

from skvq._contract.images import ValueRange


def mse(images, reconstructions):
    """Mean squared error."""
    return ops.mean(ops.square(images - reconstructions))


def mae(images, reconstructions):
    """Mean absolute error."""
    return ops.mean(ops.abs(images - reconstructions))


def bce(images, reconstructions):
    """Cross-entropy in nats a value, each value of an image taken as a probability."""
    probabilities = ops.clip(reconstructions, 1e-6, 1.0 - 1e-6)
    return -ops.mean(images * ops.log(probabilities) + (1.0 - images) * ops.log(1.0 - probabilities))


def ssim(images, reconstructions):
    """One minus the structural similarity, averaged over images, channels and positions.

    The settings are those of the original paper: Gaussian window of 11 × 11 pixels with sigma 1.5, population
    covariance, K1 = 0.01, K2 = 0.03, data range 1, positions whose window leaves the image left out. This is
    scikit-image's ``structural_similarity(gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
    data_range=1)``. Images smaller than the window get the largest odd window that fits.

    References
    ----------
    Wang et al., "Image Quality Assessment: From Error Visibility to Structural Similarity", 2004, eq. 13.
    """
    height, width = images.shape[1], images.shape[2]
    size = min(11, height - 1 + height % 2, width - 1 + width % 2)
    offsets = np.arange(size) - size // 2
    window = np.exp(-0.5 * (offsets / 1.5) ** 2)
    window = (window / window.sum()).astype("float32")
    # One blur of all five maps side by side takes two thirds of the time of five.
    maps = [images, reconstructions, images * images, reconstructions * reconstructions, images * reconstructions]
    blurred = ops.concatenate(maps, axis=-1)  # (n, height, width, 5 * channels)
    for shape in ((size, 1, 1, 1), (1, size, 1, 1)):
        kernel = np.tile(window.reshape(shape), (1, 1, 5 * images.shape[-1], 1))
        blurred = ops.depthwise_conv(blurred, kernel, padding="valid", data_format="channels_last")
    mean_x, mean_y, square_x, square_y, product = ops.split(blurred, 5, axis=-1)
    variance_x = square_x - mean_x * mean_x
    variance_y = square_y - mean_y * mean_y
    covariance = product - mean_x * mean_y
    c1, c2 = 0.01**2, 0.03**2
    similarity = ((2 * mean_x * mean_y + c1) * (2 * covariance + c2)) / (
        (mean_x * mean_x + mean_y * mean_y + c1) * (variance_x + variance_y + c2)
    )
    return 1.0 - ops.mean(similarity)


LOSSES = {"mse": mse, "mae": mae, "bce": bce, "ssim": ssim}


def constant_picture_loss(loss: Callable, batches: Iterable[np.ndarray], values: ValueRange) -> float:
    """Return the loss of answering every image with the mean value: the unit that losses are measured in.

    Parameters
    ----------
    loss : callable
    batches : iterable of ndarray
        Images in the user's units, a few at a time, as a loss holds many arrays of their size.
    values : ValueRange
        Of the training data.

    Raises
    ------
    ValueError
        If the loss is no number.
    """
    span = values.maximum - values.minimum or 1.0
    total, n_images = 0.0, 0
    for images in batches:
        unit_images = ops.convert_to_tensor((images - values.minimum) / span, "float32")
        picture = ops.full_like(unit_images, (values.mean - values.minimum) / span)
        value = ops.convert_to_numpy(loss(unit_images, picture))
        if np.ndim(value):
            raise ValueError(
                f"reconstruction_loss must return one number for a batch; got an array of shape {np.shape(value)} for "
                f"{len(images)} images. Return its mean, by keras.ops.mean."
            )
        total += len(images) * float(value)
        n_images += len(images)
    result = total / n_images
    return result if math.isfinite(result) and result > 1e-12 else 1.0
