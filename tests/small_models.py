"""Estimators as small as they go, and the family of priors: what conformance tests run over."""

import importlib
from pathlib import Path

import pytest

from skvq import VQVAE, ContextPrior, PixelCNNPrior

EXAMPLE = Path(__file__).parents[1] / "examples" / "own_prior.py"


def small_vqvae(**params):
    """Return a VQVAE of 4 codes that one epoch of plain gradient descent fits."""
    small = {"n_embeddings": 4, "embedding_dim": 2, "hidden_channels": 4, "n_residual_blocks": 0, "max_iter": 1}
    return VQVAE(**{**small, "optimizer": "sgd", "random_state": 0, **params})


def small_pixelcnn(**params):
    """Return a PixelCNNPrior likewise."""
    small = {"hidden_channels": 4, "n_layers": 1, "max_iter": 1, "optimizer": "sgd", "random_state": 0}
    return PixelCNNPrior(**{**small, **params})


def small_context(**params):
    """Return a ContextPrior likewise."""
    return ContextPrior(**{"n_features": 8, "random_state": 0, **params})


def own_prior():
    """Return the example of a prior of one's own, as a module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(EXAMPLE.parent)  # as for a script
        return importlib.import_module(EXAMPLE.stem)


def small_transformer(**params):
    """Return the example's prior likewise."""
    return own_prior().TransformerPrior(n_layers=1, max_iter=1, random_state=0, **params)


# Takes grid and conditional, returns an estimator.
PRIORS = {"pixelcnn": small_pixelcnn, "context": small_context, "own": small_transformer}
