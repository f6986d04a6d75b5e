"""State travels: through skops, past set_output, and from one Keras backend to another."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import skvq

TRAIN = """
import sys
import numpy as np
from skvq import VQVAE, PixelCNNPrior

folder = sys.argv[1]
images = np.load(f"{folder}/images.npy")
small = {"hidden_channels": 8, "batch_size": 16, "learning_rate": 0.01, "max_iter": 5, "random_state": 0}
vqvae = VQVAE(8, 4, n_residual_blocks=1, **small)
codes = vqvae.fit_transform(images)
prior = PixelCNNPrior(8, n_layers=2, **small).fit(codes)
np.save(f"{folder}/codes.npy", codes)
np.save(f"{folder}/scores.npy", prior.score_samples(codes))
np.save(f"{folder}/drawn.npy", prior.sample(20, random_state=0))
vqvae.save(f"{folder}/vqvae.skvq")
prior.save(f"{folder}/prior.skvq")
"""


class TestSkops:
    """Only our own classes need the reader's trust: everything else is arrays, numbers and strings."""

    def test_a_vqvae(self, vqvae, images, codes):
        skops_io = pytest.importorskip("skops.io")
        dumped = skops_io.dumps(vqvae)
        own = skops_io.get_untrusted_types(data=dumped)
        assert own == ["skvq._contract.codes.CodeGrid", "skvq._contract.images.Layout", "skvq.vqvae.VQVAE"]
        twin = skops_io.loads(dumped, trusted=own)
        np.testing.assert_array_equal(twin.transform(images), codes)
        np.testing.assert_array_equal(twin.inverse_transform(codes), vqvae.inverse_transform(codes))
        assert twin.get_params() == vqvae.get_params()

    def test_a_prior(self, prior, codes, labels):
        skops_io = pytest.importorskip("skops.io")
        dumped = skops_io.dumps(prior)
        own = skops_io.get_untrusted_types(data=dumped)
        assert own == ["skvq._contract.codes.CodeGrid", "skvq.priors.pixelcnn.PixelCNNPrior"]
        twin = skops_io.loads(dumped, trusted=own)
        np.testing.assert_array_equal(twin.score_samples(codes, labels), prior.score_samples(codes, labels))
        np.testing.assert_array_equal(twin.sample(3, y=0, random_state=0), prior.sample(3, y=0, random_state=0))


def test_an_output_container_is_no_part_of_a_file(images, tmp_path):
    vqvae = skvq.VQVAE(4, 2, hidden_channels=4, max_iter=1, random_state=0).fit(images).set_output(transform="pandas")
    frame = vqvae.transform(images)
    vqvae.save(tmp_path / "frames.skvq")
    answer = skvq.load(tmp_path / "frames.skvq").transform(images)
    assert isinstance(answer, np.ndarray)
    np.testing.assert_array_equal(answer, frame.to_numpy())


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_trained_under_one_backend_and_used_under_another(backend, images, tmp_path):
    if backend == keras.config.backend():
        pytest.skip(f"{backend} is the backend in use")
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    np.save(tmp_path / "images.npy", images)
    subprocess.run(
        [sys.executable, "-c", TRAIN, str(tmp_path)],
        env={**os.environ, "KERAS_BACKEND": backend},
        cwd=Path(skvq.__file__).parent.parent,
        check=True,
    )
    vqvae, prior = skvq.load(tmp_path / "vqvae.skvq"), skvq.load(tmp_path / "prior.skvq")
    codes = np.load(tmp_path / "codes.npy")
    assert len(np.unique(codes)) > 2
    np.testing.assert_array_equal(vqvae.transform(images), codes)
    np.testing.assert_allclose(prior.score_samples(codes), np.load(tmp_path / "scores.npy"), rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(prior.sample(20, random_state=0), np.load(tmp_path / "drawn.npy"))
    # And it goes on learning here.
    vqvae.set_params(warm_start=True, max_iter=1).fit(images)
    assert vqvae.n_iter_ == 6
