"""A colour for each code. Codes with similar embeddings have similar colours."""

import numpy as np

# From Oklab to linear sRGB: B. Ottosson, "A perceptual color space for image processing" (2020).
_OKLAB_TO_LMS = np.array(
    [
        [1.0, 0.3963377774, 0.2158037573],
        [1.0, -0.1055613458, -0.0638541728],
        [1.0, -0.0894841775, -1.2914855480],
    ]
)
_LMS_TO_RGB = np.array(
    [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.7076147010],
    ]
)


def principal_axes(codebook: np.ndarray, n_axes: int, weights: np.ndarray | None = None) -> np.ndarray:
    """Project embeddings on their leading principal axes.

    Parameters
    ----------
    codebook : ndarray of shape (n_embeddings, embedding_dim)
    n_axes : int
        Axes along which embeddings do not differ have the value 0.
    weights : ndarray of shape (n_embeddings,) or None
        Weight of each embedding for the axes, such as its usage. None gives all the same weight.

    Returns
    -------
    ndarray of shape (n_embeddings, n_axes), float64
        The largest loading of each axis is positive, so the signs of the axes are the same in every run.
    """
    codebook = np.asarray(codebook, dtype=np.float64)
    given = np.ones(len(codebook)) if weights is None else np.asarray(weights, dtype=np.float64)
    if not given.sum() > 0:
        given = np.ones(len(codebook))
    shares = given / given.sum()
    centred = codebook - shares @ codebook
    _, spreads, axes = np.linalg.svd(np.sqrt(shares)[:, None] * centred, full_matrices=False)
    # Along an axis without variance, positions would only be rounding errors.
    axes = axes[:n_axes][spreads[:n_axes] > 1e-9 * spreads[0]]
    largest = np.abs(axes).argmax(axis=1)
    axes = axes * np.where(axes[np.arange(len(axes)), largest] < 0, -1.0, 1.0)[:, None]
    projected = np.zeros((len(codebook), n_axes))
    projected[:, : len(axes)] = centred @ axes.T
    return projected


def code_colors(codebook: np.ndarray, counts: np.ndarray | None = None) -> np.ndarray:
    """Return a colour for each code, from the position of its embedding among the others.

    The first principal axis of the codebook is the lightness. The next two are hue and saturation: the axes from green
    to red and from blue to yellow of the perceptual colour space Oklab. Positions are compressed by tanh, so that a
    few distant embeddings do not give all others the same colour.

    Parameters
    ----------
    codebook : ndarray of shape (n_embeddings, embedding_dim)
    counts : ndarray of shape (n_embeddings,) or None
        How often each code is used. Unused codes then do not influence the axes.

    Returns
    -------
    ndarray of shape (n_embeddings, 3), float32, sRGB in [0, 1]
    """
    axes = principal_axes(codebook, 3, counts)
    typical = axes if counts is None or not np.any(counts) else axes[np.asarray(counts) > 0]
    light, red, yellow = (_compressed(*pair) for pair in zip(axes.T, typical.T, strict=True))
    oklab = np.stack([0.66 + 0.24 * light, 0.15 * red, 0.15 * yellow], axis=1)
    linear = np.clip((oklab @ _OKLAB_TO_LMS.T) ** 3 @ _LMS_TO_RGB.T, 0, 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.clip(encoded, 0, 1).astype(np.float32)


def _compressed(places: np.ndarray, typical: np.ndarray) -> np.ndarray:
    """Map positions on an axis to (-1, 1) by tanh, such that 80 % of the typical ones are within (-0.84, 0.84)."""
    center = np.median(typical)
    distances = np.abs(typical - center)
    reach = np.quantile(distances, 0.8) or distances.max() or 1.0
    return np.tanh(1.2 * (places - center) / reach)
