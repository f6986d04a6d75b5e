"""Functions of a network, compiled once and run in batches of one size.

The last batch is padded to the full size: the last bits of a float depend on the size of the batch it was
computed in, and a row's codes must not depend on its neighbours.
"""

from collections.abc import Callable, Iterator
from functools import partial

import keras
import numpy as np


class CompiledFunction(keras.Model):
    """A function of a network's weights, compiled for the backend in use.

    Parameters
    ----------
    network : keras.Model
        Owner of the weights.
    function : callable
        Keras tensors -> Keras tensor; a method of the network, or a closure over it.
    """

    def __init__(self, network: keras.Model, function: Callable):
        super().__init__(dtype="float32")
        self.network = network
        self.function = function
        self.built = True
        if keras.config.backend() == "tensorflow":
            import tensorflow as tf

            # predict_on_batch would trace again for every model. TensorFlow counts traces by a function's code, and
            # would warn that several networks share it; a partial has no code, so each counts for itself.
            self._run = tf.function(partial(function), autograph=False, reduce_retracing=True)
        else:
            self.compile(jit_compile=keras.config.backend() == "jax")
            self._run = lambda *inputs: self.predict_on_batch(list(inputs))

    def call(self, inputs):
        return self.function(*inputs)

    def in_batches(self, *inputs: np.ndarray, batch_size: int, shared: tuple = ()) -> np.ndarray:
        """Run on rows of the inputs, ``batch_size`` at a time, and return all answers.

        Parameters
        ----------
        *inputs : ndarray, all of the same length
        batch_size : int
        shared : tuple
            Inputs that every batch gets as they are, after the others.
        """
        rows = (tuple(np.asarray(x[start:stop]) for x in inputs) for start, stop in spans(len(inputs[0]), batch_size))
        return np.concatenate([self.one_batch(batch, batch_size, shared) for batch in rows])

    def one_batch(self, batch: tuple, batch_size: int, shared: tuple = ()) -> np.ndarray:
        """Run on one batch of at most ``batch_size`` rows."""
        n_rows = len(batch[0])
        padded = tuple(np.concatenate([x, np.repeat(x[:1], batch_size - n_rows, axis=0)]) for x in batch)
        return keras.ops.convert_to_numpy(self._run(*padded, *shared))[:n_rows]


def compile_step(network: keras.Model) -> None:
    """Have ``network.train_on_batch`` compile its step anew at the next call, with the network as it then is.

    On TensorFlow for this network alone, for the reason above; Keras's own function would be traced no differently.
    """
    if keras.config.backend() == "tensorflow":
        import tensorflow as tf

        step = tf.function(partial(network.train_step), autograph=False, reduce_retracing=True)
        network.train_function = lambda batches: step(next(batches))
    else:
        network.make_train_function(force=True)


def spans(n_rows: int, batch_size: int) -> Iterator[tuple[int, int]]:
    """Yield the (start, stop) of each batch."""
    for start in range(0, n_rows, batch_size):
        yield start, min(start + batch_size, n_rows)
