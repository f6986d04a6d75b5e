"""Test vectors and the manifest's schema: what programs in other languages rely on."""

import copy
import json
import shutil
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from spoilt_exports import rewrite
from stand_ins import StandInPrior, StandInVQ

import skvq
from skvq._contract.randomness import uniforms
from skvq.export import export_onnx
from skvq.runtime import ModelFileError

ROOT = Path(__file__).parents[1]
SHIPPED = sorted(path.parent for path in (ROOT / "exports").glob("*/manifest.json"))


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    return export_onnx(StandInVQ(), tmp_path_factory.mktemp("exports") / "toy", prior=StandInPrior())


@pytest.fixture(params=["toy", *(path.name for path in SHIPPED)])
def folder(request, toy):
    return toy if request.param == "toy" else ROOT / "exports" / request.param


@pytest.fixture
def copied(toy, tmp_path):
    return Path(shutil.copytree(toy, tmp_path / "copy"))


def read(folder, name):
    return json.loads((folder / name).read_text(encoding="utf-8"))


def array(tensor):
    data = [-np.inf if value is None else value for value in tensor["data"]]
    return np.array(data, tensor["dtype"]).reshape(tensor["shape"])


class TestVectors:
    def test_every_file_gives_its_answers(self, folder):
        manifest, vectors = read(folder, "manifest.json"), read(folder, "vectors.json")
        assert list(vectors["files"]) == list(manifest["files"])
        for name, entry in manifest["files"].items():
            said = vectors["files"][name]
            assert list(said["inputs"]) == [tensor["name"] for tensor in entry["inputs"]]
            session = onnxruntime.InferenceSession(folder / name, providers=["CPUExecutionProvider"])
            answers = session.run(None, {key: array(tensor) for key, tensor in said["inputs"].items()})
            for tensor, answer in zip(entry["outputs"], answers, strict=True):
                expected = array(said["outputs"][tensor["name"]])
                assert expected.dtype == answer.dtype == tensor["dtype"]
                if tensor["role"] == "codes":
                    np.testing.assert_array_equal(answer, expected)
                else:
                    np.testing.assert_allclose(answer, expected, rtol=0, atol=1e-5 * np.abs(expected).max())

    def test_they_are_no_constants(self, folder):
        for name, said in read(folder, "vectors.json")["files"].items():
            for tensor in said["outputs"].values():
                assert len(set(tensor["data"])) > 1, name

    def test_the_runtime_draws_the_same_images(self, folder):
        vectors, runtime = read(folder, "vectors.json"), skvq.runtime.load(folder)
        expected = array(vectors["files"]["generator.onnx"]["outputs"]["images"])
        drawn = runtime.sample(len(expected), vectors["y"], random_state=vectors["random_state"])
        np.testing.assert_allclose(drawn, runtime.source.description.layout.from_images(expected), atol=1)
        given = array(vectors["files"]["generator.onnx"]["inputs"]["uniforms"])
        # Exactly: their text gives float32 back.
        np.testing.assert_array_equal(given, uniforms(vectors["random_state"], *given.shape))

    @pytest.mark.parametrize("shipped", SHIPPED, ids=[path.name for path in SHIPPED])
    def test_half_of_the_codes_are_known_to_the_sampler_that_completes(self, shipped):
        said = read(shipped, "vectors.json")["files"]["controlled_sampler.onnx"]
        known, drawn = array(said["inputs"]["known_codes"]), array(said["outputs"]["codes"])
        assert (known >= 0).mean() == (known.shape[1] // 2) / known.shape[1]
        np.testing.assert_array_equal(drawn[known >= 0], known[known >= 0])

    def test_an_autoencoder_or_a_prior_alone_has_vectors_too(self, tmp_path):
        for name, model in {"vq": StandInVQ(), "prior": StandInPrior()}.items():
            alone = export_onnx(model, tmp_path / name)
            assert list(read(alone, "vectors.json")["files"]) == list(read(alone, "manifest.json")["files"])
            skvq.runtime.load(alone)


class TestTheirPlace:
    def test_they_are_small(self):
        for folder in SHIPPED:
            assert (folder / "vectors.json").stat().st_size < 200_000

    def test_a_folder_without_them_is_read(self, copied):
        (copied / "vectors.json").unlink()
        rewrite(copied, lambda manifest: manifest.pop("vectors"))
        assert skvq.runtime.load(copied).sample(1, 3).shape[0] == 1

    def test_a_missing_file_is_told_of(self, copied):
        (copied / "vectors.json").unlink()
        with pytest.raises(FileNotFoundError, match=r"vectors\.json is missing, which manifest\.json names"):
            skvq.runtime.load(copied)

    def test_a_changed_file_is_refused(self, copied):
        with open(copied / "vectors.json", "a") as file:
            file.write(" ")
        with pytest.raises(ModelFileError, match=r"vectors\.json must have the SHA-256 .* copy it again"):
            skvq.runtime.load(copied)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda vectors: vectors.update(file="../vectors.json"), r"vectors/file must be 'vectors\.json'"),
            (lambda vectors: vectors.pop("sha256"), r"vectors/sha256 must be 64 hexadecimal digits; got nothing"),
            (lambda vectors: vectors.update(bytes=0), r"vectors/bytes must be a whole number above 0; got 0"),
        ],
    )
    def test_a_wrong_entry_is_refused(self, copied, change, message):
        rewrite(copied, lambda manifest: change(manifest["vectors"]))
        with pytest.raises(ModelFileError, match=message):
            skvq.runtime.load(copied)

    def test_a_later_export_replaces_them(self, copied):
        before = (copied / "vectors.json").read_bytes()
        export_onnx(StandInVQ(seed=1), copied)
        assert (copied / "vectors.json").read_bytes() != before
        assert skvq.runtime.load(copied).parts == ("encoder", "decoder")

    def test_a_file_of_that_name_that_no_manifest_names_is_the_users(self, copied):
        rewrite(copied, lambda manifest: manifest.pop("vectors"))
        with pytest.raises(ValueError, match=r"with vectors\.json\. Choose another folder"):
            export_onnx(StandInVQ(), copied)


SPOILT = {
    "format": lambda manifest: manifest.update(format="other"),
    "version": lambda manifest: manifest.update(format_version=3),
    "no files": lambda manifest: manifest.update(files={}),
    "a file elsewhere": lambda manifest: manifest["files"].update({"../a.onnx": manifest["files"].pop("encoder.onnx")}),
    "no grid": lambda manifest: manifest.pop("grid"),
    "a side of 0": lambda manifest: manifest["grid"].update(shape=[0, 4]),
    "four sides": lambda manifest: manifest["grid"].update(shape=[1, 1, 4, 4]),
    "range of one": lambda manifest: manifest.update(data_range=[0]),
    "dtype": lambda manifest: manifest["layout"].update(dtype="complex64"),
    "classes twice": lambda manifest: manifest["prior"].update(classes=[1, 1]),
    "no classes": lambda manifest: manifest["prior"].pop("classes"),
    "kind": lambda manifest: manifest["files"]["encoder.onnx"].update(kind="painter"),
    "hash": lambda manifest: manifest["files"]["encoder.onnx"].update(sha256="0" * 63),
    "no inputs": lambda manifest: manifest["files"]["encoder.onnx"].update(inputs=[]),
    "role": lambda manifest: manifest["files"]["encoder.onnx"]["inputs"][0].update(role="pictures"),
    "batch in the middle": lambda manifest: manifest["files"]["encoder.onnx"]["inputs"][0].update(shape=[8, "batch"]),
    "vectors elsewhere": lambda manifest: manifest["vectors"].update(file="a.json"),
}


@pytest.fixture(scope="module")
def validator():
    jsonschema = pytest.importorskip("jsonschema")
    schema = read(ROOT / "docs", "manifest.schema.json")
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


class TestSchema:
    def test_every_manifest_is_valid(self, validator, folder):
        assert [error.message for error in validator.iter_errors(read(folder, "manifest.json"))] == []

    def test_those_of_one_stage_are_valid(self, validator, tmp_path):
        for name, model in {"vq": StandInVQ(), "prior": StandInPrior()}.items():
            validator.validate(read(export_onnx(model, tmp_path / name), "manifest.json"))

    @pytest.mark.parametrize("what", SPOILT)
    def test_the_schema_refuses_what_the_runtime_refuses(self, validator, copied, what):
        manifest = read(copied, "manifest.json")
        spoilt = copy.deepcopy(manifest)
        SPOILT[what](spoilt)
        assert not validator.is_valid(spoilt)
        rewrite(copied, SPOILT[what])
        with pytest.raises((ModelFileError, FileNotFoundError)):
            skvq.runtime.load(copied)
