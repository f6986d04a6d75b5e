"""What a prior takes from users (codes, grids, labels, how to draw), checked once, at the door."""

import math
from numbers import Integral, Real

import numpy as np
from sklearn.utils import check_array, column_or_1d

LARGEST = 2**31 - 1  # of int32, in which networks count codes
KINDS_OF_DTYPES = {"U": "text", "S": "bytes", "b": "number", "i": "number", "u": "number", "f": "number"}


def check_codes(codes, n_positions: int | None = None, n_embeddings: int | None = None) -> np.ndarray:
    """Return codes as an int32 array (n, n_positions).

    Parameters
    ----------
    codes : array-like of shape (n, n_positions)
        Integers, of any dtype that can hold them.
    n_positions : int or None
        Wanted length of a row; None takes any.
    n_embeddings : int or None
        Codes must be below it; None takes any.

    Raises
    ------
    ValueError
        If codes are not two-dimensional, fractional, negative, too large, or of another number to a row.
    """
    codes = check_array(codes, dtype="numeric", input_name="X")
    integers = codes if np.issubdtype(codes.dtype, np.integer) else np.rint(codes)
    if not np.array_equal(integers, codes):
        raise ValueError(
            f"X must hold codes, which are whole numbers; got {codes[integers != codes][0]!s}. "
            "Codes are what VQVAE.transform answers; images have to pass through it first."
        )
    if n_positions is not None and codes.shape[1] != n_positions:
        raise ValueError(
            f"X must have {n_positions} codes to a row, one for each position; got {codes.shape[1]}. "
            "Use the codes of the VQVAE that this estimator was fitted with."
        )
    lowest, highest = codes.min(), codes.max()
    if lowest < 0:
        raise ValueError(f"Negative values in data: X must hold codes >= 0; got {lowest}.")
    if n_embeddings is not None and highest >= n_embeddings:
        raise ValueError(
            f"X must hold codes in [0, n_embeddings={n_embeddings}); got {highest}. "
            "Use the codes of the VQVAE that belongs here, or give n_embeddings when fitting the prior."
        )
    if highest >= LARGEST:
        raise ValueError(
            f"X must hold codes below 2**31 - 1; got {highest}. Codes are what VQVAE.transform answers; number other "
            "values from 0, as np.unique(X, return_inverse=True) does."
        )
    return integers.astype(np.int32)


def grid_shape(n_positions: int, code_shape: tuple[int, ...] | None) -> tuple[int, int]:
    """Return (height, width) of a grid of ``n_positions`` codes.

    Raises
    ------
    ValueError
        If ``code_shape`` is not one or two positive integers, or does not have that many positions.
    """
    if code_shape is None:
        side = math.isqrt(n_positions)
        return (side, side) if side * side == n_positions else (1, n_positions)
    shape = tuple(code_shape)
    if len(shape) not in (1, 2) or not all(isinstance(side, Integral) and side > 0 for side in shape):
        raise ValueError(
            f"code_shape must be (height, width) or (length,) of positive integers; got {code_shape!r}. "
            "It is the VQVAE's code_shape_."
        )
    shape = (1, *shape)[-2:]
    if math.prod(shape) != n_positions:
        raise ValueError(
            f"code_shape={tuple(code_shape)} has {math.prod(shape)} positions; got rows of {n_positions} codes. "
            "Give the VQVAE's code_shape_."
        )
    return int(shape[0]), int(shape[1])


def check_labels(y, n_rows: int) -> np.ndarray:
    """Return y as an array of ``n_rows`` labels.

    Raises
    ------
    ValueError
        If y is None or has another length, or holds missing values or those of several kinds.
    """
    if y is None:
        raise ValueError(
            "requires y to be passed, but the target y is None: a conditional prior needs the class of every row. "
            "Pass y, or use conditional=False."
        )
    y = without_string_dtype(y)
    labels = column_or_1d(y)
    if len(labels) != n_rows:
        raise ValueError(f"y must have one class for each of the {n_rows} rows; got {len(labels)}. Repeat or cut it.")
    kind_of_labels("y", y)
    return labels


def find_classes(labels: np.ndarray, classes=None) -> np.ndarray:
    """Return the sorted classes: those of the labels, or those given.

    Raises
    ------
    ValueError
        If ``classes`` holds missing values or those of several kinds.
    """
    if classes is None:
        return np.unique(labels)
    classes = without_string_dtype(classes)
    kind_of_labels("classes", classes)
    return np.unique(classes)


def without_string_dtype(values):
    """Return values of NumPy's StringDType as objects: str are not cast to it, and what is missing equals itself."""
    return values.astype(object) if isinstance(values, np.ndarray) and values.dtype.kind == "T" else values


def kind_of_labels(name: str, values) -> str:
    """Return what all values are: ``"text"``, ``"bytes"``, ``"number"`` or the name of another type.

    Raises
    ------
    ValueError
        If values are missing, or of several kinds: NumPy would turn the numbers of a list with text into text.
    """
    array = np.ravel(np.asarray(values, None if hasattr(values, "dtype") else object))
    if array.dtype != object:
        first_of_kind = {KINDS_OF_DTYPES.get(array.dtype.kind, array.dtype.kind): None}
        missing = array[array != array]
    else:
        items = [v.item() if isinstance(v, (np.generic, np.ndarray)) else v for v in array]
        first_of_kind = {kind_of_label(v): v for v in reversed(items)}
        missing = [v for v in items if v is None or type(v).__name__ in ("NAType", "NaTType") or v != v]
    if len(missing) or len(first_of_kind) > 1:
        got = str(missing[0]) if len(missing) else " and ".join(map(repr, reversed(first_of_kind.values())))
        raise ValueError(
            f"{name} must hold no missing or mixed values, but numbers alone or strings alone; got {got}. "
            f"Drop what is missing, or turn all into strings: [str(label) for label in {name}]."
        )
    return next(iter(first_of_kind), "nothing")


def kind_of_label(value) -> str:
    """Return the kind of one value that is no array's."""
    if isinstance(value, str):
        return "text"
    return "number" if isinstance(value, Real) else type(value).__name__


def index_labels(y: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Return the index of each label in the sorted classes, int32.

    Raises
    ------
    ValueError
        If a label is none of them.
    """
    # Beside text, NumPy takes numbers for text too: "10" would be found among integers, or sorted between them.
    kinds = {kind_of_labels("y", y), kind_of_labels("classes", classes)}
    comparable = len(kinds) == 1 or not kinds & {"text", "bytes"}
    unknown = ~np.isin(y, classes) if comparable else np.ones(len(y), bool)
    if unknown.any():
        raise ValueError(
            f"y must hold classes that the prior was fitted with, {list(classes)}; got {y[unknown][0]!r}. "
            "Ask for one of these, or fit with examples of it."
        )
    return np.searchsorted(classes, y).astype(np.int32)


def check_n_samples(n_samples: int) -> int:
    """Return the number of rows to draw, as Python's int.

    Raises
    ------
    ValueError
        If it is no integer above 0.
    """
    if not isinstance(n_samples, Integral) or n_samples < 1:
        raise ValueError(f"n_samples must be an integer >= 1; got {n_samples!r}. It is the number of rows to draw.")
    return int(n_samples)


def check_choice(temperature: float, top_k: int | None, top_p: float | None) -> tuple:
    """Return the three as a sampler takes them.

    Raises
    ------
    ValueError
        If no codes can be drawn with them.
    """
    if not isinstance(temperature, Real) or not 0 < temperature < math.inf:
        raise ValueError(
            f"temperature must be finite and > 0; got {temperature!r}. 1 is the density itself; 0.8 is a common choice "
            "for safer samples."
        )
    if not 1e-30 <= temperature <= 1e30:
        raise ValueError(
            "temperature must lie between 1e-30 and 1e30, so that logits can be divided by it in float32; "
            f"got {temperature!r}. For very low ones, top_k=1 draws the likeliest code."
        )
    if top_k is not None and (not isinstance(top_k, Integral) or top_k < 1):
        raise ValueError(
            f"top_k must be an integer >= 1, or None; got {top_k!r}. It is the number of likeliest codes to draw from."
        )
    if top_p is not None and (not isinstance(top_p, Real) or not 0 < top_p <= 1):
        raise ValueError(
            f"top_p must be in (0, 1], or None; got {top_p!r}. It is the probability that the codes to draw from reach."
        )
    # More than there are is all.
    return temperature, None if top_k is None else min(int(top_k), LARGEST), top_p
