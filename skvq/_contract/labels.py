"""Class labels and their indices, for estimators, runtime and displays.

NumPy converts between types without a warning: a list of numbers and text becomes text, and ``"10"`` is found among
integers. So all labels must have one kind, and are looked up only among classes of the same kind.
"""

from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np

from .errors import InvalidInputError, invalid
from .masks import check_unmasked

KINDS_OF_DTYPES = {"U": "text", "S": "bytes", "b": "number", "i": "number", "u": "number", "f": "number"}


@dataclass(frozen=True, eq=False)
class Classes:
    """The classes of a conditional prior, sorted.

    Parameters
    ----------
    values : ndarray of shape (n_classes,)
        Sorted and unique values of one kind.
    """

    values: np.ndarray

    @classmethod
    def of(cls, values: Any, name: str = "classes") -> "Classes":
        """Return the classes that occur among values. Values may repeat.

        Raises
        ------
        InvalidInputError
            If values are missing or have several kinds.
        """
        values = without_string_dtype(values)
        kind_of_labels(name, values)
        return cls(np.unique(np.asarray(values)))

    def __len__(self) -> int:
        return len(self.values)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Classes) and self.values.tolist() == other.values.tolist()

    def indices(self, y: Any, n_rows: int) -> np.ndarray:
        """Return the index of the class of each row.

        Parameters
        ----------
        y : array-like of shape (n_rows,), or one label
            A single label is used for all rows.
        n_rows : int

        Returns
        -------
        ndarray of shape (n_rows,), int32

        Raises
        ------
        InvalidInputError
            If y is None or has another length, or if a label is not one of the classes.
        """
        y = check_labels(y, n_rows)
        # NumPy would convert numbers to text. So text is never looked up among numbers, or numbers among text.
        kinds = {kind_of_labels("y", y), kind_of_labels("classes", self.values)}
        comparable = len(kinds) == 1 or not kinds & {"text", "bytes"}
        unknown = ~np.isin(y, self.values) if comparable else np.ones(len(y), bool)
        if unknown.any():
            raise invalid(
                "y",
                f"hold classes that the prior was fitted with, [{self.listed()}]",
                repr(y[unknown][:1].tolist()[0]),
                "Use one of these, or fit the prior with rows of this class.",
            )
        return np.searchsorted(self.values, y).astype(np.int32)

    def listed(self, most: int = 20) -> str:
        """Return the classes as text for a message: at most the first ``most``."""
        shown = ", ".join(map(repr, self.values[:most].tolist()))
        return f"{shown}, … ({len(self)} in all)" if len(self) > most else shown


def indices_of_labels(classes: Classes | None, y: Any, n_rows: int) -> np.ndarray | None:
    """Return the indices (n_rows,) of labels for a conditional prior, and None for an unconditional one.

    Raises
    ------
    InvalidInputError
        If y is missing for a conditional prior, is given for an unconditional one, or has unknown classes.
    """
    if classes is not None:
        return classes.indices(y, n_rows)
    if y is not None:
        raise InvalidInputError(
            "y must be None: this prior was fitted without classes. Leave y out, or fit with conditional=True."
        )
    return None


def check_labels(y: Any, n_rows: int, name: str = "y") -> np.ndarray:
    """Return labels as an array of shape (n_rows,). A single label is used for all rows.

    Raises
    ------
    InvalidInputError
        If y is None or has another shape, or if labels are missing or have several kinds.
    """
    if y is None:
        # scikit-learn's common checks search for its own message.
        raise InvalidInputError(
            "requires y to be passed, but the target y is None: a conditional prior needs the class of every row. "
            "Pass y, or use conditional=False."
        )
    check_unmasked(name, y, f"Drop the rows without a label, of X too: {name}.compressed().")
    y = without_string_dtype(y)
    kind_of_labels(name, y)
    labels: np.ndarray = np.asarray(y)
    if labels.ndim == 0:
        labels = np.repeat(labels, n_rows)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels.ravel()
    if labels.ndim != 1:
        raise invalid(
            name,
            f"have one class for each of the {n_rows} rows, shape ({n_rows},)",
            f"shape {labels.shape}",
            f"For one-hot rows, pass {name}.argmax(axis=1).",
        )
    if len(labels) != n_rows:
        raise invalid(
            name,
            f"have one class for each of the {n_rows} rows",
            len(labels),
            "Pass one class for each row, or a single class for all rows.",
        )
    return labels


def without_string_dtype(values: Any) -> Any:
    """Return values of NumPy's StringDType as objects, in which missing values are found like in other arrays."""
    return values.astype(object) if isinstance(values, np.ndarray) and values.dtype.kind == "T" else values


def kind_of_labels(name: str, values: Any) -> str:
    """Return the kind of all values: ``"text"``, ``"bytes"``, ``"number"`` or the name of another type.

    Raises
    ------
    InvalidInputError
        If values are missing or have several kinds.
    """
    array = np.ravel(np.asarray(values, None if hasattr(values, "dtype") else object))
    if array.dtype != object:
        first_of_kind = {KINDS_OF_DTYPES.get(array.dtype.kind, array.dtype.kind): None}
        missing = array[array != array]
    else:
        items = [v.item() if isinstance(v, (np.generic, np.ndarray)) and v.size == 1 else v for v in array]
        first_of_kind = {kind_of_label(v): v for v in reversed(items)}
        missing = [v for v in items if is_missing(v)]
    if len(missing) or len(first_of_kind) > 1:
        got = str(missing[0]) if len(missing) else " and ".join(map(repr, reversed(first_of_kind.values())))
        raise invalid(
            name,
            "hold no missing or mixed values: use only numbers or only strings",
            got,
            f"Drop missing labels, or convert all to strings: [str(label) for label in {name}].",
        )
    return next(iter(first_of_kind), "nothing")


def kind_of_label(value: object) -> str:
    """Return the kind of one Python object."""
    if isinstance(value, str):
        return "text"
    return "number" if isinstance(value, Real) else type(value).__name__


def is_missing(value: Any) -> bool:
    """Return whether a label is None, NaN, or pandas' NA or NaT."""
    return value is None or type(value).__name__ in ("NAType", "NaTType") or bool(np.any(value != value))
