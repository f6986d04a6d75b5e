"""Build networks alike whatever the user's Keras settings are: from a seed, in float32, channels last."""

import random
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module

from skvq.networks import keras

# Where Keras draws a seed that nobody gave.
KERAS_SEEDS = import_module("keras.src.random.seed_generator")
# Where it keeps what is set for a thread.
GLOBAL_STATE = import_module("keras.src.backend.common.global_state")

_BUILDING = threading.RLock()


@contextmanager
def keras_defaults(seed: int) -> Iterator[None]:
    """Build a network under settings of our own, and put the user's settings back.

    Keras takes the seeds of unseeded initialisers and dropout from Python's global generator, which other threads draw
    from, too: so it is handed a generator of its own. Precision and axis order come from global settings or the user's
    ``keras.json``; under other settings the same weights would give other codes.
    """
    config = keras.config
    # One network at a time: in a search over threads, two would draw from each other's seeds.
    with _BUILDING, ExitStack() as restores:
        restores.callback(setattr, KERAS_SEEDS, "python_random", getattr(KERAS_SEEDS, "python_random", random))
        setattr(KERAS_SEEDS, "python_random", random.Random(seed))  # noqa: B010 (the module does not declare it)
        restores.callback(config.set_image_data_format, config.image_data_format())
        config.set_image_data_format("channels_last")
        restores.callback(config.set_floatx, config.floatx())
        config.set_floatx("float32")
        # A policy that nobody set follows floatx. Asking for it by keras.config would set it for good.
        policy = GLOBAL_STATE.get_global_attribute("dtype_policy")
        restores.callback(GLOBAL_STATE.set_global_attribute, "dtype_policy", policy)
        config.set_dtype_policy("float32")
        yield
