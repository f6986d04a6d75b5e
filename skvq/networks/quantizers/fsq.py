"""Finite scalar quantisation: a fixed grid instead of a learned codebook."""

from typing import Any

import numpy as np
from keras import layers, ops

from skvq.networks.quantizers.base import Quantized, Quantizer


def levels_for(n_embeddings: int) -> tuple[int, ...]:
    """Factor K into numbers of levels from 3 to 8 that are as equal as possible.

    Raises
    ------
    ValueError
        If ``n_embeddings`` has no such factors.
    """
    best = None

    def search(rest, smallest, chosen):
        nonlocal best
        if rest == 1 and chosen:
            spread = (max(chosen) - min(chosen), len(chosen))
            if best is None or spread < best[0]:
                best = (spread, tuple(chosen))
        for level in range(smallest, min(rest, 8) + 1):
            if rest % level == 0:
                search(rest // level, level, [*chosen, level])

    search(n_embeddings, 3, [])
    if best is None:
        raise ValueError(
            "n_embeddings must be a product of integers from 3 to 8 for quantizer='fsq'; "
            f"got {n_embeddings}. Near choices are 125, 128, 512, 1000 or 4096."
        )
    return best[1]


class FSQQuantizer(Quantizer):
    """Latents are projected to a few bounded numbers, and each number is rounded to one of a few levels.

    The codebook is a fixed grid, projected back to ``embedding_dim``. So there are no codebook loss, no commitment term
    and no restarts. Here ``active`` only decides whether training starts without quantisation.

    References
    ----------
    Mentzer et al., "Finite Scalar Quantization: VQ-VAE Made Simple", 2023.
    """

    has_table = False

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        self.levels: tuple[int, ...] = levels_for(self.n_embeddings)
        digits = np.indices(self.levels).reshape(len(self.levels), -1).T  # (K, d), row-major
        self.grid: np.ndarray = (2.0 * digits / (np.array(self.levels) - 1) - 1.0).astype(
            "float32"
        )  # (K, d) in [-1, 1]
        self.basis: np.ndarray = np.append(np.cumprod(self.levels[:0:-1])[::-1], 1).astype("int32")
        self.spacing: np.ndarray = (2.0 / (np.array(self.levels) - 1)).astype("float32")
        self.project_in = layers.Dense(len(self.levels), name="project_in")
        self.project_out = layers.Dense(self.embedding_dim, name="project_out")
        self.project_in.build((None, self.embedding_dim))
        self.project_out.build((None, len(self.levels)))

    @property
    def codebook(self) -> Any:
        return self.project_out(self.grid)

    # Combine arrays and tensors only by functions of keras.ops, because operators of PyTorch refuse arrays.

    def _digits(self, bounded):
        return ops.round(ops.divide(bounded + 1.0, self.spacing))

    def assign(self, latents: Any) -> Any:
        digits = ops.cast(self._digits(ops.tanh(self.project_in(latents))), "int32")
        return ops.sum(ops.multiply(digits, self.basis), axis=-1)

    def call(self, latents: Any, training: bool = False) -> Any:
        bounded = ops.tanh(self.project_in(latents))  # (..., d)
        digits = self._digits(bounded)
        codes = ops.sum(ops.multiply(ops.cast(digits, "int32"), self.basis), axis=-1)
        rounded = ops.multiply(digits, self.spacing) - 1.0
        straight_through = bounded + self.active * ops.stop_gradient(rounded - bounded)
        return Quantized(self.project_out(straight_through), codes, ops.zeros((), "float32"), ops.zeros((), "float32"))

    def start(self, embeddings: np.ndarray, usage: np.ndarray) -> None:
        self.active.assign(1.0)

    def restart_dead(self, latents: np.ndarray, threshold: float, generator: np.random.Generator) -> int:
        return 0
