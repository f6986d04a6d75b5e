"""Imports point one way; this walks the sources and holds the table."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import skvq

ROOT = Path(skvq.__file__).parent
FRAMEWORKS = {"keras", "tensorflow", "tf2onnx", "jax", "torch"}
ESTIMATORS = {"skvq.vqvae", "skvq.pixelcnn_prior", "skvq._fitting"}
NETWORKS = {"skvq.networks"}

# Part of the package -> what none of its modules may import, at any depth of the code.
LAW = {
    "_contract": FRAMEWORKS | ESTIMATORS | NETWORKS | {"sklearn", "scipy", "onnx", "onnxruntime", "matplotlib"},
    "_arrays.py": FRAMEWORKS | ESTIMATORS | NETWORKS | {"onnx", "onnxruntime", "matplotlib"},
    "_context_tables.py": FRAMEWORKS
    | ESTIMATORS
    | NETWORKS
    | {"sklearn", "scipy", "onnx", "onnxruntime", "matplotlib"},
    "_graph_functions.py": ESTIMATORS | {"sklearn", "onnx", "onnxruntime", "tf2onnx", "tensorflow", "matplotlib"},
    "metrics": FRAMEWORKS | ESTIMATORS | NETWORKS | {"sklearn", "onnx", "onnxruntime", "matplotlib"},
    "runtime": FRAMEWORKS | ESTIMATORS | NETWORKS | {"sklearn", "onnx", "matplotlib", "skvq.export"},
    "networks": ESTIMATORS | {"sklearn", "onnx", "onnxruntime", "matplotlib", "skvq._files", "skvq._codebook"},
    "vqvae.py": {"onnx", "onnxruntime", "tf2onnx", "tensorflow", "torch", "jax", "matplotlib", "skvq.export"},
    "pixelcnn_prior.py": {"onnx", "onnxruntime", "tf2onnx", "tensorflow", "torch", "jax", "matplotlib", "skvq.export"},
    "_callbacks.py": FRAMEWORKS | ESTIMATORS | NETWORKS | {"onnx", "onnxruntime", "matplotlib"},
    "_encodings.py": FRAMEWORKS | ESTIMATORS | NETWORKS | {"onnx", "onnxruntime", "matplotlib"},
    "_fitting.py": {"onnx", "onnxruntime", "tf2onnx", "tensorflow", "torch", "jax", "matplotlib", "skvq.export"},
    "export": ESTIMATORS | NETWORKS | {"matplotlib", "torch", "jax"},
    "plotting": FRAMEWORKS | ESTIMATORS | NETWORKS | {"onnx", "onnxruntime"},
    "datasets": FRAMEWORKS | ESTIMATORS | NETWORKS | {"onnx", "onnxruntime", "matplotlib"},
}


def sources(part):
    path = ROOT / part
    return sorted(path.rglob("*.py")) if path.is_dir() else [path]


def imported(source):
    """Every module that a source names in an import, with the line."""
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            package = ["skvq", *source.relative_to(ROOT).parts][: -node.level] if node.level else []
            module = ".".join([*package, *([node.module] if node.module else [])])
            yield module, node.lineno
            for alias in node.names:
                yield f"{module}.{alias.name}", node.lineno


@pytest.mark.parametrize("part", LAW)
def test_imports_point_one_way(part):
    broken = [
        f"{source.relative_to(ROOT)}:{line} imports {name}"
        for source in sources(part)
        for name, line in imported(source)
        if any(name == banned or name.startswith(banned + ".") for banned in LAW[part])
    ]
    assert not broken, "\n".join(broken)


def test_every_part_of_the_package_is_under_the_law():
    parts = {p.name for p in ROOT.iterdir() if p.suffix == ".py" or (p / "__init__.py").exists()}
    # The door loads lazily; files and codebook are the estimators' own.
    assert parts - set(LAW) == {"__init__.py", "_files.py", "_codebook.py"}


def test_frameworks_are_met_through_keras_ops_alone():
    # Keras compiles functions on TensorFlow in a way that traces again for every model: one branch avoids it.
    named = {
        str(source.relative_to(ROOT))
        for source in sources("networks")
        for name, _ in imported(source)
        if name.split(".")[0] in {"tensorflow", "jax", "torch"}
    }
    assert named <= {"networks/inference.py"}


def test_beta_is_met_in_one_line_of_the_networks():
    lines = [
        (source.name, line.strip())
        for source in sources("networks")
        for line in source.read_text().splitlines()
        if "self.beta *" in line or "* self.beta" in line
    ]
    assert lines == [
        ("autoencoder.py", "total = reconstruction + self.vq_weight * (codebook + self.beta * commitment)")
    ]


@pytest.mark.parametrize("statement", ["import skvq", "import skvq, skvq.runtime", "import skvq.metrics"])
def test_no_framework_is_loaded(statement):
    script = (
        f"{statement}\nimport sys\n"
        "print(*sorted({'keras', 'sklearn', 'tensorflow', 'onnx', 'jax', 'torch', 'matplotlib'} & set(sys.modules)))"
    )
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT.parent)
    assert answer.stdout.strip() == ""


def test_a_missing_backend_is_named_with_its_extra():
    script = "import sys; sys.modules['tensorflow'] = None; from skvq import VQVAE"
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow"}
    command = [sys.executable, "-c", script]
    answer = subprocess.run(command, capture_output=True, text=True, cwd=ROOT.parent, env=environment)
    assert answer.returncode != 0
    assert 'pip install "skvq[tensorflow]"' in answer.stderr


def test_the_door_names_what_it_offers():
    with pytest.raises(AttributeError, match=r"no attribute 'VAE'; it offers .*VQVAE"):
        skvq.VAE  # noqa: B018
    assert {"VQVAE", "PixelCNNPrior", "export_onnx", "to_onnx", "load"} <= set(dir(skvq))
