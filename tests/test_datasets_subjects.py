"""Patients: read from names, kept on one side."""

import inspect

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skvq import datasets


def test_patients_are_read_from_names():
    names = ["a/case_001_slice_3.nii.png", "case_042_slice_0.nii.png", "seg_441_slice_31.nii.png"]
    subjects = datasets.subjects_from_names(names)
    assert (subjects.tolist(), subjects.dtype) == ([1, 42, 441], np.int64)
    assert datasets.subjects_from_names([]).tolist() == []
    bids = datasets.subjects_from_names(["sub-A1_T1w.nii", "sub-02_T1w.nii"], pattern=r"sub-([^_]+)")
    assert bids.tolist() == ["A1", "02"]


def test_folders_of_a_name_are_ignored():
    with pytest.raises(ValueError, match=r"1 of 2 do not: case_7/slice\.png\. Pass the pattern of your names"):
        datasets.subjects_from_names(["case_7/slice.png", "case_8.png"])


def test_names_without_patients_are_counted():
    with pytest.raises(ValueError, match=r"9 of 9 do not: 0\.png, 1\.png, 2\.png, 3\.png, 4\.png, …\. Pass"):
        datasets.subjects_from_names([f"{i}.png" for i in range(9)])


def test_a_group_that_may_be_absent_names_no_patient():
    for pattern in (r"case_(\d+)?", r"case_(\d*)"):
        with pytest.raises(ValueError, match=r"1 of 2 do not: case_x\.png\. Pass the pattern of your names"):
            datasets.subjects_from_names(["case_1.png", "case_x.png"], pattern=pattern)


def test_numbers_too_long_for_int64_stay_words():
    long = "12345678901234567890"
    names = [f"sub-{long}_T1w.nii", "sub-007_T1w.nii"]
    assert datasets.subjects_from_names(names, r"sub-(\d+)").tolist() == [long, "007"]
    assert datasets.subjects_from_names([f"case_{2**63 - 1}.png"]).tolist() == [2**63 - 1]
    assert datasets.subjects_from_names([f"case_{2**63}.png"]).tolist() == [str(2**63)]


@pytest.mark.parametrize(("pattern", "n"), [(r"case_\d+", 0), (r"(case|seg)_(\d+)", 2)])
def test_a_pattern_has_one_group(pattern, n):
    with pytest.raises(ValueError, match=rf"pattern must have one group, the patient; got {n} in "):
        datasets.subjects_from_names(["case_1.png"], pattern=pattern)


subject_lists = st.lists(st.integers(0, 9), min_size=2, max_size=60).filter(lambda s: len(set(s)) > 1)


@given(subject_lists, st.one_of(st.floats(0.01, 0.99), st.integers(1, 8)), st.integers(0, 1000))
def test_splits_keep_patients_apart_and_lose_nobody(subjects, test_size, seed):
    n_patients = len(set(subjects))
    if isinstance(test_size, int):
        test_size = min(test_size, n_patients - 1)
    train, test = datasets.split_by_subject(subjects, test_size=test_size, random_state=seed)
    assert sorted([*train, *test]) == list(range(len(subjects)))
    assert np.all(np.diff(train) > 0)
    assert np.all(np.diff(test) > 0)
    subjects = np.array(subjects)
    datasets.check_subjects_apart(train=subjects[train], test=subjects[test])
    n_test = len(set(subjects[test].tolist()))
    if isinstance(test_size, int):
        assert n_test == test_size
    else:
        assert abs(n_test - test_size * n_patients) <= 0.5 or n_test in (1, n_patients - 1)

    again = datasets.split_by_subject(subjects, test_size=test_size, random_state=seed)
    assert np.array_equal(again[1], test)
    # The same patients whatever the order of rows and the number of slices.
    backwards = datasets.split_by_subject(subjects[::-1], test_size=test_size, random_state=seed)
    assert set(subjects[::-1][backwards[1]].tolist()) == set(subjects[test].tolist())


def test_patients_may_have_names_and_splits_vary_with_the_seed():
    subjects = np.repeat([f"patient {i}" for i in range(20)], 3)
    splits = {tuple(datasets.split_by_subject(subjects, random_state=seed)[1]) for seed in range(10)}
    assert len(splits) == 10
    assert {len(split) for split in splits} == {12}


@pytest.mark.parametrize("test_size", [0, 0.0, 1.0, 1.5, -1, 3, "half", None, True])
def test_a_test_size_leaves_patients_on_both_sides(test_size):
    message = r"test_size must be a share of patients in \(0, 1\) or a number of them in \[1, 2\]; got .* with 3"
    with pytest.raises(ValueError, match=message):
        datasets.split_by_subject([1, 2, 3], test_size=test_size, random_state=0)


def test_who_cannot_be_split():
    with pytest.raises(ValueError, match=r"subjects must name at least two patients to be split; got 1\."):
        datasets.split_by_subject([7, 7, 7])
    with pytest.raises(ValueError, match=r"subjects must be \(n,\), one patient a row; got shape \(2, 1\)"):
        datasets.split_by_subject([[1], [2]])
    for missing in ([1.0, float("nan"), 2.0], ["a", None, "b"]):
        with pytest.raises(ValueError, match=r"subjects must name a patient for every row; got None or NaN"):
            datasets.split_by_subject(missing)
    with pytest.raises(ValueError, match=r"random_state must be an int >= 0"):
        datasets.split_by_subject([1, 2], random_state="x")


def test_patients_that_cross_splits_are_named():
    splits = {"train": [1, 1, 2, 3], "validate": [3, 4], "test": [5, 3, 2]}
    message = r"cross splits; 2 do: 2 \(train, test\), 3 \(train, validate, test\)\. Split by split_by_subject"
    with pytest.raises(ValueError, match=message):
        datasets.check_subjects_apart(**splits)
    with pytest.raises(ValueError, match=r"cross splits; 40 do: .*4 \(a, b\), …\."):
        datasets.check_subjects_apart(a=np.arange(40), b=np.arange(40))
    with pytest.raises(ValueError, match=r"splits must be at least two, by keyword; got 1\."):
        datasets.check_subjects_apart(train=[1])
    with pytest.raises(ValueError, match=r"test must be \(n,\), one patient a row; got shape \(\)"):
        datasets.check_subjects_apart(train=[1], test=2)


@pytest.mark.parametrize(
    ("train", "test", "kinds"),
    [
        ([1, 2], ["1"], "train of numbers, test of text"),
        (["001"], np.array([1.0]), "train of text, test of numbers"),
        ([b"1"], ["1"], "train of bytes, test of text"),
        ([b"1"], [1], "train of bytes, test of numbers"),
        (np.array([1, "2"], dtype=object), [3], "train of numbers and text, test of numbers"),
    ],
)
def test_numbers_and_text_cannot_be_told_apart(train, test, kinds):
    message = rf"subjects must be all numbers or all text; got {kinds}, .*in one call of subjects_from_names.*astype"
    with pytest.raises(ValueError, match=message):
        datasets.check_subjects_apart(train=train, test=test)


def test_patients_read_in_two_calls_that_differ_in_kind_are_refused():
    pattern = r"sub-([^_]+)"
    train = datasets.subjects_from_names(["sub-01_a.png", "sub-02_b.png"], pattern)
    test = datasets.subjects_from_names(["sub-01_c.png", "sub-A3_d.png"], pattern)
    with pytest.raises(ValueError, match=r"got train of numbers, test of text"):
        datasets.check_subjects_apart(train=train, test=test)
    both = datasets.subjects_from_names(["sub-01_a.png", "sub-02_b.png", "sub-01_c.png", "sub-A3_d.png"], pattern)
    with pytest.raises(ValueError, match=r"must not cross splits; 1 does: 01 \(train, test\)"):
        datasets.check_subjects_apart(train=both[:2], test=both[2:])


def test_kinds_of_one_sort_and_empty_splits_are_let_pass():
    datasets.check_subjects_apart(a=[1], b=np.array([2.0]), c=np.array([3], np.uint8), d=[])
    datasets.check_subjects_apart(a=["1"], b=np.array(["2"], dtype=object), c=datasets.subjects_from_names([]))


@pytest.mark.parametrize("name", ["subjects_from_names", "split_by_subject", "check_subjects_apart"])
def test_help_shows_types_by_their_names(name):
    assert len(str(inspect.signature(getattr(datasets, name)))) < 200
