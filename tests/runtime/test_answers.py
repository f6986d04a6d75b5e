"""Exported files answer as the estimators do, row by row, and say plainly which input is wrong."""

import json
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from spoilt_exports import keras_answer, rewrite
from stand_ins import StandInPrior, StandInVQ

from skvq import VQGenerator
from skvq._contract import randomness
from skvq.export import export_onnx
from skvq.runtime import load

PARTS = (
    *("encoder", "encoder_uint8", "decoder", "log_likelihood", "sampler", "controlled_sampler"),
    *("generator", "controlled_generator"),
)


@pytest.fixture(scope="module")
def generator(vqvae, prior):
    return VQGenerator.from_fitted(vqvae, prior)


@pytest.fixture(scope="module")
def trained(generator, tmp_path_factory):
    return load(export_onnx(generator, tmp_path_factory.mktemp("exports") / "bars", parts=PARTS), threads=1)


def with_parts(folder, parts, target):
    """Copy an export without its other parts."""
    target = Path(shutil.copytree(folder, target))
    manifest = json.loads((target / "manifest.json").read_text())
    for name in manifest["files"]:
        if name.removesuffix(".onnx") not in parts:
            (target / name).unlink()
    rewrite(target, lambda m: m.update(files={k: v for k, v in m["files"].items() if v["part"] in parts}))
    return target


class TestAnswers:
    def test_transform(self, toy_runtime, pictures):
        codes = toy_runtime.transform(pictures)
        assert codes.dtype == np.int64
        np.testing.assert_array_equal(codes, keras_answer(StandInVQ().encode, pictures[..., None].astype(np.float32)))

    @pytest.mark.parametrize("shape", [(37, 64), (37, 8, 8), (37, 8, 8, 1)])
    @pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.float64])
    def test_any_layout_goes_in(self, toy_runtime, pictures, shape, dtype):
        codes = toy_runtime.transform(pictures.reshape(shape).astype(dtype))
        np.testing.assert_array_equal(codes, toy_runtime.transform(pictures))

    def test_inverse_transform_is_in_the_users_layout(self, toy_runtime):
        codes = np.random.default_rng(0).integers(0, 7, (40, 16))
        decoded = toy_runtime.inverse_transform(codes)
        assert decoded.dtype == np.uint8
        assert decoded.shape == (40, 8, 8)
        expected = keras_answer(StandInVQ().decode, codes)[..., 0]
        assert np.abs(decoded - expected).max() <= 0.5001  # rounded

    def test_reconstruct(self, toy_runtime, pictures):
        np.testing.assert_array_equal(
            toy_runtime.reconstruct(pictures), toy_runtime.inverse_transform(toy_runtime.transform(pictures))
        )

    def test_sampled_codes_are_those_of_the_prior(self, toy_runtime):
        codes = toy_runtime.sample_codes(40, [3, 9, 5, 5] * 10, temperature=0.8, random_state=4)
        uniforms = randomness.uniforms(4, 40, 16)
        labels = np.array([0, 2, 1, 1] * 10)
        expected = keras_answer(StandInPrior().sample, uniforms, np.float32(0.8), labels)
        assert (codes == expected).mean() > 0.99
        margin = StandInPrior().graph_functions()["sampler"].margin((uniforms, np.float32(0.8), labels), codes)
        assert margin.max() <= 1

    def test_samples_are_the_images_of_the_codes(self, toy_runtime):
        drawn = toy_runtime.sample(5, 3, random_state=1)
        codes = toy_runtime.sample_codes(5, 3, random_state=1)
        np.testing.assert_array_equal(drawn, toy_runtime.inverse_transform(codes))

    def test_scores(self, toy_runtime, pictures):
        generator = np.random.default_rng(0)
        codes, labels = generator.integers(0, 7, (50, 16)), generator.integers(0, 3, 50)
        y = np.array([3, 5, 9])[labels]
        scores = toy_runtime.score_codes(codes, y)
        assert scores.dtype == np.float64
        np.testing.assert_allclose(scores, keras_answer(StandInPrior().log_likelihood, codes, labels), rtol=1e-5)
        of_images = toy_runtime.score_samples(pictures, 5)
        np.testing.assert_array_equal(of_images, toy_runtime.score_codes(toy_runtime.transform(pictures), 5))
        assert toy_runtime.bits_per_image(pictures, 5) == pytest.approx(-of_images.mean() / np.log(2))

    @pytest.mark.parametrize("rows", [1, 31, 32, 33])
    def test_no_row_depends_on_its_neighbours(self, toy_runtime, pictures, rows):
        codes = toy_runtime.transform(pictures)
        np.testing.assert_array_equal(toy_runtime.transform(pictures[:rows]), codes[:rows])
        decoded = toy_runtime.inverse_transform(codes)
        np.testing.assert_array_equal(toy_runtime.inverse_transform(codes[:rows]), decoded[:rows])
        drawn = toy_runtime.sample(40, 3, random_state=0)
        np.testing.assert_array_equal(toy_runtime.sample(rows, 3, random_state=0), drawn[:rows])

    def test_no_rows(self, toy_runtime):
        assert toy_runtime.transform(np.zeros((0, 8, 8))).shape == (0, 16)
        assert toy_runtime.inverse_transform(np.zeros((0, 16), int)).shape == (0, 8, 8)
        assert toy_runtime.score_samples(np.zeros((0, 8, 8)), []).shape == (0,)
        with pytest.raises(ValueError, match="X must hold at least one image; got none"):
            toy_runtime.bits_per_image(np.zeros((0, 8, 8)), [])

    def test_batch_size(self, toy_folder, toy_runtime, pictures):
        alone = load(toy_folder, batch_size=1)
        np.testing.assert_array_equal(alone.transform(pictures), toy_runtime.transform(pictures))

    def test_without_classes(self, tmp_path):
        pair = StandInVQ(dtype="float64"), StandInPrior(classes=None)
        runtime = load(export_onnx(pair[0], tmp_path / "toy", prior=pair[1], parts=["log_likelihood", "generator"]))
        assert runtime.classes is None
        assert runtime.sample(3, random_state=0).dtype == np.float64
        assert runtime.score_codes(np.zeros((3, 16), int)).shape == (3,)
        with pytest.raises(ValueError, match="y must be None"):
            runtime.sample(3, y=[1, 1, 1])

    def test_text_classes(self, tmp_path):
        prior = StandInPrior(classes=("cat", "dog", "eel"))
        runtime = load(export_onnx(prior, tmp_path / "toy", parts=["sampler"]))
        by_name = runtime.sample_codes(2, np.array(["eel", "cat"]), random_state=0)
        uniforms = randomness.uniforms(0, 2, 16)
        reference = keras_answer(StandInPrior().sample, uniforms, np.float32(1), np.array([2, 0]))
        np.testing.assert_array_equal(by_name, reference)
        assert runtime.classes == ("cat", "dog", "eel")

    def test_eight_threads(self, toy_folder, toy_runtime, pictures):
        runtime = load(toy_folder, threads=1)
        expected = toy_runtime.reconstruct(pictures), toy_runtime.sample(20, 5, random_state=0)
        answers, start = [None] * 8, threading.Barrier(8)

        def work(index):
            start.wait()
            answers[index] = [(runtime.reconstruct(pictures), runtime.sample(20, 5, random_state=0)) for _ in range(3)]

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(work, range(8)))
        for answer in answers:
            for pair in answer:
                for got, wanted in zip(pair, expected, strict=True):
                    np.testing.assert_array_equal(got, wanted)


class TestEstimators:
    """The same names, arguments and answers as a fitted VQGenerator."""

    def test_codes_and_images(self, trained, generator, pictures):
        codes = trained.transform(pictures)
        np.testing.assert_array_equal(codes, generator.transform(pictures))
        np.testing.assert_array_equal(codes, trained.transform(pictures.astype(float)))  # by the other encoder
        difference = trained.inverse_transform(codes).astype(int) - generator.inverse_transform(codes)
        assert np.abs(difference).max() <= 1  # where a value lies halfway between two integers
        assert trained.grid == generator.grid_
        assert trained.classes == tuple(generator.classes_.tolist())

    def test_scores(self, trained, generator, images, labels):
        np.testing.assert_allclose(
            trained.score_samples(images, labels), generator.score_samples(images, labels), rtol=1e-4
        )
        expected = generator.bits_per_image(images, labels)
        assert trained.bits_per_image(images, labels) == pytest.approx(expected, rel=1e-4)

    @pytest.mark.parametrize(
        "choice", [{}, {"temperature": 1.2}, {"top_k": 1}, {"top_p": 0.6}, {"top_k": 5, "top_p": 0.8}]
    )
    def test_samples(self, trained, generator, choice):
        y = [0, 1] * 20
        codes = trained.sample_codes(40, y, **choice, random_state=7)
        np.testing.assert_array_equal(codes, generator.prior_.sample(40, y, **choice, random_state=7))
        drawn = trained.sample(40, y, **choice, random_state=7)
        np.testing.assert_array_equal(drawn, trained.inverse_transform(codes))
        assert np.abs(drawn.astype(int) - generator.sample(40, y, **choice, random_state=7)).max() <= 1
        if "top_k" in choice or "top_p" in choice:
            assert not np.array_equal(codes, trained.sample_codes(40, y, random_state=7))

    @pytest.mark.parametrize("choice", [{"top_k": 12}, {"top_k": 1000}, {"top_p": 1}, {"top_p": 1.0, "top_k": 12}])
    def test_all_codes_are_no_choice(self, trained, choice):
        np.testing.assert_array_equal(
            trained.sample_codes(40, [0, 1] * 20, **choice, random_state=7),
            trained.sample_codes(40, [0, 1] * 20, random_state=7),
        )

    @pytest.mark.parametrize("choice", [{}, {"temperature": 0.7, "top_k": 4, "top_p": 0.9}])
    def test_completion(self, trained, generator, codes, images, labels, choice):
        for mask in ([True, True, False, False], [[True, True], [False, False]], np.arange(len(codes) * 4) % 3 == 0):
            mask = np.reshape(mask, codes.shape) if np.size(mask) > 4 else mask
            drawn = trained.complete_codes(codes, mask, labels, **choice, random_state=3)
            np.testing.assert_array_equal(
                drawn, generator.prior_.complete(codes, mask, labels, **choice, random_state=3)
            )
            kept = np.broadcast_to(np.reshape(mask, (-1, 4)), codes.shape)
            np.testing.assert_array_equal(drawn[kept], codes[kept])
            completed = trained.complete(images, mask, labels, **choice, random_state=3)
            np.testing.assert_array_equal(completed, trained.inverse_transform(drawn))
        assert trained.complete_codes(codes[:0], np.zeros((0, 4), bool), []).shape == (0, 4)

    def test_completion_in_eight_threads(self, trained, codes, labels):
        mask = np.array([True, False, True, False])
        expected = trained.complete_codes(codes, mask, labels, top_k=5, random_state=3)
        with ThreadPoolExecutor(8) as pool:
            answers = pool.map(
                lambda _: trained.complete_codes(codes, mask, labels, top_k=5, random_state=3), range(24)
            )
            for answer in answers:
                np.testing.assert_array_equal(answer, expected)

    def test_bytes_have_an_encoder_of_their_own(self, trained, images, codes):
        alone = load(trained.source.origin / "encoder_uint8.onnx")
        for shape in (images.shape, (*images.shape, 1), (len(images), -1)):
            np.testing.assert_array_equal(alone.transform(images.reshape(shape)), codes)
        with pytest.raises(ValueError, match=r"transform needs the part 'encoder'; .*holds encoder_uint8"):
            alone.transform(images.astype(float))
        with pytest.raises(ValueError, match="X must hold rows"):
            alone.transform(images[:, 1:])

    @pytest.mark.parametrize(
        ("parts", "narrows"),
        [
            (("generator",), False),
            (("sampler", "decoder"), False),
            (("controlled_sampler", "decoder"), True),
            (("controlled_generator",), True),
            (("sampler", "decoder", "controlled_generator"), True),
        ],
    )
    def test_all_ways_to_draw_give_the_same(self, trained, tmp_path, parts, narrows):
        runtime = load(with_parts(trained.source.origin, parts, tmp_path / "some"))
        assert sorted(runtime.parts) == sorted(parts)
        for choice in ({}, {"top_k": 2}) if narrows else ({},):
            expected = trained.sample(3, 1, **choice, random_state=0)
            np.testing.assert_array_equal(runtime.sample(3, 1, **choice, random_state=0), expected)

    @pytest.mark.parametrize("part", PARTS)
    def test_this_onnxruntime_runs_empty_batches(self, trained, part):
        """The manifest says from which version on: the installed one is one of these."""
        oldest = json.loads((trained.source.origin / "manifest.json").read_text())["empty_batches"]["onnxruntime"]
        if tuple(map(int, onnxruntime.__version__.split(".")[:2])) < tuple(map(int, oldest.split("."))):
            pytest.skip(f"onnxruntime {onnxruntime.__version__} is older than {oldest}")
        session = onnxruntime.InferenceSession(
            trained.source.origin / f"{part}.onnx", providers=["CPUExecutionProvider"]
        )
        types = {"tensor(float)": np.float32, "tensor(int64)": np.int64, "tensor(uint8)": np.uint8}
        feed = {
            t.name: np.ones([0 if s == "batch" else s for s in t.shape], types[t.type]) for t in session.get_inputs()
        }
        assert len(session.run(None, feed)[0]) == 0

    def test_what_a_single_file_lacks(self, trained):
        with pytest.raises(ValueError, match=r"sample with top_k or top_p needs the part 'controlled_generator'"):
            load(trained.source.origin / "generator.onnx").sample(3, 1, top_p=0.5)
        with pytest.raises(ValueError, match=r"sample needs the part 'generator', or 'sampler' with 'decoder'; "):
            load(trained.source.origin / "controlled_sampler.onnx").sample(3, 1)


class TestArguments:
    @pytest.mark.parametrize(
        "X",
        [
            np.zeros((2, 9, 8)),
            np.zeros((8, 8)),
            np.full((2, 8, 8), np.nan),
            np.full((2, 8, 8), 1e300),
            np.full((2, 8, 8), "a"),
            np.zeros((2, 8, 8), complex),
        ],
    )
    def test_wrong_images(self, toy_runtime, X):
        with pytest.raises(ValueError, match=r"(?i)\bX\b|complex"):
            toy_runtime.transform(X)

    @pytest.mark.parametrize(
        ("codes", "message"),
        [
            (np.zeros((2, 15), int), "16 codes to a row, .*; got 15"),
            (np.full((2, 16), 7), r"hold codes in \[0, n_embeddings=7\); got 7"),
            (np.full((2, 16), -1), "codes >= 0; got -1"),
            (np.full((2, 16), 0.5), "whole numbers; got .*0.5"),
            (np.full((2, 16), np.nan), "whole numbers"),
        ],
    )
    def test_wrong_codes(self, toy_runtime, codes, message):
        for method in (toy_runtime.inverse_transform, lambda c: toy_runtime.score_codes(c, [3] * len(c))):
            with pytest.raises(ValueError, match=message):
                method(codes)

    def test_whole_floats_are_codes(self, toy_runtime):
        np.testing.assert_array_equal(
            toy_runtime.inverse_transform(np.full((2, 16), 3.0)), toy_runtime.inverse_transform(np.full((2, 16), 3))
        )

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"n_samples": 2}, "y is None: a conditional prior needs the class of every row"),
            ({"n_samples": 2, "y": [3, 4]}, r"y must hold classes .*\[3, 5, 9\]; got .*4"),
            ({"n_samples": 2, "y": ["3", "5"]}, "got .*'3'"),
            ({"n_samples": 2, "y": [3, "5"]}, "no missing or mixed values"),
            ({"n_samples": 2, "y": [3, None]}, "got None"),
            ({"n_samples": 2, "y": [3]}, "one class for each of the 2 rows; got 1"),
            ({"n_samples": 0, "y": 3}, "n_samples must be an integer >= 1; got 0"),
            ({"y": 3, "temperature": 0}, "temperature must be finite and > 0; got 0"),
            ({"y": 3, "temperature": 1e-38}, "temperature must lie between 1e-30 and 1e30, .*got 1e-38.*top_k=1"),
            ({"y": 3, "top_k": 0}, "top_k must be an integer >= 1, or None; got 0"),
            ({"y": 3, "top_p": 1.1}, r"top_p must be in \(0, 1\], or None; got 1.1"),
            ({"y": 3, "random_state": -1}, "random_state must be"),
        ],
    )
    def test_wrong_samples(self, toy_runtime, arguments, message):
        for method in (toy_runtime.sample, toy_runtime.sample_codes):
            with pytest.raises(ValueError, match=message):
                method(**arguments)

    @pytest.mark.parametrize("mask", [[True], [[True] * 16] * 3, [1] * 16])
    def test_wrong_masks(self, trained, toy_runtime, codes, labels, mask):
        with pytest.raises(ValueError, match=r"mask must be an array of bool of shape \(4,\) or \(96, 4\)"):
            trained.complete_codes(codes, mask, labels)

    def test_scores_need_classes(self, toy_runtime):
        with pytest.raises(ValueError, match="y is None"):
            toy_runtime.score_codes(np.zeros((2, 16), int))

    def test_a_sampler_that_cannot_choose(self, toy_runtime):
        with pytest.raises(ValueError, match="sample_codes with top_k or top_p needs the part 'controlled_sampler'"):
            toy_runtime.sample_codes(2, 3, top_k=2)
        message = "sample with .* needs the part 'controlled_generator', or 'controlled_sampler' with 'decoder'"
        with pytest.raises(ValueError, match=message):
            toy_runtime.sample(2, 3, top_k=2)
        with pytest.raises(ValueError, match="complete_codes needs the part 'controlled_sampler'"):
            toy_runtime.complete_codes(np.zeros((2, 16), int), np.ones(16, bool), 3)
