"""Quantisers. Each is one file, with one entry in :data:`QUANTIZERS`; :class:`ResidualQuantizer` puts several in a row.

Cosine codes and the rotation trick are omitted because they scored worse. On 20,000 digits of MNIST, after four epochs
of ``VQVAE(n_embeddings=128, hidden_channels=32)`` with one seed, the test error was 0.0031 with moving averages, 0.0036
with cosine codes (latents and embeddings on one sphere) and 0.0056 with the rotation trick (Fifty et al.,
arXiv:2410.06424) for the gradient of moving averages. ``examples/own_quantizer.py`` implements cosine codes.
"""

from skvq.networks.quantizers.base import Quantized, Quantizer
from skvq.networks.quantizers.ema import EMAQuantizer
from skvq.networks.quantizers.fsq import FSQQuantizer
from skvq.networks.quantizers.gradient import GradientQuantizer
from skvq.networks.quantizers.residual import ResidualQuantizer

QUANTIZERS: dict[str, type[Quantizer]] = {"ema": EMAQuantizer, "gradient": GradientQuantizer, "fsq": FSQQuantizer}

__all__ = [
    "QUANTIZERS",
    "EMAQuantizer",
    "FSQQuantizer",
    "GradientQuantizer",
    "Quantized",
    "Quantizer",
    "ResidualQuantizer",
]
