"""Imports point one way; this walks the sources and holds the table."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import skvq

ROOT = Path(skvq.__file__).parent

# Part of the package -> what its modules may import, at any depth of the code: parts of skvq and other packages.
# The standard library is free to all.
ESTIMATOR = {"numpy", "sklearn", "_bases", "_callbacks", "_contract", "_estimator", "_fitted"}
LAW = {
    "_contract": {"numpy"},
    "_context_tables": {"numpy", "_contract"},
    # Of the data sets it needs the decoder of image files.
    "compression": {"numpy", "constriction", "_contract", "datasets"},
    "_outputs": {"numpy", "_contract"},
    "_data": {"numpy", "sklearn", "_contract"},
    "_bases": {"sklearn"},
    "_callbacks": {"sklearn"},
    "_fitted": {"sklearn", "_contract"},
    # The schema of a class names what it builds.
    "_files": {"numpy", "sklearn", "_contract", "_vqvae", "compression", "networks", "priors"} | {"training", "vqvae"},
    "_keras_settings": {"networks"},
    "_fit_identity": {"numpy", "networks"},
    "_checkpoint": {"numpy", "_contract", "_files", "_fit_identity", "networks"},
    "_graph_functions": {"numpy", "_contract", "networks"},
    "networks": {"numpy", "keras", "tensorflow", "jax", "_contract", "compression"},
    "training": {"numpy", "sklearn", "threadpoolctl", "_contract", "_data", "networks"},
    "_estimator": {"numpy", "sklearn", "_bases", "_callbacks", "_checkpoint", "_contract", "_files", "_fit_identity"}
    | {"_fitted", "_keras_settings", "networks", "training"},
    "_vqvae": ESTIMATOR | {"_data", "_graph_functions", "_outputs", "compression", "networks", "training"},
    "_codecs": {"_contract", "_fitted", "compression"},
    "_stages": ESTIMATOR | {"priors", "vqvae"},
    "vqvae": ESTIMATOR | {"_outputs", "_vqvae"},
    "priors": ESTIMATOR
    | {"scipy", "threadpoolctl", "_context_tables", "_data", "_graph_functions", "compression", "networks", "training"},
    "generator": ESTIMATOR
    | {"_data", "_files", "_codecs", "_stages", "_vqvae", "compression", "priors", "training", "vqvae"},
    # The rest of skvq is loaded by the commands that need it, and says what to install where it is missing.
    "_command_line": {"numpy", "_contract", "compression", "runtime", "datasets"},
    "__main__": {"_command_line"},
    # The command line alone reads files of images, and writes what its user has installed a package for.
    "runtime": {"numpy", "onnxruntime", "_contract", "compression", "datasets", "zarr", "pyarrow"},
    "metrics": {"numpy", "scipy", "skimage", "_contract", "_context_tables"},
    "plotting": {"numpy", "matplotlib", "_contract", "_fitted", "metrics"},
    "datasets": {"numpy", "sklearn", "PIL", "nibabel", "pydicom", "mlxtend", "_contract"},
    # Of estimators it knows what graph_functions and describe return.
    "export": {"numpy", "keras", "onnx", "onnxruntime", "google", "tensorflow", "tf2onnx", "skl2onnx"}
    | {"_contract", "_outputs", "metrics", "runtime"},
}


def sources(part):
    folder = ROOT / part
    return sorted(folder.rglob("*.py")) if folder.is_dir() else [ROOT / f"{part}.py"]


def imported(source):
    """Every module or name that a source names in an import, as parts of its path, with the line."""
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name.split("."), node.lineno
        elif isinstance(node, ast.ImportFrom):
            package = ["skvq", *source.relative_to(ROOT).parts][: -node.level] if node.level else []
            module = [*package, *(node.module.split(".") if node.module else [])]
            for alias in node.names:
                yield [*module, alias.name], node.lineno


def owner(path):
    """The part of skvq, or the package, that a module belongs to; None for the standard library and the door."""
    if path[0] != "skvq":
        return None if path[0] in sys.stdlib_module_names else path[0]
    return None if path[1:] in ([], ["__version__"]) else path[1]


@pytest.mark.parametrize("part", LAW)
def test_imports_point_one_way(part):
    broken = [
        f"{source.relative_to(ROOT)}:{line} imports {'.'.join(path)}"
        for source in sources(part)
        for path, line in imported(source)
        if owner(path) not in {None, part, *LAW[part]}
    ]
    assert not broken, "\n".join(broken)


def test_no_two_parts_may_import_each_other():
    mutual = [(a, b) for a in LAW for b in LAW[a] & set(LAW) if a in LAW[b]]
    assert not mutual


def test_every_part_of_the_package_is_under_the_law():
    parts = {p.stem for p in ROOT.iterdir() if p.suffix == ".py" or (p / "__init__.py").exists()}
    assert parts - set(LAW) == {"__init__"}  # the door loads lazily


@pytest.mark.parametrize(
    ("lines", "part", "found"),
    [
        ("from skvq.vqvae import VQVAE", "runtime/_codes.py", "vqvae"),
        ("def late():\n    import keras.ops", "runtime/_codes.py", "keras"),
        ("from .._estimator import restored_on_error", "metrics/_codes.py", "_estimator"),
        ("from skvq import vqvae", "plotting/_codes.py", "vqvae"),
    ],
)
def test_the_walk_finds_an_import_of_any_form(lines, part, found, tmp_path, monkeypatch):
    source = tmp_path / part
    source.parent.mkdir()
    source.write_text(lines)
    monkeypatch.setitem(imported.__globals__, "ROOT", tmp_path)
    assert [owner(path) for path, _ in imported(source)] == [found]


def test_frameworks_are_met_through_keras_ops_alone():
    # Keras compiles functions on TensorFlow in a way that traces again for every model: one branch avoids it. What a
    # keras.distribution scope does to arrays and processes is JAX's own.
    named = {
        str(source.relative_to(ROOT))
        for source in sources("networks")
        for path, _ in imported(source)
        if path[0] in {"tensorflow", "jax", "torch"}
    }
    assert named <= {"networks/inference.py", "networks/distribution.py"}


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
    assert {"VQVAE", "VQGenerator", "PixelCNNPrior", "ContextPrior", "CodeGrid", "export_onnx", "load"} <= set(
        dir(skvq)
    )
