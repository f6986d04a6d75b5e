"""Logits to integer frequencies that add up to 2**24, by integers alone."""

import numpy as np

from skvq.compression.tables import LOGITS_PER_NAT

PRECISION = 24
TOTAL = 2**PRECISION
MOST_EMBEDDINGS = 2**16  # of a grid that is coded: each code keeps at least one of the 2**24 parts
_STEPS_PER_NAT = 256
_COARSE = (LOGITS_PER_NAT // _STEPS_PER_NAT).bit_length() - 1  # bits that logits have more than the table below
_LARGEST = 17 * _STEPS_PER_NAT  # exp(-17) of 2**24 rounds down to 0
_DECAY, _DECAY_BITS = 1148426689630428643, 60  # exp(-1/256) * 2**60


def _exponentials() -> np.ndarray:
    """Return exp(-i / 256) * 2**24 for i from 0, rounded down; made of integers, as exp may differ between machines."""
    values, value = [], TOTAL << 36
    for _ in range(_LARGEST):
        values.append(value >> 36)
        value = value * _DECAY >> _DECAY_BITS
    return np.array([*values, 0], np.int64)


EXPONENTIALS = _exponentials()


def frequencies(logits: np.ndarray) -> np.ndarray:
    """Return how many of 2**24 parts each code has, less the one part that every code has, as whole float32.

    Parameters
    ----------
    logits : ndarray of shape (..., n_embeddings)
        Whole numbers in float32, in units of 1 / LOGITS_PER_NAT nats, 2 to 2**16 codes.

    Returns
    -------
    ndarray of shape (..., n_embeddings), float32
        Whole numbers >= 0 that add up to 2**24 - n_embeddings.
    """
    whole = logits.astype(np.int32)
    below = whole.max(axis=-1, keepdims=True) - whole
    weights = EXPONENTIALS.take(below >> _COARSE, mode="clip")
    free = TOTAL - logits.shape[-1]
    # One division for each distribution; the largest weight is 2**24, so products stay below 2**60.
    scales = (free << 36) // weights.sum(axis=-1, keepdims=True)
    weights *= scales
    weights >>= 36
    weights[..., 0] += free - weights.sum(axis=-1)  # what rounding down left over
    return weights.astype(np.float32)
