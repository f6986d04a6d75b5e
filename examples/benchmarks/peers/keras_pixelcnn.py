"""The prior of the Keras documentation: https://keras.io/examples/generative/vq_vae/ (Keras 3, of March 2026).

A PixelCNN on one-hot codes, after https://keras.io/examples/generative/pixelcnn/: a 7×7 masked convolution of type A,
two residual blocks with a 3×3 one of type B, two 1×1 ones of type B, all of 128 channels, then the logits; 1,049,728
weights at 128 codes, 475,136 of them always masked. Adam with rate 0.0003, constant, batches of 128.

The example names a ReLU for its masked convolutions. Its versions for Keras 2 applied it; the one for Keras 3 computes
the convolution itself and drops it. ``KerasPixelCNN`` applies it, ``KerasPixelCNNAsPublished`` does as the present
page does.
The example keeps a tenth of its images to watch the loss; here it trains on all of them, and pays for no validation.
"""

import keras
import numpy as np
from keras import layers, ops

from peers.keras_vqvae import StopInTime

CHANNELS = 128
BATCH_SIZE = 128


class MaskedConvolution(layers.Layer):
    """A convolution that sees what comes before in raster order, and with type B also the position itself."""

    def __init__(self, mask_type: str, filters: int, kernel_size: int, activation: str | None):
        super().__init__()
        self.mask_type = mask_type
        self.filters = filters
        self.kernel_size = kernel_size
        self.activation = keras.activations.get(activation)

    def build(self, input_shape):
        size, middle = self.kernel_size, self.kernel_size // 2
        shape = (size, size, input_shape[-1], self.filters)
        self.kernel = self.add_weight(shape=shape, initializer="glorot_uniform", name="kernel")
        self.bias = self.add_weight(shape=(self.filters,), initializer="zeros", name="bias")
        self.mask = np.zeros(shape, dtype=np.float32)
        self.mask[:middle] = 1.0
        self.mask[middle, : middle + (self.mask_type == "B")] = 1.0

    def call(self, inputs):
        features = ops.conv(inputs, self.kernel * self.mask, padding="same", data_format="channels_last")
        return self.activation(features + self.bias)


def pixelcnn(n_embeddings: int, code_shape: tuple[int, int], masked_activation: str | None) -> keras.Model:
    """Return codes (n, height, width) -> logits (n, height, width, n_embeddings)."""
    codes = keras.Input(code_shape, dtype="int32")
    x = ops.one_hot(codes, n_embeddings)
    x = MaskedConvolution("A", CHANNELS, 7, masked_activation)(x)
    for _ in range(2):
        inner = layers.Conv2D(CHANNELS, 1, activation="relu")(x)
        inner = MaskedConvolution("B", CHANNELS // 2, 3, masked_activation)(inner)
        inner = layers.Conv2D(CHANNELS, 1, activation="relu")(inner)
        x = layers.add([x, inner])
    for _ in range(2):
        x = MaskedConvolution("B", CHANNELS, 1, masked_activation)(x)
    return keras.Model(codes, layers.Conv2D(n_embeddings, 1)(x))


class KerasPixelCNN:
    """The example, trained by ``Model.fit``."""

    masked_activation: str | None = "relu"

    def __init__(self, n_embeddings: int, code_shape: tuple[int, int], seed: int):
        keras.utils.set_random_seed(seed)
        self.code_shape = tuple(code_shape)
        self.network = pixelcnn(n_embeddings, self.code_shape, self.masked_activation)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        self.network.compile(optimizer=keras.optimizers.Adam(3e-4), loss=loss, metrics=["accuracy"])

    def train(self, codes: np.ndarray, stopwatch, evaluate) -> None:
        """Train until the stopwatch says stop."""
        self._fit(codes, 10_000, StopInTime(stopwatch, evaluate))

    def train_epochs(self, codes: np.ndarray, n_epochs: int, after_epoch) -> None:
        """Train for some epochs; ``after_epoch(number, loss)`` is called after each."""
        callback = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: after_epoch(epoch + 1, logs["loss"]))
        self._fit(codes, n_epochs, callback)

    def _fit(self, codes: np.ndarray, n_epochs: int, callback: keras.callbacks.Callback) -> None:
        grids = self._grids(codes)
        self.network.fit(grids, grids, epochs=n_epochs, batch_size=BATCH_SIZE, verbose=0, callbacks=[callback])

    def bits_per_code(self, codes: np.ndarray) -> float:
        """Return the mean cost of a code, in bits."""
        nats, grids = 0.0, self._grids(codes)
        for start in range(0, len(grids), 500):
            batch = grids[start : start + 500]
            logits = self.network.predict_on_batch(batch).astype(np.float64)
            largest = logits.max(axis=-1, keepdims=True)
            log_totals = np.log(np.exp(logits - largest).sum(axis=-1)) + largest[..., 0]
            nats += float((log_totals - np.take_along_axis(logits, batch[..., None], axis=-1)[..., 0]).sum())
        return nats / grids.size / float(np.log(2))

    def _grids(self, codes: np.ndarray) -> np.ndarray:
        return codes.reshape(-1, *self.code_shape).astype(np.int32)


class KerasPixelCNNAsPublished(KerasPixelCNN):
    """The example with linear masked convolutions."""

    masked_activation = None
