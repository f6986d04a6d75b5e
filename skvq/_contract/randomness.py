"""Named, independent streams of random numbers from one ``random_state``.

Each consumer of random numbers (weights, batches, restarts, samples, …) has a stream of its own, found by name. A new
consumer therefore never changes the numbers of another one. Global random states are neither read nor changed.
"""

import zlib

import numpy as np

from .errors import invalid

RandomStateLike = int | np.integer | np.random.RandomState | np.random.Generator | None


def seed_from(random_state: RandomStateLike) -> int:
    """Return one integer seed for a ``random_state`` in scikit-learn's sense.

    Parameters
    ----------
    random_state : int, RandomState, Generator or None
        An int is the seed itself. An instance draws one number, so two calls with the same instance give different
        seeds, as in scikit-learn. None takes entropy from the operating system.

    Returns
    -------
    int
        Seed in [0, 2**63).

    Raises
    ------
    InvalidInputError
        If ``random_state`` is none of these, or a negative integer.
    """
    if random_state is None:
        return int(np.random.SeedSequence().generate_state(1, np.uint64)[0] >> np.uint64(1))
    if isinstance(random_state, (int, np.integer)) and not isinstance(random_state, (bool, np.bool_)):
        if random_state >= 0:
            return int(random_state)
    elif isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**31 - 1))
    elif isinstance(random_state, np.random.Generator):
        return int(random_state.integers(2**63 - 1))
    raise invalid(
        "random_state",
        "be an int >= 0, a numpy RandomState or Generator, or None",
        repr(random_state),
        "Pass an int for the same result at every call.",
    )


def stream(seed: int, name: str) -> np.random.Generator:
    """Return the generator of the stream ``name`` for ``seed``."""
    return np.random.default_rng(np.random.SeedSequence([seed, zlib.crc32(name.encode())]))


def uniforms(random_state: RandomStateLike, n_samples: int, n_positions: int) -> np.ndarray:
    """Draw the uniform numbers that a sampler turns into codes.

    Rows are drawn one after the other, so the first rows do not depend on ``n_samples``:
    ``sample(5, random_state=0)[:3]`` equals ``sample(3, random_state=0)``.

    Returns
    -------
    ndarray of shape (n_samples, n_positions), float32, in [0, 1)
    """
    generator = stream(seed_from(random_state), "sample")
    return generator.random((n_samples, n_positions), dtype=np.float32)
