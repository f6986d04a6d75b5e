import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from skvq._codes import check_choice, check_codes, check_labels, find_classes, index_labels


@given(
    codes=arrays(np.int64, st.tuples(st.integers(1, 5), st.integers(1, 6)), elements=st.integers(0, 99)),
    dtype=st.sampled_from(["int64", "int32", "uint8", "float32", "float64"]),
)
def test_any_dtype_that_holds_integers(codes, dtype):
    answer = check_codes(codes.astype(dtype), codes.shape[1], 100)
    assert answer.dtype == np.int32
    np.testing.assert_array_equal(answer, codes)


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        ([[1.5]], r"whole numbers; got 1\.5"),
        ([[-1]], "codes >= 0; got -1"),
        ([[7]], r"\[0, n_embeddings=7\); got 7"),
        ([[1, 2]], "1 codes to a row, one for each position; got 2"),
        ([[np.inf]], "infinity"),
    ],
)
def test_messages(codes, message):
    with pytest.raises(ValueError, match=message):
        check_codes(codes, 1, 7)


@pytest.mark.parametrize("code", [2**31 - 1, 2**32, np.uint64(2**63), 1e20])
@pytest.mark.parametrize("n_embeddings", [None, 2**70])
def test_codes_that_would_wrap_around_are_refused(code, n_embeddings):
    with pytest.raises(ValueError, match=r"X must hold codes below 2\*\*31 - 1; got .*\. Codes are what VQVAE"):
        check_codes(np.array([[code, 1]] * 10), n_embeddings=n_embeddings)
    assert check_codes([[2**31 - 2]]).item() == 2**31 - 2


TEXTS = [["a", "b"], np.array(["a", "b"], object), np.array(["a", "b"], np.dtypes.StringDType()), ("b", np.str_("a"))]
NUMBERS = [[0, 1], np.array([0, 1], object), np.array([0.0, 1.5]), [True, False], (np.uint8(2), np.array(1)), [-np.inf]]
OTHERS = [[b"a", b"b"], np.array(["2020", "2021"], "M8[Y]"), np.array([None, b"b"], object)[1:]]


@pytest.mark.parametrize("y", [*TEXTS, *NUMBERS, *OTHERS], ids=repr)
def test_labels_of_one_kind_are_found_again(y):
    labels = check_labels(y, len(y))
    classes = find_classes(labels)
    indices = index_labels(labels, classes)
    assert indices.dtype == np.int32
    np.testing.assert_array_equal(classes[indices], labels)
    np.testing.assert_array_equal(find_classes(["z"], classes=y), classes)


@pytest.mark.parametrize(("known", "asked"), [(["10", "9"], [10]), (list(range(12)), ["10"]), ([b"10"], ["10"])])
@pytest.mark.parametrize("n_rows", [1, 5, 200])
@pytest.mark.parametrize("dtype", [None, object])
def test_text_is_no_number_for_any_number_of_rows(known, asked, n_rows, dtype):
    y = check_labels(np.array(asked * n_rows, dtype), n_rows)
    with pytest.raises(ValueError, match=r"y must hold classes that the prior was fitted with, \[.*\]; got .*10"):
        index_labels(y, find_classes(known))


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
    message = rf"must hold no missing or mixed values, .*; got {got}\. Drop what is missing, or turn all into strings"
    with pytest.raises(ValueError, match=f"y {message}"):
        check_labels(y, len(y))
    with pytest.raises(ValueError, match=f"classes {message}"):
        find_classes([1, 2], classes=y)


def test_no_classes_are_none_of_y():
    with pytest.raises(ValueError, match=r"fitted with, \[\]; got .*1"):
        index_labels(np.array([1]), find_classes([1], classes=[]))


def test_missing_labels_of_pandas_are_refused():
    pd = pytest.importorskip("pandas")
    for y in (pd.Series(["a", pd.NA]), pd.Series(["a", None], dtype="string"), pd.Series([1, None], dtype="Int64")):
        with pytest.raises(ValueError, match="y must hold no missing or mixed values"):
            check_labels(y, 2)
    labels = check_labels(pd.Series(["b", "a"], dtype="category"), 2)
    assert index_labels(labels, find_classes(labels)).tolist() == [1, 0]


def test_missing_labels_of_a_string_dtype_are_refused():
    for missing in (None, np.nan):
        y = np.array(["a", missing], np.dtypes.StringDType(na_object=missing))
        with pytest.raises(ValueError, match="y must hold no missing or mixed values"):
            check_labels(y, 2)


def test_dates_are_found_whatever_their_type():
    days = np.array(["2020-01-01", "2021-01-01"], "M8[D]")
    classes = find_classes(days)
    assert index_labels(check_labels(days.tolist(), 2), classes).tolist() == [0, 1]


@pytest.mark.parametrize("temperature", [5e-324, 1e-38, 9e-31, 2e30, 1e300])
def test_temperatures_that_float32_cannot_work_with_are_refused(temperature):
    message = r"temperature must lie between 1e-30 and 1e30, .*float32; got .*top_k=1 draws the likeliest"
    with pytest.raises(ValueError, match=message):
        check_choice(temperature, None, None)


def test_more_codes_than_there_are_is_all():
    for top_k in (2**31, 2**32 + 1, 10**30):
        assert check_choice(1, top_k, 0.5) == (1, 2**31 - 1, 0.5)
    assert check_choice(np.float32(0.5), np.int8(3), None) == (0.5, 3, None)
