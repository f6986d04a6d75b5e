"""The paper's codebook: embeddings are weights, pulled to their latents by a loss term."""

from keras import ops

from skvq.networks.quantizers.base import Quantizer


class GradientQuantizer(Quantizer):
    """Embeddings learn by gradient from the codebook loss ``|sg[z] - e|^2``.

    References
    ----------
    van den Oord et al., "Neural Discrete Representation Learning", 2017, eq. 3, second term.
    """

    trains_table = True

    def codebook_loss(self, latents, codes):
        # A product with one-hot rows: a lookup's gradient is wrong under adaptive optimisers on TensorFlow
        # whenever a code repeats in the batch.
        embeddings = ops.matmul(ops.one_hot(codes, self.n_embeddings), self.table)
        return ops.mean(ops.square(embeddings - latents))
