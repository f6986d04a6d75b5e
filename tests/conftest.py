"""Small fitted estimators that many tests share; none of them may be changed in place."""

import os
import sys

# Before SciPy is imported: scikit-learn's own checks want it.
os.environ.setdefault("SCIPY_ARRAY_API", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import hypothesis
import numpy as np
import pytest

# On a busy machine a test case may take any time: only what it finds counts.
hypothesis.settings.register_profile("skvq", deadline=None)
hypothesis.settings.load_profile("skvq")


def bars(n: int, side: int = 8, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return uint8 images with one bright bar, upright (class 0) or level (class 1), and the classes."""
    generator = np.random.default_rng(seed)
    X = generator.integers(0, 30, (n, side, side))
    y = generator.integers(0, 2, n)
    places = generator.integers(0, side - 1, n)
    for image, label, place in zip(X, y, places, strict=True):
        if label == 0:
            image[:, place : place + 2] += 200
        else:
            image[place : place + 2, :] += 200
    return X.astype(np.uint8), y


@pytest.fixture(autouse=True)
def no_open_figures():
    """Close what a test leaves open: whichever one comes next in this process counts its own alone."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture(scope="session")
def images():
    return bars(96)[0]


@pytest.fixture(scope="session")
def labels():
    return bars(96)[1]


@pytest.fixture(scope="session")
def vqvae(images):
    from skvq import VQVAE

    return VQVAE(
        n_embeddings=12,
        embedding_dim=4,
        hidden_channels=16,
        n_residual_blocks=1,
        learning_rate=0.01,
        batch_size=16,
        max_iter=30,
        random_state=0,
    ).fit(images)


@pytest.fixture(scope="session")
def codes(vqvae, images):
    return vqvae.transform(images)


@pytest.fixture(scope="session")
def prior(codes, labels):
    from skvq import PixelCNNPrior

    return PixelCNNPrior(
        n_embeddings=12, conditional=True, hidden_channels=8, n_layers=2, batch_size=16, max_iter=8, random_state=0
    ).fit(codes, labels)
