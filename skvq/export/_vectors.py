"""Test vectors of an export: inputs of each file and its answers, for runtimes in other languages.

A program that runs the files feeds it these inputs and compares the answers. Codes must be equal. Floats may differ by
the rounding tolerance of float32, 1e-5 of the largest value.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnxruntime

from skvq._contract.description import ModelDescription
from skvq._contract.randomness import stream, uniforms

from ._manifest import readable_json

FORMAT, FORMAT_VERSION = "skvq-vectors", 1
RANDOM_STATE = 0
MOST_ROWS, MOST_VALUES = 4, 2**12  # so that the file stays below 200 kB


def make_vectors(
    model: ModelDescription, signatures: Mapping[str, Mapping[str, Any]], contents: Mapping[str, bytes]
) -> bytes:
    """Return the content of ``vectors.json``.

    Parameters
    ----------
    model : ModelDescription
    signatures : mapping of str to mapping
        File name -> its entry in the manifest, with ``kind``, ``inputs`` and ``outputs``.
    contents : mapping of str to bytes
        File name -> the ONNX model.

    Returns
    -------
    bytes
        JSON. ``random_state`` and ``y`` are the arguments of ``sample`` that draw the same images. ``files`` has inputs
        and outputs of each file by name, each with ``shape``, ``dtype`` and, in row-major order, ``data``, where null
        stands for minus infinity.
    """
    inputs = _Inputs(model, signatures, contents)
    files = {name: _vectors_of_file(signatures[name], contents[name], inputs) for name in signatures}
    y = None if model.classes is None else model.classes.values[inputs.labels].tolist()
    said = {"format": FORMAT, "format_version": FORMAT_VERSION, "random_state": RANDOM_STATE, "y": y}
    return readable_json({**said, "files": files})


class _Inputs:
    """Inputs of all files by their roles: new images by the prior where there is one, and their codes."""

    def __init__(self, model: ModelDescription, signatures: Mapping[str, Mapping], contents: Mapping[str, bytes]):
        n_values = 1 if model.layout is None else model.layout.n_features
        self.n = n = max(1, min(MOST_ROWS, MOST_VALUES // n_values))
        self.labels = np.arange(n) % (1 if model.classes is None else len(model.classes))
        generator = stream(RANDOM_STATE, "vectors")
        n_codes = model.codes.n_codes
        n_embeddings = (model.prior_grid or model.codes).n_embeddings
        self.by_role: dict[str, np.ndarray] = {
            "uniforms": uniforms(RANDOM_STATE, n, n_codes),
            "temperature": np.array(1, np.float32),
            "top_k": np.array(0),
            "top_p": np.array(1, np.float32),
            "labels": self.labels,
            "codes": generator.integers(0, n_embeddings, (n, n_codes)),
            "known_codes": np.full((n, n_codes), -1),
        }
        of_kind = {entry["kind"]: name for name, entry in reversed(list(signatures.items()))}
        if "sampler" in of_kind:
            name = of_kind["sampler"]
            self.by_role["codes"] = self.answer(signatures[name], contents[name])
        if model.layout is not None and model.data_range is not None:
            low, high = model.data_range
            images = generator.uniform(low, high, (n, *model.layout.image_shape)).astype(np.float32)
            for kind in ("decoder", "generator"):
                if kind in of_kind:
                    images = self.answer(signatures[of_kind[kind]], contents[of_kind[kind]])
            self.by_role["images"] = model.layout.to_images(model.layout.from_images(images))
            if "encoder" in of_kind:
                codes = self.answer(signatures[of_kind["encoder"]], contents[of_kind["encoder"]])
                self.by_role["codes"] = codes % n_embeddings  # a prior may know fewer codes
        half = np.arange(n_codes) < n_codes // 2
        self.by_role["known_codes"] = np.where(half, self.by_role["codes"], -1)

    def feeds(self, signature: Mapping) -> dict[str, np.ndarray]:
        """Return a file's inputs by their names."""
        return {tensor["name"]: self.by_role[tensor["role"]].astype(tensor["dtype"]) for tensor in signature["inputs"]}

    def answer(self, signature: Mapping, content: bytes) -> np.ndarray:
        return _run(content, self.feeds(signature))[0]


def _vectors_of_file(signature: Mapping, content: bytes, inputs: _Inputs) -> dict:
    feeds = inputs.feeds(signature)
    names = [tensor["name"] for tensor in signature["outputs"]]
    answers = dict(zip(names, _run(content, feeds), strict=True))
    return {"inputs": _tensors(feeds), "outputs": _tensors(answers)}


def _run(content: bytes, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return session.run(None, feeds)


def _tensors(arrays: Mapping[str, np.ndarray]) -> dict:
    return {name: _tensor(array) for name, array in arrays.items()}


def _tensor(array: np.ndarray) -> dict:
    """Return an array for JSON."""
    values = array.ravel().tolist()
    if array.dtype == np.float32:
        values = [_shortest(value) for value in values]
    return {"shape": list(array.shape), "dtype": array.dtype.name, "data": values}


def _shortest(value: float) -> int | float | None:
    """Return a number that JSON writes with the fewest digits that give the float32 back; None for minus infinity."""
    if not np.isfinite(value):
        return None
    return int(value) if value.is_integer() else float(str(np.float32(value)))
