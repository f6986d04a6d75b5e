"""What an export must say about itself, entry by entry: in its manifest, or in the metadata of a single file."""

import json
import math
import re
import reprlib
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from skvq._contract.codes import CodeGrid
from skvq._contract.description import ModelDescription
from skvq._contract.errors import InvalidInputError, ModelFileError, printable
from skvq._contract.images import Layout
from skvq._contract.labels import Classes

FORMAT, FORMAT_VERSION, MANIFEST = "skvq-export", 2, "manifest.json"
TABLES = "tables.bin"  # of a codec, which a manifest may name under "coding"
# What may lie beside the models. A manifest names those that an export brought: a later one may replace them. No other
# name is taken from a manifest, which may come from anyone.
COMPANIONS = ("README.md", "samples.png")
VECTORS = "vectors.json"  # test vectors, which a manifest may name under "vectors"
MAX_MANIFEST_BYTES = 4 * 2**20
BATCH = "batch"
_WRITERS = {1: "skvq 0.1"}  # of former format versions
_MOST_VALUES, _MOST_SIDES = 2**31, 8
_DTYPES = {np.dtype(code).name for code in np.typecodes["AllInteger"] + "efd"}


class Kind(NamedTuple):
    """What a value may be.

    Parameters
    ----------
    holds : callable
        Whether a value read from JSON is of this kind.
    words : str
        For messages, after "must be".
    """

    holds: Callable[[Any], bool]
    words: str


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= _MOST_VALUES


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _is_range(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(_is_number, value)) and value[0] <= value[1]


def _are_classes(value: Any) -> bool:
    if not isinstance(value, list) or not all(isinstance(item, (str, bool)) or _is_number(item) for item in value):
        return False
    try:
        return value != [] and Classes.of(value).values.tolist() == value
    except (InvalidInputError, OverflowError, TypeError):
        return False


def _is_hash(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value) is not None


def _is_shape(value: Any) -> bool:
    is_short = isinstance(value, list) and len(value) <= _MOST_SIDES
    return is_short and all(map(_is_count, value)) and math.prod(value) <= _MOST_VALUES


def _is_tensor_shape(value: Any) -> bool:
    return _is_shape(value[1:] if isinstance(value, list) and value[:1] == [BATCH] else value)


COUNT = Kind(_is_count, "a whole number above 0")
DTYPE = Kind(lambda value: isinstance(value, str) and value in _DTYPES, "a NumPy dtype of numbers")
SHAPE = Kind(lambda value: _is_shape(value) and value != [], "a list of whole numbers above 0")
SIDES = Kind(lambda value: _is_shape(value) and 1 <= len(value) <= 3, "one to three whole numbers above 0")
TEXT = Kind(lambda value: isinstance(value, str), "a text")
TEXTS = Kind(lambda value: isinstance(value, dict) and all(map(TEXT.holds, value.values())), "an object of texts")
TENSOR = {
    "name": TEXT,
    "role": TEXT,
    "shape": Kind(_is_tensor_shape, f"a list of whole numbers above 0, of which the first may be {BATCH!r}"),
    "dtype": DTYPE,
    "description": TEXT,
}
GRID = {"shape": SIDES, "n_embeddings": COUNT, "depth": COUNT}

# A dict stands for an object with these entries, a list for one or more items.
FILES = {"files": Kind(lambda value: isinstance(value, dict) and value != {}, "an object that is not empty")}
PART = {"part": TEXT, "kind": TEXT, "opset": COUNT, "inputs": [TENSOR], "outputs": [TENSOR]}
CONTENT = {"sha256": Kind(_is_hash, "64 hexadecimal digits"), "bytes": COUNT}
FILE = {**PART, **CONTENT}
CODING = {
    "file": Kind(lambda value: value == TABLES, repr(TABLES)),
    **CONTENT,
    "decoder_sha256": FILE["sha256"],
}
VECTORS_FILE = {"file": Kind(lambda value: value == VECTORS, repr(VECTORS)), **CONTENT}
AUTOENCODER = {
    "grid": GRID,
    "data_range": Kind(_is_range, "two finite numbers, the smaller first"),
    "layout": {"row_shape": SHAPE, "image_shape": SHAPE, "dtype": DTYPE},
}
PRIOR = {
    "grid": GRID,
    "classes": Kind(
        lambda value: value is None or _are_classes(value),
        "null, or a sorted list of different finite numbers, or of different texts",
    ),
}


def parse_json(text: str | bytes, name: str) -> Any:
    """Return what a JSON text says; each key of an object stands there once, and all numbers are finite.

    Raises
    ------
    ModelFileError
        Naming the file.
    """

    def once(pairs: list[tuple[str, Any]]) -> dict:
        found = dict(pairs)
        if len(found) < len(pairs):
            raise ValueError("an object has a key twice")
        return found

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is no JSON")

    try:
        return json.loads(text, object_pairs_hook=once, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise ModelFileError(
            f"{name} is not an export of skvq: its description is not JSON ({printable(error)})."
        ) from error


def check_format(described: Any, name: str) -> None:
    """Raise unless a description is of the format that this version reads.

    Raises
    ------
    ModelFileError
        Naming the file, and the version that wrote it.
    """
    if not isinstance(described, dict) or described.get("format") != FORMAT:
        raise ModelFileError(
            f"{name} was not written by skvq: it does not name the format {FORMAT!r}. "
            "Export with skvq.export_onnx; for other ONNX files use onnxruntime itself."
        )
    version = described.get("format_version")
    if version == FORMAT_VERSION and not isinstance(version, bool):
        return
    writer = _WRITERS.get(version) if isinstance(version, int) and not isinstance(version, bool) else None
    by = f", which {writer} wrote" if writer else ""
    raise ModelFileError(
        f"{name} has format version {reprlib.repr(version)}{by}; this skvq reads {FORMAT_VERSION}. "
        f"{'Export the model again' if writer else 'Upgrade skvq, or export the model again'}, with skvq.export_onnx."
    )


def check_entries(value: Any, rule: Kind | dict | list, name: str, entry: str = "") -> None:
    """Raise unless a value follows a rule, of which the constants above are examples.

    Parameters
    ----------
    value : object
        As read from JSON.
    rule : Kind, dict or list
    name : str
        Of the file that the description was read from.
    entry : str
        Where the value stands in it.

    Raises
    ------
    ModelFileError
        Naming the file and the entry.
    """
    if isinstance(rule, Kind):
        if not rule.holds(value):
            raise damaged(name, entry, rule.words, value)
    elif isinstance(rule, dict):
        if not isinstance(value, dict):
            raise damaged(name, entry, "an object", value)
        for key, inner in rule.items():
            way = f"{entry}/{key}" if entry else key
            if key not in value and isinstance(inner, Kind):
                raise damaged(name, way, inner.words, None)
            check_entries(value.get(key), inner, name, way)
    else:
        if not isinstance(value, list) or not value:
            raise damaged(name, entry, "a list that is not empty", value)
        for index, item in enumerate(value):
            check_entries(item, rule[0], name, f"{entry}/{index}")


def description_of(described: Mapping, name: str) -> ModelDescription:
    """Return what a description says about the model.

    Raises
    ------
    ModelFileError
        If an entry is missing or wrong, or two contradict each other.
    """
    model: dict[str, Any] = {}
    prior = described.get("prior")
    if prior is not None:
        check_entries(prior, PRIOR, name, "prior")
        model["prior_grid"] = _grid(prior["grid"])
        model["classes"] = None if prior["classes"] is None else Classes.of(prior["classes"])
    if prior is None or any(described.get(entry) is not None for entry in AUTOENCODER):
        check_entries({entry: described.get(entry) for entry in AUTOENCODER}, AUTOENCODER, name)
        layout = described["layout"]
        model["grid"] = _grid(described["grid"])
        model["data_range"] = tuple(map(float, described["data_range"]))
        model["layout"] = Layout(tuple(layout["row_shape"]), tuple(layout["image_shape"]), layout["dtype"])
        if not model["layout"].accepts(model["layout"].row_shape):
            words = f"of images of shape {model['layout'].image_shape}"
            raise damaged(name, "layout/row_shape", words, layout["row_shape"])
    grid, prior_grid = model.get("grid"), model.get("prior_grid")
    if grid is not None and prior_grid is not None and not grid.accepts(prior_grid):
        raise damaged(name, "prior/grid", f"a grid that fits {grid}", str(prior_grid))
    return ModelDescription(**model)


def damaged(name: str, entry: str, words: str, value: Any) -> ModelFileError:
    """Return what to raise for an entry that must be something else."""
    received = "nothing" if value is None else printable(reprlib.repr(value))
    return ModelFileError(
        f"The description in {name} is incomplete or damaged: {printable(entry)} must be {words}; got {received}. "
        "Copy the export again, or make it again with skvq.export_onnx."
    )


def _grid(grid: Mapping[str, Any]) -> CodeGrid:
    return CodeGrid(tuple(grid["shape"]), grid["n_embeddings"], grid["depth"])


def shape_text(shape: Sequence) -> str:
    """Return a shape for people: ``7 × 7``."""
    return " × ".join(map(str, shape)) or "scalar"
