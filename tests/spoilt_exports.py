"""Tools that spoil a copy of an export, for the tests of the runtime."""

import hashlib
import json

import numpy as np
import onnx
from onnx import helper, numpy_helper

from skvq.export._model import serialized


def keras_answer(function, *inputs):
    from keras import ops

    return ops.convert_to_numpy(function(*map(ops.convert_to_tensor, inputs))[0])


def rewrite(folder, change):
    """Change a folder's manifest."""
    manifest = json.loads((folder / "manifest.json").read_text())
    change(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest))


def replace_model(folder, name, model):
    """Put another model in a folder, with its own hash and size."""
    data = model if isinstance(model, bytes) else serialized(model)
    (folder / name).write_bytes(data)
    right = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    rewrite(folder, lambda manifest: manifest["files"][name].update(right))


def graph_in_place_of(path, nodes, constants=(), **outputs):
    """Return a model with the description of another, and a graph of one's own.

    Parameters
    ----------
    path : Path
        Of the file whose inputs, outputs and metadata it has.
    nodes : list of NodeProto
    constants : mapping of str to array
    **outputs : TensorProto.DataType
        Type of an output, where it is to differ.
    """
    former = onnx.load(path)
    results = []
    for tensor in former.graph.output:
        said = tensor.type.tensor_type
        shape = [side.dim_param or side.dim_value for side in said.shape.dim]
        results.append(helper.make_tensor_value_info(tensor.name, outputs.get(tensor.name, said.elem_type), shape))
    initializers = [numpy_helper.from_array(np.array(value), name) for name, value in dict(constants).items()]
    graph = helper.make_graph(nodes, former.graph.name, list(former.graph.input), results, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    model.metadata_props.extend(former.metadata_props)
    return model


def varint(value):
    """Return a number as protobuf writes it."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def field(tag, content):
    """Return a field of bytes: its tag, as bytes or as a number, the length, the content."""
    tag = tag if isinstance(tag, bytes) else varint(tag << 3 | 2)
    return tag + varint(len(content)) + content


def shifted(model, name_end, by):
    """The model with one initialiser changed."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for tensor in copy.graph.initializer:
        if tensor.name.endswith(name_end):
            value = numpy_helper.to_array(tensor)
            tensor.CopyFrom(numpy_helper.from_array((value + by).astype(value.dtype), tensor.name))
            return copy
    raise AssertionError(f"no {name_end} in {[tensor.name for tensor in copy.graph.initializer]}")
