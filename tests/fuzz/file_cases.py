"""Files of estimators, broken at each of their levels, for ``skvq.load``."""

import io
import os
import warnings
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from estimator_bytes import CODES, Parts, taken_apart, with_digest
from mutations import broken_zip, mutated

import skvq
from skvq._contract.errors import ModelFileError

ALLOWED = (ModelFileError,)
BASES = "bases"  # the folder beside the cases' own in which whole files are

_WHOLE: list[bytes] = []
_ODD = [None, True, 0, 1, -1, 2, 3, 2**31, 2**63, 10**40, 0.5, -0.0, 1e-40, 1e300, float("inf"), "", "auto", "\x1b[2J"]
_ODD += ["class", "os.system", "é\ud800", [], [1], [[]], [None] * 1000, {}, {"tuple": [2, 2]}, {"grid": {}}]
_EXTREMES = [0, 1, -1, 255, 2**31 - 1, 2**40, 1e-40, 1e38, float("nan"), float("inf")]


def prepare(folder: Path) -> None:
    """Read the whole files, and load each once, so that Keras and its backend are there."""
    _WHOLE.extend(file.read_bytes() for file in sorted((folder / BASES).iterdir()))
    for data in _WHOLE:
        skvq.load(taken_apart(data).joined())


def run_case(number: int, folder: Path) -> None:
    """Break one file and load it; what loads must be an estimator that can be saved."""
    rng = np.random.default_rng([23, number])
    # Mostly of the first, the tables of counts: their network takes least time.
    whole = _WHOLE[int(rng.choice(len(_WHOLE), p=[0.7, *[0.3 / (len(_WHOLE) - 1)] * (len(_WHOLE) - 1)]))]
    breakers = [_bytes, _header_bytes, _header, _document, _document, _arrays, _arrays, _zip]
    data = breakers[number % len(breakers)](whole, rng)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if rng.random() < 0.5:
            estimator = skvq.load(data)
        else:
            (folder / "x.skvq").write_bytes(data)
            estimator = skvq.load(folder / "x.skvq")
    again = io.BytesIO()
    estimator.save(again)
    assert taken_apart(again.getvalue()).estimator["class"] == type(estimator).__name__
    estimator.describe()
    if rng.random() < 0.05:
        estimator.sample(2, None if estimator.describe().classes is None else estimator.classes_[0], random_state=0)


def _bytes(whole: bytes, rng: np.random.Generator) -> bytes:
    data = mutated(whole, rng)
    return with_digest(data) if rng.random() < 0.8 else data


def _header_bytes(whole: bytes, rng: np.random.Generator) -> bytes:
    start = 8 + int.from_bytes(whole[:8], "little")
    header = mutated(whole[8:start], rng)
    length = len(header) if rng.random() < 0.9 else int(rng.integers(0, 2**63))
    return with_digest(length.to_bytes(8, "little") + header + whole[start:])


def _header(whole: bytes, rng: np.random.Generator) -> bytes:
    parts = taken_apart(whole)
    header = parts.header()
    entries = header["__metadata__"] if rng.random() < 0.3 else header[str(rng.choice(list(header)))]
    _change(entries, rng)
    return parts.joined(header)


def _document(whole: bytes, rng: np.random.Generator) -> bytes:
    parts = taken_apart(whole)
    for _ in range(rng.integers(1, 3)):
        _change(parts.estimator, rng)
    return parts.joined()


def _change(node: object, rng: np.random.Generator) -> None:
    """Change one value somewhere inside a node: by another one of its kind, an odd one, or none at all."""
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        if not keys:
            return
        key = keys[int(rng.integers(len(keys)))]
        if isinstance(node[key], (dict, list)) and node[key] and rng.random() < 0.8:
            node = node[key]
            continue
        break
    value, kind = node[key], rng.integers(5)
    if kind == 0:
        del node[key]
    elif kind == 1 and isinstance(node, dict):
        node[str(rng.choice(["fit", "__class__", "more", "grid_"]))] = value
    elif kind == 2 and isinstance(value, (int, float)):
        node[key] = [value + 1, value - 1, value * 2, -value, float(value)][int(rng.integers(5))]
    else:
        node[key] = _ODD[int(rng.integers(len(_ODD)))]


def _arrays(whole: bytes, rng: np.random.Generator) -> bytes:
    parts = taken_apart(whole)
    names = list(parts.arrays)
    for _ in range(rng.integers(1, 3)):
        name, other = (str(n) for n in rng.choice(names, 2))
        array = parts.arrays.get(name, np.zeros(3, np.float32))
        parts.arrays[name] = _changed_array(array, parts, other, rng)
        if rng.random() < 0.1:
            del parts.arrays[name]
        if rng.random() < 0.1:
            parts.arrays["\x1b[2J" if rng.random() < 0.5 else f"{other}/0"] = array
    return parts.joined()


def _changed_array(array: np.ndarray, parts: Parts, other: str, rng: np.random.Generator) -> np.ndarray:
    kind = rng.integers(6)
    with np.errstate(all="ignore"):
        if kind == 0:
            return array.astype(str(rng.choice(list(CODES))))
        if kind == 1 and array.size:
            array = array.copy()
            extreme = np.array(rng.choice(_EXTREMES)).astype(array.dtype)
            array.reshape(-1)[int(rng.integers(array.size))] = extreme
            return array
        if kind == 2:
            return array.reshape(-1) if rng.random() < 0.5 else array[None]
        if kind == 3:
            return array[: max(1, len(array) // 2)] if array.ndim else array[None]
        if kind == 4:
            return np.resize(array, (int(rng.choice([0, 1, 2**16])),))
        return parts.arrays.get(other, array)


def _zip(whole: bytes, rng: np.random.Generator) -> bytes:
    return broken_zip({"estimator.json": b'{"format_version": 1}', "arrays/0000.bin": whole[:500]}, rng)
