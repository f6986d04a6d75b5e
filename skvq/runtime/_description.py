"""What an export must say about itself, entry by entry: in its manifest, or in the metadata of a single file."""

import re
import reprlib
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ._errors import ModelFileError

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
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _is_range(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(_is_number, value)) and value[0] <= value[1]


def _are_classes(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, (str, bool)) or _is_number(item) for item in value)


def _is_hash(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value) is not None


def _is_shape(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_count, value))


def _is_tensor_shape(value: Any) -> bool:
    return isinstance(value, list) and _is_shape(value[1:]) and all(isinstance(n, str) or _is_count(n) for n in value)


COUNT = Kind(_is_count, "a whole number above 0")
DTYPE = Kind(lambda value: isinstance(value, str) and value in _DTYPES, "a NumPy dtype of numbers")
SHAPE = Kind(lambda value: _is_shape(value) and value != [], "a list of whole numbers above 0")
TEXT = Kind(lambda value: isinstance(value, str), "a text")
TEXTS = Kind(lambda value: isinstance(value, dict) and all(map(TEXT.holds, value.values())), "an object of texts")
TENSOR = {
    "name": TEXT,
    "shape": Kind(_is_tensor_shape, "a list of whole numbers above 0, of which the first may be a text"),
    "dtype": DTYPE,
}

# A dict stands for an object with these entries, a list for one or more items.
FILES = {"files": Kind(lambda value: isinstance(value, dict) and value != {}, "an object that is not empty")}
PART = {"part": TEXT, "inputs": [TENSOR], "outputs": [TENSOR]}
FILE = {**PART, "sha256": Kind(_is_hash, "64 hexadecimal digits"), "bytes": COUNT}
SECTIONS = {
    "code_shape": SHAPE,
    "n_embeddings": COUNT,
    "data_range": Kind(_is_range, "two finite numbers, the smaller first"),
    "layout": {"row_shape": SHAPE, "image_shape": SHAPE, "dtype": DTYPE},
    "prior": {
        "n_embeddings": COUNT,
        "classes": Kind(
            lambda value: value is None or _are_classes(value), "null, or a list of finite numbers and texts"
        ),
    },
    "versions": TEXTS,
}
_OF_IMAGES, _OF_PRIOR = ("n_embeddings", "data_range", "layout"), ("prior",)
_NEEDED_BY = {
    **dict.fromkeys(("encoder", "encoder_uint8", "decoder", "reconstruct"), _OF_IMAGES),
    **dict.fromkeys(("prior", "log_likelihood", "sampler", "controlled_sampler"), _OF_PRIOR),
    **dict.fromkeys(("generator", "controlled_generator"), _OF_IMAGES + _OF_PRIOR),
}


def check_entries(value: Any, rule: Kind | dict | list, path: Path, entry: str = "") -> None:
    """Raise unless a value follows a rule, of which the constants above are examples.

    Parameters
    ----------
    value : object
        As read from JSON.
    rule : Kind, dict or list
    path : Path
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
            raise damaged(path, entry, rule.words, value)
    elif isinstance(rule, dict):
        if not isinstance(value, dict):
            raise damaged(path, entry, "an object", value)
        for key, inner in rule.items():
            check_entries(value.get(key), inner, path, f"{entry}/{key}" if entry else key)
    else:
        if not isinstance(value, list) or not value:
            raise damaged(path, entry, "a list that is not empty", value)
        for index, item in enumerate(value):
            check_entries(item, rule[0], path, f"{entry}/{index}")


def check_sections(described: Mapping, parts: Iterable[str], path: Path) -> None:
    """Raise unless there are all the sections that these parts need, and all that there are follow their rules.

    Raises
    ------
    ModelFileError
        Naming the file and the entry.
    """
    needed = {"code_shape"}.union(*(_NEEDED_BY.get(part, ()) for part in parts))
    for name, rule in SECTIONS.items():
        if name in needed or described.get(name) is not None:
            check_entries(described.get(name), rule, path, name)


def damaged(path: Path, entry: str, words: str, value: Any) -> ModelFileError:
    """Return what to raise for an entry that must be something else."""
    received = "nothing" if value is None else reprlib.repr(value)
    return ModelFileError(
        f"The description in {path} is incomplete or damaged: {entry} must be {words}; got {received}. "
        "Copy the export again, or make it again with skvq.export_onnx."
    )
