"""The default: the codebook consists of exponential moving averages of the latents of each code."""

from typing import Any

import numpy as np
from keras import ops

from skvq.networks.quantizers.base import Quantizer


class EMAQuantizer(Quantizer):
    """Each embedding is the moving average of its latents. This is online k-means, without gradient and learning rate.

    References
    ----------
    van den Oord et al., "Neural Discrete Representation Learning", 2017, appendix A.1;
    Razavi et al., "Generating Diverse High-Fidelity Images with VQ-VAE-2", 2019, eq. 3.
    """

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        self.sums: Any = self.add_weight(
            shape=(self.n_embeddings, self.embedding_dim), initializer="zeros", trainable=False, name="sums"
        )

    def update(self, latents: Any, codes: Any, counts: Any) -> None:
        batch_sums = ops.segment_sum(latents, codes, num_segments=self.n_embeddings)  # (K, D)
        self.sums.assign(self.decay * self.sums + (1.0 - self.decay) * batch_sums)
        usage = ops.expand_dims(ops.convert_to_tensor(self.usage), -1)  # (K, 1)
        # Codes that have not been used for long keep their embedding. For them, the mean would be 0 / 0.
        means = ops.where(usage > 1e-3, self.sums / ops.maximum(usage, 1e-3), self.codebook)
        self.table.assign(means)

    def replace(self, codes: np.ndarray, embeddings: np.ndarray, usage: np.ndarray) -> None:
        super().replace(codes, embeddings, usage)
        # Otherwise the next update would move the new embedding back to the old mean.
        sums = ops.convert_to_numpy(self.sums).copy()
        sums[codes] = embeddings * np.asarray(usage)[:, None]
        self.sums.assign(sums)
