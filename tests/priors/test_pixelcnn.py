"""The PixelCNN prior: likelihoods, exact samples, training, and what it refuses."""

import copy
import pickle
import random

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline

from skvq import VQVAE, ContextPrior, PixelCNNPrior
from skvq._contract import randomness as _random
from skvq._contract.sampling import SamplingOptions
from skvq.networks.certificate import boundary_distance
from skvq.networks.priors.pixelcnn import PixelCNN

QUICK = {"hidden_channels": 4, "n_layers": 2, "max_iter": 1, "optimizer": "sgd"}


def certificate(prior, codes, uniforms, temperature=1.0, labels=()):
    """Largest distance of a uniform from its code's interval, under one full forward pass."""
    sampler = prior.graph_functions()["sampler"]
    return sampler.margin((uniforms, temperature, *labels), codes).max()


class TestLikelihood:
    def test_probabilities_of_all_grids_sum_to_one(self):
        X = np.random.default_rng(0).integers(0, 3, (40, 4))
        prior = PixelCNNPrior(n_embeddings=3, random_state=0, **QUICK).fit(X)
        every = np.stack(np.meshgrid(*[range(3)] * 4, indexing="ij"), -1).reshape(-1, 4)
        assert np.exp(prior.score_samples(every)).sum() == pytest.approx(1.0, abs=1e-5)

    def test_scores_are_sums_over_positions_in_nats(self, prior, codes, labels):
        per_code = prior.log_prob_per_code(codes, labels)
        assert per_code.shape == codes.shape
        np.testing.assert_allclose(prior.score_samples(codes, labels), per_code.sum(axis=1))
        assert prior.score(codes, labels) == pytest.approx(per_code.sum(axis=1).mean())
        assert prior.bits_per_code(codes, labels) == pytest.approx(-per_code.mean() / np.log(2))

    def test_it_learns_what_repeats(self):
        X = np.tile([0, 1, 2, 1, 0, 2], (64, 1))
        params = {"hidden_channels": 8, "n_layers": 1, "batch_size": 8, "max_iter": 20, "learning_rate": 0.01}
        prior = PixelCNNPrior(code_shape=(1, 6), random_state=0, **params).fit(X)
        assert prior.grid_.shape == (1, 6)
        assert prior.bits_per_code(X) < 0.3
        np.testing.assert_array_equal(prior.sample(5, temperature=0.1, random_state=0), X[:5])

    def test_classes_matter_to_a_conditional_prior(self):
        y = np.tile(["left", "right"], 40)
        X = np.where((y == "left")[:, None], [0, 1, 1, 0], [1, 0, 0, 1])
        prior = PixelCNNPrior(
            conditional=True, hidden_channels=8, n_layers=1, max_iter=40, learning_rate=0.01, random_state=0
        )
        prior.fit(X, y)
        assert list(prior.classes_) == ["left", "right"]
        assert prior.score(X, y) > prior.score(X, y[::-1]) + 1
        drawn = prior.sample(4, y=["left", "right", "right", "left"], temperature=0.2, random_state=0)
        np.testing.assert_array_equal(drawn[:, 0], [0, 1, 1, 0])
        np.testing.assert_array_equal(prior.sample(2, y="right", random_state=0).shape, (2, 4))

    def test_rows_do_not_depend_on_their_neighbours(self, prior, codes, labels):
        whole = prior.score_samples(codes, labels)
        np.testing.assert_array_equal(prior.score_samples(codes[5:8], labels[5:8]), whole[5:8])


def dropout_rate(prior):
    return prior._network().dropout.rate


def test_dropout_comes_with_passes_over_the_same_rows():
    X = np.random.default_rng(0).integers(0, 3, (20, 4))
    rates = {}
    for n in (1, 2, 6):
        # Stopped by the first epoch that gains too little: max_iter alone decides.
        params = {**QUICK, "max_iter": n, "n_iter_no_change": 1, "tol": 10.0}
        rates[n] = dropout_rate(PixelCNNPrior(3, random_state=0, **params).fit(X))
    assert rates == {1: 0.0, 2: 0.02, 6: 0.1}
    assert dropout_rate(PixelCNNPrior(3, random_state=0, dropout=0.3, **QUICK).fit(X)) == 0.3


def test_dropout_shrinks_where_codes_outnumber_weights():
    X = np.random.default_rng(0).integers(0, 3, (1000, 4))
    params = {**QUICK, "max_iter": 20, "n_iter_no_change": 1, "tol": 10.0}
    prior = PixelCNNPrior(3, random_state=0, **params).fit(X)
    n_weights = prior._network().count_params()
    assert n_weights < 4000
    assert dropout_rate(prior) == pytest.approx(0.1 * n_weights / 4000)


def test_automatic_dropout_is_settled_once():
    X = np.random.default_rng(0).integers(0, 3, (20, 4))
    prior = PixelCNNPrior(3, random_state=0, warm_start=True, **QUICK).fit(X)
    assert dropout_rate(prior) == 0.0
    prior.set_params(max_iter=3).fit(X).partial_fit(np.tile(X, (3, 1)))
    assert dropout_rate(prior) == 0.0
    assert dropout_rate(pickle.loads(pickle.dumps(prior))) == 0.0


@pytest.mark.parametrize("optimizer", ["nadam", "adamw"])
def test_weight_decay_shrinks_the_weights_and_follows_its_parameter(optimizer):
    def norm(prior):
        return sum(float(np.square(weight).sum()) for weight in prior._weights)

    X = np.random.default_rng(0).integers(0, 3, (64, 4))
    prior = PixelCNNPrior(random_state=0, weight_decay=0.0, **{**QUICK, "optimizer": optimizer}).fit(X)
    kept = norm(prior)
    prior.set_params(weight_decay=30.0, warm_start=True).fit(X)
    assert norm(prior) < 0.9 * kept
    assert norm(prior.set_params(warm_start=False).fit(X)) < 0.9 * kept


class TestSampling:
    @pytest.mark.parametrize("temperature", [0.3, 1.0, 2.0])
    def test_one_pass_certifies_every_sample(self, prior, temperature):
        y = np.arange(60) % 2
        drawn = prior.sample(60, y, temperature=temperature, random_state=7)
        uniforms = _random.uniforms(7, 60, 4)
        assert certificate(prior, drawn, uniforms, temperature, (y,)) <= 1
        # The certificate can fail: another code lies outside its interval.
        assert certificate(prior, (drawn + 1) % 12, uniforms, temperature, (y,)) > 1

    @pytest.mark.parametrize(("shape", "kernel_size"), [((1, 1), 1), ((1, 7), 5), ((5, 1), 3), ((9, 7), 3)])
    def test_certificate_on_every_grid(self, shape, kernel_size):
        n_positions = shape[0] * shape[1]
        X = np.random.default_rng(0).integers(0, 5, (20, n_positions))
        prior = PixelCNNPrior(
            code_shape=shape, n_embeddings=5, kernel_size=kernel_size, learning_rate=0.05, random_state=0, **QUICK
        ).fit(X)
        drawn = prior.sample(33, random_state=1)
        assert certificate(prior, drawn, _random.uniforms(1, 33, n_positions)) <= 1

    @pytest.mark.slow
    def test_a_grid_of_64_by_64_with_4096_codes(self):
        X = np.random.default_rng(0).integers(0, 4096, (2, 4096))
        prior = PixelCNNPrior(4096, code_shape=(64, 64), random_state=0, **QUICK).fit(X)
        drawn = prior.sample(2, random_state=1)
        assert len(np.unique(drawn)) > 1000
        assert certificate(prior, drawn, _random.uniforms(1, 2, 4096)) <= 1

    def test_any_integer_is_a_number_of_rows(self, prior):
        np.testing.assert_array_equal(
            prior.sample(np.int64(2), y=1, random_state=0), prior.sample(2, y=1, random_state=0)
        )

    def test_prefix_rule_and_seeds(self, prior):
        five = prior.sample(5, y=[0, 1, 0, 1, 1], random_state=0)
        np.testing.assert_array_equal(five[:3], prior.sample(3, y=[0, 1, 0], random_state=0))
        assert not np.array_equal(five, prior.sample(5, y=[0, 1, 0, 1, 1], random_state=1))
        assert five.dtype == np.int64

    def test_samples_follow_the_density(self):
        X = np.random.default_rng(0).choice(3, (300, 1), p=[0.6, 0.3, 0.1])
        prior = PixelCNNPrior(n_embeddings=3, random_state=0, **{**QUICK, "max_iter": 5}).fit(X)
        drawn = np.bincount(prior.sample(4000, random_state=0)[:, 0], minlength=3) / 4000
        density = np.exp(prior.score_samples([[0], [1], [2]]))
        np.testing.assert_allclose(drawn, density, atol=0.03)

    @pytest.mark.parametrize("choice", [{"top_k": 1}, {"top_k": 3}, {"top_p": 0.5}, {"top_k": 4, "top_p": 0.8}])
    def test_top_k_and_top_p_are_certified(self, prior, choice):
        y = np.arange(40) % 2
        drawn = prior.sample(40, y, **choice, random_state=5)
        logits = prior._logits(drawn, y.astype(np.int32))
        off = boundary_distance(logits, _random.uniforms(5, 40, 4), drawn, SamplingOptions(1.0, **choice))
        assert off.max() < 2e-5
        if choice.get("top_k"):
            ranks = (logits > np.take_along_axis(logits, drawn[..., None], -1)).sum(-1)
            assert ranks.max() < choice["top_k"]

    def test_completion_keeps_what_is_known_and_draws_the_rest_as_sampling_does(self, prior, codes, labels):
        mask = np.array([True, True, False, False])
        drawn = prior.complete(codes[:30], mask, labels[:30], random_state=2)
        np.testing.assert_array_equal(drawn[:, :2], codes[:30, :2])
        logits = prior._logits(drawn, labels[:30].astype(np.int32))
        off = boundary_distance(logits, _random.uniforms(2, 30, 4), drawn, SamplingOptions(1.0))
        assert off[:, 2:].max() < 2e-5
        nothing = prior.complete(codes[:30], np.zeros(4, bool), labels[:30], random_state=2)
        np.testing.assert_array_equal(nothing, prior.sample(30, labels[:30], random_state=2))
        everything = prior.complete(codes[:30], np.ones((30, 4), bool), labels[:30])
        np.testing.assert_array_equal(everything, codes[:30])

    @pytest.mark.parametrize("mask", [[True], [[True] * 4] * 2, [1, 1, 0, 0]])
    def test_completion_refuses_other_masks(self, prior, codes, labels, mask):
        with pytest.raises(ValueError, match=r"mask must be an array of bool of shape \(4,\) or \(96, 4\) or \(2, 2\)"):
            prior.complete(codes, mask, labels)

    def test_a_low_temperature_takes_the_likeliest_code(self, prior):
        drawn = prior.sample(8, y=[0] * 8, temperature=1e-3, random_state=0)
        assert len(np.unique(drawn, axis=0)) == 1


class TestStages:
    def test_images_to_codes_and_back(self, images):
        pipe = make_pipeline(
            VQVAE(n_embeddings=6, embedding_dim=2, hidden_channels=4, max_iter=1, random_state=0),
            PixelCNNPrior(random_state=0, **QUICK),
        ).fit(images)
        codes = pipe.transform(images)
        np.testing.assert_array_equal(codes, pipe[0].transform(images))
        assert pipe.inverse_transform(pipe[-1].sample(3, random_state=0)).shape == (3, 8, 8)
        assert pipe.score(images) == pytest.approx(pipe[-1].score(codes))

    def test_a_vqvae_samples_through_its_prior(self, vqvae, prior):
        drawn = vqvae.sample(4, prior, y=[0, 1, 0, 1], random_state=3)
        np.testing.assert_array_equal(drawn, vqvae.inverse_transform(prior.sample(4, y=[0, 1, 0, 1], random_state=3)))


class TestState:
    @pytest.mark.parametrize("copied", [lambda p: pickle.loads(pickle.dumps(p)), copy.deepcopy])
    def test_copies_answer_alike(self, prior, codes, labels, copied):
        twin = copied(prior)
        np.testing.assert_array_equal(twin.score_samples(codes, labels), prior.score_samples(codes, labels))
        np.testing.assert_array_equal(twin.sample(3, y=0, random_state=0), prior.sample(3, y=0, random_state=0))

    def test_equal_seeds_give_equal_fits_and_global_states_stay(self, codes):
        numpy_before, python_before = np.random.get_state()[1].copy(), random.getstate()
        fits = [PixelCNNPrior(random_state=seed, **QUICK).fit(codes) for seed in (0, 0, 1)]
        np.testing.assert_array_equal(np.random.get_state()[1], numpy_before)
        assert random.getstate() == python_before
        for a, b in zip(fits[0]._weights, fits[1]._weights, strict=True):
            np.testing.assert_array_equal(a, b)
        assert fits[0].history_ != fits[2].history_

    def test_partial_fit_and_its_classes(self, codes, labels):
        prior = PixelCNNPrior(n_embeddings=12, conditional=True, random_state=0, **QUICK)
        prior.partial_fit(codes[labels == 0], labels[labels == 0], classes=[0, 1])
        prior.partial_fit(codes, labels)
        assert prior.n_iter_ == 2
        assert list(prior.classes_) == [0, 1]

    def test_history_and_best_epoch(self, codes):
        prior = PixelCNNPrior(random_state=0, n_iter_no_change=1, tol=10.0, **{**QUICK, "max_iter": 5}).fit(codes)
        assert prior.n_iter_ == 2
        assert set(prior.history_) == {"loss", "learning_rate", "val_loss"}

    @pytest.mark.parametrize(
        ("shape", "n_embeddings", "n_grids"),
        [((7, 7), 8, 32), ((3, 5), 8, 32), ((16, 8), 8, 12), ((32, 32), 8, 1), ((4, 4), 2**17, 8)],
    )
    def test_steps_are_of_as_many_codes_as_a_grid_allows(self, monkeypatch, shape, n_embeddings, n_grids):
        seen = []
        monkeypatch.setattr(
            PixelCNN, "train_on_batch", lambda self, x, y, **kwargs: seen.append(len(x)) or {"loss": 1.0}
        )
        X = np.zeros((33, shape[0] * shape[1]), dtype=int)
        PixelCNNPrior(n_embeddings, code_shape=shape, early_stopping=False, **QUICK).fit(X)
        assert set(seen) == {n_grids}

    def test_warm_start(self, codes):
        prior = PixelCNNPrior(random_state=0, warm_start=True, **QUICK).fit(codes)
        prior.fit(codes)
        assert prior.n_iter_ == 2
        with pytest.raises(ValueError, match=r"n_layers must stay 2 .*; got 3"):
            prior.set_params(n_layers=3).fit(codes)


class TestBadInput:
    @pytest.mark.parametrize(
        ("X", "message"),
        [
            ([[0, 1, 2, 0.5]], r"whole numbers; got 0\.5"),
            ([[0, 1, 2, -1]], r"codes >= 0; got -1"),
            ([[0, 1, 2, np.nan]], "NaN"),
            ([[0, 1, 2, 99]], r"\[0, n_embeddings=12\); got 99"),
            ([0, 1, 2], "Reshape your data"),
            (np.zeros((0, 4)), "0 sample"),
        ],
    )
    def test_codes(self, X, message):
        with pytest.raises(ValueError, match=message):
            PixelCNNPrior(n_embeddings=12, **QUICK).fit(X)

    def test_codes_of_another_grid(self, prior, labels, codes):
        with pytest.raises(ValueError, match="X has 3 features, but PixelCNNPrior is expecting 4"):
            prior.score_samples(codes[:, :3], labels)
        with pytest.raises(ValueError, match=r"n_embeddings=12\); got 12"):
            prior.score_samples(codes + 12 - codes.max(), labels)

    @pytest.mark.parametrize(
        ("shape", "message"),
        [
            ((2, 3), r"X must have 6 codes to a row, for a grid of 2 × 3 codes of 12; got 4"),
            ((2, 2, 1, 1), r"code_shape must be one to three positive integers"),
            ((0, 4), r"positive integers, such as \(height, width\); got \(0, 4\)"),
        ],
    )
    def test_code_shape(self, codes, shape, message):
        with pytest.raises(ValueError, match=message):
            PixelCNNPrior(code_shape=shape, **QUICK).fit(codes)

    def test_labels(self, prior, codes, labels):
        with pytest.raises(ValueError, match="conditional prior needs the class of every row"):
            PixelCNNPrior(conditional=True, **QUICK).fit(codes)
        with pytest.raises(ValueError, match="conditional prior needs the class of every row"):
            prior.sample(3)
        with pytest.raises(ValueError, match=r"fitted with, \[.*0.*1.*\]; got .*7"):
            prior.sample(2, y=[0, 7])
        with pytest.raises(ValueError, match="one class for each of the 3 rows; got 2"):
            prior.sample(3, y=[0, 1])
        without = ContextPrior().fit(codes, labels)
        for draw in (lambda: without.sample(2, y=[0, 1]), lambda: without.complete(codes[:1], np.ones(4, bool), y=[0])):
            with pytest.raises(ValueError, match="y must be None: this prior was fitted without classes"):
                draw()

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"n_samples": 0}, r"n_samples must be an integer >= 1; got 0"),
            ({"temperature": 0}, r"temperature must be finite and > 0; got 0"),
            ({"temperature": float("inf")}, "temperature must be finite"),
            ({"random_state": "seed"}, "random_state must be an int"),
            ({"top_k": 0}, r"top_k must be an integer >= 1, or None; got 0"),
            ({"top_p": 1.5}, r"top_p must be in \(0, 1\], or None; got 1\.5"),
        ],
    )
    def test_sampling(self, prior, arguments, message):
        with pytest.raises(ValueError, match=message):
            prior.sample(**{"n_samples": 1, "y": 0, **arguments})

    @pytest.mark.parametrize(
        ("params", "message"),
        [
            ({"dropout": "more"}, r"'dropout' .*Got 'more' instead.*'auto' goes by max_iter"),
            ({"dropout": 1.0}, r"'dropout' .*Got 1\.0 instead.*dropped in training"),
            ({"weight_decay": -0.1}, r"'weight_decay' .*Got -0\.1 instead.*0 turns it off"),
            ({"kernel_size": 2}, r"'kernel_size' .*Got 2"),
            ({"n_embeddings": 0}, r"'n_embeddings' .*Got 0.*largest code"),
        ],
    )
    def test_parameters(self, codes, params, message):
        with pytest.raises(ValueError, match=message):
            PixelCNNPrior(**{**QUICK, **params}).fit(codes)

    def test_unfitted_use(self, codes):
        for call in (lambda p: p.sample(), lambda p: p.score(codes), lambda p: p.transform(codes)):
            with pytest.raises(NotFittedError, match="This PixelCNNPrior must be fitted"):
                call(PixelCNNPrior())
