"""What every prior does: each estimator of the family, and the example of one's own."""

import copy
import itertools
import pickle
import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import KFold, cross_val_score
from small_models import PRIORS, own_prior, small_pixelcnn

import skvq.priors
import skvq.runtime
from skvq import CodeGrid, ContextPrior, NotFittedError, PixelCNNPrior, SkvqError, to_onnx
from skvq._contract.randomness import uniforms

GRID = CodeGrid((2, 3), 3)
LABELS = np.array(["left", "right"])[np.arange(40) % 2]


def rows(n=40):
    """Codes that depend on the class and on the code before."""
    codes = np.random.default_rng(0).integers(0, 2, (n, 6))
    codes[:, 1:] += codes[:, :-1] * (np.arange(n) % 2)[:, None]
    return codes % 3


@pytest.fixture(scope="module", params=[(name, c) for name in PRIORS for c in (False, True)], ids=str)
def case(request):
    """A fitted prior, codes, and the labels that it takes."""
    name, conditional = request.param
    X = rows()
    prior = PRIORS[name](grid=GRID, conditional=conditional).fit(X, LABELS)
    return prior, X, LABELS if conditional else None


def test_every_prior_of_the_package_is_held_here():
    family = {getattr(skvq.priors, name) for name in skvq.priors.__all__}
    bases = {skvq.priors.Prior, skvq.priors.NetworkPrior}
    assert {type(PRIORS[name]()) for name in PRIORS} == family - bases | {own_prior().TransformerPrior}


class TestEveryPrior:
    def test_fitted_state(self, case):
        prior, X, y = case
        assert prior.grid_ == GRID
        assert prior.n_features_in_ == 6
        assert prior.classes_ is None if y is None else list(prior.classes_) == ["left", "right"]
        for answer in (prior.transform(X), prior.inverse_transform(X)):
            np.testing.assert_array_equal(answer, X)
            assert answer.dtype == np.int64

    def test_probabilities_of_all_rows_add_up_to_one(self, case):
        prior, _, y = case
        every = np.array(list(itertools.product(range(3), repeat=6)))
        for label in [None] if y is None else ["left", "right"]:
            assert np.exp(prior.score_samples(every, label)).sum() == pytest.approx(1, abs=1e-4)

    def test_scores_agree(self, case):
        prior, X, y = case
        per_code = prior.log_prob_per_code(X, y)
        assert per_code.shape == X.shape
        assert per_code.dtype == np.float64
        np.testing.assert_allclose(prior.score_samples(X, y), per_code.sum(axis=1))
        assert prior.score(X, y) == pytest.approx(per_code.sum(axis=1).mean())
        assert prior.bits_per_code(X, y) == pytest.approx(-per_code.mean() / np.log(2))

    def test_one_full_pass_certifies_every_sample(self, case):
        prior, _, y = case
        labels = () if y is None else (np.arange(40) % 2,)
        drawn = prior.sample(40, y, temperature=0.8, random_state=7)
        margin = prior.graph_functions()["sampler"].margin
        assert margin((uniforms(7, 40, 6), 0.8, *labels), drawn).max() <= 1
        assert margin((uniforms(7, 40, 6), 0.8, *labels), (drawn + 1) % 3).max() > 1  # it can fail

    def test_first_rows_do_not_depend_on_how_many_are_drawn(self, case):
        prior, _, y = case
        some = None if y is None else y[:3]
        np.testing.assert_array_equal(prior.sample(40, y, random_state=1)[:3], prior.sample(3, some, random_state=1))

    def test_one_class_stands_for_all_rows(self, case):
        prior, X, y = case
        if y is None:
            with pytest.raises(SkvqError, match="y must be None: this prior was fitted without classes"):
                prior.sample(5, "right")
            return
        many = ["right"] * 5
        np.testing.assert_array_equal(prior.sample(5, "right", random_state=0), prior.sample(5, many, random_state=0))
        np.testing.assert_array_equal(prior.score_samples(X[:5], "right"), prior.score_samples(X[:5], many))

    def test_completion_keeps_what_is_known_and_draws_the_rest_as_sampling_does(self, case):
        prior, X, y = case
        top = np.array([[True] * 3, [False] * 3])
        drawn = prior.complete(X, top, y, random_state=2)
        np.testing.assert_array_equal(drawn[:, :3], X[:, :3])
        assert not np.array_equal(drawn, X)
        np.testing.assert_array_equal(
            prior.complete(X, ~top & top, y, random_state=2), prior.sample(40, y, random_state=2)
        )
        np.testing.assert_array_equal(prior.complete(X, np.ones((40, 6), bool), y), X)

    def test_copies_answer_alike_and_clones_are_not_fitted(self, case):
        prior, X, y = case
        for twin in (pickle.loads(pickle.dumps(prior)), copy.deepcopy(prior)):
            np.testing.assert_array_equal(twin.score_samples(X, y), prior.score_samples(X, y))
            np.testing.assert_array_equal(twin.sample(40, y, random_state=0), prior.sample(40, y, random_state=0))
        twin = clone(prior)
        assert twin.get_params() == prior.get_params()
        with pytest.raises(NotFittedError, match=f"This {type(prior).__name__} must be fitted"):
            twin.sample()

    def test_equal_seeds_give_equal_fits(self, case):
        prior, X, y = case
        again = clone(prior).fit(X, y)
        np.testing.assert_array_equal(again.score_samples(X, y), prior.score_samples(X, y))

    def test_its_exported_sampler_draws_the_same(self, case):
        prior, _, y = case
        runtime = skvq.runtime.load(to_onnx(prior, "controlled_sampler").SerializeToString())
        for options in ({}, {"temperature": 0.7, "top_k": 2}):
            drawn = runtime.sample_codes(40, y, **options, random_state=3)
            np.testing.assert_array_equal(drawn, prior.sample(40, y, **options, random_state=3))

    def test_what_it_refuses(self, case):
        prior, X, y = case
        wrong = "up" if y is not None else "left"
        for call, message in [
            (lambda: prior.sample(0), "n_samples must be an integer >= 1; got 0"),
            (lambda: prior.sample(1, y and y[0], temperature=0) if y is None else prior.sample(40, y, temperature=0),
             "temperature must be finite and > 0; got 0"),
            (lambda: prior.sample(2, wrong), "y must"),
            (lambda: prior.complete(X, np.ones(5, bool), y), "mask must be an array of bool of shape"),
            (lambda: prior.score_samples(X + 1, y), r"n_embeddings=3\); got 3"),
        ]:  # fmt: skip
            with pytest.raises(SkvqError, match=message):
                call()
        if y is not None:
            with pytest.raises(SkvqError, match="needs the class of every row"):
                clone(prior).fit(X)


class TestGrid:
    @pytest.mark.parametrize("make", [ContextPrior, small_pixelcnn])
    def test_a_guess_that_is_no_square_is_told(self, make):
        prior = make()
        with pytest.warns(UserWarning, match=r"rows of 6 codes for a grid of 1 × 6 codes of 3\. Pass grid="):
            prior.fit(rows())
        assert prior.grid_ == CodeGrid((1, 6), 3)

    @pytest.mark.parametrize("params", [{}, {"code_shape": (1, 4)}, {"grid": CodeGrid((4, 1), 3)}])
    def test_a_square_and_what_was_given_are_silent(self, params):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            prior = ContextPrior(**params).fit(rows()[:, :4])
        assert prior.grid_.n_codes == 4

    @pytest.mark.parametrize(
        ("params", "message"),
        [
            ({"code_shape": (3, 2)}, r"code_shape must agree with grid, 2 × 3 codes of 3; got \(3, 2\)\. Leave"),
            ({"n_embeddings": 8}, r"n_embeddings must agree with grid, 2 × 3 codes of 3; got 8\. Leave"),
        ],
    )
    def test_contradictions(self, params, message):
        with pytest.raises(SkvqError, match=message):
            ContextPrior(grid=GRID, **params).fit(rows())
        agreeing = {"code_shape": [2, 3], "n_embeddings": 3}
        assert ContextPrior(grid=GRID, **agreeing).fit(rows()).grid_ == GRID

    def test_rows_of_another_grid(self):
        with pytest.raises(SkvqError, match="X must have 4 codes to a row, for a grid of 2 × 2 codes of 3; got 6"):
            ContextPrior(grid=CodeGrid((2, 2), 3)).fit(rows())

    def test_three_sides(self):
        prior = ContextPrior(grid=CodeGrid((2, 1, 3), 3)).fit(rows())
        assert prior.sample(2, random_state=0).shape == (2, 6)
        mask = np.zeros((2, 1, 3), bool)
        assert prior.complete(rows()[:2], mask).shape == (2, 6)


class TestUnseenCodes:
    """With the number of codes guessed, a fold may hold codes that training lacked."""

    @pytest.mark.parametrize("prior", [ContextPrior(), small_pixelcnn()], ids=["context", "pixelcnn"])
    def test_cross_validation_is_never_nan(self, prior):
        X = rows()[:, :4]
        X[3, 2] = 9
        scores = cross_val_score(prior, X, cv=KFold(2))
        assert np.isfinite(scores).all()

    def test_such_a_code_costs_what_is_documented_and_stands_for_the_commonest(self):
        X = rows()[:, :4]
        prior = ContextPrior().fit(X)
        commonest = np.bincount(X.ravel()).argmax()
        odd, stand_in = X[:1].copy(), X[:1].copy()
        odd[0, 1], stand_in[0, 1] = 7, commonest
        found, expected = prior.log_prob_per_code(odd), prior.log_prob_per_code(stand_in)
        assert found[0, 1] == pytest.approx(-np.log(X.size + 1))
        np.testing.assert_array_equal(np.delete(found, 1), np.delete(expected, 1))

    @pytest.mark.parametrize("params", [{"n_embeddings": 3}, {"grid": CodeGrid((2, 2), 3)}])
    def test_with_the_number_given_it_is_an_error(self, params):
        prior = ContextPrior(**params).fit(rows()[:, :4])
        with pytest.raises(SkvqError, match=r"n_embeddings=3\); got 9"):
            prior.score_samples([[0, 1, 2, 9]])

    def test_a_code_that_the_network_lacks_cannot_be_trained_on(self):
        prior = small_pixelcnn().fit(rows()[:, :4])
        with pytest.raises(SkvqError, match=r"n_embeddings=3\); got 9"):
            prior.partial_fit([[0, 1, 2, 9]])


def test_names_of_columns_go_through():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(rows()[:, :4], columns=list("abcd"))
    prior = ContextPrior().fit(frame)
    assert list(prior.get_feature_names_out()) == list("abcd")
    assert list(prior.set_output(transform="pandas").transform(frame).columns) == list("abcd")


def test_a_prior_of_tables_has_no_partial_fit_and_a_trained_one_has():
    assert not hasattr(ContextPrior(), "partial_fit")
    assert hasattr(PixelCNNPrior(), "partial_fit")
