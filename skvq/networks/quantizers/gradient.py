"""The codebook of the paper: embeddings are weights that are trained by a loss term."""

from typing import Any

from keras import ops

from skvq.networks.quantizers.base import Quantizer


class GradientQuantizer(Quantizer):
    """Embeddings are trained by the gradient of the codebook loss ``|sg[z] - e|^2``.

    References
    ----------
    van den Oord et al., "Neural Discrete Representation Learning", 2017, eq. 3, second term.
    """

    trains_table = True

    def codebook_loss(self, latents: Any, codes: Any) -> Any:
        # A product with one-hot rows instead of a lookup: on TensorFlow with adaptive optimisers, the gradient of a
        # lookup is wrong if a code repeats in the batch.
        embeddings = ops.matmul(ops.one_hot(codes, self.n_embeddings), self.table)
        return ops.mean(ops.square(embeddings - latents))
