import numpy as np
import pytest

from skvq.training.codebook import k_means


def test_centres_are_found_and_weighed():
    generator = np.random.default_rng(0)
    true = np.array([[0, 0], [10, 0], [0, 10]], float)
    latents = true[[0] * 60 + [1] * 30 + [2] * 10] + 0.01 * generator.normal(size=(100, 2))
    centres, shares = k_means(latents, 3, generator)
    order = np.argsort(-shares)
    np.testing.assert_allclose(centres[order], true, atol=0.05)
    np.testing.assert_allclose(shares[order], [0.6, 0.3, 0.1])


@pytest.mark.parametrize("n_latents", [1, 3, 8])
def test_fewer_distinct_latents_than_centres(n_latents):
    latents = np.repeat(np.arange(n_latents, dtype=float)[:, None], 2, axis=1)
    centres, shares = k_means(np.tile(latents, (5, 1)), 8, np.random.default_rng(0))
    assert centres.shape == (8, 2)
    assert len(np.unique(centres, axis=0)) == 8
    assert np.all(np.isfinite(centres))
    assert shares.sum() == pytest.approx(1.0)
