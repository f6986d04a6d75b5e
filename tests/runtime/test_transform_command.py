"""Many images to a file of codes: equal to ``transform``, in little memory, and unharmed by ``kill -9``."""

import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

import skvq.runtime
from skvq.runtime import _transform
from skvq.runtime.__main__ import main

ROOT = Path(skvq.runtime.__file__).parents[2]


@pytest.fixture
def saved(pictures, tmp_path):
    np.save(tmp_path / "images.npy", pictures)
    return tmp_path / "images.npy"


def run(*arguments):
    return main([str(argument) for argument in arguments])


def as_files(pictures, folder):
    PIL_Image = pytest.importorskip("PIL.Image")
    folder.mkdir()
    for i, picture in enumerate(pictures):
        PIL_Image.fromarray(picture).save(folder / f"{i}.png")
    return folder


def as_zip(pictures, folder):
    with zipfile.ZipFile(folder.with_suffix(".zip"), "w") as archive:
        for file in as_files(pictures, folder).iterdir():
            archive.write(file, file.name)
    return folder.with_suffix(".zip")


def as_zarr(pictures, path):
    pytest.importorskip("zarr").create_array(str(path), data=pictures, chunks=(10, 8, 8))
    return path


def as_hdf5(pictures, path):
    with pytest.importorskip("h5py").File(path.with_suffix(".h5"), "w") as file:
        file["pictures"] = pictures
    return path.with_suffix(".h5")


class TestCodes:
    def test_are_those_of_transform_in_the_smallest_dtype(self, toy_folder, toy_runtime, pictures, saved, capsys):
        out = saved.with_name("codes.npy")
        assert run(toy_folder, "--transform", saved, "--out", out) == 0
        found = np.load(out)
        assert found.dtype == np.uint8
        np.testing.assert_array_equal(found, toy_runtime.transform(pictures))
        assert f"codes of 37 images in {out}" in capsys.readouterr().out
        assert sorted(path.name for path in saved.parent.iterdir()) == ["codes.npy", "images.npy"]

    @pytest.mark.parametrize("make", [as_files, as_zip, as_zarr, as_hdf5])
    def test_of_any_input(self, toy_folder, toy_runtime, pictures, tmp_path, make):
        images, out = make(pictures, tmp_path / "images"), tmp_path / "codes.npy"
        assert run(toy_folder, "--transform", images, "--out", out) == 0
        np.testing.assert_array_equal(np.load(out), toy_runtime.transform(pictures))

    def test_into_zarr(self, toy_folder, toy_runtime, pictures, saved):
        zarr = pytest.importorskip("zarr")
        out = saved.with_name("codes.zarr")
        assert run(toy_folder, "--transform", saved, "--out", out) == 0
        found = zarr.open(str(out), mode="r")
        assert found.dtype == np.uint8
        np.testing.assert_array_equal(found[:], toy_runtime.transform(pictures))
        assert found.attrs["grid"] == toy_runtime.grid.as_json()
        assert run(toy_folder, "--transform", saved, "--out", out) == 1  # a folder is never replaced

    def test_into_parquet_with_the_paths_of_files(self, toy_folder, toy_runtime, pictures, tmp_path):
        parquet = pytest.importorskip("pyarrow.parquet")
        out = tmp_path / "codes.parquet"
        assert run(toy_folder, "--transform", as_files(pictures, tmp_path / "images"), "--out", out) == 0
        table = parquet.read_table(out).to_pydict()
        np.testing.assert_array_equal(table["codes"], toy_runtime.transform(pictures))
        assert table["path"] == [f"{i}.png" for i in range(37)]


class TestErrors:
    def test_are_told(self, toy_folder, saved, tmp_path, capsys):
        for images, out, words in [
            (tmp_path / "none", "codes.npy", "images must be a folder or a file; got"),
            (saved, "codes.csv", "out must end in .npy, .zarr, .parquet; got 'codes.csv'. Choose a name"),
            (saved, "none/codes.npy", "path must lie in a folder that exists"),
        ]:
            assert run(toy_folder, "--transform", images, "--out", tmp_path / out) == 1
            assert words in capsys.readouterr().err
        np.save(saved, np.zeros((3, 9, 8), np.uint8))
        assert run(toy_folder, "--transform", saved, "--out", tmp_path / "codes.npy") == 1
        assert "X must hold rows of shape (8, 8)" in capsys.readouterr().err
        with pytest.raises(SystemExit):
            run(toy_folder, "--transform", saved)

    def test_a_dataset_has_to_be_named_if_there_are_two(self, toy_folder, toy_runtime, pictures, tmp_path, capsys):
        path = as_hdf5(pictures, tmp_path / "x")
        with pytest.importorskip("h5py").File(path, "a") as file:
            file["others"] = pictures[:5]
        assert run(toy_folder, "--transform", path, "--out", tmp_path / "codes.npy") == 1
        assert "a file with others, pictures. Write " in capsys.readouterr().err
        assert run(toy_folder, "--transform", f"{path}::others", "--out", tmp_path / "codes.npy") == 0
        np.testing.assert_array_equal(np.load(tmp_path / "codes.npy"), toy_runtime.transform(pictures[:5]))


class TestGoesOn:
    @pytest.fixture(autouse=True)
    def _small_parts(self, monkeypatch):
        monkeypatch.setattr("skvq.runtime._runtime.PART_VALUES", 1)
        monkeypatch.setattr(_transform, "SAVED_EVERY", 0)

    @pytest.fixture
    def stopped(self, toy_folder, saved, monkeypatch):
        """A run that Ctrl-C stopped after its first part."""

        class Stops(_transform.Progress):
            def __call__(self, n_done, n_rows):
                raise KeyboardInterrupt

        out = saved.with_name("codes.npy")
        with monkeypatch.context() as patch:
            patch.setattr(_transform, "Progress", Stops)
            assert run(toy_folder, "--transform", saved, "--out", out, "--batch-size", 8) == 130
        assert json.loads(out.with_name("codes.npy.progress").read_text())["rows_done"] == 8
        return out

    def test_after_ctrl_c(self, toy_folder, toy_runtime, pictures, saved, stopped, capsys):
        with open(f"{stopped}.partial", "ab") as file:
            file.write(b"what was not recorded")
        assert run(toy_folder, "--transform", saved, "--out", stopped, "--batch-size", 8) == 0
        assert "codes of 37 images, 8 of them by an earlier run" in capsys.readouterr().out
        np.testing.assert_array_equal(np.load(stopped), toy_runtime.transform(pictures))

    def test_a_lost_or_short_partial_file_is_begun_anew(self, toy_folder, toy_runtime, pictures, saved, stopped):
        os.truncate(f"{stopped}.partial", 100)
        assert run(toy_folder, "--transform", saved, "--out", stopped) == 0
        np.testing.assert_array_equal(np.load(stopped), toy_runtime.transform(pictures))

    def test_not_with_other_images(self, toy_folder, pictures, saved, stopped, capsys):
        np.save(saved, pictures[::-1])
        os.utime(saved, ns=(1, 1))
        assert run(toy_folder, "--transform", saved, "--out", stopped) == 1
        assert "differs in images. Choose another name, or remove codes.npy.progress" in capsys.readouterr().err

    def test_not_with_another_model(self, toy_folder, saved, stopped, capsys):
        record = Path(f"{stopped}.progress")
        record.write_text(record.read_text().replace('"encoder": "', '"encoder": "0'))
        assert run(toy_folder, "--transform", saved, "--out", stopped) == 1
        assert "differs in model." in capsys.readouterr().err

    @pytest.mark.parametrize("text", ["", "[]", "{}", '{"rows_done": -1}', "no json"])
    def test_not_with_a_record_that_is_damaged(self, toy_folder, saved, stopped, text, capsys):
        Path(f"{stopped}.progress").write_text(text)
        assert run(toy_folder, "--transform", saved, "--out", stopped) == 1
        assert "remove codes.npy.progress to begin anew" in capsys.readouterr().err

    def test_a_run_that_only_had_to_tidy_up_is_not_repeated(self, toy_folder, toy_runtime, pictures, saved, stopped):
        record = Path(f"{stopped}.progress")
        kept = record.read_text().replace('"rows_done": 8', '"rows_done": 37')
        assert run(toy_folder, "--transform", saved, "--out", stopped) == 0
        record.write_text(kept)
        before = stopped.stat().st_mtime_ns
        assert run(toy_folder, "--transform", saved, "--out", stopped) == 0
        assert stopped.stat().st_mtime_ns == before
        assert not record.exists()

    @pytest.mark.skipif(os.name != "posix", reason="locks of POSIX")
    def test_two_processes_do_not_write_one_file(self, toy_folder, saved, stopped, capsys):
        with open(f"{stopped}.partial", "r+b") as file:
            assert _transform.hold(file.fileno(), Path(f"{stopped}.partial"))
            assert run(toy_folder, "--transform", saved, "--out", stopped) == 1
        assert "which another one is writing" in capsys.readouterr().err


SLOW = """
import sys, time
from skvq.runtime import _runtime, _transform
from skvq.runtime.__main__ import main
_runtime.PART_VALUES, _transform.SAVED_EVERY = 1, 0
class Slow(_transform.Progress):
    def __call__(self, n_done, n_rows):
        print(n_done, flush=True)
        time.sleep(0.01)
_transform.Progress = Slow
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_kill_9_at_any_moment(toy_folder, toy_runtime, pictures, tmp_path):
    images = np.concatenate([pictures] * 10)
    np.save(tmp_path / "images.npy", images)
    out = tmp_path / "codes.npy"
    command = [sys.executable, "-c", SLOW, toy_folder, "--transform", tmp_path / "images.npy", "--out", out]
    generator, begun = np.random.default_rng(0), []
    for _ in range(4):
        process = subprocess.Popen([*map(str, command), "--batch-size", "2"], cwd=ROOT, stdout=subprocess.PIPE)
        begun.append(int(process.stdout.readline()))
        time.sleep(generator.uniform(0, 0.4))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
    assert not out.exists()
    assert begun == sorted(begun)
    assert begun[-1] > begun[0] == 2
    assert run(toy_folder, "--transform", tmp_path / "images.npy", "--out", out) == 0
    np.testing.assert_array_equal(np.load(out), toy_runtime.transform(images))
