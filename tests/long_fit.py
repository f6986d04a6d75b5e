"""A fit with a checkpoint, as a script that tests kill: ``python long_fit.py FOLDER``."""

import sys

from conftest import bars

from skvq import VQVAE, PixelCNNPrior

SMALL = {"n_embeddings": 4, "embedding_dim": 2, "hidden_channels": 4, "n_residual_blocks": 0, "batch_size": 16}
SMALL |= {"learning_rate": 0.01, "max_iter": 8, "early_stopping": True, "n_iter_no_change": 8, "random_state": 0}


def long_vqvae(**params) -> VQVAE:
    """Return a VQVAE whose epochs restart codes, take moments and keep a best one."""
    return VQVAE(**{**SMALL, **params})


def long_prior(**params) -> PixelCNNPrior:
    """Return a prior with dropout and early stopping."""
    small = {"hidden_channels": 4, "n_layers": 1, "dropout": 0.2, "batch_size": 16, "max_iter": 4, "random_state": 0}
    return PixelCNNPrior(**{**small, **params})


if __name__ == "__main__":
    long_vqvae(checkpoint=sys.argv[1]).fit(bars(96)[0])
