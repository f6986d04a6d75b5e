import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skvq import SkvqError
from skvq._contract.selection import check_select, draw_selected


@given(
    labels=st.lists(st.integers(0, 3), min_size=1, max_size=12),
    select=st.floats(0.1, 1),
    seed=st.integers(0, 99),
)
def test_each_class_keeps_its_most_probable_rows(labels, select, seed):
    labels = np.array(labels)
    generator = np.random.default_rng(seed)
    drawn = []

    def draw(wanted):
        rows = np.column_stack([wanted, np.arange(len(wanted))])
        drawn.append((wanted, generator.normal(size=(len(wanted), 4))))
        return rows

    def score(codes, index):
        return drawn[0][1][codes[:, 1], index]

    kept = draw_selected(labels, 4, select, draw, score)
    ((wanted, scores),) = drawn
    np.testing.assert_array_equal(wanted[: len(labels)], labels)
    np.testing.assert_array_equal(kept[:, 0], labels)
    posterior = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    for label in np.unique(labels):
        n = (labels == label).sum()
        candidates = np.flatnonzero(wanted == label)
        assert len(candidates) == np.ceil(n / select)
        best = sorted(candidates, key=lambda row: -posterior[row, label])[:n]
        assert kept[labels == label, 1].tolist() == sorted(best)


def test_doubts_far_below_float_precision_still_decide():
    # Both posteriors are 1 in float64.
    scores = np.array([[0.0, -60.0], [0.0, -80.0]])
    kept = draw_selected(
        np.array([0]), 2, 0.5, lambda labels: np.arange(len(labels))[:, None], lambda codes, c: scores[codes[:, 0], c]
    )
    assert kept.tolist() == [[1]]


@pytest.mark.parametrize("select", [0, 1.5, -1, True, "most", np.nan])
def test_out_of_range(select):
    with pytest.raises(SkvqError, match=r"select must be in \(0, 1\], or None; got .*0\.75 draws a third more"):
        check_select(select, 10)


@pytest.mark.parametrize("n_classes", [0, 1])
def test_without_classes_there_is_nothing_to_choose_by(n_classes):
    assert check_select(None, n_classes) is None
    with pytest.raises(SkvqError, match=rf"select must be None for a prior with {n_classes} classes.*conditional=True"):
        check_select(0.5, n_classes)
