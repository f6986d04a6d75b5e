"""Files that lie, are damaged, or ask for more than an export may: refused at load, or when they answer."""

import hashlib
import json
import os
import shutil

import numpy as np
import onnx
import pytest
from onnx import TensorProto
from spoilt_exports import graph_in_place_of, helper, replace_model, rewrite
from stand_ins import StandInVQ

from skvq.export import to_onnx
from skvq.export._model import serialized
from skvq.runtime import ModelFileError, load
from skvq.runtime._description import MAX_MANIFEST_BYTES


def set_entry(described, entry, value):
    *way, last = (int(key) if key.isdigit() else key for key in entry.split("/"))
    for key in way:
        described = described[key]
    described[last] = value


def set_metadata(model, entry, value):
    """Change one entry of a file's metadata, such as ``grid/shape``."""
    key, _, rest = f"skvq.{entry}".partition("/")
    found = next(prop for prop in model.metadata_props if prop.key == key)
    said = {"": json.loads(found.value)}
    set_entry(said, f"/{rest}" if rest else "", value)
    found.value = json.dumps(said[""])


class TestManifest:
    @pytest.mark.parametrize(
        ("entry", "value", "message"),
        [
            ("files", None, "files must be an object that is not empty; got nothing"),
            ("files", [], "files must be an object"),
            ("files/encoder.onnx", 3, r"files/encoder\.onnx must be an object; got 3"),
            ("files/encoder.onnx/part", ["encoder"], "part must be a text"),
            ("files/encoder.onnx/kind", "decoder", "encoder/inputs must be of the roles codes"),
            ("files/encoder.onnx/kind", "scorer", "encoder/kind must be one of encoder, decoder"),
            ("files/encoder.onnx/opset", True, "opset must be a whole number above 0; got True"),
            ("files/encoder.onnx/sha256", None, "sha256 must be 64 hexadecimal digits; got nothing"),
            ("files/encoder.onnx/sha256", "é" * 64, "sha256 must be"),
            ("files/encoder.onnx/bytes", "abc", "bytes must be a whole number above 0; got 'abc'"),
            ("files/encoder.onnx/inputs", [], "inputs must be a list that is not empty"),
            ("files/encoder.onnx/inputs/0", {}, "inputs/0/name must be a text; got nothing"),
            ("files/encoder.onnx/inputs/0/role", "labels", "encoder/inputs must be of the roles images"),
            ("files/encoder.onnx/outputs/0/dtype", None, "outputs/0/dtype must be a NumPy dtype of numbers"),
            ("files/encoder.onnx/outputs/0/dtype", "int32", r"outputs/0 must be int64 of shape .*got \['int32'"),
            ("files/encoder.onnx/outputs/0/shape", ["batch", "n"], "outputs/0/shape must be a list of whole numbers"),
            ("files/encoder.onnx/outputs/0/shape", ["batch", 9], "outputs/0 must be int64 of shape .*16"),
            ("files/encoder.onnx/outputs/0/shape", [2**31, 2**31], "outputs/0/shape must be a list of whole numbers"),
            ("grid", None, "grid must be an object; got nothing"),
            ("grid/shape", "44", "grid/shape must be one to three whole numbers above 0; got '44'"),
            ("grid/shape", [], "grid/shape must be one to three"),
            ("grid/shape", [4, 4, 1, 1], "grid/shape must be one to three"),
            ("grid/shape", [2**15, 2**17], "grid/shape must be one to three"),
            ("grid/shape", [8, 8], "prior/grid must be a grid that fits 8 × 8 codes of 7; got '?4 × 4"),
            ("grid/n_embeddings", "64", "grid/n_embeddings must be a whole number above 0; got '64'"),
            ("grid/depth", 2, "must be"),
            ("layout", None, "layout must be an object; got nothing"),
            ("layout/dtype", "foo", "layout/dtype must be a NumPy dtype of numbers; got 'foo'"),
            ("layout/row_shape", [8, 9], r"layout/row_shape must be of images of shape \(8, 8, 1\); got \[8, 9\]"),
            ("layout/image_shape", [8, 8, 2], "must be"),
            ("data_range", [1], r"data_range must be two finite numbers, the smaller first; got \[1\]"),
            ("data_range", [1, 0], "data_range must be two finite numbers"),
            ("prior", [], "prior must be an object"),
            ("prior/grid/n_embeddings", 0, "prior/grid/n_embeddings must be"),
            ("prior/classes", [[0], [1]], "prior/classes must be null, or a sorted list"),
            ("prior/classes", [9, 5, 3], "prior/classes must be null, or a sorted list"),
            ("prior/classes", [3, 3], "prior/classes must be null, or a sorted list"),
            ("prior/classes", ["3", 5], "prior/classes must be null, or a sorted list"),
        ],
    )
    def test_wrong_entries(self, toy_copy, entry, value, message):
        rewrite(toy_copy, lambda manifest: set_entry(manifest, entry, value))
        with pytest.raises(ModelFileError, match=rf"manifest\.json is incomplete or damaged: .*{message}"):
            load(toy_copy)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("{", "is not JSON"),
            ("[" * 100_000, "is not JSON"),
            ('{"a": 1, "a": 2}', "key twice"),
            ('{"a": NaN}', "NaN is no JSON"),
            ("3", "does not name the format"),
            ('{"format": "other"}', "does not name the format 'skvq-export'"),
            ('{"format": "skvq-export"}', "has format version None; this skvq reads 2"),
            ('{"format": "skvq-export", "format_version": true}', "has format version True"),
            ('{"format": "skvq-export", "format_version": 1}', r"version 1, which skvq 0\.1 wrote; .*Export the model"),
            ('{"format": "skvq-export", "format_version": 3}', r"version 3; .*reads 2\. Upgrade skvq"),
        ],
    )
    def test_other_texts(self, toy_copy, text, message):
        (toy_copy / "manifest.json").write_text(text)
        with pytest.raises(ModelFileError, match=message):
            load(toy_copy)

    def test_one_that_is_too_large(self, toy_copy):
        with open(toy_copy / "manifest.json", "ab") as file:
            file.write(b" " * MAX_MANIFEST_BYTES)
        with pytest.raises(ModelFileError, match=rf"manifest\.json has more than {4 * 2**20} bytes.*do not trust"):
            load(toy_copy)

    @pytest.mark.parametrize("name", ["../toy/encoder.onnx", "/etc/x.onnx", "a.txt", "a\0.onnx", "sub/a.onnx"])
    def test_names_of_other_places(self, toy_copy, name):
        rewrite(toy_copy, lambda m: m["files"].update({name: m["files"].pop("encoder.onnx")}))
        with pytest.raises(ModelFileError, match=r"names the file .*, which is no \.onnx file beside it"):
            load(toy_copy)

    def test_control_characters_are_escaped(self, toy_copy):
        rewrite(toy_copy, lambda m: m["files"].update({"\x1b[2Ja\n\u202eb.txt": m["files"].pop("encoder.onnx")}))
        with pytest.raises(ModelFileError) as caught:
            load(toy_copy)
        assert str(caught.value).isprintable()
        assert "x1b[2Ja" in str(caught.value)

    @pytest.mark.parametrize("entry", ["grid/n_embeddings", "data_range", "prior/classes", "estimators/vqvae/class"])
    def test_files_say_the_same(self, toy_copy, entry):
        """A folder of parts of two exports, or whose manifest was changed by hand."""
        model = onnx.load(toy_copy / "decoder.onnx")
        values = {"grid/n_embeddings": 8, "data_range": [0, 1], "prior/classes": None, "estimators/vqvae/class": "A"}
        set_metadata(model, entry, values[entry])
        replace_model(toy_copy, "decoder.onnx", model)
        with pytest.raises(ModelFileError, match=rf"decoder\.onnx and the manifest .* of '{entry.split('/')[0]}'"):
            load(toy_copy)

    @pytest.mark.parametrize(
        ("entry", "value"), [("files/encoder.onnx/part", "decoder"), ("grid/n_embeddings", 9), ("prior/classes", [1])]
    )
    def test_the_manifest_may_not_say_otherwise(self, toy_copy, entry, value):
        rewrite(toy_copy, lambda manifest: set_entry(manifest, entry, value))
        with pytest.raises(ModelFileError, match=r"\.onnx and the manifest beside it differ in what they say of"):
            load(toy_copy)

    @pytest.mark.parametrize("entry", ["classes", "grid"])
    def test_missing_entries(self, toy_copy, entry):
        rewrite(toy_copy, lambda manifest: manifest["prior"].pop(entry))
        with pytest.raises(ModelFileError, match=rf"prior/{entry} must be .*; got nothing"):
            load(toy_copy)

    def test_two_files_of_one_part(self, toy_copy):
        shutil.copy(toy_copy / "decoder.onnx", toy_copy / "again.onnx")
        rewrite(toy_copy, lambda m: m["files"].update({"again.onnx": m["files"]["decoder.onnx"]}))
        with pytest.raises(ModelFileError, match=r"again\.onnx/part must be of no other file; got 'decoder'"):
            load(toy_copy)

    def test_metadata_may_not_say_more(self, toy_copy):
        model = onnx.load(toy_copy / "decoder.onnx")
        model.metadata_props.add(key="skvq.more", value="1")
        replace_model(toy_copy, "decoder.onnx", model)
        with pytest.raises(ModelFileError, match=r"decoder\.onnx and the manifest beside it differ .* of 'more'"):
            load(toy_copy)


class TestFolders:
    def test_not_an_export(self, tmp_path):
        with pytest.raises(ModelFileError, match=r"is not an export of skvq: it has no manifest\.json"):
            load(tmp_path)

    def test_a_changed_file(self, toy_copy):
        data = bytearray((toy_copy / "decoder.onnx").read_bytes())
        data[-5] ^= 1
        (toy_copy / "decoder.onnx").write_bytes(data)
        message = r"decoder\.onnx must have the SHA-256 [0-9a-f]{12}….*it has [0-9a-f]{12}…"
        with pytest.raises(ModelFileError, match=message):
            load(toy_copy)

    def test_a_missing_file(self, toy_copy):
        (toy_copy / "prior.onnx").unlink()
        with pytest.raises(FileNotFoundError, match=r"prior\.onnx is missing, which manifest\.json names"):
            load(toy_copy)

    def test_files_past_the_limit(self, toy_folder):
        with pytest.raises(ModelFileError, match=r"has more than 20000 bytes.*pass a larger max_bytes"):
            load(toy_folder, max_bytes=20000)

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes in the file system")
    @pytest.mark.parametrize("name", ["encoder.onnx", "manifest.json"])
    def test_a_pipe_does_not_hang(self, toy_copy, name):
        (toy_copy / name).unlink()
        os.mkfifo(toy_copy / name)
        for path in (toy_copy, toy_copy / name):
            with pytest.raises(ModelFileError, match="must be a regular file; it is a pipe, a socket or a device"):
                load(path)

    def test_a_folder_in_place_of_a_file(self, toy_copy):
        (toy_copy / "encoder.onnx").unlink()
        (toy_copy / "encoder.onnx").mkdir()
        with pytest.raises(ModelFileError, match=r"encoder\.onnx must be a regular file; it is a folder"):
            load(toy_copy)


class TestSingleFiles:
    @pytest.mark.parametrize(
        ("entry", "value", "message"),
        [
            ("outputs", [], "outputs must be a list that is not empty"),
            ("kind", "encoder", "decoder/inputs must be of the roles images"),
            ("grid/n_embeddings", 0, "grid/n_embeddings must be"),
            ("opset", 17, "opset must be 18 as in the graph; got 17"),
        ],
    )
    def test_wrong_metadata(self, toy_copy, entry, value, message):
        model = onnx.load(toy_copy / "decoder.onnx")
        set_metadata(model, entry, value)
        onnx.save(model, toy_copy / "decoder.onnx")
        with pytest.raises(ModelFileError, match=rf"decoder\.onnx is incomplete or damaged: .*{message}"):
            load(toy_copy / "decoder.onnx")

    def test_metadata_that_are_too_large(self, toy_copy):
        model = onnx.load(toy_copy / "decoder.onnx")
        model.metadata_props.add(key="skvq.more", value=json.dumps("x" * MAX_MANIFEST_BYTES))
        onnx.save(model, toy_copy / "decoder.onnx")
        with pytest.raises(ModelFileError, match="describes itself in more than 4194304 characters"):
            load(toy_copy / "decoder.onnx")

    @pytest.mark.parametrize("data", [b"", b"\x00", b"not a model at all", b"\xff" * 40, b"\x3a\xff\xff\x01"])
    def test_bytes_that_are_no_model(self, toy_copy, tmp_path, data):
        (tmp_path / "alone.onnx").write_bytes(data)
        sources = [(tmp_path / "alone.onnx", r"alone\.onnx is"), (data, "the given bytes is")]
        if data:
            replace_model(toy_copy, "encoder.onnx", data)
            sources.append((toy_copy, r"encoder\.onnx is"))
        for source, words in sources:
            with pytest.raises(ModelFileError, match=rf"{words} not an ONNX model that skvq runs: .*Export it again"):
                load(source)

    def test_a_model_of_others(self, tmp_path):
        value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
        model = helper.make_model(helper.make_graph([], "g", [value], [value]))
        onnx.save(model, tmp_path / "x.onnx")
        with pytest.raises(ModelFileError, match="was not written by skvq"):
            load(tmp_path / "x.onnx")

    @pytest.mark.parametrize("side", ["inputs", "outputs"])
    def test_a_description_of_another_graph(self, toy_copy, side):
        model = onnx.load(toy_copy / "decoder.onnx")
        set_metadata(model, f"{side}/0/name", "x")
        onnx.save(model, toy_copy / "decoder.onnx")
        with pytest.raises(ModelFileError, match=rf"describes {side} that its graph does not have.*Do not trust"):
            load(toy_copy / "decoder.onnx")

    @pytest.mark.parametrize("change", ["type", "shape", "one more"])
    def test_a_graph_of_another_signature(self, toy_copy, change):
        model = onnx.load(toy_copy / "prior.onnx")
        tensor = model.graph.input[0].type.tensor_type
        if change == "type":
            tensor.elem_type = TensorProto.INT32
        elif change == "shape":
            tensor.shape.dim[0].dim_param = "n"
        else:
            model.graph.input.add().CopyFrom(helper.make_tensor_value_info("extra", TensorProto.FLOAT, [1]))
        onnx.save(model, toy_copy / "prior.onnx")
        with pytest.raises(ModelFileError, match=r"graph does not have|cannot be opened by onnxruntime"):
            load(toy_copy / "prior.onnx")


class TestAnswers:
    """Graphs that fit their description and answer something else."""

    def encoder(self, toy_copy, nodes, constants, **outputs):
        before = [helper.make_node("Flatten", ["images"], ["flat"]), helper.make_node("Cast", ["flat"], ["all"], to=7)]
        some = {"from": [0], "to": [16], "axis": [1], **constants}
        before.append(helper.make_node("Slice", ["all", "from", "to", "axis"], ["some"]))
        model = graph_in_place_of(toy_copy / "encoder.onnx", [*before, *nodes], some, **outputs)
        replace_model(toy_copy, "encoder.onnx", model)

    def test_two_rows_for_five_images(self, toy_copy):
        self.encoder(
            toy_copy, [helper.make_node("Slice", ["some", "from", "two", "from"], ["codes"])], {"two": np.array([2])}
        )
        with pytest.raises(ModelFileError, match=r"encoder\.onnx answers int64 of shape \(2, 16\), not int64 of shape"):
            load(toy_copy).transform(np.ones((5, 8, 8)))

    @pytest.mark.parametrize("code", [-999_999, -1, 7, 2**40])
    def test_codes_out_of_range(self, toy_copy, code):
        nodes = [helper.make_node("Mul", ["some", "zero"], ["none"]), helper.make_node("Add", ["none", "c"], ["codes"])]
        self.encoder(toy_copy, nodes, {"zero": np.int64(0), "c": np.int64(code)})
        with pytest.raises(ModelFileError, match=rf"answers codes from {code} to {code}, not in \[0, 7\)"):
            load(toy_copy).transform(np.ones((5, 8, 8)))

    def test_float_codes(self, toy_copy):
        """The graph must say so of its output, and is refused at load."""
        nodes = [helper.make_node("Cast", ["some"], ["codes"], to=TensorProto.FLOAT)]
        self.encoder(toy_copy, nodes, {}, codes=TensorProto.FLOAT)
        with pytest.raises(ModelFileError, match="describes outputs that its graph does not have"):
            load(toy_copy)

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_pixels_that_are_no_numbers(self, toy_copy, value):
        nodes = [
            helper.make_node("Shape", ["codes"], ["n"], end=1),
            helper.make_node("Concat", ["n", "sides"], ["shape"], axis=0),
            helper.make_node("Expand", ["value", "shape"], ["images"]),
        ]
        constants = {"sides": np.array([8, 8, 1]), "value": np.full((1, 1, 1, 1), value, np.float32)}
        model = graph_in_place_of(toy_copy / "decoder.onnx", nodes, constants)
        replace_model(toy_copy, "decoder.onnx", model)
        with pytest.raises(ModelFileError, match=r"decoder\.onnx answers pixels that are NaN or infinite"):
            load(toy_copy).inverse_transform(np.zeros((5, 16), int))

    @pytest.mark.parametrize("value", [np.nan, 3.0])
    def test_likelihoods_above_one(self, toy_copy, value):
        nodes = [
            helper.make_node("Cast", ["labels"], ["some"], to=1),
            helper.make_node("Mul", ["some", "zero"], ["none"]),
            helper.make_node("Add", ["none", "value"], ["log_likelihood"]),
        ]
        constants = {"zero": np.float32(0), "value": np.float32(value)}
        model = graph_in_place_of(toy_copy / "log_likelihood.onnx", nodes, constants)
        replace_model(toy_copy, "log_likelihood.onnx", model)
        with pytest.raises(ModelFileError, match="answers log-probabilities that are NaN or too large"):
            load(toy_copy).score_codes(np.zeros((5, 16), int), 3)

    def test_a_graph_that_fails(self, toy_copy):
        nodes = [
            helper.make_node("Gather", ["some", "far"], ["none"], axis=1),
            helper.make_node("Expand", ["none", "sides"], ["codes"]),
        ]
        self.encoder(toy_copy, nodes, {"far": np.array([99]), "sides": np.array([1, 16])})
        with pytest.raises(ModelFileError, match=r"encoder\.onnx (failed in|cannot be opened by) onnxruntime 1\."):
            load(toy_copy).transform(np.ones((5, 8, 8)))


def test_parts_of_two_exports(toy_copy, tmp_path):
    """Each file is whole and has its right hash: the decoder is another model's."""
    model = to_onnx(StandInVQ(n_embeddings=5), "decoder")
    shutil.copy(toy_copy / "decoder.onnx", tmp_path / "kept.onnx")
    replace_model(toy_copy, "decoder.onnx", serialized(model))
    data = (toy_copy / "decoder.onnx").read_bytes()
    manifest = json.loads((toy_copy / "manifest.json").read_text())
    assert manifest["files"]["decoder.onnx"]["sha256"] == hashlib.sha256(data).hexdigest()
    with pytest.raises(ModelFileError, match=r"decoder\.onnx and the manifest beside it differ"):
        load(toy_copy)
