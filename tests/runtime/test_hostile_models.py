"""ONNX models that may not be in an export: hidden fields, foreign operators, and what ends the process."""

import struct

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper
from spoilt_exports import field, graph_in_place_of, helper, replace_model

from skvq.runtime import ModelFileError, load
from skvq.runtime._protobuf import parse_model


class TestGraphs:
    """Models that onnx and onnxruntime take, and an export may not be."""

    def refused(self, folder, name, model, message):
        replace_model(folder, name, model)
        for path in (folder, folder / name):
            with pytest.raises(ModelFileError, match=message):
                load(path)

    def test_foreign_operators(self, toy_copy):
        model = onnx.load(toy_copy / "decoder.onnx")
        model.opset_import.add(domain="com.microsoft", version=1)
        self.refused(toy_copy, "decoder.onnx", model, r"it uses operators of 'com\.microsoft'")

    def test_foreign_operators_inside_a_loop(self, toy_copy):
        model = onnx.load(toy_copy / "sampler.onnx")
        loop = next(node for node in model.graph.node if node.op_type == "Loop")
        next(a for a in loop.attribute if a.name == "body").g.node[0].domain = "evil"
        self.refused(toy_copy, "sampler.onnx", model, "uses operators of 'evil'")

    @pytest.mark.parametrize("operator", ["If", "Scan", "RandomNormal", "StringNormalizer", "Optional", "NonZero"])
    def test_operators_that_no_export_needs(self, toy_copy, operator):
        model = onnx.load(toy_copy / "decoder.onnx")
        model.graph.node.add(op_type=operator, input=[model.graph.input[0].name], output=["odd"])
        self.refused(toy_copy, "decoder.onnx", model, f"it uses the operator '{operator}'")

    def test_data_in_other_files(self, toy_copy):
        model = onnx.load(toy_copy / "decoder.onnx")
        tensor = model.graph.initializer[0]
        onnx.external_data_helper.set_external_data(tensor, location="/etc/passwd")
        tensor.ClearField("raw_data")
        self.refused(toy_copy, "decoder.onnx", model, "keeps tensors in other files")

    def test_functions_and_training_graphs(self, toy_copy):
        model = onnx.load(toy_copy / "decoder.onnx")
        model.training_info.add().algorithm.name = "t"
        self.refused(toy_copy, "decoder.onnx", model, "it brings training graphs")
        model.ClearField("training_info")
        model.functions.add(name="F", domain="own")
        self.refused(toy_copy, "decoder.onnx", model, "it brings functions of its own")

    @pytest.mark.parametrize("kind", [TensorProto.STRING, TensorProto.DOUBLE, TensorProto.FLOAT16, 99])
    def test_types_that_no_export_needs(self, toy_copy, kind):
        model = onnx.load(toy_copy / "decoder.onnx")
        model.graph.initializer.add(name="odd", data_type=kind, dims=[0], raw_data=b"")
        self.refused(toy_copy, "decoder.onnx", model, f"it has tensors of ONNX's type {kind}")

    @pytest.mark.parametrize("dims", [[2**40], [-1], [3] * 9, [5]])
    def test_tensors_that_are_not_all_there(self, toy_copy, dims):
        model = onnx.load(toy_copy / "decoder.onnx")
        model.graph.initializer.add(name="odd", data_type=1, dims=dims, raw_data=struct.pack("<f", 1))
        self.refused(toy_copy, "decoder.onnx", model, "a tensor's shape is out of range|more or fewer values")

    def test_integers_that_are_divided(self, toy_copy):
        """The processor stops the whole process where the divisor is 0, or the quotient too large."""
        flat = [helper.make_node("Flatten", ["images"], ["flat"]), helper.make_node("Cast", ["flat"], ["whole"], to=7)]
        nodes = [*flat, helper.make_node("Div", ["whole", "zero"], ["codes"])]
        model = graph_in_place_of(toy_copy / "encoder.onnx", nodes, {"zero": np.int64(0)})
        self.refused(toy_copy, "encoder.onnx", model, "Div divides integers")

    @pytest.mark.parametrize("pads", [[0, -(2**31)], [2**40, 0], None])
    def test_pads_that_take_away(self, toy_copy, pads):
        """onnxruntime ends the process over a side that is cut by more than it has."""
        flat = [helper.make_node("Flatten", ["images"], ["flat"]), helper.make_node("Cast", ["flat"], ["whole"], to=7)]
        nodes = [*flat, helper.make_node("Pad", ["whole", "pads" if pads else "some", "", "axes"], ["codes"])]
        if pads is None:
            nodes.insert(2, helper.make_node("Shape", ["whole"], ["some"]))
        constants = {"axes": np.array([1]), "pads": np.array(pads or [0])}
        model = graph_in_place_of(toy_copy / "encoder.onnx", nodes, constants)
        self.refused(toy_copy, "encoder.onnx", model, "Pad computes how much it adds, or takes away")

    @pytest.mark.parametrize(("n_outputs", "n_sizes"), [(3, None), (None, 3), (None, None)])
    def test_splits_into_other_parts_than_it_has(self, toy_copy, n_outputs, n_sizes):
        """onnxruntime ends the process when it looks for the part that is missing."""
        flat = [helper.make_node("Flatten", ["images"], ["flat"]), helper.make_node("Cast", ["flat"], ["whole"], to=7)]
        choice = {} if n_outputs is None else {"num_outputs": n_outputs}
        sizes = [] if n_sizes is None else ["sizes"]
        nodes = [*flat, helper.make_node("Split", ["whole", *sizes], ["codes", "rest"], axis=1, **choice)]
        model = graph_in_place_of(toy_copy / "encoder.onnx", nodes, {"sizes": np.full(n_sizes or 1, 16)})
        self.refused(toy_copy, "encoder.onnx", model, "Split does not say into how many parts")

    @pytest.mark.parametrize("change", ["twice", "two values", "no value", "zero"])
    def test_attributes_of_two_meanings(self, toy_copy, change):
        model = onnx.load(toy_copy / "encoder.onnx")
        node = next(node for node in model.graph.node if node.op_type == "Conv")
        strides = next(attribute for attribute in node.attribute if attribute.name == "strides")
        if change == "twice":
            node.attribute.append(helper.make_attribute("strides", [1, 1]))
        elif change == "two values":
            strides.i = 1
        elif change == "no value":
            strides.ClearField("ints")
        else:
            strides.ints[0] = 0
        message = "Conv has an attribute twice|an attribute of Conv has several values|Conv has strides below 1"
        self.refused(toy_copy, "encoder.onnx", model, message)


class TestHiddenFields:
    """Encodings that parsers of protobuf read in different ways."""

    def refused(self, toy_copy, data, message):
        (toy_copy / "decoder.onnx").write_bytes(data)
        with pytest.raises(ModelFileError, match=message):
            load(toy_copy / "decoder.onnx")

    @pytest.fixture
    def whole(self, toy_copy):
        return (toy_copy / "decoder.onnx").read_bytes()

    def test_a_tag_with_bit_32_hides_external_data(self, toy_copy, whole):
        """A parser that cuts tags to 32 bits reads the location of a file; one that does not, an unknown field."""
        hide = b"\x80\x80\x80\x10"  # ends a tag of five bytes
        tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4]).SerializeToString()
        for key, value in (("location", "other.bin"), ("offset", "0"), ("length", "16")):
            entry = onnx.StringStringEntryProto(key=key, value=value).SerializeToString()
            tensor += field(b"\xea" + hide, entry)
        tensor += b"\xf0" + hide + b"\x01"
        for data in (whole + field(7, field(5, tensor)), field(7, field(5, tensor)) + whole):
            self.refused(toy_copy, data, "a field's number is out of range")

    def test_a_graph_that_comes_twice(self, toy_copy, whole):
        """Parsers join the two."""
        self.refused(toy_copy, whole + field(7, b""), r"ModelProto\.graph comes twice")

    @pytest.mark.parametrize("tag", [b"\x0b", b"\x0c", b"\x43\x44"])
    def test_groups(self, toy_copy, whole, tag):
        self.refused(toy_copy, whole + tag, "has the wire type [34]")

    def test_unknown_fields(self, toy_copy, whole):
        self.refused(toy_copy, whole + field(99, b"x"), "ModelProto has a field 99, which skvq does not write")
        self.refused(toy_copy, whole + b"\x00\x01", "a field's number is out of range")

    def test_numbers_that_are_longer_than_they_have_to_be(self, toy_copy, whole):
        assert whole[:1] == b"\x08"  # ir_version comes first
        self.refused(toy_copy, b"\x88\x00" + whole[1:], "not written in its shortest form")
        longer = whole[:1] + bytes([whole[1] | 0x80, 0]) + whole[2:]
        self.refused(toy_copy, longer, "not written in its shortest form")
        self.refused(toy_copy, b"\x08" + b"\xff" * 10 + whole[2:], "longer than 10 bytes|shortest form")

    def test_numbers_that_are_cut(self, toy_copy):
        """2**32 + 1 is FLOAT to a parser of 32 bits."""
        model = onnx.load(toy_copy / "decoder.onnx")
        model.graph.ClearField("initializer")
        tensor = b"\x08\x01" + b"\x10\x81\x80\x80\x80\x10" + field(8, b"odd") + field(9, b"\0\0\0\0")
        data = model.SerializeToString()
        graph = model.graph.SerializeToString() + field(5, tensor)
        data = data.replace(field(7, model.graph.SerializeToString()), field(7, graph))
        self.refused(toy_copy, data, "data_type is out of range")

    def test_too_many_fields(self, toy_copy, whole):
        self.refused(toy_copy, whole + field(14, b"") * 500_000, "it has more than 500000 fields")

    def test_too_deep(self, toy_copy):
        data = b""
        for _ in range(2000):  # graphs in attributes in nodes in graphs …
            for number in (6, 5, 1):
                data = field(number, data)
        self.refused(toy_copy, field(7, data), "messages are nested more than 40 deep")

    def test_texts_that_are_none(self, toy_copy, whole):
        self.refused(toy_copy, whole + field(14, field(1, b"\xff") + field(2, b"1")), "in the metadata is not UTF-8")

    def test_another_format_of_onnxruntime(self, toy_copy):
        self.refused(toy_copy, struct.pack("<I", 8) + b"ORTM" + bytes(100), "not an ONNX model")


def test_weights_of_onnx_are_those_of_the_file(toy_copy):
    """What the strict parser reads is what onnx reads: names, shapes and types of all tensors."""
    for path in sorted(toy_copy.glob("*.onnx")):
        mine = parse_model(path.read_bytes())["graph"]["initializer"]
        theirs = onnx.load(path).graph.initializer
        assert [bytes(t["name"]).decode() for t in mine] == [t.name for t in theirs]
        for tensor, expected in zip(mine, theirs, strict=True):
            assert tensor.get("dims", []) == list(expected.dims)
            if "raw_data" in tensor:
                assert bytes(tensor["raw_data"]) == numpy_helper.to_array(expected).tobytes()
