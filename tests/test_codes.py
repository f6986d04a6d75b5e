import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from skvq._codes import check_codes


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
