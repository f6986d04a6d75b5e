"""The prior of counts; what it shares with the others is held by test_base.py."""

import numpy as np
import pytest

from skvq import ContextPrior, SkvqError
from skvq._context_tables import ContextTables


def chained(n, seed=0):
    """Rows in which each code is most often the code before it plus one."""
    generator = np.random.default_rng(seed)
    codes = generator.integers(0, 5, (n, 16))
    for j in range(1, 16):
        follows = generator.random(n) < 0.8
        codes[follows, j] = (codes[follows, j - 1] + 1) % 5
    return codes


def test_its_scores_are_those_of_the_tables_in_numpy():
    train, test = chained(200), chained(50, seed=1)
    tables = ContextTables.fit(train, (4, 4), 5)
    expected = tables.log_probabilities(test)
    np.testing.assert_allclose(ContextPrior(5).fit(train).log_prob_per_code(test), expected, atol=1e-4)


def test_it_knows_what_follows_and_draws_so():
    prior = ContextPrior(5).fit(chained(400))
    assert prior.bits_per_code(chained(50, seed=1)) < 0.75 * np.log2(5)
    drawn = prior.sample(200, random_state=0)
    within_rows = np.arange(1, 16) % 4 != 0
    follows = (drawn[:, 1:] == (drawn[:, :-1] + 1) % 5)[:, within_rows]
    assert follows.mean() == pytest.approx(0.84, abs=0.05)  # 0.8, and a fifth of the rest by chance


def test_smaller_tables_know_less():
    train, test = chained(400), chained(50, seed=1)
    small, large = (ContextPrior(5, max_table_size=size).fit(train) for size in (5, 2**23))
    assert sum(w.nbytes for w in small._weights) < sum(w.nbytes for w in large._weights)
    assert small.bits_per_code(test) > large.bits_per_code(test) + 0.1


def test_classes_are_used_where_they_tell():
    y = np.arange(80) % 2
    X = np.where(y[:, None] == 1, [0, 1, 1, 0], [1, 0, 0, 1])
    prior = ContextPrior(conditional=True).fit(X, y)
    np.testing.assert_array_equal(prior.sample(20, 1, temperature=0.2, random_state=0), X[1:2].repeat(20, axis=0))
    assert prior.score(X, y) > prior.score(X, 1 - y) + 1


def test_one_row_is_enough():
    assert np.isfinite(ContextPrior().fit([[0, 1, 1, 0]]).score([[0, 1, 1, 0], [1, 1, 1, 1]]))


def test_a_refit_that_fails_leaves_the_former_fit(monkeypatch):
    X = chained(50)
    prior = ContextPrior(5).fit(X)
    scores = prior.score_samples(X)
    with pytest.raises(SkvqError, match=r"n_embeddings=3\); got 4"):
        prior.set_params(n_embeddings=3).fit(X)
    monkeypatch.setattr("skvq.priors.context.ContextNetwork.of", lambda tables: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        prior.set_params(n_embeddings=9).fit(X)
    monkeypatch.undo()
    np.testing.assert_array_equal(prior.score_samples(X), scores)
    assert prior.grid_.n_embeddings == 5


def test_parameters():
    with pytest.raises(ValueError, match=r"'max_table_size' .*Got 0 instead\. It is the entries of each table"):
        ContextPrior(max_table_size=0).fit(chained(5))
