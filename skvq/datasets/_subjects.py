"""Splits in which each patient is on one side only, because slices of one brain are very similar."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from numbers import Number
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._contract.randomness import RandomStateLike, seed_from, stream
from ._errors import DataFileError, printable

_NAMED_IN_ERRORS = 5
_LONGEST = 255
_LARGEST = np.iinfo(np.int64).max
_KINDS = {str: "text", bytes: "bytes", Number: "numbers", object: "others"}


def subjects_from_names(names: Iterable[str], pattern: str = r"(?:case|seg)_(\d+)") -> np.ndarray:
    """Read the patient of each image from its file name.

    Parameters
    ----------
    names : iterable of str
        Paths or names. Folders are ignored.
    pattern : str, default=r"(?:case|seg)_(\\d+)"
        Regular expression that is searched in the name. Its one group is the patient. The default is for the 2-D OASIS
        set, ``case_001_slice_0.nii.png``. For BIDS names, use ``r"sub-([^_]+)"``.

    Returns
    -------
    ndarray of shape (n,)
        int64 if all are numbers in its range, otherwise str. Read the names of all splits in one call. In separate
        calls, a patient may be 1 in one split and ``"01"`` in another.

    Raises
    ------
    ValueError
        If a name does not match, or ``pattern`` has not exactly one group.
    DataFileError
        If a patient has more than 255 characters.

    Examples
    --------
    >>> from skvq.datasets import subjects_from_names
    >>> subjects_from_names(["train/case_001_slice_0.nii.png", "train/case_012_slice_3.nii.png"]).tolist()
    [1, 12]
    """
    names = [str(name) for name in names]
    expression = re.compile(pattern)
    if expression.groups != 1:
        raise ValueError(
            f"pattern must have one group, the patient; got {expression.groups} in {pattern!r}. "
            r"Put parentheses around that part alone: 'case_(\d+)'; others are (?:...)."
        )
    found = [expression.search(PurePosixPath(name).name) for name in names]
    # With an optional or empty group, a name can match without a patient.
    strangers = [name for name, match in zip(names, found, strict=True) if not (match and match.group(1))]
    if strangers:
        raise ValueError(
            f"names must all tell their patient by pattern={pattern!r}; {len(strangers)} of {len(names)} do "
            f"not: {', '.join(map(printable, strangers[:_NAMED_IN_ERRORS]))}"
            f"{', …' if len(strangers) > _NAMED_IN_ERRORS else ''}. "
            r"Pass the pattern of your names, for instance r'sub-([^_]+)'."
        )
    subjects = [match.group(1) for match in found if match]
    longest = max(subjects, key=len, default="")
    if len(longest) > _LONGEST:  # in an array of text, each row needs the memory of the longest
        raise DataFileError(
            f"names must tell their patient in at most {_LONGEST} characters; got {len(longest)}, "
            f"{printable(longest)}. Pass a pattern whose group is the patient alone, or rename the file."
        )
    if all(subject.isdecimal() and int(subject) <= _LARGEST for subject in subjects):
        return np.array([int(subject) for subject in subjects], dtype=np.int64)
    return np.array(subjects, dtype=str)


def split_by_subject(
    subjects: ArrayLike, *, test_size: float | int = 0.2, random_state: RandomStateLike = None
) -> tuple[np.ndarray, np.ndarray]:
    """Split rows in two parts, so that no patient is in both.

    Parameters
    ----------
    subjects : array_like of shape (n,)
        Patient of each row: numbers or strings.
    test_size : float or int, default=0.2
        Fraction of the patients (not of the rows), in (0, 1), or number of patients, >= 1. Each side has at least one
        patient.
    random_state : int, RandomState, Generator or None, default=None
        Pass an int for the same split at every call.

    Returns
    -------
    train, test : ndarray of int64
        Row indices, ascending.

    Raises
    ------
    ValueError
        If there are fewer than two patients, or ``test_size`` leaves a side empty or is out of range.

    Examples
    --------
    >>> from skvq.datasets import split_by_subject
    >>> train, test = split_by_subject([1, 1, 2, 2, 3, 3], test_size=1, random_state=0)
    >>> len(train), len(test)
    (4, 2)
    """
    subjects = _check_subjects(subjects, "subjects")
    patients = np.unique(subjects)
    if len(patients) < 2:
        raise ValueError(
            f"subjects must name at least two patients to be split; got {len(patients)}. "
            "Slices of one patient cannot test what was learned from its others."
        )
    n_test = _number_of_test_patients(test_size, len(patients))
    chosen = stream(seed_from(random_state), "split").permutation(len(patients))[:n_test]
    in_test = np.isin(subjects, patients[chosen])
    return np.flatnonzero(~in_test), np.flatnonzero(in_test)


def check_subjects_apart(**splits: ArrayLike) -> None:
    """Raise an error unless every patient is in one split only.

    Parameters
    ----------
    **splits : array_like of shape (n,)
        Patient of each row, for each split by its name.

    Raises
    ------
    ValueError
        If a patient is in several splits; the message names the patients and splits. Also if some patients are numbers
        and others are text, because 1 and ``"01"`` may be the same patient.

    Examples
    --------
    >>> from skvq.datasets import check_subjects_apart
    >>> check_subjects_apart(train=[1, 1, 2], validate=[3], test=[4, 4])
    >>> check_subjects_apart(train=[1, 1, 2], test=[2, 3])
    Traceback (most recent call last):
        ...
    ValueError: subjects must not cross splits; 1 does: 2 (train, test). Split by split_by_subject(subjects).
    """
    if len(splits) < 2:
        raise ValueError(
            f"splits must be at least two, by keyword; got {len(splits)}. "
            "Call check_subjects_apart(train=subjects_train, test=subjects_test)."
        )
    checked = {name: _check_subjects(subjects, name) for name, subjects in splits.items()}
    kinds = {name: _kinds(subjects) for name, subjects in checked.items()}
    if len(set().union(*kinds.values())) > 1:
        got = ", ".join(f"{name} of {' and '.join(found)}" for name, found in kinds.items() if found)
        raise ValueError(
            f"subjects must be all numbers or all text; got {got}, where a patient of one kind never equals one of "
            "another. Read all names in one call of subjects_from_names, or cast with astype(str) where all write "
            "a patient alike."
        )
    homes: dict[str, Any] = {}
    for name, subjects in checked.items():
        for patient in np.unique(subjects).tolist():
            homes.setdefault(patient, []).append(name)
    crossing = [f"{printable(patient)} ({', '.join(names)})" for patient, names in homes.items() if len(names) > 1]
    if crossing:
        raise ValueError(
            f"subjects must not cross splits; {len(crossing)} {'does' if len(crossing) == 1 else 'do'}: "
            f"{', '.join(crossing[:_NAMED_IN_ERRORS])}{', …' if len(crossing) > _NAMED_IN_ERRORS else ''}. "
            "Split by split_by_subject(subjects)."
        )


def _check_subjects(subjects: ArrayLike, name: str) -> np.ndarray:
    subjects = np.asarray(subjects)
    if subjects.ndim != 1:
        raise ValueError(f"{name} must be (n,), one patient a row; got shape {subjects.shape}.")
    if any(subject is None or subject != subject for subject in subjects.tolist()):  # NaN is not itself
        raise ValueError(f"{name} must name a patient for every row; got None or NaN. Drop or fill those rows.")
    return subjects


def _kinds(subjects: np.ndarray) -> list[str]:
    """Return the kinds that occur: numbers, text, bytes and others."""
    types = set(map(type, subjects.tolist()))
    return sorted({next(name for base, name in _KINDS.items() if issubclass(t, base)) for t in types})


def _number_of_test_patients(test_size: float | int, n_patients: int) -> int:
    whole = isinstance(test_size, (int, np.integer)) and not isinstance(test_size, (bool, np.bool_))
    share = isinstance(test_size, (float, np.floating)) and 0 < test_size < 1
    if whole and 1 <= test_size < n_patients:
        return int(test_size)
    if share:
        return min(max(1, math.floor(test_size * n_patients + 0.5)), n_patients - 1)
    raise ValueError(
        f"test_size must be a share of patients in (0, 1) or a number of them in [1, {n_patients - 1}]; "
        f"got {test_size!r}, with {n_patients} patients. Use 0.2 for a fifth."
    )
