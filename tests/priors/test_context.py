"""The prior of integer tables; what it shares with the others is held by test_base.py."""

import numpy as np
import pytest

from skvq import CodeGrid, ContextPrior, SkvqError
from skvq.compression.tables import bits_of


def chained(n, seed=0):
    """Rows in which each code is most often the code before it plus one."""
    generator = np.random.default_rng(seed)
    codes = generator.integers(0, 5, (n, 16))
    for j in range(1, 16):
        follows = generator.random(n) < 0.8
        codes[follows, j] = (codes[follows, j - 1] + 1) % 5
    return codes


def test_its_scores_are_those_of_the_tables_in_numpy():
    prior = ContextPrior(5, random_state=0).fit(chained(200))
    test, tables = chained(50, seed=1), prior.code_tables()
    canvas = tables.layout.canvas(50)
    canvas[:, tables.layout.places] = test
    for wave in tables.layout.waves:
        bits = bits_of(tables.logits(canvas, wave, None), test[:, wave.codes])
        found = prior.log_prob_per_code(test)[:, wave.codes] / -np.log(2)
        np.testing.assert_allclose(found, bits, atol=1e-4)


def test_it_knows_what_follows_and_draws_so():
    prior = ContextPrior(5).fit(chained(400))
    assert prior.bits_per_code(chained(50, seed=1)) < 0.75 * np.log2(5)
    drawn = prior.sample(200, random_state=0)
    within_rows = np.arange(1, 16) % 4 != 0
    follows = (drawn[:, 1:] == (drawn[:, :-1] + 1) % 5)[:, within_rows]
    assert follows.mean() == pytest.approx(0.84, abs=0.05)  # 0.8, and a fifth of the rest by chance


def test_longer_rows_know_more():
    train, test = chained(400), chained(50, seed=1)
    short, long = (ContextPrior(5, n_features=n, random_state=0).fit(train) for n in (1, 32))
    assert short.bits_per_code(test) > long.bits_per_code(test) + 0.1


def test_equal_seeds_give_equal_tables():
    first, again, other = (ContextPrior(5, random_state=seed).fit(chained(60)) for seed in (0, 0, 1))
    assert first.code_tables().digest == again.code_tables().digest != other.code_tables().digest


def test_codes_at_one_position_see_those_before_them():
    generator = np.random.default_rng(0)
    first = generator.integers(4, size=(450, 6, 1))
    codes = np.concatenate([first, (first + 1) % 4], axis=2).reshape(450, 12)
    prior = ContextPrior(grid=CodeGrid((2, 3), 4, 2), random_state=0).fit(codes[:400])
    bits = -prior.log_prob_per_code(codes[400:]).mean(axis=0) / np.log(2)
    assert (bits[::2] > 1.8).all()
    assert (bits[1::2] < 0.1).all()
    drawn = prior.sample(50, random_state=0).reshape(50, 6, 2)
    assert ((drawn[..., 0] + 1) % 4 == drawn[..., 1]).mean() > 0.95


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
    with pytest.raises(ValueError, match=r"'n_features' .*Got 0 instead\. It is the length of a row"):
        ContextPrior(n_features=0).fit(chained(5))
