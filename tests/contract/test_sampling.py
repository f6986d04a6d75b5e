import numpy as np
import pytest

from skvq import SkvqError
from skvq._contract.sampling import SamplingOptions


@pytest.mark.parametrize("temperature", [5e-324, 1e-38, 9e-31, 2e30, 1e300])
def test_temperatures_that_float32_cannot_work_with_are_refused(temperature):
    message = r"temperature must lie between 1e-30 and 1e30, .*float32; got .*use top_k=1"
    with pytest.raises(SkvqError, match=message):
        SamplingOptions.checked(temperature)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": 0}, "temperature must be finite and > 0; got 0"),
        ({"temperature": np.nan}, "temperature must be finite and > 0; got nan"),
        ({"temperature": "1"}, "temperature must be finite and > 0; got '1'"),
        ({"top_k": 0}, "top_k must be an integer >= 1, or None; got 0"),
        ({"top_k": 2.0}, r"top_k must be an integer >= 1, or None; got 2\.0"),
        ({"top_p": 0}, r"top_p must be in \(0, 1\], or None; got 0"),
        ({"top_p": 1.5}, r"top_p must be in \(0, 1\], or None; got 1\.5"),
    ],
)
def test_messages(options, message):
    with pytest.raises(SkvqError, match=message):
        SamplingOptions.checked(**options)


def test_more_codes_than_there_are_is_all():
    for top_k in (2**31, 2**32 + 1, 10**30):
        assert SamplingOptions.checked(1, top_k, 0.5) == (1, 2**31 - 2, 0.5)
    assert SamplingOptions.checked(np.float32(0.5), np.int8(3)) == (0.5, 3, None)
    assert SamplingOptions.checked().is_plain
    assert SamplingOptions.checked(top_k=3).is_narrowed
