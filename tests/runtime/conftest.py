"""One small export that all tests of the runtime share."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from stand_ins import StandInPrior, StandInVQ

from skvq.export import export_onnx
from skvq.runtime import load


@pytest.fixture(scope="session")
def toy_folder(tmp_path_factory):
    """A folder with encoder, decoder, prior, log_likelihood, sampler and generator."""
    return export_onnx(StandInVQ(), tmp_path_factory.mktemp("exports") / "toy", prior=StandInPrior())


@pytest.fixture(scope="session")
def toy_runtime(toy_folder):
    return load(toy_folder, threads=1)


@pytest.fixture
def toy_copy(toy_folder, tmp_path):
    """An export to be spoilt."""
    return Path(shutil.copytree(toy_folder, tmp_path / "copy"))


@pytest.fixture(scope="session")
def pictures():
    return np.random.default_rng(0).integers(0, 256, (37, 8, 8)).astype(np.uint8)
