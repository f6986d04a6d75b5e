"""Residual quantisation: several quantisers in a row, each of what the ones before it left.

The stages are quantisers of any kind with a codebook. So a latent has one code for each stage, and the sum of the
stages' embeddings stands for it. The first stages alone give a coarser image from fewer codes: one model has as many
rates as stages. In training, some images are rebuilt from the first stages only, so that the decoder learns all rates.
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from skvq.networks.quantizers.base import Quantized, Quantizer

ROWS_TIMES_CODES = 2**24  # limit on a block of distances outside of training


class ResidualQuantizer(Quantizer):
    """Stages of quantisers. Codes have one more axis, (..., depth), the first stage first.

    A code of -1 leaves its stage out.

    Parameters
    ----------
    stages : sequence of Quantizer
        At least two, with equal ``n_embeddings`` and ``embedding_dim``. Each has a table.
    dropout : float
        Fraction of training images that are rebuilt from fewer stages than all, each number of stages equally often.
        It concerns the images alone: every stage meets all latents.

    Notes
    -----
    The loss terms are the sums of the stages' terms. The commitment term of a stage pulls what the stages before it
    left to the stage's embedding.

    References
    ----------
    Zeghidour et al., "SoundStream: An End-to-End Neural Audio Codec", 2021, section III.C, arXiv:2107.03312;
    Lee et al., "Autoregressive Image Generation using Residual Quantization", 2022, section 3.1, arXiv:2203.01941.
    """

    def __init__(self, stages: Sequence[Quantizer], *, dropout: float = 0.0, **kwargs: Any):
        first = stages[0]
        super().__init__(first.n_embeddings, first.embedding_dim, first.decay, **kwargs)
        self.quantizers: Any = list(stages)
        self.depth: int = len(stages)
        self.dropout = dropout
        self.seed_generator: Any = keras.random.SeedGenerator()

    def build(self, input_shape: Any) -> None:
        self.active: Any = self.add_weight(shape=(), initializer="ones", trainable=False, name="active")
        for stage in self.quantizers:
            stage.build(input_shape)

    @property
    def stages(self) -> tuple[Quantizer, ...]:
        return tuple(self.quantizers)

    @property
    def finds_nearest(self) -> bool:
        return all(stage.finds_nearest for stage in self.stages)

    @property
    def codebook(self) -> Any:
        """The embeddings of all stages, (depth, n_embeddings, embedding_dim)."""
        return ops.concatenate([ops.expand_dims(stage.codebook, 0) for stage in self.stages], axis=0)

    def assign(self, latents: Any) -> Any:
        """Return the codes (..., depth) of latents (..., embedding_dim)."""
        codes = []
        for stage in self.stages:
            codes.append(stage.assign(latents))
            latents = latents - stage.embed(codes[-1])
        return ops.stack(codes, axis=-1)

    def embed(self, codes: Any) -> Any:
        """Return the sums (..., embedding_dim) of the embeddings of codes (..., depth)."""
        codes = ops.convert_to_tensor(codes)
        is_known = ops.cast(ops.expand_dims(codes >= 0, -1), "float32")  # (..., depth, 1)
        total = 0.0
        for i, stage in enumerate(self.stages):
            total = total + is_known[..., i, :] * stage.embed(ops.maximum(codes[..., i], 0))
        return total

    def call(self, latents: Any, training: bool = False) -> Any:
        n_kept = self._n_kept(latents) if training and self.dropout else None
        residuals, total, codes, codebook, commitment = latents, 0.0, [], 0.0, 0.0
        for i, stage in enumerate(self.stages):
            quantized = stage(residuals, training=training)
            embeddings = ops.stop_gradient(quantized.latents)
            residuals = residuals - embeddings
            total = total + (embeddings if n_kept is None else embeddings * ops.cast(n_kept > i, "float32"))
            codes.append(quantized.codes)
            codebook, commitment = codebook + quantized.codebook_loss, commitment + quantized.commitment_loss
        straight_through = latents + self.active * ops.stop_gradient(total - latents)
        return Quantized(straight_through, ops.stack(codes, axis=-1), self.active * codebook, self.active * commitment)

    def _n_kept(self, latents):
        """Return with how many stages each image is rebuilt, a float tensor (n, 1, ...) of the rank of latents."""
        drops, fraction = ops.split(keras.random.uniform((ops.shape(latents)[0], 2), seed=self.seed_generator), 2, -1)
        fewer = 1.0 + ops.floor(fraction * (self.depth - 1))
        n_kept = ops.where(drops < self.dropout, fewer, float(self.depth))  # (n, 1)
        return ops.reshape(n_kept, (-1, *[1] * (len(latents.shape) - 1)))

    def start(self, embeddings: np.ndarray, usage: np.ndarray) -> None:
        """Set the embeddings (depth, K, D) of all stages and their usage (depth, K), and become active."""
        for stage, table, averages in zip(self.stages, embeddings, usage, strict=True):
            stage.start(table, averages)
        self.active.assign(1.0)

    def restart_dead(self, latents: np.ndarray, threshold: float, generator: np.random.Generator) -> int:
        """Re-initialise the dead codes of each stage to random ones of its own inputs, and return their number."""
        n_dead = 0
        for stage in self.stages:
            n_dead += stage.restart_dead(latents, threshold, generator)
            latents = residuals_of(stage, latents)
        return n_dead


def residuals_of(stage: Quantizer, latents: np.ndarray) -> np.ndarray:
    """Return what a stage leaves of latents (n, embedding_dim)."""
    size = max(1, ROWS_TIMES_CODES // stage.n_embeddings)
    blocks = [latents[start : start + size] for start in range(0, len(latents), size)]
    return np.concatenate([block - ops.convert_to_numpy(stage.embed(stage.assign(block))) for block in blocks])
