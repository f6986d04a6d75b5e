"""The VQ-VAE of the Keras documentation: https://keras.io/examples/generative/vq_vae/ (Keras 3, of March 2026).

Its network (49,937 weights), its loss (squared error divided by the data's variance, plus the codebook's loss, plus
0.25 times the commitment loss), its optimiser (Adam, 0.001, constant), its batches of 128 and its loop (``Model.fit``
with Keras's own choice of compiler) are kept. Keras chooses XLA here.
"""

import math

import keras
import numpy as np
from keras import layers, ops

EMBEDDING_DIM = 16
BETA = 0.25
BATCH_SIZE = 128


class VectorQuantizer(layers.Layer):
    """Nearest embedding, straight-through; both of the paper's losses by gradient, as ``add_loss``."""

    def __init__(self, n_embeddings: int, **kwargs):
        super().__init__(**kwargs)
        self.n_embeddings = n_embeddings

    def build(self, input_shape):
        shape = (input_shape[-1], self.n_embeddings)
        self.table = self.add_weight(shape=shape, initializer="random_uniform", name="embeddings")

    def call(self, latents):
        similarities = ops.matmul(latents, self.table)
        distances = ops.sum(ops.square(self.table), axis=0) - 2.0 * similarities
        codes = ops.argmin(distances, axis=-1)
        embeddings = ops.matmul(ops.one_hot(codes, self.n_embeddings), ops.transpose(self.table))
        commitment = ops.mean(ops.square(ops.stop_gradient(embeddings) - latents))
        codebook = ops.mean(ops.square(embeddings - ops.stop_gradient(latents)))
        self.add_loss(BETA * commitment + codebook)
        return latents + ops.stop_gradient(embeddings - latents), codes


def autoencoder(n_embeddings: int) -> keras.Model:
    """Return images (n, 28, 28, 1) -> [reconstructions, codes (n, 7, 7)]."""
    images = keras.Input((28, 28, 1))
    x = layers.Conv2D(32, 3, strides=2, padding="same", activation="relu")(images)
    x = layers.Conv2D(64, 3, strides=2, padding="same", activation="relu")(x)
    latents = layers.Conv2D(EMBEDDING_DIM, 1, padding="same")(x)
    x, codes = VectorQuantizer(n_embeddings)(latents)
    x = layers.Conv2DTranspose(64, 3, strides=2, padding="same", activation="relu")(x)
    x = layers.Conv2DTranspose(32, 3, strides=2, padding="same", activation="relu")(x)
    return keras.Model(images, [layers.Conv2DTranspose(1, 3, padding="same")(x), codes])


class Trainer(keras.Model):
    """The loss around the autoencoder."""

    def __init__(self, network: keras.Model, variance: float):
        super().__init__()
        self.network = network
        self.variance = variance

    def call(self, images, training=False):
        return self.network(images, training=training)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return ops.mean(ops.square(x - y_pred[0])) / self.variance + ops.sum(self.network.losses)


class StopInTime(keras.callbacks.Callback):
    """Let a stopwatch end ``fit``."""

    def __init__(self, stopwatch, evaluate):
        super().__init__()
        self.stopwatch = stopwatch
        self.evaluate = evaluate

    def on_train_batch_end(self, batch, logs=None):
        if not self.stopwatch.after_step(self.evaluate):
            self.model.stop_training = True


class KerasExample:
    """The example, behind the interface of the peers."""

    images_per_step = BATCH_SIZE

    def __init__(self, images: np.ndarray, n_embeddings: int, seed: int):
        keras.utils.set_random_seed(seed)
        self.images = images[..., None] - 0.5
        self.network = autoencoder(n_embeddings)
        self.trainer = Trainer(self.network, float(images.var()))
        self.trainer.compile(optimizer=keras.optimizers.Adam())
        self.bits_per_image = 49 * math.log2(n_embeddings)

    def train(self, stopwatch, evaluate) -> None:
        callback = StopInTime(stopwatch, evaluate)
        self.trainer.fit(self.images, epochs=10_000, batch_size=BATCH_SIZE, verbose=0, callbacks=[callback])

    def reconstruct(self, images: np.ndarray) -> np.ndarray:
        return self._predict(images)[0][..., 0] + 0.5

    def transform(self, images: np.ndarray) -> np.ndarray:
        return self._predict(images)[1].reshape(len(images), -1)

    def _predict(self, images: np.ndarray) -> list[np.ndarray]:
        return self.network.predict(images[..., None] - 0.5, batch_size=500, verbose=0)
