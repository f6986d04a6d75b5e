import numpy as np
import pytest

from skvq import SkvqError
from skvq._contract.labels import Classes, check_labels, indices_of_labels

TEXTS = [["a", "b"], np.array(["a", "b"], object), np.array(["a", "b"], np.dtypes.StringDType()), ("b", np.str_("a"))]
NUMBERS = [[0, 1], np.array([0, 1], object), np.array([0.0, 1.5]), [True, False], (np.uint8(2), np.array(1)), [-np.inf]]
OTHERS = [[b"a", b"b"], np.array(["2020", "2021"], "M8[Y]"), np.array([None, b"b"], object)[1:]]


@pytest.mark.parametrize("y", [*TEXTS, *NUMBERS, *OTHERS], ids=repr)
def test_labels_of_one_kind_are_found_again(y):
    labels = check_labels(y, len(y))
    classes = Classes.of(labels)
    indices = classes.indices(y, len(y))
    assert indices.dtype == np.int32
    np.testing.assert_array_equal(classes.values[indices], labels)
    assert Classes.of(y) == classes


@pytest.mark.parametrize(("known", "asked"), [(["10", "9"], [10]), (list(range(12)), ["10"]), ([b"10"], ["10"])])
@pytest.mark.parametrize("n_rows", [1, 5, 200])
@pytest.mark.parametrize("dtype", [None, object])
def test_text_is_no_number_for_any_number_of_rows(known, asked, n_rows, dtype):
    y = check_labels(np.array(asked * n_rows, dtype), n_rows)
    with pytest.raises(ValueError, match=r"y must hold classes that the prior was fitted with, \[.*\]; got .*10"):
        Classes.of(known).indices(y, n_rows)


@pytest.mark.parametrize(
    ("y", "got"),
    [
        (["a", None], "None"),
        (["a", np.nan], "nan"),
        (np.array(["a", float("nan")], object), "nan"),
        ([0, np.nan], "nan"),
        ([0, None], "None"),
        (np.array(["2020", "NaT"], "M8[Y]"), "NaT"),
        ([0, "a"], "0 and 'a'"),
        (np.array([0, "a"], object), "0 and 'a'"),
        (["a", b"a"], "'a' and b'a'"),
    ],
)
def test_missing_and_mixed_labels_are_refused(y, got):
    message = rf"must hold no missing or mixed values: .*; got {got}\. Drop missing labels, or convert all to strings"
    with pytest.raises(ValueError, match=f"y {message}"):
        check_labels(y, len(y))
    with pytest.raises(ValueError, match=f"classes {message}"):
        Classes.of(y)


def test_no_classes_are_none_of_y():
    with pytest.raises(ValueError, match=r"fitted with, \[\]; got .*1"):
        Classes.of([]).indices(np.array([1]), 1)


def test_missing_labels_of_pandas_are_refused():
    pd = pytest.importorskip("pandas")
    for y in (pd.Series(["a", pd.NA]), pd.Series(["a", None], dtype="string"), pd.Series([1, None], dtype="Int64")):
        with pytest.raises(ValueError, match="y must hold no missing or mixed values"):
            check_labels(y, 2)
    labels = check_labels(pd.Series(["b", "a"], dtype="category"), 2)
    assert Classes.of(labels).indices(labels, 2).tolist() == [1, 0]


def test_missing_labels_of_a_string_dtype_are_refused():
    for missing in (None, np.nan):
        y = np.array(["a", missing], np.dtypes.StringDType(na_object=missing))
        with pytest.raises(ValueError, match="y must hold no missing or mixed values"):
            check_labels(y, 2)


def test_dates_are_found_whatever_their_type():
    days = np.array(["2020-01-01", "2021-01-01"], "M8[D]")
    assert Classes.of(days).indices(days.tolist(), 2).tolist() == [0, 1]


def test_one_label_stands_for_all_rows():
    assert Classes.of([3, 5, 9]).indices(5, 4).tolist() == [1] * 4
    assert Classes.of(["a", "b"]).indices("b", 2).tolist() == [1, 1]


def test_one_hot_labels_are_told_the_way_out():
    one_hot = np.eye(3, dtype=int)
    with pytest.raises(SkvqError, match=r"shape \(3, 3\)\. For one-hot rows, pass y\.argmax\(axis=1\)"):
        Classes.of([0, 1, 2]).indices(one_hot, 3)
    assert Classes.of([0, 1, 2]).indices(one_hot.argmax(axis=1), 3).tolist() == [0, 1, 2]


def test_labels_of_a_prior_without_classes_are_refused():
    assert indices_of_labels(None, None, 3) is None
    with pytest.raises(SkvqError, match="y must be None: this prior was fitted without classes"):
        indices_of_labels(None, [1, 2, 3], 3)
