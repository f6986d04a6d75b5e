"""Functions of a network, compiled once and run in batches.

The last batch is padded to the full size: the last bits of a float depend on the size of the batch it was
computed in, and a row's codes must not depend on its neighbours.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import keras
import numpy as np

from skvq.networks.distribution import Devices


class CompiledFunction(keras.Model):
    """A function of the weights of a network, compiled for the present backend.

    Parameters
    ----------
    network : keras.Model
        The owner of the weights.
    function : callable
        Keras tensors -> Keras tensor. A method of the network, or a function that uses it.
    """

    def __init__(self, network: keras.Model, function: Callable[..., Any]):
        super().__init__(dtype="float32")
        self.network = network
        self.function = function
        self.devices: Any = Devices.present()
        self.built = True
        if keras.config.backend() == "tensorflow":
            import tensorflow as tf

            # predict_on_batch would trace again for every model. TensorFlow counts traces for the code of a function,
            # and would warn if several networks share it. A partial has no code, so each network is counted alone.
            self._run = tf.function(partial(function), autograph=False, reduce_retracing=True)
        else:
            self.compile(jit_compile=keras.config.backend() == "jax")
            self._run = lambda *inputs: self.predict_on_batch(list(inputs))

    def call(self, inputs: Any) -> Any:
        return self.devices.everywhere(self.function(*inputs))

    def in_batches(self, *inputs: np.ndarray, batch_size: int, shared: tuple[Any, ...] = ()) -> np.ndarray:
        """Run on the rows of the inputs in batches, and return all results.

        Parameters
        ----------
        *inputs : ndarray, all of the same length
        batch_size : int
        shared : tuple
            Inputs that are passed unchanged to each batch, after the others.
        """
        rows = (tuple(np.asarray(x[start:stop]) for x in inputs) for start, stop in spans(len(inputs[0]), batch_size))
        return np.concatenate([self.one_batch(batch, batch_size, shared) for batch in rows])

    def one_batch(self, batch: tuple[Any, ...], batch_size: int, shared: tuple[Any, ...] = ()) -> np.ndarray:
        """Run on one batch of at most ``batch_size`` rows. With several devices, each runs a part of it."""
        n_rows = len(batch[0])
        n_padding = self.devices.rounded_up(batch_size) - n_rows
        padded = (np.concatenate([x, np.repeat(x[:1], n_padding, axis=0)]) for x in batch)
        return keras.ops.convert_to_numpy(self._run(*map(self.devices.split, padded), *shared))[:n_rows]

    def full_batch(self, part: tuple[Any, ...]) -> np.ndarray:
        """Run on a full batch of which each process gives its own part, and return the results of all rows."""
        return keras.ops.convert_to_numpy(self._run(*map(self.devices.join, part)))


def compile_step(network: keras.Model) -> None:
    """Compile the step of ``network.train_on_batch`` again at its next call, with the present state of the network.

    On TensorFlow, the function belongs to this network only, for the reason given in :class:`CompiledFunction`.
    """
    if keras.config.backend() == "tensorflow":
        import tensorflow as tf

        step = tf.function(partial(_train_step, network), autograph=False, reduce_retracing=True)
        network.train_function = lambda batches: step(next(batches))
    else:
        network.make_train_function(force=True)


def _train_step(network: keras.Model, batch: tuple[Any, ...]) -> dict[str, Any]:
    """Take one step outside of the context of a replica, on TensorFlow.

    Within it, Keras's optimizers sum gradients over replicas by a function with a custom gradient. TensorFlow never
    forgets such a function, nor the graph of the step around it: several megabytes a fit. Here is one replica, and
    nothing to sum.
    """
    import tensorflow as tf

    replica = tf.distribute.get_replica_context()
    return replica.merge_call(lambda _: network.train_step(batch)) if replica else network.train_step(batch)


def spans(n_rows: int, batch_size: int) -> Iterator[tuple[int, int]]:
    """Yield (start, stop) of each batch."""
    for start in range(0, n_rows, batch_size):
        yield start, min(start + batch_size, n_rows)
