"""The README's Python blocks run one after the other, as a reader would paste them."""

import inspect
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BLOCKS = re.findall(
    r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
)


def make_defaults_small(monkeypatch, estimator, **defaults):
    """Give an estimator's constructor other defaults, so that a block as it stands is done in a second."""
    present = estimator.__init__.__kwdefaults__
    assert set(defaults) <= set(inspect.signature(estimator).parameters)
    for name, value in defaults.items():
        monkeypatch.setitem(present, name, value)


@pytest.mark.slow
def test_the_python_blocks_run_in_sequence(monkeypatch, tmp_path):
    tensorflow = pytest.importorskip("tensorflow")
    for module in ("mlxtend", "tf2onnx", "skl2onnx"):
        pytest.importorskip(module)
    from skvq import VQVAE, PixelCNNPrior, datasets, export

    make_defaults_small(monkeypatch, VQVAE, hidden_channels=8, n_residual_blocks=0, max_iter=1)
    make_defaults_small(monkeypatch, PixelCNNPrior, hidden_channels=8, n_layers=1, max_iter=1)
    X, y = datasets.load_mnist_sample()
    monkeypatch.setattr(datasets, "load_mnist_sample", lambda: (X[:64], y[:64]))
    monkeypatch.setattr(export, "_FOLDER_PARTS", ("encoder", "decoder", "controlled_sampler"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "exports").symlink_to(ROOT / "exports")

    namespace = {}
    tensorflow.config.run_functions_eagerly(True)
    try:
        for i, block in enumerate(BLOCKS):
            exec(compile(block, f"README.md, Python block {i}", "exec"), namespace)
    finally:
        tensorflow.config.run_functions_eagerly(False)
    assert namespace["new"].shape == (16, 28, 28)
    assert namespace["image"].shape == (1, 28, 28, 1)
    assert namespace["graph"].graph.node
