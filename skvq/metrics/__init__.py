"""Metrics of reconstructions, codes and priors, as NumPy functions.

- reconstructions: :func:`mse`, :func:`psnr`, :func:`ssim`
- codebook usage: :func:`code_counts`, :func:`codes_in_use`, :func:`perplexity`
- log-likelihoods in bits: :func:`bits_per_code`, :func:`bits_per_image`, :func:`bits_per_dim`,
  :func:`residual_bits`
- baselines for a prior, in bits: :func:`uniform_bits`, :func:`marginal_bits`, :func:`per_position_bits`,
  :func:`context_bits`
- scorers for a search: :func:`neg_mse_scorer`, :func:`psnr_scorer`, :func:`ssim_scorer`,
  :func:`perplexity_scorer`
"""

from ._baselines import context_bits, marginal_bits, per_position_bits, uniform_bits
from ._codes import bits_per_code, bits_per_dim, bits_per_image, code_counts, codes_in_use, perplexity
from ._likelihood import residual_bits
from ._reconstruction import mse, psnr, ssim
from ._scorers import neg_mse_scorer, perplexity_scorer, psnr_scorer, ssim_scorer

__all__ = [
    "bits_per_code",
    "bits_per_dim",
    "bits_per_image",
    "code_counts",
    "codes_in_use",
    "context_bits",
    "marginal_bits",
    "mse",
    "neg_mse_scorer",
    "per_position_bits",
    "perplexity",
    "perplexity_scorer",
    "psnr",
    "psnr_scorer",
    "residual_bits",
    "ssim",
    "ssim_scorer",
    "uniform_bits",
]
