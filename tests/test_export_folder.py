"""Export folders: whole or as before, replaced as one, and nothing else of the user is touched."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from spoilt_exports import shifted
from stand_ins import FOLDER_PARTS, StandInPrior, StandInVQ

import skvq.runtime
from skvq._contract import writing
from skvq.export import ExportError, _model, export_onnx
from skvq.export._model import Converter

OTHERS = ("manifest.json", "vectors.json")


@pytest.fixture(scope="module")
def estimators():
    return StandInVQ(), StandInPrior()


@pytest.fixture(scope="module")
def folder(estimators, tmp_path_factory):
    return export_onnx(estimators[0], tmp_path_factory.mktemp("exports") / "toy", prior=estimators[1])


class TestFolder:
    def test_manifest_describes_the_files(self, folder):
        manifest = json.loads((folder / "manifest.json").read_text())
        assert list(manifest["files"]) == [f"{part}.onnx" for part in FOLDER_PARTS]
        assert {entry.name for entry in folder.iterdir()} == {*manifest["files"], *OTHERS}
        for name, entry in manifest["files"].items():
            assert entry["bytes"] == (folder / name).stat().st_size
            assert entry["parity"]["ok"]
            assert entry["parity"]["n"] == 21
        assert manifest["grid"] == {"shape": [4, 4], "n_embeddings": 7, "depth": 1}
        assert manifest["data_range"] == [0.0, 255.0]

    def test_same_weights_give_the_same_folder(self, folder, tmp_path):
        again = export_onnx(StandInVQ(), tmp_path / "again", prior=StandInPrior())
        for entry in folder.iterdir():
            assert (again / entry.name).read_bytes() == entry.read_bytes()

    def test_only_the_parts_asked_for(self, estimators, tmp_path):
        path = export_onnx(
            estimators[0], tmp_path / "few", prior=estimators[1], parts=["decoder", "generator", "decoder"]
        )
        assert sorted(entry.name for entry in path.iterdir()) == ["decoder.onnx", "generator.onnx", *OTHERS]
        assert skvq.runtime.load(path).sample(2, y=3, random_state=0).shape[0] == 2

    def test_parts_may_come_one_by_one(self, estimators, tmp_path):
        path = export_onnx(estimators[0], tmp_path / "few", prior=estimators[1], parts=(part for part in ["decoder"]))
        assert sorted(entry.name for entry in path.iterdir()) == ["decoder.onnx", *OTHERS]

    @pytest.mark.parametrize(
        ("parts", "message"),
        [
            ("decoder", r"parts must be a sequence of names of parts; got 'decoder'\. Pass parts=\["),
            ([], r"got \[\]"),
            (5, r"parts must be a sequence of names of parts; got 5\. Pass parts=\["),
            ([None], r"got \[None\]"),
            (["decoder", "sampling"], r"part must be one of 'encoder', .*; got 'sampling'"),
        ],
    )
    def test_wrong_parts_leave_the_folder_alone(self, estimators, tmp_path, parts, message):
        with pytest.raises(ValueError, match=message):
            export_onnx(estimators[0], tmp_path / "few", prior=estimators[1], parts=parts)
        assert not (tmp_path / "few").exists()

    def test_without_a_prior(self, estimators, tmp_path):
        path = export_onnx(estimators[0], path=tmp_path / "vq")
        assert sorted(entry.name for entry in path.iterdir()) == ["decoder.onnx", "encoder.onnx", *OTHERS]

    def test_onnxruntime_has_nothing_to_warn_of(self, folder):
        script = (
            "import sys, onnxruntime\n"
            "for path in sys.argv[1:]: onnxruntime.InferenceSession(path, providers=['CPUExecutionProvider'])"
        )
        paths = [str(path) for path in folder.glob("*.onnx")]
        done = subprocess.run([sys.executable, "-c", script, *paths], capture_output=True, text=True, check=True)
        assert done.stderr == ""

    def test_an_export_is_replaced(self, estimators, tmp_path):
        export_onnx(StandInVQ(seed=1), tmp_path / "toy", prior=StandInPrior())
        before = (tmp_path / "toy" / "encoder.onnx").read_bytes()
        export_onnx(StandInVQ(), path=tmp_path / "toy")
        assert (tmp_path / "toy" / "encoder.onnx").read_bytes() != before
        assert not (tmp_path / "toy" / "sampler.onnx").exists()
        assert [entry.name for entry in tmp_path.iterdir()] == ["toy"]

    @pytest.mark.parametrize("stage", ["mismatch", "conversion", "writing", "swap"])
    def test_failure_leaves_the_old_folder(self, estimators, folder, tmp_path, monkeypatch, stage):
        target = tmp_path / "toy"
        target.mkdir()
        for entry in folder.iterdir():
            (target / entry.name).write_bytes(entry.read_bytes())
        before = {entry.name: entry.read_bytes() for entry in target.iterdir()}
        expected, message = ExportError, "decoder, 1 rows: largest difference"
        if stage == "mismatch":
            made = Converter.model
            wrong = lambda self, function: (  # noqa: E731
                shifted(made(self, function), "Add_0.B", 0.1) if function.name == "decoder" else made(self, function)
            )
            monkeypatch.setattr(Converter, "model", wrong)
        elif stage == "conversion":

            def refuse(function):
                raise ExportError("not to be converted")

            message = "not to be converted"
            monkeypatch.setattr(_model, "convert", refuse)
        else:
            expected, message = OSError, "disk full"

            def fail(*arguments):
                raise OSError("disk full")

            if stage == "writing":
                monkeypatch.setattr(os, "fsync", fail)
            else:
                monkeypatch.setattr(writing, "exchange", fail)
        with pytest.raises(expected, match=message):
            export_onnx(estimators[0], target, prior=estimators[1])
        monkeypatch.undo()
        assert {entry.name: entry.read_bytes() for entry in target.iterdir()} == before
        assert [entry.name for entry in tmp_path.iterdir()] == ["toy"]

    def test_other_folders_are_not_touched(self, estimators, folder, tmp_path):
        (tmp_path / "notes.txt").write_text("mine")
        with pytest.raises(ValueError, match=r"nothing else in it; .* with notes.txt. Choose another folder"):
            export_onnx(estimators[0], tmp_path, prior=estimators[1])
        with pytest.raises(ValueError, match=r"notes\.txt, which is none"):
            export_onnx(estimators[0], tmp_path / "notes.txt", prior=estimators[1])
        with pytest.raises(TypeError, match=r"path must be a str or path-like object; got None\. Pass the folder"):
            export_onnx(estimators[0])
        assert [entry.name for entry in tmp_path.iterdir()] == ["notes.txt"]

    def test_the_working_directory_is_not_replaced(self, estimators, folder, tmp_path, monkeypatch):
        empty = tmp_path / "empty"
        empty.mkdir()
        for place in (empty, Path(shutil.copytree(folder, tmp_path / "toy"))):
            before = sorted(os.listdir(place))
            monkeypatch.chdir(place)
            for path in (".", place, "../" + place.name):
                with pytest.raises(
                    ValueError, match=r"that can be replaced as a whole; .*, the working directory. Choose"
                ):
                    export_onnx(estimators[0], path, prior=estimators[1])
            assert sorted(os.listdir(".")) == before

    def test_a_mount_point_is_not_replaced(self, estimators, tmp_path, monkeypatch):
        monkeypatch.setattr(os.path, "ismount", lambda path: Path(path) == tmp_path)
        with pytest.raises(ValueError, match=r", a mount point\. Choose a folder in it"):
            export_onnx(estimators[0], tmp_path, prior=estimators[1])

    def test_a_place_that_cannot_be_written_to(self, estimators, tmp_path, monkeypatch):
        (tmp_path / "notes.txt").write_text("mine")
        with pytest.raises(ValueError, match=r"in a folder that can be written to; .*notes\.txt, a file"):
            export_onnx(estimators[0], tmp_path / "notes.txt" / "deep" / "toy", prior=estimators[1])
        monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path)
        with pytest.raises(ValueError, match=r"can be written to; .*, write-protected\. Choose another"):
            export_onnx(estimators[0], tmp_path / "deep" / "toy", prior=estimators[1])

    def test_a_link_stays_a_link(self, estimators, tmp_path):
        (tmp_path / "there").mkdir()
        (tmp_path / "link").symlink_to(tmp_path / "there")
        export_onnx(estimators[0], path=tmp_path / "link")
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "there" / "manifest.json").exists()

    def test_the_folder_may_be_read_by_others(self, folder):
        os.umask(mask := os.umask(0))
        assert folder.stat().st_mode & 0o777 == 0o777 & ~mask

    def test_a_prior_alone(self, estimators, tmp_path):
        path = export_onnx(estimators[1], tmp_path / "prior", parts=["sampler"])
        assert skvq.runtime.load(path).sample_codes(2, 3).shape == (2, 16)

    def test_the_former_order_of_arguments(self, estimators, tmp_path):
        with pytest.raises(TypeError, match=r"takes the model, then the path; .*prior=prior"):
            export_onnx(*estimators, tmp_path / "toy")
