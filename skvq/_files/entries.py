"""The kinds of entries that fitted estimators are made of: how each is written, and checked when it is read.

An entry writes a value to JSON, and its arrays to a table under the entry's own place, such as
``"prior_/_weights/3"``. Reading takes them out of the table, so what is left over at the end was not asked for.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from skvq._contract.codes import LARGEST_CODE, CodeGrid
from skvq._contract.errors import InvalidInputError, printable
from skvq._contract.images import Layout
from skvq._files.checks import Refused, choice, items, mapping, number, refuse, whole
from skvq._files.container import DTYPES, MAX_ARRAYS

Arrays = dict[str, np.ndarray]

MAX_POSITIONS = 2**22  # of a grid of codes: 2048 × 2048
MAX_VALUES = 2**28  # of one image
MAX_TEXT = 2**22  # characters of all class names, each as long as the longest
LARGEST_COUNT = 2**31 - 1
IMAGE_DTYPES = ("uint8", "uint16", "float32", "float64")
FLOAT32_MAX = float(np.finfo(np.float32).max)


class Entry(NamedTuple):
    """One kind of entry.

    Parameters
    ----------
    write : callable
        ``(value, where, arrays) -> node``; puts arrays into the table, and returns the rest for JSON.
    read : callable
        ``(node, where, arrays) -> value``; raises :class:`Refused` for all that ``write`` does not make.
    """

    write: Callable[[Any, str, Arrays], Any]
    read: Callable[[Any, str, Arrays], Any]


def take(arrays: Arrays, where: str, dtypes: tuple[str, ...], rank: int | None = None) -> np.ndarray:
    """Take an array out of the table. It has one of some dtypes and is finite.

    Raises
    ------
    Refused
    """
    if where not in arrays:
        raise Refused(f"{printable(where)} has no array")
    array = arrays.pop(where)
    if array.dtype.name not in dtypes or (rank is not None and array.ndim != rank):
        rule = f"be an array of {' or '.join(dtypes)}" + ("" if rank is None else f" with {rank} axes")
        refuse(where, rule, f"{array.dtype.name} of shape {array.shape}")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        refuse(where, "be finite", "NaN or infinity")
    return array


def integer(low: int = 0, high: int = 2**63 - 1) -> Entry:
    """Entry of an integer in [low, high]."""
    return Entry(lambda value, where, arrays: int(value), lambda node, where, arrays: whole(node, where, low, high))


def real(low: float = -FLOAT32_MAX, high: float = FLOAT32_MAX) -> Entry:
    """Entry of a float in [low, high]."""
    return Entry(lambda value, where, arrays: float(value), lambda node, where, arrays: number(node, where, low, high))


def word(*options: str) -> Entry:
    """Entry of one of some words."""
    return Entry(lambda value, where, arrays: value, lambda node, where, arrays: choice(node, where, options))


def either(*entries: Entry) -> Entry:
    """Entry that the first fitting one of some entries reads; the first one that does not fail writes it."""

    def first(method: str, value: Any, where: str, arrays: Arrays) -> Any:
        for entry in entries[:-1]:
            try:
                return getattr(entry, method)(value, where, arrays)
            except (Refused, TypeError, ValueError):
                continue
        return getattr(entries[-1], method)(value, where, arrays)

    return Entry(lambda v, where, arrays: first("write", v, where, arrays), lambda n, w, a: first("read", n, w, a))


def optional(entry: Entry) -> Entry:
    """Entry that may be None."""
    return Entry(
        lambda value, where, arrays: None if value is None else entry.write(value, where, arrays),
        lambda node, where, arrays: None if node is None else entry.read(node, where, arrays),
    )


def array(dtype: str, rank: int | None = None) -> Entry:
    """Entry of an array, which the table holds; of any rank for None."""

    def write(value: np.ndarray, where: str, arrays: Arrays) -> None:
        arrays[where] = np.asarray(value)

    def read(node: Any, where: str, arrays: Arrays) -> np.ndarray:
        if node is not None:
            refuse(where, "be null beside its array", node)
        return take(arrays, where, (dtype,), rank)

    return Entry(write, read)


def array_list(*dtypes: str) -> Entry:
    """Entry of a list of arrays; JSON holds their number."""

    def write(value: list, where: str, arrays: Arrays) -> int:
        arrays.update({f"{where}/{i}": np.asarray(item) for i, item in enumerate(value)})
        return len(value)

    def read(node: Any, where: str, arrays: Arrays) -> list[np.ndarray]:
        return [take(arrays, f"{where}/{i}", dtypes) for i in range(whole(node, where, 0, MAX_ARRAYS))]

    return Entry(write, read)


def _write_counts(counts: np.ndarray, where: str, arrays: Arrays) -> None:
    arrays[where] = counts.astype(np.min_scalar_type(int(counts.max(initial=0))))


def _read_counts(node: Any, where: str, arrays: Arrays) -> np.ndarray:
    if node is not None:
        refuse(where, "be null beside its array", node)
    counts = take(arrays, where, ("uint8", "uint16", "uint32", "uint64"), 2)
    if counts.max(initial=0) > LARGEST_COUNT:
        refuse(where, f"hold counts up to {LARGEST_COUNT}", counts.max())
    return counts.astype(np.int32)


# In the narrowest integers: the counts of a large grid are the largest part of a small network's file.
COUNTS = Entry(_write_counts, _read_counts)


def record(entries: dict[str, Entry], extra: dict[str, Entry] | None = None) -> Entry:
    """Entry of a dict with these items, of which the extra ones may be missing."""
    extra = extra or {}
    every = {**entries, **extra}

    def write(value: dict, where: str, arrays: Arrays) -> dict:
        missing = [name for name in entries if name not in value]
        if missing:
            raise Refused(f"{where or 'the estimator'} lacks {', '.join(missing)}")
        return {
            name: entry.write(value[name], place(where, name), arrays) for name, entry in every.items() if name in value
        }

    def read(node: Any, where: str, arrays: Arrays) -> dict:
        node = mapping(node, where or "the estimator", tuple(entries), tuple(extra))
        return {name: every[name].read(item, place(where, name), arrays) for name, item in node.items()}

    return Entry(write, read)


def place(where: str, name: str) -> str:
    """Return the place of an entry inside another."""
    return f"{where}/{name}" if where else name


def _read_shape(node: Any, where: str, axes: tuple[int, ...], most: int) -> tuple[int, ...]:
    shape = tuple(whole(side, where, 1, most) for side in items(node, where, max(axes)))
    if len(shape) not in axes or math.prod(shape) > most:
        refuse(where, f"have {' or '.join(map(str, axes))} sides and at most {most} places", node)
    return shape


def _read_grid(node: Any, where: str, arrays: Arrays) -> CodeGrid:
    node = mapping(node, where, ("shape", "n_embeddings", "depth"))
    shape = _read_shape(node["shape"], f"{where}/shape", (1, 2, 3), MAX_POSITIONS)
    depth = whole(node["depth"], f"{where}/depth", 1, 2**10)
    return CodeGrid(shape, whole(node["n_embeddings"], f"{where}/n_embeddings", 1, LARGEST_CODE), depth)


GRID = Entry(lambda grid, where, arrays: grid.as_json(), _read_grid)


def _write_layout(layout: Layout, where: str, arrays: Arrays) -> dict:
    return {"row_shape": list(layout.row_shape), "image_shape": list(layout.image_shape), "dtype": layout.dtype}


def _read_layout(node: Any, where: str, arrays: Arrays) -> Layout:
    node = mapping(node, where, ("row_shape", "image_shape", "dtype"))
    row_shape = _read_shape(node["row_shape"], f"{where}/row_shape", (1, 2, 3), MAX_VALUES)
    image_shape = _read_shape(node["image_shape"], f"{where}/image_shape", (1, 3), MAX_VALUES)
    layout = Layout(row_shape, image_shape, choice(node["dtype"], f"{where}/dtype", IMAGE_DTYPES))
    if not layout.accepts(row_shape):
        refuse(where, f"have a row_shape that holds images of {image_shape}", row_shape)
    return layout


LAYOUT = Entry(_write_layout, _read_layout)


def _read_range(node: Any, where: str, arrays: Arrays) -> tuple[float, float]:
    limits = [number(value, where, -FLOAT32_MAX, FLOAT32_MAX) for value in items(node, where, 2)]
    if len(limits) != 2 or limits[0] > limits[1]:
        refuse(where, "be a smallest and a largest value", node)
    return limits[0], limits[1]


RANGE = Entry(lambda value, where, arrays: [float(limit) for limit in value], _read_range)


def _write_history(history: dict, where: str, arrays: Arrays) -> list[str]:
    # As arrays, so that long histories take no JSON; counts stay integers.
    for name, values in history.items():
        dtype = np.int64 if values and all(isinstance(v, (int, np.integer)) for v in values) else np.float64
        arrays[f"{where}/{name}"] = np.array(values, dtype)
    return list(history)


def _read_history(node: Any, where: str, arrays: Arrays) -> dict[str, list]:
    history = {}
    for name in items(node, where, 64):
        if not isinstance(name, str) or not name.isidentifier() or len(name) > 64 or name in history:
            refuse(where, "name each quantity once", name)
        values = arrays.pop(f"{where}/{name}", None)
        if values is None or values.ndim != 1 or values.dtype.name not in ("int64", "float64"):
            refuse(f"{where}/{name}", "be one number an epoch", "nothing of the kind")
        history[name] = values.tolist()
    if len({len(values) for values in history.values()}) > 1:
        refuse(where, "have as many epochs for every quantity", {name: len(v) for name, v in history.items()})
    return history


HISTORY = Entry(_write_history, _read_history)


def _write_labels(labels: np.ndarray, where: str, arrays: Arrays) -> dict:
    kind = labels.dtype.kind
    if labels.dtype.name in DTYPES.values():
        arrays[where] = labels
        return {"kind": "numbers"}
    if kind == "S":
        return {"kind": "S", "values": np.char.decode(labels, "latin-1").tolist()}
    if kind in "UO" and all(isinstance(value, str) for value in labels.flat):
        return {"kind": kind, "values": labels.tolist()}
    raise InvalidInputError(
        f"{where} must hold numbers or strings to be saved; got an array of dtype {labels.dtype}. Turn labels "
        "into integers or strings before fit, as y.astype(str) does, or keep the estimator by pickle."
    )


def _read_labels(node: Any, where: str, arrays: Arrays) -> np.ndarray:
    if isinstance(node, dict) and node.get("kind") == "numbers":
        mapping(node, where, ("kind",))
        return take(arrays, where, tuple(DTYPES.values()), 1)
    node = mapping(node, where, ("kind", "values"))
    kind = choice(node["kind"], f"{where}/kind", ("U", "O", "S"))
    values = items(node["values"], where, MAX_TEXT)
    if not all(isinstance(value, str) for value in values):
        refuse(where, "hold strings", values)
    # An array of strings gives each the room of the longest.
    if kind != "O" and max(map(len, values), default=0) * len(values) > MAX_TEXT:
        refuse(
            where, f"take at most {MAX_TEXT} characters, each string as long as the longest", f"{len(values)} strings"
        )
    if kind == "S":
        if not all(ord(character) < 256 for value in values for character in value):
            refuse(where, "hold bytes", values)
        return np.array([value.encode("latin-1") for value in values], "S")
    return np.array(values, object if kind == "O" else "U")


LABELS = Entry(_write_labels, _read_labels)
