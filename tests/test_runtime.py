"""Exported files run without Keras, answer as the estimators do, and nothing unsound is run."""

import contextlib
import hashlib
import json
import shutil
import struct
import subprocess
import sys
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper, numpy_helper
from skvq.runtime._checks import labels_of
from skvq.runtime._wire import DOMAIN, NESTED, TENSOR_DATA_LOCATION, TENSOR_EXTERNAL_DATA, outline
from stand_ins import StandInPrior, StandInVQ

import skvq.runtime
from skvq._contract import randomness as _random
from skvq.export import export_onnx, to_onnx
from skvq.export._model import serialized
from skvq.runtime import ModelFileError, load
from skvq.runtime.__main__ import describe, main
from skvq.runtime._png import mosaic, write_png

ROOT = Path(skvq.runtime.__file__).parents[2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return export_onnx(StandInVQ(), StandInPrior(), tmp_path_factory.mktemp("exports") / "toy")


@pytest.fixture(scope="module")
def runtime(folder):
    return load(folder, threads=1)


@pytest.fixture(scope="module")
def trained(vqvae, prior, tmp_path_factory):
    return load(export_onnx(vqvae, prior, tmp_path_factory.mktemp("exports") / "bars"))


@pytest.fixture
def copy(folder, tmp_path):
    """An export to be spoilt."""
    return Path(shutil.copytree(folder, tmp_path / "copy"))


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(0).integers(0, 256, (37, 8, 8)).astype(np.uint8)


def keras_answer(function, *inputs):
    from keras import ops

    return ops.convert_to_numpy(function(*map(ops.convert_to_tensor, inputs))[0])


def rewrite(folder, change):
    """Change a folder's manifest."""
    manifest = json.loads((folder / "manifest.json").read_text())
    change(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest))


def replace_model(folder, name, model):
    """Put another model in a folder, with its own hash."""
    data = model if isinstance(model, bytes) else serialized(model)
    (folder / name).write_bytes(data)
    rewrite(folder, lambda manifest: manifest["files"][name].update(sha256=hashlib.sha256(data).hexdigest()))


class TestAnswers:
    def test_transform(self, runtime, pictures):
        codes = runtime.transform(pictures)
        assert codes.dtype == np.int64
        np.testing.assert_array_equal(codes, keras_answer(StandInVQ().encode, pictures[..., None].astype(np.float32)))

    @pytest.mark.parametrize("shape", [(37, 64), (37, 8, 8), (37, 8, 8, 1)])
    @pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.float64])
    def test_any_layout_goes_in(self, runtime, pictures, shape, dtype):
        codes = runtime.transform(pictures.reshape(shape).astype(dtype))
        np.testing.assert_array_equal(codes, runtime.transform(pictures))

    def test_inverse_transform_is_in_the_users_layout(self, runtime):
        codes = np.random.default_rng(0).integers(0, 7, (40, 16))
        decoded = runtime.inverse_transform(codes)
        assert decoded.dtype == np.uint8
        assert decoded.shape == (40, 8, 8)
        expected = keras_answer(StandInVQ().decode, codes)[..., 0]
        assert np.abs(decoded - expected).max() <= 0.5001  # rounded

    def test_reconstruct(self, runtime, pictures):
        np.testing.assert_array_equal(
            runtime.reconstruct(pictures), runtime.inverse_transform(runtime.transform(pictures))
        )

    def test_sample_codes_are_the_priors(self, runtime):
        y = [3, 9, 5, 5] * 10
        codes = runtime.sample_codes(40, y, temperature=0.8, random_state=4)
        uniforms = _random.uniforms(4, 40, 16)
        labels = np.array([0, 2, 1, 1] * 10)
        expected = keras_answer(StandInPrior().sample, uniforms, np.float32(0.8), labels)
        assert (codes == expected).mean() > 0.99
        first = StandInPrior().graph_functions()["sampler"].margin((uniforms, np.float32(0.8), labels), codes)
        assert first.max() <= 1

    def test_samples_are_the_images_of_the_codes(self, runtime):
        drawn = runtime.sample(5, 3, random_state=1)
        np.testing.assert_array_equal(drawn, runtime.inverse_transform(runtime.sample_codes(5, 3, random_state=1)))

    def test_score_samples(self, runtime):
        generator = np.random.default_rng(0)
        codes, labels = generator.integers(0, 7, (50, 16)), generator.integers(0, 3, 50)
        scores = runtime.score_samples(codes, np.array([3, 5, 9])[labels])
        assert scores.dtype == np.float64
        np.testing.assert_allclose(scores, keras_answer(StandInPrior().log_likelihood, codes, labels), rtol=1e-5)

    @pytest.mark.parametrize("rows", [1, 31, 32, 33])
    def test_no_row_depends_on_its_neighbours(self, runtime, pictures, rows):
        codes = runtime.transform(pictures)
        np.testing.assert_array_equal(runtime.transform(pictures[:rows]), codes[:rows])
        np.testing.assert_array_equal(runtime.inverse_transform(codes[:rows]), runtime.inverse_transform(codes)[:rows])
        np.testing.assert_array_equal(
            runtime.sample(rows, 3, random_state=0), runtime.sample(40, 3, random_state=0)[:rows]
        )

    def test_no_rows(self, runtime):
        assert runtime.transform(np.zeros((0, 8, 8))).shape == (0, 16)
        assert runtime.inverse_transform(np.zeros((0, 16), int)).shape == (0, 8, 8)
        assert runtime.score_samples(np.zeros((0, 16), int), []).shape == (0,)

    def test_batch_size(self, folder, pictures):
        np.testing.assert_array_equal(load(folder, batch_size=1).transform(pictures), load(folder).transform(pictures))

    def test_without_classes(self, tmp_path):
        runtime = load(export_onnx(StandInVQ(dtype="float64"), StandInPrior(classes=None), tmp_path / "toy"))
        assert runtime.classes is None
        assert runtime.sample(3, random_state=0).dtype == np.float64
        assert runtime.score_samples(runtime.sample_codes(3)).shape == (3,)
        with pytest.raises(ValueError, match="y must be None"):
            runtime.sample(3, y=[1, 1, 1])

    def test_text_classes(self, tmp_path):
        runtime = load(export_onnx(StandInVQ(), StandInPrior(classes=("cat", "dog", "eel")), tmp_path / "toy"))
        by_name = runtime.sample_codes(2, np.array(["eel", "cat"]), random_state=0)
        reference = keras_answer(StandInPrior().sample, _random.uniforms(0, 2, 16), np.float32(1), np.array([2, 0]))
        np.testing.assert_array_equal(by_name, reference)

    def test_a_number_is_no_text_beside_text(self):
        with pytest.raises(ValueError, match=r"got 2\. Choose of '1', '2'"):
            labels_of(["1", 2], ("1", "2"), 2)
        for y in (["2", "1"], ("2", np.str_("1")), np.array(["2", "1"])):
            assert labels_of(y, ("1", "2"), 2)[0].tolist() == [1, 0]
        for y in ([5, 3], (np.int8(5), np.array(3)), np.array([5.0, 3.0]), np.array([5, 3], object)):
            assert labels_of(y, (3, 5), 2)[0].tolist() == [1, 0]

    def test_eight_threads(self, folder, pictures):
        runtime = load(folder, threads=1)
        expected = load(folder, threads=1).reconstruct(pictures), load(folder, threads=1).sample(20, 5, random_state=0)
        answers, start = [None] * 8, threading.Barrier(8)

        def work(index):
            start.wait()
            answers[index] = [(runtime.reconstruct(pictures), runtime.sample(20, 5, random_state=0)) for _ in range(3)]

        workers = [threading.Thread(target=work, args=(index,)) for index in range(8)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        for answer in answers:
            for pair in answer:
                for got, wanted in zip(pair, expected, strict=True):
                    np.testing.assert_array_equal(got, wanted)
        assert len(runtime._sessions) == 3


class TestEstimators:
    """The same, for trained estimators."""

    def test_codes_and_images(self, trained, vqvae, pictures):
        codes = trained.transform(pictures)
        np.testing.assert_array_equal(codes, vqvae.transform(pictures))
        difference = trained.inverse_transform(codes).astype(int) - vqvae.inverse_transform(codes)
        assert np.abs(difference).max() <= 1  # where a value lies halfway between two integers

    def test_samples_and_scores(self, trained, vqvae, prior):
        y = [0, 1] * 20
        codes = trained.sample_codes(40, y, temperature=1.2, random_state=7)
        np.testing.assert_array_equal(codes, prior.sample(40, y, temperature=1.2, random_state=7))
        np.testing.assert_allclose(trained.score_samples(codes, y), prior.score_samples(codes, y), rtol=1e-4)
        drawn = trained.sample(40, y, random_state=7).astype(int)
        assert np.abs(drawn - vqvae.sample(40, prior, y, random_state=7)).max() <= 1

    @pytest.mark.parametrize("choice", [{"top_k": 1}, {"top_k": 3}, {"top_p": 0.6}, {"top_k": 5, "top_p": 0.8}])
    def test_the_likeliest_alone(self, trained, vqvae, prior, choice):
        y = [0, 1] * 20
        codes = trained.sample_codes(40, y, temperature=1.5, **choice, random_state=7)
        np.testing.assert_array_equal(codes, prior.sample(40, y, temperature=1.5, **choice, random_state=7))
        assert not np.array_equal(codes, prior.sample(40, y, temperature=1.5, random_state=7))
        drawn = trained.sample(40, y, temperature=1.5, **choice, random_state=7)
        np.testing.assert_array_equal(drawn, trained.inverse_transform(codes))

    @pytest.mark.parametrize("choice", [{"top_k": 12}, {"top_k": 1000}, {"top_p": 1}, {"top_p": 1.0, "top_k": 12}])
    def test_all_codes_are_no_choice(self, trained, choice):
        np.testing.assert_array_equal(
            trained.sample_codes(40, [0, 1] * 20, **choice, random_state=7),
            trained.sample_codes(40, [0, 1] * 20, random_state=7),
        )

    @pytest.mark.parametrize("choice", [{}, {"temperature": 0.7, "top_k": 4, "top_p": 0.9}])
    def test_completion(self, trained, prior, codes, labels, choice):
        for known in (np.array([True, True, False, False]), np.random.default_rng(0).random(codes.shape) < 0.5):
            drawn = trained.complete(codes, known, labels, **choice, random_state=3)
            np.testing.assert_array_equal(drawn, prior.complete(codes, known, labels, **choice, random_state=3))
            kept = np.broadcast_to(known, codes.shape)
            np.testing.assert_array_equal(drawn[kept], codes[kept])
        assert trained.complete(codes[:0], known[:0], []).shape == (0, 4)

    def test_completion_in_eight_threads(self, trained, codes, labels):
        known = np.array([True, False, True, False])
        expected = trained.complete(codes, known, labels, top_k=5, random_state=3)
        with ThreadPoolExecutor(8) as pool:
            answers = list(
                pool.map(lambda _: trained.complete(codes, known, labels, top_k=5, random_state=3), range(24))
            )
        for answer in answers:
            np.testing.assert_array_equal(answer, expected)

    def test_bytes_have_an_encoder_of_their_own(self, trained, images, codes):
        alone = load(trained.source.path / "encoder_uint8.onnx")
        for shape in (images.shape, (*images.shape, 1), (len(images), -1)):
            np.testing.assert_array_equal(alone.transform(images.reshape(shape)), codes)
        np.testing.assert_array_equal(trained.transform(images), codes)
        np.testing.assert_array_equal(trained.transform(images.astype(float)), codes)
        assert {"encoder", "encoder_uint8"} <= trained._sessions.keys()
        with pytest.raises(ValueError, match=r"transform needs the part 'encoder'; .*holds encoder_uint8"):
            alone.transform(images.astype(float))
        with pytest.raises(ValueError, match="must hold rows of shape"):
            alone.transform(images[:, 1:])

    def test_log_likelihoods_come_from_their_own_graph(self, trained, prior, codes, labels):
        np.testing.assert_allclose(trained.score_samples(codes, labels), prior.score_samples(codes, labels), rtol=1e-5)
        assert "log_likelihood" in trained._sessions

    def test_all_ways_to_draw_give_the_same(self, trained, vqvae, prior, tmp_path):
        ways = {
            ("generator",): False,
            ("sampler", "decoder"): False,
            ("controlled_sampler", "decoder"): True,
            ("controlled_generator",): True,
            ("sampler", "decoder", "controlled_generator"): True,
        }
        for number, (parts, can_choose) in enumerate(ways.items()):
            runtime = load(export_onnx(vqvae, prior, tmp_path / str(number), parts=parts))
            for choice in ({}, {"top_k": 2}) if can_choose else ({},):
                np.testing.assert_array_equal(
                    runtime.sample(3, 1, **choice, random_state=0), trained.sample(3, 1, **choice, random_state=0)
                )

    def test_single_files_that_choose(self, trained, vqvae, prior, tmp_path):
        onnx.save(to_onnx(vqvae, "controlled_generator", prior=prior), tmp_path / "generator.onnx")
        for choice in ({"top_k": 2}, {}):
            np.testing.assert_array_equal(
                load(tmp_path / "generator.onnx").sample(5, [0, 1, 0, 1, 1], **choice, random_state=0),
                trained.sample(5, [0, 1, 0, 1, 1], **choice, random_state=0),
            )
        alone = load(trained.source.path / "controlled_sampler.onnx")
        np.testing.assert_array_equal(
            alone.sample_codes(3, 1, random_state=0), trained.sample_codes(3, 1, random_state=0)
        )
        with pytest.raises(ValueError, match=r"sample with top_k or top_p needs the part 'controlled_generator'"):
            load(trained.source.path / "generator.onnx").sample(3, 1, top_p=0.5)
        with pytest.raises(ValueError, match=r"sample needs the part 'generator', or 'sampler' with 'decoder'; "):
            alone.sample(3, 1)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"top_k": 0}, "top_k must be a whole number above 0; got 0. Leave it None"),
            ({"top_k": 1.5}, "top_k must be a whole number above 0; got 1.5"),
            ({"top_p": 0}, r"top_p must be in \(0, 1\], or None; got 0"),
            ({"top_p": 1.1}, "top_p must be in"),
            ({"top_p": np.nan}, "top_p must be in"),
            ({"top_p": [0.5]}, "top_p must be in"),
        ],
    )
    def test_wrong_choices(self, trained, codes, labels, arguments, message):
        for method in (trained.sample, trained.sample_codes):
            with pytest.raises(ValueError, match=message):
                method(2, 1, **arguments)
        with pytest.raises(ValueError, match=message):
            trained.complete(codes, np.ones(4, bool), labels, **arguments)

    @pytest.mark.parametrize("known", [[True], [[True] * 4] * 2, [1, 1, 0, 0]])
    def test_wrong_masks(self, trained, codes, labels, known):
        with pytest.raises(ValueError, match=r"known must be an array of bool of shape \(4,\) or \(96, 4\)"):
            trained.complete(codes, known, labels)

    def test_the_command_line_chooses(self, trained, tmp_path):
        command = ["--sample", "5", "--label", "1", "--seed", "0", "--top-k", "3", "--top-p", "0.9"]
        assert main([str(trained.source.path), *command, "--png", str(tmp_path / "x.png")]) == 0
        expected = trained.sample(5, 1, top_k=3, top_p=0.9, random_state=0)
        np.testing.assert_array_equal(
            read_png(tmp_path / "x.png"), mosaic(expected[..., None], *trained.source.data_range)
        )


class TestArguments:
    @pytest.mark.parametrize(
        ("X", "message"),
        [
            (np.zeros((2, 9, 8)), r"rows of shape \(8, 8\).*got an array of shape \(2, 9, 8\)"),
            (np.zeros((8, 8)), r"got an array of shape \(8, 8\).*image\[None\]"),
            (np.full((2, 8, 8), np.nan), "finite in float32; got NaN or infinity"),
            (np.full((2, 8, 8), 1e300), "finite in float32"),
            (np.full((2, 8, 8), "a"), "X must be numeric"),
            (np.zeros((2, 8, 8), complex), "X must be numeric; got dtype complex128"),
        ],
    )
    def test_wrong_images(self, runtime, X, message):
        with pytest.raises(ValueError, match=message):
            runtime.transform(X)

    @pytest.mark.parametrize(
        ("codes", "message"),
        [
            (np.zeros((2, 15), int), r"of shape \(n, 16\).*got \(2, 15\)"),
            (np.zeros(16, int), r"got \(16,\)"),
            (np.full((2, 16), 7), r"lie in \[0, 7\); got 7 to 7"),
            (np.full((2, 16), -1), r"got -1 to -1"),
            (np.full((2, 16), 0.5), "whole numbers"),
            (np.full((2, 16), np.nan), "whole numbers"),
        ],
    )
    def test_wrong_codes(self, runtime, codes, message):
        for method in (runtime.inverse_transform, lambda c: runtime.score_samples(c, [3] * len(c))):
            with pytest.raises(ValueError, match=message):
                method(codes)

    def test_whole_floats_are_codes(self, runtime):
        np.testing.assert_array_equal(
            runtime.inverse_transform(np.full((2, 16), 3.0)), runtime.inverse_transform(np.full((2, 16), 3))
        )

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"n_samples": 2}, "y must be given: this prior is conditional.*of 3, 5, 9"),
            ({"n_samples": 2, "y": [3, 4]}, "got 4. Choose of 3, 5, 9"),
            ({"n_samples": 2, "y": ["3", "5"]}, "got '3'"),
            ({"n_samples": 2, "y": [3, "5"]}, "got '5'"),
            ({"n_samples": 2, "y": [3, None]}, "got None"),
            ({"n_samples": 2, "y": [3, np.nan]}, "got nan"),
            ({"n_samples": 2, "y": [3]}, r"got shape \(1,\) for 2 rows"),
            ({"n_samples": 0, "y": 3}, "n_samples must be a whole number above 0; got 0"),
            ({"n_samples": 1.5, "y": 3}, "n_samples must be"),
            ({"y": 3, "temperature": 0}, "temperature must be a finite number above 0; got 0"),
            ({"y": 3, "temperature": np.nan}, "temperature must be"),
            ({"y": 3, "temperature": 1e-38}, "temperature must lie between 1e-30 and 1e30, .*got 1e-38.*top_k=1 draws"),
            ({"y": 3, "temperature": 1e300}, "temperature must lie between 1e-30 and 1e30, .*got 1e.300"),
            ({"y": 3, "temperature": [1.0]}, "temperature must be"),
            ({"y": 3, "random_state": -1}, "random_state must be"),
        ],
    )
    def test_wrong_samples(self, runtime, arguments, message):
        for method in (runtime.sample, runtime.sample_codes):
            with pytest.raises(ValueError, match=message):
                method(**arguments)

    def test_scores_need_a_class_a_row(self, runtime):
        with pytest.raises(ValueError, match="y must be given"):
            runtime.score_samples(np.zeros((2, 16), int))

    def test_unknown_provider(self, folder):
        with pytest.raises(ValueError, match=r"this onnxruntime has, .*CPUExecutionProvider; got NoSuchProvider"):
            load(folder, ["NoSuchProvider"])
        with pytest.raises(ValueError, match="got none"):
            load(folder, [])
        message = r"list .*, .*; got the str 'CPUExecutionProvider'\. Put it in a list: \['CPUExecutionProvider'\]\."
        with pytest.raises(ValueError, match=message):
            load(folder, "CPUExecutionProvider")

    @pytest.mark.skipif("CUDAExecutionProvider" in onnxruntime.get_available_providers(), reason="CUDA is here")
    def test_cuda_where_there_is_none(self, folder):
        with pytest.raises(ValueError, match=r"has, .*CPUExecutionProvider; got CUDAExecutionProvider, CPU.*-gpu"):
            load(folder, ["CUDAExecutionProvider", "CPUExecutionProvider"])

    def test_a_sampler_that_cannot_choose(self, runtime):
        with pytest.raises(ValueError, match="sample_codes with top_k or top_p needs the part 'controlled_sampler'"):
            runtime.sample_codes(2, 3, top_k=2)
        message = "sample with .* needs the part 'controlled_generator', or 'controlled_sampler' with 'decoder'"
        with pytest.raises(ValueError, match=message):
            runtime.sample(2, 3, top_k=2)
        with pytest.raises(ValueError, match="complete needs the part 'controlled_sampler'"):
            runtime.complete(np.zeros((2, 16), int), np.ones(16, bool), 3)

    def test_providers_with_options(self, folder, pictures):
        assert len(load(folder, [("CPUExecutionProvider", {})]).transform(pictures)) == len(pictures)

    @pytest.mark.parametrize("name", ["threads", "batch_size"])
    def test_counts(self, folder, name):
        with pytest.raises(ValueError, match=f"{name} must be a whole number above 0; got 0"):
            load(folder, **{name: 0})


class TestSingleFiles:
    def test_each_part_does_its_own(self, folder, runtime, pictures):
        codes = load(folder / "encoder.onnx").transform(pictures)
        np.testing.assert_array_equal(codes, runtime.transform(pictures))
        np.testing.assert_array_equal(
            load(folder / "decoder.onnx").inverse_transform(codes), runtime.inverse_transform(codes)
        )
        np.testing.assert_array_equal(
            load(folder / "sampler.onnx").sample_codes(3, 5, random_state=0),
            runtime.sample_codes(3, 5, random_state=0),
        )
        np.testing.assert_array_equal(
            load(folder / "generator.onnx").sample(3, 5, random_state=0), runtime.sample(3, 5, random_state=0)
        )

    def test_parts_that_no_folder_has(self, tmp_path, runtime, pictures):
        onnx.save(to_onnx(StandInVQ(), "reconstruct"), tmp_path / "reconstruct.onnx")
        onnx.save(to_onnx(StandInPrior(), "log_likelihood"), tmp_path / "score.onnx")
        codes = runtime.transform(pictures)
        np.testing.assert_array_equal(
            load(tmp_path / "reconstruct.onnx").reconstruct(pictures), runtime.reconstruct(pictures)
        )
        np.testing.assert_allclose(
            load(tmp_path / "score.onnx").score_samples(codes, 3), runtime.score_samples(codes, 3), rtol=1e-5
        )

    def test_what_is_missing_is_named(self, folder):
        with pytest.raises(ValueError, match=r"transform needs the part 'encoder'; .*decoder.onnx holds decoder"):
            load(folder / "decoder.onnx").transform(np.zeros((1, 8, 8)))


class TestRefusals:
    def test_nothing_there(self, tmp_path):
        with pytest.raises(FileNotFoundError, match="There is no export at"):
            load(tmp_path / "none")

    def test_not_an_export(self, tmp_path):
        with pytest.raises(ModelFileError, match=r"is not an export of skvq: it has no manifest\.json"):
            load(tmp_path)

    def test_a_changed_file(self, copy):
        data = bytearray((copy / "decoder.onnx").read_bytes())
        data[-5] ^= 1
        (copy / "decoder.onnx").write_bytes(data)
        with pytest.raises(
            ModelFileError, match=r"decoder\.onnx must have the SHA-256 [0-9a-f]{12}….*it has [0-9a-f]{12}…"
        ):
            load(copy)

    def test_a_file_changed_after_loading(self, copy):
        runtime = load(copy)
        (copy / "decoder.onnx").write_bytes((copy / "encoder.onnx").read_bytes())
        with pytest.raises(ModelFileError, match=r"decoder\.onnx must have the SHA-256"):
            runtime.inverse_transform(np.zeros((1, 16), int))

    def test_a_single_file_changed_after_loading(self, copy):
        runtime = load(copy / "decoder.onnx")
        onnx.save(to_onnx(StandInVQ(seed=1), "decoder"), copy / "decoder.onnx")
        with pytest.raises(ModelFileError, match=r"decoder\.onnx must have the SHA-256 .* it had when it was loaded"):
            runtime.inverse_transform(np.zeros((1, 16), int))

    @pytest.mark.parametrize("name", ["copy", "copy/decoder.onnx"])
    def test_the_working_directory_may_change(self, copy, monkeypatch, name):
        monkeypatch.chdir(copy.parent)
        runtime = load(name)
        monkeypatch.chdir(copy)
        assert runtime.inverse_transform(np.zeros((1, 16), int)).shape == (1, 8, 8)
        assert runtime.source.path == copy.parent / name

    def test_a_missing_file(self, copy):
        (copy / "prior.onnx").unlink()
        with pytest.raises(FileNotFoundError, match=r"prior\.onnx is missing, which manifest\.json names"):
            load(copy)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda m: m.update(format_version=2), "has format version 2; this skvq reads 1"),
            (lambda m: m.update(format="other"), "was not written by skvq"),
            (lambda m: m.update({"files": {"../x.onnx": m["files"]["encoder.onnx"]}}), "not in its own folder"),
        ],
    )
    def test_a_manifest_that_is_not_ours(self, copy, change, message):
        rewrite(copy, change)
        with pytest.raises(ModelFileError, match=message):
            load(copy)

    @pytest.mark.parametrize(
        ("entry", "value", "message"),
        [
            ("files", None, "files must be an object that is not empty; got nothing"),
            ("files", [1], r"files must be an object that is not empty; got \[1\]"),
            ("files", {}, "files must be an object that is not empty"),
            ("files/encoder.onnx", 3, r"files/encoder\.onnx must be an object"),
            ("files/encoder.onnx/part", ["encoder"], "encoder.onnx/part must be a text"),
            ("files/encoder.onnx/part", "decoder", r"decoder\.onnx/part must be of no other file; got 'decoder'"),
            ("files/encoder.onnx/sha256", None, "encoder.onnx/sha256 must be 64 hexadecimal digits; got nothing"),
            ("files/encoder.onnx/sha256", "é" * 64, "encoder.onnx/sha256 must be"),
            ("files/encoder.onnx/bytes", "abc", "encoder.onnx/bytes must be a whole number above 0; got 'abc'"),
            ("files/encoder.onnx/inputs", [], "encoder.onnx/inputs must be a list that is not empty"),
            ("files/encoder.onnx/inputs/0", {}, "encoder.onnx/inputs/0/name must be a text; got nothing"),
            ("files/encoder.onnx/outputs/0/dtype", None, "outputs/0/dtype must be a NumPy dtype of numbers"),
            ("files/encoder.onnx/outputs/0/dtype", "foo", "outputs/0/dtype must be .* got 'foo'"),
            ("files/encoder.onnx/outputs/0/shape", ["batch", "n"], "outputs/0/shape must be a list of whole numbers"),
            ("code_shape", "44", "code_shape must be a list of whole numbers above 0; got '44'"),
            ("code_shape", None, "code_shape must be a list"),
            ("code_shape", [], "code_shape must be a list"),
            ("n_embeddings", "64", "n_embeddings must be a whole number above 0; got '64'"),
            ("n_embeddings", None, "n_embeddings must be .* got nothing"),
            ("n_embeddings", True, "n_embeddings must be .* got True"),
            ("layout", None, "layout must be an object; got nothing"),
            ("layout/dtype", "foo", "layout/dtype must be a NumPy dtype of numbers; got 'foo'"),
            ("layout/row_shape", [8, 9], r"layout/row_shape must be of images of shape \(8, 8, 1\); got \[8, 9\]"),
            ("data_range", [1], r"data_range must be two finite numbers, the smaller first; got \[1\]"),
            ("data_range", [0, np.nan], "data_range must be two finite numbers"),
            ("prior", None, "prior must be an object"),
            ("prior", [], "prior must be an object"),
            ("prior/n_embeddings", 0, "prior/n_embeddings must be"),
            ("prior/classes", [[0], [1]], "prior/classes must be null, or a list of finite numbers and texts"),
            ("prior/classes", 5, "prior/classes must be"),
            ("versions", "x", "versions must be an object of texts; got 'x'"),
        ],
    )
    def test_a_manifest_with_a_wrong_entry(self, copy, entry, value, message):
        def change(manifest):
            *way, last = (int(key) if key.isdigit() else key for key in entry.split("/"))
            for key in way:
                manifest = manifest[key]
            manifest[last] = value

        rewrite(copy, change)
        with pytest.raises(ModelFileError, match=rf"manifest\.json is incomplete or damaged: .*{message}"):
            load(copy)

    def test_metadata_with_a_wrong_entry(self, copy):
        model = onnx.load(copy / "decoder.onnx")
        entry = next(entry for entry in model.metadata_props if entry.key == "skvq.outputs")
        entry.value = "[]"
        onnx.save(model, copy / "decoder.onnx")
        with pytest.raises(ModelFileError, match=r"decoder\.onnx is incomplete or damaged: outputs must be a list"):
            load(copy / "decoder.onnx")

    @pytest.mark.parametrize("text", ["{", "[" * 100_000])
    def test_a_manifest_that_is_no_json(self, copy, text):
        (copy / "manifest.json").write_text(text)
        with pytest.raises(ModelFileError, match=r"manifest\.json is not an export of skvq: .* is not JSON"):
            load(copy)

    def test_files_past_the_limit(self, folder):
        with pytest.raises(ModelFileError, match=r"bytes; the runtime reads at most max_bytes=20000\. If you trust"):
            load(folder, max_bytes=20000)

    def test_foreign_operators(self, copy):
        model = onnx.load(copy / "decoder.onnx")
        model.opset_import.add(domain="com.microsoft", version=1)
        replace_model(copy, "decoder.onnx", model)
        with pytest.raises(ModelFileError, match=r"decoder\.onnx uses operators of 'com\.microsoft'"):
            load(copy)

    def test_foreign_operators_inside_a_loop(self, copy):
        model = onnx.load(copy / "sampler.onnx")
        loop = next(node for node in model.graph.node if node.op_type == "Loop")
        next(a for a in loop.attribute if a.name == "body").g.node[0].domain = "evil"
        replace_model(copy, "sampler.onnx", model)
        with pytest.raises(ModelFileError, match="uses operators of 'evil'"):
            load(copy)

    def test_data_in_other_files(self, copy):
        model = onnx.load(copy / "decoder.onnx")
        tensor = model.graph.initializer[0]
        onnx.external_data_helper.set_external_data(tensor, location="/etc/passwd")
        tensor.ClearField("raw_data")
        replace_model(copy, "decoder.onnx", model)
        with pytest.raises(ModelFileError, match="keeps tensors in other files"):
            load(copy)

    @pytest.mark.parametrize("data", [b"", b"\x00", b"not a model at all", b"\xff" * 40, b"\x3a\xff\xff\x01"])
    def test_bytes_that_are_no_model(self, copy, tmp_path, data):
        replace_model(copy, "encoder.onnx", data)
        (tmp_path / "alone.onnx").write_bytes(data)
        for path, name in ((copy, "encoder"), (tmp_path / "alone.onnx", "alone")):
            with pytest.raises(ModelFileError, match=rf"{name}\.onnx is not an ONNX model \(.*\)\. Export it again"):
                load(path)

    def test_a_model_of_others(self, tmp_path):
        value = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
        onnx.save(helper.make_model(helper.make_graph([], "g", [value], [value])), tmp_path / "x.onnx")
        with pytest.raises(ModelFileError, match="was not written by skvq"):
            load(tmp_path / "x.onnx")


class TestWire:
    def test_field_numbers_are_those_of_onnx(self):
        for message, nested in NESTED.items():
            fields = getattr(onnx, message).DESCRIPTOR.fields_by_number
            for number, name in nested.items():
                assert fields[number].message_type.name == name
            # Nothing that can hold a graph, an operator or a tensor is passed over.
            for number, field in fields.items():
                if field.message_type is not None and field.message_type.name in NESTED:
                    known = number in nested or field.message_type.name == "StringStringEntryProto"
                    assert known, f"{message}.{field.name}"
        for message, number in DOMAIN.items():
            assert getattr(onnx, message).DESCRIPTOR.fields_by_number[number].name == "domain"
        tensor = onnx.TensorProto.DESCRIPTOR.fields_by_number
        assert tensor[TENSOR_DATA_LOCATION].name == "data_location"
        assert tensor[TENSOR_EXTERNAL_DATA].name == "external_data"

    def test_domains_wherever_they_hide(self):
        inner = helper.make_graph([helper.make_node("A", [], [], domain="inner")], "g", [], [])
        graph = helper.make_graph([helper.make_node("If", ["c"], [], then_branch=inner)], "g", [], [])
        function = helper.make_function(
            "own", "F", [], [], [helper.make_node("B", [], [], domain="body")], [helper.make_opsetid("used", 1)]
        )
        model = helper.make_model(graph, functions=[function], opset_imports=[helper.make_opsetid("ai.onnx.ml", 2)])
        model.training_info.add().algorithm.node.add(op_type="C", domain="training")
        found = outline(model.SerializeToString())
        assert found.domains - {""} == {"inner", "own", "body", "used", "ai.onnx.ml", "training"}
        assert not found.has_external_data

    def test_external_data_wherever_they_hide(self):
        outside = numpy_helper.from_array(np.zeros(2, np.float32), "w")
        onnx.external_data_helper.set_external_data(outside, location="w.bin")
        for attribute in ({"value": outside}, {"values": [outside]}):
            node = helper.make_node("Constant", [], ["y"], **attribute)
            model = helper.make_model(helper.make_graph([node], "g", [], []))
            assert outline(model.SerializeToString()).has_external_data

    def test_metadata(self):
        model = helper.make_model(helper.make_graph([], "g", [], []))
        helper.set_model_props(model, {"a": "ä", "b": ""})
        assert outline(model.SerializeToString()).metadata == {"a": "ä", "b": ""}

    @settings(max_examples=300)
    @given(st.binary(max_size=60))
    def test_any_bytes_are_read_or_refused(self, data):
        with contextlib.suppress(ModelFileError):
            outline(data)

    @settings(max_examples=100)
    @given(st.integers(0, 3000), st.integers(0, 255))
    def test_any_damage_is_read_or_refused(self, folder, place, value):
        data = bytearray((folder / "encoder.onnx").read_bytes())
        data[place % len(data)] = value
        with contextlib.suppress(ModelFileError):
            outline(bytes(data))

    def test_depth_is_limited(self):
        data = b""
        for _ in range(2000):  # graphs in attributes in nodes in graphs …
            for number in (6, 5, 1):
                data = bytes([number << 3 | 2]) + varint(len(data)) + data
        with pytest.raises(ModelFileError, match="nested more than 100 deep"):
            outline(b"\x3a" + varint(len(data)) + data)


def varint(value):
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def read_png(path):
    """A second reading of the format: chunks, checksums, and rows without filters."""
    data = Path(path).read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, chunks = 8, {}
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at : at + 8])
        content = data[at + 8 : at + 8 + size]
        assert struct.unpack(">I", data[at + 8 + size : at + 12 + size])[0] == zlib.crc32(kind + content)
        chunks[kind] = content
        at += 12 + size
    width, height, depth, colour, *rest = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert (depth, rest) == (8, [0, 0, 0])
    rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, -1)
    assert not rows[:, 0].any()
    return rows[:, 1:] if colour == 0 else rows[:, 1:].reshape(height, width, 3)


class TestPng:
    @pytest.mark.parametrize("shape", [(5, 7), (1, 1), (6, 4, 3)])
    def test_comes_back(self, tmp_path, shape):
        pixels = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
        write_png(tmp_path / "x.png", pixels)
        np.testing.assert_array_equal(read_png(tmp_path / "x.png"), pixels)

    @pytest.mark.parametrize("pixels", [np.zeros((2, 2)), np.zeros((2, 2, 4), np.uint8), np.zeros((0, 2), np.uint8)])
    def test_other_arrays(self, tmp_path, pixels):
        with pytest.raises(ValueError, match="pixels must be uint8"):
            write_png(tmp_path / "x.png", pixels)

    def test_mosaic(self):
        pictures = np.stack([np.full((2, 3, 1), value) for value in (-2.0, -1.0, 0.0, 1.0, 5.0)])
        sheet = mosaic(pictures, -1, 1)
        assert sheet.shape == (5, 11)
        assert sheet[0, [0, 3, 4, 8]].tolist() == [0, 255, 0, 128]
        assert sheet[3, [0, 4]].tolist() == [255, 255]
        assert mosaic(np.zeros((2, 4, 4, 3)), 0, 1).shape == (4, 9, 3)
        assert mosaic(np.zeros((1, 4, 4, 2)), 0, 1).shape == (4, 4)


class TestCommandLine:
    def test_describes(self, runtime, folder, capsys):
        assert main([str(folder)]) == 0
        text = capsys.readouterr().out
        assert text == describe(runtime) + "\n"
        for words in ("8 × 8 uint8, values 0 to 255", "4 × 4, 7 kinds", "3, 5, 9", "generator.onnx", "temperature"):
            assert words in text

    def test_samples(self, folder, tmp_path, runtime):
        command = ["--sample", "5", "--label", "9", "--seed", "0", "--png", str(tmp_path / "x.png")]
        done = subprocess.run(
            [sys.executable, "-m", "skvq.runtime", str(folder), *command], cwd=ROOT, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        expected = mosaic(runtime.sample(5, 9, random_state=0)[..., None], 0, 255)
        np.testing.assert_array_equal(read_png(tmp_path / "x.png"), expected)

    def test_errors_are_told(self, folder, tmp_path, capsys):
        assert main([str(tmp_path)]) == 1
        assert "is not an export of skvq" in capsys.readouterr().err
        (tmp_path / "x.onnx").write_text("no model")
        assert main([str(tmp_path / "x.onnx")]) == 1
        assert "x.onnx is not an ONNX model (wire type" in capsys.readouterr().err
        assert main([str(folder), "--sample", "1", "--label", "4", "--png", str(tmp_path / "x.png")]) == 1
        assert "got '4'. Choose of 3, 5, 9" in capsys.readouterr().err
        with pytest.raises(SystemExit):
            main([str(folder), "--sample", "1"])


def test_nothing_heavy_is_imported(folder):
    script = (
        "import sys, skvq, skvq.runtime\n"
        "skvq.runtime.load(sys.argv[1]).sample(2, 3, random_state=0)\n"
        "print(sorted({'keras', 'sklearn', 'tensorflow', 'onnx', 'torch', 'jax'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script, str(folder)], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_numpy_and_onnxruntime_suffice(folder, runtime):
    """What someone without skvq does with generator.onnx."""
    script = (
        "import sys, json, numpy as np, onnxruntime\n"
        "session = onnxruntime.InferenceSession(sys.argv[1], providers=['CPUExecutionProvider'])\n"
        "u = np.random.default_rng(0).random((4, 16), dtype=np.float32)\n"
        "feed = {'uniforms': u, 'temperature': np.array(1, np.float32), 'labels': np.array([0, 1, 2, 0])}\n"
        "pictures, = session.run(None, feed)\n"
        "assert pictures.shape == (4, 8, 8, 1) and pictures.dtype == np.float32\n"
        "assert not {'skvq', 'keras', 'onnx'} & set(sys.modules)\n"
        "print(json.dumps(pictures.tolist()))"
    )
    command = [sys.executable, "-c", script, str(folder / "generator.onnx")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stderr
    uniforms = np.random.default_rng(0).random((4, 16), dtype=np.float32)
    codes = keras_answer(StandInPrior().sample, uniforms, np.float32(1), np.array([0, 1, 2, 0]))
    np.testing.assert_allclose(json.loads(done.stdout), keras_answer(StandInVQ().decode, codes), atol=0.003)


def test_the_default_provider_is_the_one_that_exports_are_compared_on(runtime, pictures):
    runtime.transform(pictures)
    assert runtime._sessions["encoder"].get_providers() == ["CPUExecutionProvider"]
    assert "CPUExecutionProvider" in onnxruntime.get_available_providers()
