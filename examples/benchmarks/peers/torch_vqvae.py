"""Two VQ-VAEs on PyTorch, trained by one loop over batches in memory.

:class:`VectorQuantizePytorch` is the network, the loss and the optimiser of the Keras example with the quantiser of
https://github.com/lucidrains/vector-quantize-pytorch: its defaults (moving averages with decay 0.8, commitment weight
1, rotation trick), and the two options that its README recommends for a codebook in full use, ``kmeans_init=True`` and
``threshold_ema_dead_code=2``.

:class:`Pythae` is the model of https://github.com/clementchadebec/benchmark_VAE with the settings of its notebook
``examples/notebooks/models_training/vqvae_training.ipynb``: its residual networks for MNIST, 16 channels, moving
averages with decay 0.99, commitment weight 0.25, Adam with rate 0.001, batches of 64. Its networks make 4×4 codes of a
digit; for equal bits the third convolution's stride of 2 is made 1, in the encoder and in the decoder, which gives 7×7
codes, as its networks for other images do. :class:`PythaeAsPublished` leaves it as it is, at a third of the bits.

At that rate about one start in eight dies for good within the first steps: the decoder's sigmoid saturates, and every
image comes out black. Such a run would say nothing, so that pythae's runs begin from the first seed whose start lives;
the search is not counted as training.

The loop is ours in both: pythae's own feeds its images one by one, and would be slower.
"""

import math

import numpy as np
import torch
from budget import Stopwatch
from torch import nn
from torch.nn import functional


class TorchPeer:
    """Training and inference, for a network ``forward(images) -> (reconstructions, codes, loss)``.

    Subclasses set ``network`` and ``images_per_step``.
    """

    network: nn.Module
    images_per_step: int
    n_positions = 49
    offset = 0.0  # subtracted from images on their way in, added on their way out

    def __init__(self, images: np.ndarray, n_embeddings: int, seed: int):
        torch.manual_seed(seed)
        self.images = torch.from_numpy(images[:, None] - np.float32(self.offset))
        self.variance = float(images.var())
        self.n_embeddings = n_embeddings
        # The layout that PyTorch's convolutions are fastest in here.
        self.network = self.build().to(memory_format=torch.channels_last)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=1e-3)
        self.bits_per_image = self.n_positions * math.log2(n_embeddings)

    def build(self) -> nn.Module:
        """Return the network."""
        raise NotImplementedError

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return reconstructions, codes and the loss of a batch."""
        raise NotImplementedError

    def train(self, stopwatch, evaluate) -> None:
        self.network.train()
        while True:
            for rows in torch.randperm(len(self.images)).split(self.images_per_step):
                self.optimizer.zero_grad()
                self.forward(self.images[rows])[2].backward()
                self.optimizer.step()
                if not stopwatch.after_step(evaluate):
                    return

    def reconstruct(self, images: np.ndarray) -> np.ndarray:
        return self._infer(images)[0][:, 0] + self.offset

    def transform(self, images: np.ndarray) -> np.ndarray:
        return self._infer(images)[1].reshape(len(images), -1)

    def _infer(self, images: np.ndarray) -> list[np.ndarray]:
        self.network.eval()
        with torch.no_grad():
            batches = torch.from_numpy(images[:, None] - np.float32(self.offset)).split(500)
            answers = [self.forward(batch)[:2] for batch in batches]
        self.network.train()
        return [torch.cat(parts).numpy() for parts in zip(*answers, strict=True)]


class VectorQuantizePytorch(TorchPeer):
    """The Keras example's network around ``vector_quantize_pytorch.VectorQuantize``."""

    images_per_step = 128
    offset = 0.5

    def build(self) -> nn.Module:
        from vector_quantize_pytorch import VectorQuantize

        return nn.ModuleDict(
            {
                "encoder": nn.Sequential(
                    nn.Conv2d(1, 32, 3, stride=2, padding=1),
                    nn.ReLU(),
                    nn.Conv2d(32, 64, 3, stride=2, padding=1),
                    nn.ReLU(),
                    nn.Conv2d(64, 16, 1),
                ),
                "quantizer": VectorQuantize(
                    dim=16,
                    codebook_size=self.n_embeddings,
                    accept_image_fmap=True,
                    kmeans_init=True,
                    threshold_ema_dead_code=2,
                ),
                "decoder": nn.Sequential(
                    nn.ConvTranspose2d(16, 64, 3, stride=2, padding=1, output_padding=1),
                    nn.ReLU(),
                    nn.ConvTranspose2d(64, 32, 3, stride=2, padding=1, output_padding=1),
                    nn.ReLU(),
                    nn.ConvTranspose2d(32, 1, 3, padding=1),
                ),
            }
        )

    def forward(self, images):
        embeddings, codes, vq_loss = self.network["quantizer"](self.network["encoder"](images))
        reconstructions = self.network["decoder"](embeddings)
        loss = functional.mse_loss(reconstructions, images) / self.variance + vq_loss.sum()
        return reconstructions, codes, loss


class Pythae(TorchPeer):
    """``pythae.models.VQVAE``, changed to make 7×7 codes."""

    images_per_step = 64

    def build(self) -> nn.Module:
        network = pythae_vqvae(self.n_embeddings)
        network.encoder.layers[2] = nn.Sequential(nn.Conv2d(128, 128, 3, 1, padding=1))
        network.decoder.layers[1] = nn.ConvTranspose2d(128, 128, 3, 1, padding=1)
        return network

    @classmethod
    def living_seed(cls, images: np.ndarray, n_embeddings: int, seed: int) -> int:
        """Return the first of ``seed``, ``seed + 1000``, … from which images still differ after 60 steps."""
        while True:
            peer = cls(images, n_embeddings, seed)
            peer.train(Stopwatch(math.inf, marks=(), max_steps=60), lambda: 0.0)
            if peer.reconstruct(images[:100]).std(axis=0).mean() > 0.01:
                return seed
            seed += 1000

    def forward(self, images):
        answer = self.network({"data": images})
        return answer.recon_x, answer.quantized_indices, answer.loss


class PythaeAsPublished(Pythae):
    """``pythae.models.VQVAE`` with its 4×4 codes."""

    n_positions = 16

    def build(self) -> nn.Module:
        return pythae_vqvae(self.n_embeddings)


def pythae_vqvae(n_embeddings: int) -> nn.Module:
    """Return pythae's VQ-VAE as its notebook builds it."""
    from pythae.models import VQVAE, VQVAEConfig
    from pythae.models.nn.benchmarks.mnist import Decoder_ResNet_VQVAE_MNIST, Encoder_ResNet_VQVAE_MNIST

    config = VQVAEConfig(
        input_dim=(1, 28, 28),
        latent_dim=16,
        commitment_loss_factor=0.25,
        quantization_loss_factor=1.0,
        num_embeddings=n_embeddings,
        use_ema=True,
        decay=0.99,
    )
    return VQVAE(config, encoder=Encoder_ResNet_VQVAE_MNIST(config), decoder=Decoder_ResNet_VQVAE_MNIST(config))
