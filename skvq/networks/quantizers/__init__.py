"""The family of quantisers: one file each, one row in :data:`QUANTIZERS`."""

from skvq.networks.quantizers.base import Quantized, Quantizer
from skvq.networks.quantizers.ema import EMAQuantizer
from skvq.networks.quantizers.fsq import FSQQuantizer
from skvq.networks.quantizers.gradient import GradientQuantizer

QUANTIZERS = {"ema": EMAQuantizer, "gradient": GradientQuantizer, "fsq": FSQQuantizer}

__all__ = ["QUANTIZERS", "EMAQuantizer", "FSQQuantizer", "GradientQuantizer", "Quantized", "Quantizer"]
