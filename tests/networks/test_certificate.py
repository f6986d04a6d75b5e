import numpy as np
import pytest

from skvq._contract.sampling import SamplingOptions
from skvq.networks.certificate import boundary_distance, is_undecided


@pytest.mark.parametrize(
    ("probabilities", "choice", "undecided"),
    [
        ([0.5, 0.3, 0.2], SamplingOptions(1.0, 2), [False, False, False]),
        ([0.4, 0.3, 0.3 - 1e-9], SamplingOptions(1.0, 2), [True, True, True]),  # either may be the second
        ([0.4, 0.3, 0.3], SamplingOptions(1.0, 3), [False, False, False]),
        ([0.5, 0.3, 0.2], SamplingOptions(1.0, None, 0.8 - 1e-7), [True, True, True]),  # two may reach it or not
        ([0.5, 0.3, 0.15, 0.05], SamplingOptions(1.0, None, 0.8 + 1e-7), [True, True, True, False]),
        ([0.5, 0.3, 0.2], SamplingOptions(1.0, None, 0.7), [False, False, False]),
        ([0.5, 0.3, 0.2], SamplingOptions(1.0, None, 1.0), [False, False, False]),
    ],
)
def test_where_rounding_decides_what_is_left_out(probabilities, choice, undecided):
    codes = np.arange(len(probabilities))[None]
    logits = np.broadcast_to(np.log(probabilities), (1, len(probabilities), len(probabilities)))
    assert is_undecided(logits, codes, choice, 1e-5)[0].tolist() == undecided


def test_boundary_distance_measures_how_far_a_code_is_off():
    logits = np.log(np.array([[[0.2, 0.3, 0.5]]]))
    distance = [
        boundary_distance(logits, np.array([[0.6]]), np.array([[code]]), SamplingOptions(1.0))[0, 0]
        for code in range(3)
    ]
    np.testing.assert_allclose(distance, [0.4, 0.1, 0.0], atol=1e-9)
