"""What load opens: folders, single files, bytes and streams; with which options; and copies of what it opened."""

import copy
import io
import pickle
import shutil
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from spoilt_exports import graph_in_place_of, helper, keras_answer, replace_model, rewrite
from stand_ins import StandInPrior, StandInVQ

import skvq.runtime
from skvq.export import to_onnx
from skvq.export._model import serialized
from skvq.runtime import ModelFileError, load

ROOT = Path(skvq.runtime.__file__).parents[2]


class TestSources:
    def test_each_file_does_its_own_part(self, toy_folder, toy_runtime, pictures):
        codes = load(toy_folder / "encoder.onnx").transform(pictures)
        np.testing.assert_array_equal(codes, toy_runtime.transform(pictures))
        decoded = load(toy_folder / "decoder.onnx").inverse_transform(codes)
        np.testing.assert_array_equal(decoded, toy_runtime.inverse_transform(codes))
        drawn = load(toy_folder / "sampler.onnx").sample_codes(3, 5, random_state=0)
        np.testing.assert_array_equal(drawn, toy_runtime.sample_codes(3, 5, random_state=0))
        drawn = load(toy_folder / "generator.onnx").sample(3, 5, random_state=0)
        np.testing.assert_array_equal(drawn, toy_runtime.sample(3, 5, random_state=0))
        scores = load(toy_folder / "prior.onnx").score_codes(codes, 3)
        np.testing.assert_allclose(scores, toy_runtime.score_codes(codes, 3), rtol=1e-5)

    def test_a_part_that_no_folder_has(self, tmp_path, toy_runtime, pictures):
        onnx.save(to_onnx(StandInVQ(), "reconstruct"), tmp_path / "reconstruct.onnx")
        answer = load(tmp_path / "reconstruct.onnx").reconstruct(pictures)
        np.testing.assert_array_equal(answer, toy_runtime.reconstruct(pictures))

    def test_what_is_missing_is_named(self, toy_folder):
        with pytest.raises(ValueError, match=r"transform needs the part 'encoder'; .*decoder.onnx holds decoder"):
            load(toy_folder / "decoder.onnx").transform(np.zeros((1, 8, 8)))

    @pytest.mark.parametrize("wrap", [bytes, bytearray, memoryview, io.BytesIO])
    def test_bytes_and_streams(self, toy_folder, toy_runtime, wrap):
        data = (toy_folder / "decoder.onnx").read_bytes()
        codes = np.ones((2, 16), int)
        np.testing.assert_array_equal(load(wrap(data)).inverse_transform(codes), toy_runtime.inverse_transform(codes))
        with pytest.raises(ModelFileError, match=r"more than 100|than 100 bytes"):
            load(wrap(data), max_bytes=100)

    def test_an_open_file(self, toy_folder):
        with open(toy_folder / "decoder.onnx", "rb") as file:
            assert load(file).parts == ("decoder",)
        with open(toy_folder / "manifest.json") as file, pytest.raises(TypeError, match="binary mode"):
            load(file)

    @pytest.mark.parametrize("path", [None, 3, ["x"], ""])
    def test_anything_else(self, path):
        with pytest.raises(TypeError, match=r"path must be a str or path-like object; got .*binary stream"):
            load(path)

    def test_the_home_folder(self, toy_folder, monkeypatch):
        monkeypatch.setenv("HOME", str(toy_folder.parent))
        assert load("~/toy").source.origin == toy_folder

    def test_nothing_there(self, tmp_path):
        with pytest.raises(FileNotFoundError, match="There is no export at"):
            load(tmp_path / "none")

    @pytest.mark.parametrize("name", ["copy", "copy/decoder.onnx"])
    def test_the_working_directory_may_change(self, toy_copy, monkeypatch, name):
        monkeypatch.chdir(toy_copy.parent)
        runtime = load(name)
        monkeypatch.chdir(toy_copy)
        assert pickle.loads(pickle.dumps(runtime)).source.origin == toy_copy.parent / name

    def test_files_are_read_at_load(self, toy_copy, toy_runtime):
        runtime = load(toy_copy)
        shutil.rmtree(toy_copy)
        np.testing.assert_array_equal(runtime.sample(3, 5, random_state=0), toy_runtime.sample(3, 5, random_state=0))


class TestOptions:
    def test_providers(self, toy_folder, pictures):
        with pytest.raises(ValueError, match=r"this onnxruntime has, .*CPUExecutionProvider; got NoSuchProvider"):
            load(toy_folder, ["NoSuchProvider"])
        with pytest.raises(ValueError, match="got none"):
            load(toy_folder, [])
        message = r"list .*, .*; got the str 'CPUExecutionProvider'\. Put it in a list: \['CPUExecutionProvider'\]\."
        with pytest.raises(ValueError, match=message):
            load(toy_folder, "CPUExecutionProvider")
        assert len(load(toy_folder, [("CPUExecutionProvider", {})]).transform(pictures)) == len(pictures)

    @pytest.mark.skipif("CUDAExecutionProvider" in onnxruntime.get_available_providers(), reason="CUDA is here")
    def test_cuda_where_there_is_none(self, toy_folder):
        with pytest.raises(ValueError, match=r"has, .*CPUExecutionProvider; got CUDAExecutionProvider, CPU.*-gpu"):
            load(toy_folder, ["CUDAExecutionProvider", "CPUExecutionProvider"])

    @pytest.mark.parametrize("name", ["threads", "batch_size", "max_bytes"])
    def test_counts(self, toy_folder, name):
        with pytest.raises(ValueError, match=f"{name} must be an integer >= 1; got 0"):
            load(toy_folder, **{name: 0})

    @pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf"), "1", True])
    def test_wrong_timeouts(self, toy_folder, timeout):
        with pytest.raises(ValueError, match="timeout must be a number of seconds above 0, or None"):
            load(toy_folder, timeout=timeout)

    def test_a_run_that_does_not_end_is_ended(self, toy_copy):
        replace_model(toy_copy, "encoder.onnx", endless(toy_copy / "encoder.onnx"))
        runtime = load(toy_copy, threads=1, timeout=0.2)
        message = r"encoder\.onnx did not answer within timeout=0\.2 seconds\. Pass a longer"
        with pytest.raises(TimeoutError, match=message):
            runtime.transform(np.zeros((1, 8, 8)))
        assert runtime.inverse_transform(np.zeros((1, 16), int)).shape == (1, 8, 8)

    def test_a_run_within_its_time(self, toy_folder, toy_runtime, pictures):
        runtime = load(toy_folder, timeout=100)
        np.testing.assert_array_equal(runtime.transform(pictures), toy_runtime.transform(pictures))


class TestCopies:
    @pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda r: pickle.loads(pickle.dumps(r))])
    def test_a_copy_answers_alike(self, toy_folder, duplicate):
        runtime = load(toy_folder, threads=1, batch_size=4, timeout=100)
        again = duplicate(runtime)
        assert again._options == runtime._options
        assert again.source == runtime.source
        np.testing.assert_array_equal(again.sample(3, 5, random_state=0), runtime.sample(3, 5, random_state=0))

    def test_a_copy_of_bytes(self, toy_folder):
        runtime = load((toy_folder / "decoder.onnx").read_bytes())
        again = pickle.loads(pickle.dumps(runtime))
        codes = np.ones((2, 16), int)
        np.testing.assert_array_equal(again.inverse_transform(codes), runtime.inverse_transform(codes))

    def test_a_pickle_holds_the_path_and_the_hashes(self, toy_runtime):
        assert len(pickle.dumps(toy_runtime)) < 2000

    @pytest.mark.parametrize("name", ["", "decoder.onnx"])
    def test_changed_files_are_refused(self, toy_copy, name):
        pickled = pickle.dumps(load(toy_copy / name))
        replace_model(toy_copy, "decoder.onnx", to_onnx(StandInVQ(seed=1), "decoder"))
        if not name:  # the manifest as to_onnx alone describes it
            model = onnx.load(toy_copy / "decoder.onnx")
            kept = onnx.load(toy_copy / "encoder.onnx").metadata_props
            own = {entry.key: entry.value for entry in model.metadata_props}
            del model.metadata_props[:]
            for entry in kept:
                of_file = entry.key in {"skvq.part", "skvq.kind", "skvq.inputs", "skvq.outputs", "skvq.opset"}
                model.metadata_props.add(key=entry.key, value=own[entry.key] if of_file else entry.value)
            replace_model(toy_copy, "decoder.onnx", serialized(model))
        with pytest.raises(ModelFileError, match="has changed since the runtime was loaded"):
            pickle.loads(pickled)

    def test_worker_processes(self, toy_folder):
        """Spawned ones, which import nothing but what the pickle asks for."""
        runtime = load(toy_folder, threads=1)
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            drawn = pool.submit(runtime.sample, 3, 5, random_state=0).result(timeout=60)
        np.testing.assert_array_equal(drawn, runtime.sample(3, 5, random_state=0))

    def test_swapped_while_it_is_read(self, toy_copy, monkeypatch):
        """A reader beside a writer gets the old export or the new one, never parts of both."""
        newer = Path(shutil.copytree(toy_copy, toy_copy.with_name("newer")))
        rewrite(newer, lambda manifest: manifest["files"].pop("prior.onnx"))
        from skvq.runtime import _source

        read, calls = _source._Folder.read, []

        def swapping(self, name, max_bytes):
            data = read(self, name, max_bytes)
            if not calls:
                toy_copy.rename(toy_copy.with_name("older"))
                newer.rename(toy_copy)
                shutil.rmtree(toy_copy.with_name("older"))
            calls.append(name)
            return data

        monkeypatch.setattr(_source._Folder, "read", swapping)
        assert "prior" not in load(toy_copy).parts


def endless(path):
    """Return an encoder of a loop that runs 2**40 times."""
    info = helper.make_tensor_value_info
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["on"]),
            helper.make_node("Add", ["held", "held"], ["more"]),
        ],
        "body",
        [info("turn", 7, []), info("go", 9, []), info("held", 7, [16])],
        [info("on", 9, []), info("more", 7, [16])],
    )
    nodes = [
        helper.make_node("Loop", ["turns", "start", "zeros"], ["last"], body=body),
        helper.make_node("Flatten", ["images"], ["flat"]),
        helper.make_node("Slice", ["flat", "from", "to", "axis"], ["some"]),
        helper.make_node("Cast", ["some"], ["whole"], to=7),
        helper.make_node("Add", ["whole", "last"], ["codes"]),
    ]
    constants = {
        **{"turns": np.int64(2**40), "start": np.True_, "zeros": np.zeros(16, np.int64)},
        **{"from": np.array([0]), "to": np.array([16]), "axis": np.array([1])},
    }
    return graph_in_place_of(path, nodes, constants)


class TestAlone:
    def test_nothing_heavy_is_imported(self, toy_folder):
        script = (
            "import sys, skvq, skvq.runtime\n"
            "skvq.runtime.load(sys.argv[1]).sample(2, 3, random_state=0)\n"
            "print(sorted({'keras', 'sklearn', 'tensorflow', 'onnx', 'torch', 'jax'} & set(sys.modules)))"
        )
        command = [sys.executable, "-c", script, str(toy_folder)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        assert done.stdout.strip() == "[]", done.stderr

    def test_numpy_and_onnxruntime_suffice(self, toy_folder):
        """What someone without skvq does with generator.onnx."""
        script = (
            "import sys, numpy as np, onnxruntime\n"
            "session = onnxruntime.InferenceSession(sys.argv[1], providers=['CPUExecutionProvider'])\n"
            "u = np.random.default_rng(0).random((4, 16), dtype=np.float32)\n"
            "feed = {'uniforms': u, 'temperature': np.array(1, np.float32), 'labels': np.array([0, 1, 2, 0])}\n"
            "pictures, = session.run(None, feed)\n"
            "assert pictures.shape == (4, 8, 8, 1) and pictures.dtype == np.float32\n"
            "assert not {'skvq', 'keras', 'onnx'} & set(sys.modules)\n"
            "np.save(sys.argv[2], pictures)"
        )
        answer = toy_folder.parent / "pictures.npy"
        command = [sys.executable, "-c", script, str(toy_folder / "generator.onnx"), str(answer)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=toy_folder)
        assert done.returncode == 0, done.stderr
        uniforms = np.random.default_rng(0).random((4, 16), dtype=np.float32)
        codes = keras_answer(StandInPrior().sample, uniforms, np.float32(1), np.array([0, 1, 2, 0]))
        np.testing.assert_allclose(np.load(answer), keras_answer(StandInVQ().decode, codes), atol=0.003)

    def test_the_default_provider_is_the_one_that_exports_are_compared_on(self, toy_runtime):
        for part in toy_runtime._opened.values():
            assert part.session.get_providers() == ["CPUExecutionProvider"]
