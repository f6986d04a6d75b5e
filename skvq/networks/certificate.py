"""Check a sample by one full forward pass, without a second sampler.

The forward pass gives the distribution of each code given the codes before it. At its uniform, the inverse of the
cumulative distribution must be the code of the sample, up to the rounding of float32.
"""

import numpy as np
from keras import ops

from skvq._contract.sampling import SamplingOptions
from skvq.networks.sampling import cumulative_weights


def boundary_distance(
    logits: np.ndarray, uniforms: np.ndarray, codes: np.ndarray, options: SamplingOptions
) -> np.ndarray:
    """Return the distance of each uniform from the interval of its code.

    Parameters
    ----------
    logits : ndarray of shape (n, positions, K)
        From one full pass over ``codes``.
    uniforms, codes : ndarray of shape (n, positions)
    options : SamplingOptions

    Returns
    -------
    ndarray of shape (n, positions)
        0 if the inverse of the cumulative distribution is the code. Otherwise the distance of the uniform from the
        interval of the code, as a probability, or 1 if the interval is empty.
    """
    cumulative = ops.convert_to_numpy(cumulative_weights(ops.convert_to_tensor(logits), options)).astype(np.float64)
    cumulative = cumulative / cumulative[..., -1:]
    chosen = np.asarray(codes, dtype=np.int64)[..., None]
    upper = np.take_along_axis(cumulative, chosen, axis=-1)[..., 0]
    below = np.take_along_axis(cumulative, np.maximum(chosen - 1, 0), axis=-1)[..., 0]
    lower = np.where(chosen[..., 0] > 0, below, 0.0)
    distance = np.maximum(np.maximum(lower - uniforms, uniforms - upper), 0.0)
    return np.where(upper > lower, distance, 1.0)


def is_undecided(logits: np.ndarray, codes: np.ndarray, options: SamplingOptions, blur: float) -> np.ndarray:
    """Whether rounding decides which codes are left out, and may have let in the code that was drawn.

    Parameters
    ----------
    logits : ndarray of shape (n, positions, K)
    codes : ndarray of shape (n, positions)
    options : SamplingOptions
        Of Python numbers.
    blur : float
        By how much a probability may be off, relative to the largest.

    Returns
    -------
    ndarray of shape (n, positions), bool
    """
    scaled = logits.astype(np.float64) / options.temperature
    weights = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    falling = -np.sort(-weights, axis=-1)
    sums = np.cumsum(falling, axis=-1)
    most = np.full(codes.shape, min(options.top_k or weights.shape[-1], weights.shape[-1]))
    fewest = most
    if options.top_p is not None and options.top_p < 1:
        reached = (sums - falling) / np.take_along_axis(sums, most[..., None] - 1, axis=-1)
        fewest = np.minimum(most, np.maximum((reached < options.top_p - blur).sum(axis=-1), 1))
        most = np.minimum(most, (reached < options.top_p + blur).sum(axis=-1))
    possible = weights >= np.take_along_axis(falling, most[..., None] - 1, axis=-1) * (1 - blur)
    was_possible = np.take_along_axis(possible, np.asarray(codes, np.int64)[..., None], axis=-1)[..., 0]
    return (possible.sum(axis=-1) != fewest) & was_possible
