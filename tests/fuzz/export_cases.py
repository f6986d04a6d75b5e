"""Broken ONNX files and manifests of a small export, each hashed anew, given to the runtime and then run.

Files are changed in four ways: bytes at random, protobuf fields, operators and constants, and JSON values. What is
loaded is run on a few rows: an answer must be of the right shape and range, or a documented error.
"""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import onnx
from mutations import mutated

from skvq.runtime import ModelFileError, load
from skvq.runtime._operators import OPERATORS

ALLOWED = (ModelFileError, TimeoutError, FileNotFoundError)

EXPORT = Path(__file__).parents[2] / "exports" / "digits"
_FILES: dict[str, bytes] = {}
_ODD = [None, True, False, 0, -1, 1, 2, 7, 8, 2**31, 2**63, 2**64, 1e308, -0.5, "", "a", "batch", "\x1b[2J", "codes"]
_TYPES = ["float32", "int64", "uint8", "encoder", "decoder", "images", "labels", [], {}, [1], [[]], {"a": 1}, ["batch"]]


def prepare(folder: Path) -> None:
    """Read the export once, and open every kind of part, so that all modules are there."""
    _FILES.update({path.name: path.read_bytes() for path in EXPORT.iterdir()})
    _use(load(dict_to_folder(_FILES, folder / "whole"), threads=1), np.random.default_rng(0))
    shutil.rmtree(folder / "whole")


def run_way(way: int, number: int, folder: Path) -> None:
    """Break one file in one of five ways, put its hash into the manifest, load it, and run what there is.

    Ways: 0 bytes of a model, 1 its protobuf fields, 2 its operators, 3 values of the manifest, 4 its bytes.
    """
    rng = np.random.default_rng([18, number])
    files = dict(_FILES)
    name = str(rng.choice(sorted(name for name in files if name.endswith(".onnx"))))
    if way == 0:
        files[name] = mutated(files[name], rng)
    elif way == 1:
        files[name] = _with_other_field(files[name], rng)
    elif way == 2:
        files[name] = _with_other_operators(files[name], rng)
    elif way == 3:
        files["manifest.json"] = _with_other_value(files["manifest.json"], rng)
    else:
        files["manifest.json"] = mutated(files["manifest.json"], rng)
    if way < 3:
        if rng.random() < 0.3:
            return _use(load(files[name], threads=1, timeout=5, max_bytes=2**24), rng)
        said = json.loads(files["manifest.json"])
        # The other parts would only take time.
        said["files"] = {name: said["files"][name]}
        del said["vectors"]
        said["files"][name].update(sha256=hashlib.sha256(files[name]).hexdigest(), bytes=max(1, len(files[name])))
        files = {name: files[name], "manifest.json": json.dumps(said).encode()}
    return _use(load(dict_to_folder(files, folder / "e"), threads=1, timeout=5, max_bytes=2**24), rng)


def dict_to_folder(files: dict[str, bytes], folder: Path) -> Path:
    """Write files into a new folder."""
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def _use(runtime, rng: np.random.Generator) -> None:
    """Run each part on three rows, and hold its answer against what the description says."""
    described = runtime.source.description
    y = None if runtime.classes is None else [runtime.classes[0]] * 3
    codes = rng.integers(0, runtime.grid.n_embeddings, (3, runtime.grid.n_codes))
    if described.prior_grid is not None:
        codes %= described.prior_grid.n_embeddings
    parts = set(runtime.parts)
    if {"encoder"} & parts:
        answer = runtime.transform(np.zeros((3, *described.layout.image_shape)))
        assert answer.shape == codes.shape
        assert answer.dtype == np.int64
        assert 0 <= answer.min() <= answer.max() < described.grid.n_embeddings
    if {"decoder"} & parts:
        _check_images(runtime.inverse_transform(codes), described)
    if {"generator"} & parts:
        _check_images(runtime.sample(3, y, random_state=0), described)
    if {"sampler", "controlled_sampler"} & parts:
        answer = runtime.sample_codes(3, y, random_state=0)
        assert answer.shape == codes.shape
        assert 0 <= answer.min() <= answer.max() < described.prior_grid.n_embeddings
    if {"prior", "log_likelihood"} & parts:
        answer = runtime.score_codes(codes, y)
        assert answer.shape == (3,)
        assert not np.isnan(answer).any()
    str(runtime)


def _check_images(images: np.ndarray, described) -> None:
    assert images.shape == (3, *described.layout.row_shape)
    assert images.dtype == described.layout.dtype
    assert np.isfinite(images.astype(float)).all()


def _with_other_value(text: bytes, rng: np.random.Generator) -> bytes:
    """Change, remove, double or move one to three values anywhere in a JSON text."""
    said = json.loads(text)
    for _ in range(rng.integers(1, 4)):
        places = list(_places(said))
        holder, key = places[int(rng.integers(len(places)))]
        kind = rng.integers(6)
        if kind == 0:
            del holder[key]
        elif kind == 1:
            holder[key] = _ODD[int(rng.integers(len(_ODD)))]
        elif kind == 2:
            holder[key] = _TYPES[int(rng.integers(len(_TYPES)))]
        elif kind == 3 and isinstance(holder[key], (int, float)):
            holder[key] = holder[key] + int(rng.choice([-1, 1, 2**16]))
        elif kind == 4 and isinstance(holder[key], (list, str)):
            holder[key] = holder[key] * 2
        else:
            other, at = places[int(rng.integers(len(places)))]
            if at in (other if isinstance(other, dict) else range(len(other))):
                holder[key] = json.loads(json.dumps(other[at]))
        if not said:
            break
    return json.dumps(said).encode()


def _places(value):
    """Yield every place in a JSON value, as the object or list and the key in it."""
    keys = list(value) if isinstance(value, dict) else range(len(value))
    for key in keys:
        yield value, key
        if isinstance(value[key], (dict, list)):
            yield from _places(value[key])


def _with_other_field(data: bytes, rng: np.random.Generator) -> bytes:
    """Change a protobuf message within: sizes around it stay right, so that a parser gets to it."""
    out, fields, at = bytearray(), [], 0
    while at < len(data):
        start = at
        tag, at = _varint(data, at)
        if tag & 7 == 2:
            size, at = _varint(data, at)
            fields.append((start, tag, data[at : at + size]))
            at += size
        else:
            at += {0: 0, 1: 8, 5: 4}.get(tag & 7, len(data))
            if tag & 7 == 0:
                at = _varint(data, at)[1]
            fields.append((start, tag, data[start:at]))
    if not fields:
        return mutated(data, rng)
    chosen = int(rng.integers(len(fields)))
    if rng.random() < 0.7:  # the graph is where most is
        chosen = max(range(len(fields)), key=lambda index: len(fields[index][2]))
    for index, (_, tag, content) in enumerate(fields):
        repeats = 1
        if index == chosen:
            kind = rng.random()
            if tag & 7 == 2 and kind < 0.8:
                content = _changed(content, rng)
            elif kind < 0.85:
                repeats = int(rng.choice([0, 2]))
            elif kind < 0.95 and tag & 7 == 2:
                tag = int(rng.integers(1, 30)) << 3 | int(rng.choice([0, 1, 2, 3, 5]))
            else:
                content = mutated(content, rng)
        for _ in range(repeats):
            out += _written(tag) + _written(len(content)) + content if tag & 7 == 2 else content
    return bytes(out)


def _with_other_operators(data: bytes, rng: np.random.Generator) -> bytes:
    """Change one to three operators, their inputs, attributes or constants, so that the file can still be read."""
    model = onnx.load_model_from_string(data)
    graphs = [model.graph]
    for graph in graphs:
        graphs += [a.g for node in graph.node for a in node.attribute if a.HasField("g")]
    for _ in range(rng.integers(1, 4)):
        graph = graphs[int(rng.integers(len(graphs)))]
        node = graph.node[int(rng.integers(len(graph.node)))]
        kind = rng.integers(5)
        if kind == 0:
            node.op_type = str(rng.choice(sorted(OPERATORS)))
        elif kind == 1 and len(node.input):
            names = [name for other in graph.node for name in (*other.input, *other.output)]
            node.input[int(rng.integers(len(node.input)))] = str(rng.choice(names))
        elif kind == 2 and node.attribute:
            attribute = node.attribute[int(rng.integers(len(node.attribute)))]
            value = int(rng.choice([-(2**63), -(2**31), -7, -1, 0, 1, 2, 3, 7, 2**16, 2**31, 2**62]))
            if attribute.ints:
                attribute.ints[int(rng.integers(len(attribute.ints)))] = value
            else:
                attribute.i = value
        elif kind == 3 and graph.initializer:
            tensor = graph.initializer[int(rng.integers(len(graph.initializer)))]
            values = onnx.numpy_helper.to_array(tensor).copy()
            if values.size:
                odd = [-(2**31), -7, -1, 0, 1, 2, 2**20, 2**31 - 1]
                values.flat[int(rng.integers(values.size))] = int(rng.choice(odd)) if values.dtype != bool else False
            tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
        elif graph.initializer:
            tensor = graph.initializer[int(rng.integers(len(graph.initializer)))]
            dims = [int(n) for n in tensor.dims]
            shape = [[-1], dims[::-1], [1, *dims], [*dims, 1]][int(rng.integers(4))]
            values = onnx.numpy_helper.to_array(tensor).reshape(shape)
            tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
    return model.SerializeToString()


def _changed(content: bytes, rng: np.random.Generator) -> bytes:
    """Go one message deeper where it is one, else change bytes."""
    try:
        deeper = rng.random() < 0.8 and len(content) > 3
        return _with_other_field(content, rng) if deeper else mutated(content, rng)
    except (IndexError, RecursionError):  # a text or a number
        return mutated(content, rng)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def _written(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])
