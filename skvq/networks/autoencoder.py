"""The network of the VQ-VAE: scaling, encoder, quantiser, decoder, and the weighted loss."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from skvq._contract.images import ValueRange
from skvq.networks.code_counts import CodeCounts
from skvq.networks.quantizers import Quantizer

LOSS_TERMS = ("loss", "reconstruction_loss", "codebook_loss", "commitment_loss")


class Autoencoder(keras.Model):
    """Maps images to codes, and codes to images. Images are in the user's units.

    Parameters
    ----------
    image_shape : tuple of int
        ``(height, width, channels)``, or ``(n_features,)`` for vectors.
    encoder, decoder : keras.Model
        For standardised images, padded to sides that are multiples of the downsampling.
    quantizer : Quantizer
    values : ValueRange
        Range, mean and scale of the training data.
    reconstruction_loss : callable
        ``(images, reconstructions) -> scalar``, both in [0, 1]. Weights of pixels are passed as ``weights``.
    reconstruction_scale : float
        The loss is divided by this value.
    beta, vq_weight : float
        Weights of the commitment term, and of both terms of the quantiser.
    bounded : bool
        Clip reconstructions to the range of the training data, as for pixels.
    """

    def __init__(
        self,
        image_shape: tuple[int, ...],
        encoder: keras.Model,
        decoder: keras.Model,
        quantizer: Quantizer,
        *,
        values: ValueRange,
        reconstruction_loss: Callable[..., Any],
        reconstruction_scale: float,
        beta: float,
        vq_weight: float,
        bounded: bool,
    ):
        super().__init__(name="vqvae")
        self.image_shape = image_shape
        self.encoder = encoder
        self.decoder = decoder
        self.quantizer = quantizer
        self.values = values
        self.span: float = values.maximum - values.minimum or 1.0
        self.reconstruction_loss = reconstruction_loss
        self.reconstruction_scale = reconstruction_scale
        self.beta = beta
        self.vq_weight = vq_weight
        self.bounded = bounded
        self.code_counts: Any = CodeCounts(self.code_shape, quantizer.n_embeddings, quantizer.depth)
        self.trackers: list[Any] = [keras.metrics.Mean(name=name) for name in LOSS_TERMS]
        quantizer.build(encoder.output_shape)
        self.built = True

    def latents(self, images: Any) -> Any:
        """Images in the user's units -> latents (n, *code_shape, embedding_dim)."""
        standardised = (images - self.values.mean) * (1.0 / self.values.scale)
        return self.encoder(self._pad(standardised))

    def encode(self, images: Any) -> Any:
        """Images in the user's units -> codes (n, n_codes), row-major."""
        codes = self.quantizer.assign(self.latents(images))
        return ops.reshape(codes, (-1, self.n_codes))

    def decode(self, codes: Any) -> Any:
        """Codes (n, n_codes) -> images in the user's units."""
        depth = self.quantizer.depth
        grid = ops.reshape(codes, (-1, *self.code_shape, *([depth] if depth > 1 else [])))
        return self.reconstruct_from(self.quantizer.embed(grid))

    def reconstruct(self, images: Any) -> Any:
        """Images in the user's units -> their reconstructions."""
        return self.decode(self.encode(images))

    def reconstruct_from(self, embeddings: Any) -> Any:
        """Embeddings (n, *code_shape, embedding_dim) -> images in the user's units."""
        images = self.unit_images(embeddings) * self.span + self.values.minimum
        return ops.clip(images, self.values.minimum, self.values.maximum) if self.bounded else images

    def unit_images(self, embeddings: Any) -> Any:
        """Embeddings -> images, scaled so that the range of the training data is [0, 1]."""
        standardised = self._crop(self.decoder(embeddings))
        return standardised * (self.values.scale / self.span) + (self.values.mean - self.values.minimum) / self.span

    @property
    def code_shape(self) -> tuple[int, ...]:
        """Shape of the grid of an image's codes."""
        return tuple(self.encoder.output_shape[1:-1])

    @property
    def n_positions(self) -> int:
        """Number of positions in the grid."""
        n = 1
        for side in self.code_shape:
            n *= side
        return n

    @property
    def n_codes(self) -> int:
        """Number of codes of an image: those of all stages at all positions."""
        return self.n_positions * self.quantizer.depth

    def _pad(self, images):
        # Repeat the values of the border, because zeros would add an edge at the end of the image.
        for axis, wanted in enumerate(self.encoder.input_shape[1:3], start=1):
            missing = wanted - images.shape[axis]
            if missing and len(self.image_shape) == 3:
                last = images[:, -1:] if axis == 1 else images[:, :, -1:]
                images = ops.concatenate([images, *[last] * missing], axis=axis)
        return images

    def _crop(self, images):
        # Without this test, a slice without effect would be exported as a node.
        if len(self.image_shape) == 3 and tuple(images.shape[1:]) != tuple(self.image_shape):
            return images[:, : self.image_shape[0], : self.image_shape[1]]
        return images

    def call(self, images: Any, training: bool = False) -> Any:
        quantized = self.quantizer(self.latents(images), training=training)
        return {
            "codes": quantized.codes,
            "reconstructions": self.unit_images(quantized.latents),
            "codebook_loss": quantized.codebook_loss,
            "commitment_loss": quantized.commitment_loss,
        }

    def reset_metrics(self) -> None:
        # Keras resets all metrics before each batch, but codes are counted over an epoch.
        for tracker in self.trackers:
            tracker.reset_state()

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """Return the loss of images ``x``; ``y`` are the weights of their pixels, or None."""
        # The torch backend passes the given arrays, which are not tensors.
        targets = (ops.convert_to_tensor(x) - self.values.minimum) * (1.0 / self.span)
        weighing = {} if y is None else {"weights": ops.convert_to_tensor(y)}
        reconstruction = self.reconstruction_loss(targets, y_pred["reconstructions"], **weighing)
        reconstruction = reconstruction / self.reconstruction_scale
        codebook, commitment = y_pred["codebook_loss"], y_pred["commitment_loss"]
        total = reconstruction + self.vq_weight * (codebook + self.beta * commitment)
        self.code_counts.update_state(y_pred["codes"])
        for tracker, term in zip(self.trackers, (total, reconstruction, codebook, commitment), strict=True):
            tracker.update_state(term)
        return total

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        return {tracker.name: tracker.result() for tracker in self.trackers}
