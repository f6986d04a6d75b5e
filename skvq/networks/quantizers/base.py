"""The base of all quantisers, which map latents to codes and codes to embeddings.

A new quantiser is one file with one subclass of :class:`Quantizer`, whose docstring lists the methods to override. It
returns its loss terms unweighted. The model applies the weights.
"""

from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops


class Quantized(NamedTuple):
    """The result of a quantiser.

    Attributes
    ----------
    latents : tensor of shape (..., embedding_dim)
        The embeddings, with the gradient passed straight through to the encoder.
    codes : integer tensor of shape (...)
    codebook_loss : scalar tensor
        Mean squared distance that moves the embeddings to the latents. 0 if the codebook is not trained by gradient.
    commitment_loss : scalar tensor
        Mean squared distance that moves the latents to the embeddings.
    """

    latents: Any
    codes: Any
    codebook_loss: Any
    commitment_loss: Any


class Quantizer(keras.layers.Layer):
    """Nearest neighbours in a table of embeddings, with straight-through gradients.

    Parameters
    ----------
    n_embeddings : int
        Number of codes K.
    embedding_dim : int
        Length D of an embedding, equal to the number of channels of the latents.
    decay : float
        Decay of the moving averages of usage. ``VQVAE`` passes its own parameter, 0.95 by default.

    Notes
    -----
    A subclass overrides some of these:

    - ``codebook``, if the embeddings are not the rows of the table;
    - ``assign(latents)``, if a code is not the nearest embedding. It maps latents (..., embedding_dim) to integer codes
      (...). Use ``ops.top_k``, because ``ops.argmax`` cannot be exported from Keras on TensorFlow;
    - ``embed(codes)``, if an embedding is not a row of ``codebook``;
    - ``trains_table = True`` and ``codebook_loss(latents, codes)``, a scalar, if the table is trained by gradient;
    - ``update(latents, codes, counts)``, if the table is updated in another way. It gets flat latents
      (n, embedding_dim), codes (n,) and the number of uses (n_embeddings,) of each code in the batch;
    - ``build(input_shape)``, if there are further weights. If some belong to codes, also override
      ``replace(codes, embeddings, usage)``, which must update them;
    - ``has_table = False``, ``start`` and ``restart_dead``, if there is no table;
    - ``call(latents, training)``, if nothing else suffices. It returns a :class:`Quantized`.

    While :attr:`active` is 0, the quantiser returns the latents without quantisation, and its losses are 0. So training
    starts with a few steps of a plain autoencoder, before k-means initialises the codebook from the latents.

    References
    ----------
    van den Oord, Vinyals, Kavukcuoglu, "Neural Discrete Representation Learning", 2017, eq. 1 to 3.
    """

    has_table = True
    depth = 1  # codes of each latent

    def __init__(self, n_embeddings: int, embedding_dim: int, decay: float = 0.99, **kwargs: Any):
        super().__init__(**kwargs)
        self.n_embeddings = n_embeddings
        self.embedding_dim = embedding_dim
        self.decay = decay

    def build(self, input_shape: Any) -> None:
        self.active: Any = self.add_weight(shape=(), initializer="ones", trainable=False, name="active")
        self.usage: Any = self.add_weight(shape=(self.n_embeddings,), initializer="ones", trainable=False, name="usage")
        if self.has_table:
            self.table: Any = self.add_weight(
                shape=(self.n_embeddings, self.embedding_dim),
                initializer=keras.initializers.RandomUniform(-1.0, 1.0),
                trainable=self.trains_table,
                name="codebook",
            )

    trains_table = False

    @property
    def stages(self) -> tuple["Quantizer", ...]:
        """The quantisers with a codebook of their own, each of what the ones before it left. Here only this one."""
        return (self,)

    @property
    def finds_nearest(self) -> bool:
        """Whether the code of a latent is that of the nearest embedding."""
        return type(self).assign is Quantizer.assign

    @property
    def codebook(self) -> Any:
        """The embeddings, (n_embeddings, embedding_dim)."""
        return ops.convert_to_tensor(self.table)

    def codebook_array(self) -> np.ndarray:
        """Return the embeddings as an array."""
        return ops.convert_to_numpy(self.codebook)

    def assign(self, latents: Any) -> Any:
        """Return the code of the nearest embedding for latents (..., embedding_dim)."""
        table = self.codebook
        # |z - e|^2 = |z|^2 - 2 (z.e - |e|^2 / 2), so the largest score has the smallest distance.
        half_norms = 0.5 * ops.sum(ops.square(table), axis=-1)
        score = ops.matmul(latents, ops.transpose(table)) - half_norms  # (..., K)
        # top_k, because argmax cannot be exported from Keras on TensorFlow.
        return ops.squeeze(ops.top_k(score, 1)[1], axis=-1)

    def embed(self, codes: Any) -> Any:
        """Return the embeddings (..., embedding_dim) of integer codes (...)."""
        return ops.take(self.codebook, codes, axis=0)

    def codebook_loss(self, latents: Any, codes: Any) -> Any:
        """Return the loss term that trains the codebook by gradient. It is 0 unless a subclass overrides it."""
        return ops.zeros((), "float32")

    def update(self, latents: Any, codes: Any, counts: Any) -> None:
        """Update the codebook without gradients. It is called for each training batch."""

    def call(self, latents: Any, training: bool = False) -> Any:
        codes = self.assign(ops.stop_gradient(latents))
        embeddings = ops.stop_gradient(self.embed(codes))
        commitment = ops.mean(ops.square(latents - embeddings))
        codebook = self.codebook_loss(ops.stop_gradient(latents), codes)
        if training:
            flat_codes = ops.reshape(codes, (-1,))
            flat_latents = ops.reshape(ops.stop_gradient(latents), (-1, self.embedding_dim))
            counts = ops.segment_sum(ops.ones_like(flat_latents[:, 0]), flat_codes, num_segments=self.n_embeddings)
            self.usage.assign(self.decay * self.usage + (1.0 - self.decay) * counts)
            self.update(flat_latents, flat_codes, counts)
        straight_through = latents + self.active * ops.stop_gradient(embeddings - latents)
        return Quantized(straight_through, codes, self.active * codebook, self.active * commitment)

    def start(self, embeddings: np.ndarray, usage: np.ndarray) -> None:
        """Set all embeddings (K, D) and their usage (K,), the mean number of uses in a batch, and become active."""
        self.replace(np.arange(self.n_embeddings), embeddings, usage)
        self.active.assign(1.0)

    def replace(self, codes: np.ndarray, embeddings: np.ndarray, usage: np.ndarray) -> None:
        """Replace the embeddings of some codes, and their moving averages of usage."""
        table = ops.convert_to_numpy(self.table).copy()
        table[codes] = embeddings
        self.table.assign(table)
        averages = ops.convert_to_numpy(self.usage).copy()
        averages[codes] = usage
        self.usage.assign(averages)

    def restart_dead(self, latents: np.ndarray, threshold: float, generator: np.random.Generator) -> int:
        """Re-initialise dead codes to random latents of (n, D), and return their number.

        A code is dead if its moving average of usage is below ``threshold`` times the mean usage.
        """
        usage = ops.convert_to_numpy(self.usage)
        share = float(usage.mean())
        dead = np.flatnonzero(usage < threshold * share)
        if len(dead):
            chosen = latents[generator.choice(len(latents), len(dead), replace=len(latents) < len(dead))]
            self.replace(dead, chosen, np.full(len(dead), share, np.float32))
        return len(dead)
