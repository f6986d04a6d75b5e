"""What every quantiser is: a map from latents to codes, and from codes to embeddings.

A new quantiser is one file with one subclass of :class:`Quantizer`, whose docstring lists what to override. It returns
its loss terms unweighted; weighing them is the model's business.
"""

from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops


class Quantized(NamedTuple):
    """What a quantiser makes of latents.

    Attributes
    ----------
    latents : tensor of shape (..., embedding_dim)
        The embeddings, with the gradient passed straight through to the encoder.
    codes : integer tensor of shape (...)
    codebook_loss : scalar tensor
        Mean squared distance that pulls the embeddings to the latents; 0 where the codebook learns otherwise.
    commitment_loss : scalar tensor
        Mean squared distance that pulls the latents to the embeddings.
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
        Length D of an embedding, which is the number of channels of the latents.
    decay : float
        Weight of the past in the running averages of usage. ``VQVAE`` passes its own parameter, 0.95 by default.

    Notes
    -----
    A subclass overrides what differs:

    - ``codebook``, where the embeddings are not the rows of the table as they are;
    - ``assign(latents)``, where a code is not the nearest embedding: latents (..., embedding_dim) to integer codes
      (...). Choose by ``ops.top_k``, as ``ops.argmax`` cannot be exported from Keras on TensorFlow;
    - ``embed(codes)``, where an embedding is not a row of ``codebook``;
    - ``trains_table = True`` and ``codebook_loss(latents, codes)``, a scalar, where the table learns by gradient;
    - ``update(latents, codes, counts)``, where it learns by other means: flat latents (n, embedding_dim), codes (n,)
      and the uses (n_embeddings,) of each code in the batch;
    - ``build(input_shape)``, where it has further weights, and with them ``replace(codes, embeddings, usage)``, so that
      codes that are put elsewhere take these along;
    - ``has_table = False``, with ``start`` and ``restart_dead`` that leave the codebook alone, where there is no table;
    - ``call(latents, training)``, where all of this does not fit: it returns a :class:`Quantized`.

    Until :attr:`active` is set the quantiser hands the latents on and its losses are 0: a few steps of plain
    autoencoding put the latents where they want to be, and k-means then finds the codebook there.

    References
    ----------
    van den Oord, Vinyals, Kavukcuoglu, "Neural Discrete Representation Learning", 2017, eq. 1 to 3.
    """

    has_table = True

    def __init__(self, n_embeddings: int, embedding_dim: int, decay: float = 0.99, **kwargs):
        super().__init__(**kwargs)
        self.n_embeddings = n_embeddings
        self.embedding_dim = embedding_dim
        self.decay = decay

    def build(self, input_shape):
        self.active = self.add_weight(shape=(), initializer="ones", trainable=False, name="active")
        self.usage = self.add_weight(shape=(self.n_embeddings,), initializer="ones", trainable=False, name="usage")
        if self.has_table:
            self.table = self.add_weight(
                shape=(self.n_embeddings, self.embedding_dim),
                initializer=keras.initializers.RandomUniform(-1.0, 1.0),
                trainable=self.trains_table,
                name="codebook",
            )

    trains_table = False

    @property
    def codebook(self):
        """The embeddings, (n_embeddings, embedding_dim)."""
        return ops.convert_to_tensor(self.table)

    def codebook_array(self) -> np.ndarray:
        """Return the embeddings as an array."""
        return ops.convert_to_numpy(self.codebook)

    def assign(self, latents):
        """Return the code of the nearest embedding for latents (..., embedding_dim)."""
        table = self.codebook
        # |z - e|^2 = |z|^2 - 2 (z.e - |e|^2 / 2): the largest score is the smallest distance.
        half_norms = 0.5 * ops.sum(ops.square(table), axis=-1)
        score = ops.matmul(latents, ops.transpose(table)) - half_norms  # (..., K)
        # top_k, for arg-max cannot be exported from Keras on TensorFlow.
        return ops.squeeze(ops.top_k(score, 1)[1], axis=-1)

    def embed(self, codes):
        """Return the embeddings (..., embedding_dim) of integer codes (...)."""
        return ops.take(self.codebook, codes, axis=0)

    def codebook_loss(self, latents, codes):
        """Return the term that moves the codebook by gradient; 0 unless a subclass has one."""
        return ops.zeros((), "float32")

    def update(self, latents, codes, counts):
        """Move the codebook without gradients; called on every training batch."""

    def call(self, latents, training=False):
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
        """Begin from these embeddings (K, D), each used ``usage`` (K,) times a batch, and become active."""
        self.replace(np.arange(self.n_embeddings), embeddings, usage)
        self.active.assign(1.0)

    def replace(self, codes: np.ndarray, embeddings: np.ndarray, usage: np.ndarray) -> None:
        """Put new embeddings, with their running averages, in the place of some codes."""
        table = ops.convert_to_numpy(self.table).copy()
        table[codes] = embeddings
        self.table.assign(table)
        averages = ops.convert_to_numpy(self.usage).copy()
        averages[codes] = usage
        self.usage.assign(averages)

    def restart_dead(self, latents: np.ndarray, threshold: float, generator: np.random.Generator) -> int:
        """Move codes that are hardly used to latents (n, D) drawn at random; return how many.

        A code is dead when its running average of uses in a batch is below ``threshold`` times the average code's.
        """
        usage = ops.convert_to_numpy(self.usage)
        share = float(usage.mean())
        dead = np.flatnonzero(usage < threshold * share)
        if len(dead):
            chosen = latents[generator.choice(len(latents), len(dead), replace=len(latents) < len(dead))]
            self.replace(dead, chosen, np.full(len(dead), share, np.float32))
        return len(dead)
