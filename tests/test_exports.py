"""What ``exports/`` ships: ready-made files that work as they lie there, and recipes that make such files."""

import argparse
import importlib
import json
import re
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone

import skvq
from skvq.datasets import load_idx
from skvq.export._folder import check_target
from skvq.runtime._description import COMPANIONS

EXPORTS = Path(__file__).parent.parent / "exports"
READY_MADE = sorted(path.parent.name for path in EXPORTS.glob("*/manifest.json"))
RECIPES = sorted(path.stem for path in EXPORTS.glob("*.py") if path.stem != "publish")


def write_mnist(folder):
    """Write four idx.gz files of random digits."""
    import gzip
    import struct

    generator = np.random.default_rng(0)
    for split, n in (("train", 64), ("t10k", 16)):
        images = generator.integers(0, 256, (n, 28, 28), dtype=np.uint8)
        labels = np.resize(np.arange(10, dtype=np.uint8), n)
        for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
            header = struct.pack(">BBBB" + "I" * array.ndim, 0, 0, 8, array.ndim, *array.shape)
            with gzip.open(folder / f"{split}-{kind}-ubyte.gz", "wb") as file:
                file.write(header + array.tobytes())
    assert len(load_idx(folder)[0]) == 64
    return folder


def write_slices(folder):
    """Write an .npz file of random slices of two patients."""
    generator = np.random.default_rng(0)
    path = folder / "slices.npz"
    splits = {"train": (48, "a"), "test": (12, "b")}
    arrays = {f"x_{name}": generator.integers(0, 256, (n, 64, 64), dtype=np.uint8) for name, (n, _) in splits.items()}
    arrays |= {f"subject_{name}": np.full(n, patient) for name, (n, patient) in splits.items()}
    np.savez(path, **arrays)
    return path


@pytest.fixture
def publish(monkeypatch):
    monkeypatch.syspath_prepend(EXPORTS)
    return importlib.import_module("publish")


DATA = {"digits": None, "mnist": write_mnist, "brain": write_slices}


def test_every_ready_made_export_has_its_recipe():
    assert READY_MADE
    assert set(READY_MADE) <= set(RECIPES)
    assert sorted(DATA) == RECIPES


@pytest.mark.parametrize("name", READY_MADE)
class TestReadyMade:
    def test_files_are_small_whole_and_described(self, name):
        runtime = skvq.runtime.load(EXPORTS / name)  # which checks the hashes
        card = (EXPORTS / name / "README.md").read_text(encoding="utf-8")
        assert runtime.parts == ("encoder", "decoder", "controlled_sampler", "generator")
        for file in runtime.source.parts.values():
            assert file.n_bytes < 2_000_000
            assert f"`{Path(file.name).name}` | {file.n_bytes / 1000:.0f} |" in card
        assert (EXPORTS / name / "samples.png").stat().st_size > 10_000

    def test_the_folder_is_a_model_repository(self, name):
        folder = EXPORTS / name
        card = (folder / "README.md").read_text(encoding="utf-8")
        front, text = card.removeprefix("---\n").split("\n---\n")
        keys = re.findall(r"^(\w+):", front, re.MULTILINE)
        assert keys == ["license", "library_name", "pipeline_tag", "tags", "datasets"]
        linked = re.findall(r"\]\((?!https?:)([^)]+)\)", text)
        assert linked == ["samples.png"]
        manifest = json.loads((folder / "manifest.json").read_bytes())
        assert manifest["companions"] == list(COMPANIONS)
        assert set(COMPANIONS) <= {path.name for path in folder.iterdir()}
        assert check_target(folder) == folder.resolve()  # a recipe may replace it

    def test_images_become_codes_and_codes_images(self, name):
        runtime = skvq.runtime.load(EXPORTS / name)
        labels = None if runtime.classes is None else runtime.classes[0]
        drawn = runtime.sample(4, labels, random_state=0)
        codes = runtime.transform(drawn)
        np.testing.assert_array_equal(runtime.reconstruct(drawn), runtime.inverse_transform(codes))
        # What was drawn lies where the autoencoder is at home, and black pictures do not tell.
        low, high = runtime.source.description.data_range
        error = np.square((drawn.astype(float) - runtime.reconstruct(drawn)) / (high - low)).mean()
        assert error < 0.25 * drawn.astype(float).var() / (high - low) ** 2

    def test_the_lines_of_the_card_draw_an_image_without_skvq(self, name):
        card = (EXPORTS / name / "README.md").read_text(encoding="utf-8")
        lines = card.split("```python\n")[1].split("```")[0] + "assert image.ndim == 4 and image.std() > 0\n"
        lines += "import sys\nassert not {'skvq', 'keras', 'tensorflow'} & set(sys.modules)\n"
        done = subprocess.run([sys.executable, "-c", lines], cwd=EXPORTS / name, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_fits_exports_verifies_and_describes(name, tmp_path, monkeypatch, capsys):
    pytest.importorskip("tensorflow")
    pytest.importorskip("matplotlib")
    pytest.importorskip("skimage")
    data = [] if DATA[name] is None else ["--data", str(DATA[name](tmp_path))]
    monkeypatch.syspath_prepend(EXPORTS)
    monkeypatch.setattr(sys, "argv", [f"{name}.py", "--quick", "--output", str(tmp_path / "out"), *data])
    runpy.run_path(str(EXPORTS / f"{name}.py"), run_name="__main__")
    printed = capsys.readouterr().out
    assert "codes are equal" in printed
    card = (tmp_path / "out" / name / "README.md").read_text(encoding="utf-8")
    assert "{" not in card.replace('inputs = {"uniforms"', "").split("## Measured")[1]
    for file in skvq.runtime.load(tmp_path / "out" / name).source.parts.values():
        assert f"`{Path(file.name).name}`" in card
    assert (tmp_path / "out" / name / "samples.png").stat().st_size > 1000


def test_quick_files_do_not_replace_the_shipped_ones(publish, capsys):
    def parsed(*arguments):
        return publish.parse(argparse.ArgumentParser(), arguments)

    assert parsed().output == EXPORTS
    assert parsed("--quick", "--output", "out").output == Path("out")
    with pytest.raises(SystemExit):
        parsed("--quick")
    assert "--quick needs --output FOLDER" in capsys.readouterr().err


class TestPublish:
    @pytest.fixture
    def arguments(self, publish, vqvae, prior, images, labels, tmp_path):
        pytest.importorskip("matplotlib")
        recipe = publish.Recipe("bars", "Bars", "Bars.", "bars", "Drawn.", "the same", "None.", "python bars.py", 1)
        model = skvq.VQGenerator.from_fitted(vqvae, prior)
        return recipe, model, images, labels, argparse.Namespace(output=tmp_path / "out", seed=0)

    @pytest.mark.slow
    def test_the_folder_stays_as_it_is_when_later_ones_fail(self, publish, arguments, monkeypatch):
        recipe, model, *data, args = arguments
        (args.output / "bars").mkdir(parents=True)
        assert publish.publish(*arguments) == (args.output / "bars").resolve()
        assert [path.name for path in args.output.iterdir()] == ["bars"]
        assert skvq.runtime.load(args.output / "bars").parts == publish.PARTS
        assert "`encoder.onnx`" in (args.output / "bars" / "README.md").read_text(encoding="utf-8")

        before = {path: path.read_bytes() for path in args.output.rglob("*") if path.is_file()}
        later = clone(model.vqvae_).set_params(max_iter=1).fit(data[0])
        later = skvq.VQGenerator.from_fitted(later, model.prior_)
        failures = {
            "too large": (publish, "MOST_BYTES", 1000, SystemExit),
            "unlike the estimator": (
                skvq.VQGenerator,
                "transform",
                lambda self, X: np.zeros((len(X), 4), int),
                SystemExit,
            ),
            "without picture": (publish, "save_picture", lambda *_: 1 / 0, ZeroDivisionError),
        }
        for target, name, substitute, error in failures.values():
            with monkeypatch.context() as patch:
                patch.setattr(target, name, substitute)
                with pytest.raises(error):
                    publish.publish(recipe, later, *data, args)
            assert {path: path.read_bytes() for path in args.output.rglob("*") if path.is_file()} == before

    def test_a_folder_of_others_is_not_replaced(self, publish, arguments):
        args = arguments[-1]
        (args.output / "bars").mkdir(parents=True)
        (args.output / "bars" / "notes.txt").write_text("mine")
        with pytest.raises(ValueError, match=r"with notes\.txt"):
            publish.publish(*arguments)
        assert [path.name for path in args.output.rglob("*")] == ["bars", "notes.txt"]
