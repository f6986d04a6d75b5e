"""Both stages as one estimator."""

import pickle

import numpy as np
import pytest
import sklearn
from scipy.stats import norm
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV
from small_models import small_context, small_pixelcnn, small_vqvae

from skvq import VQVAE, CodeGrid, ContextPrior, NotFittedError, PixelCNNPrior, SkvqError, VQGenerator


def generator(**params):
    """Return a small generator whose prior counts."""
    return VQGenerator(small_vqvae(), small_context()).set_params(**params)


@pytest.fixture(scope="module")
def model(images, labels):
    return generator(prior__conditional=True).fit(images, labels)


class TestFit:
    def test_it_is_the_two_stages_one_after_the_other(self, model, images, labels):
        vqvae = small_vqvae().fit(images)
        codes = vqvae.transform(images)
        prior = small_context(grid=vqvae.grid_, conditional=True).fit(codes, labels)
        np.testing.assert_array_equal(model.transform(images), codes)
        np.testing.assert_array_equal(model.reconstruct(images), vqvae.reconstruct(images))
        np.testing.assert_array_equal(model.score_samples(images, labels), prior.score_samples(codes, labels))
        np.testing.assert_array_equal(
            model.sample(5, 1, random_state=0), vqvae.inverse_transform(prior.sample(5, 1, random_state=0))
        )
        assert model.grid_ == vqvae.grid_ == prior.grid_
        assert list(model.classes_) == [0, 1]
        assert model.n_features_in_ == 64

    def test_its_parameters_stay_as_they_were_given(self, images):
        model = generator()
        vqvae, prior = model.vqvae, model.prior
        model.fit(images)
        assert model.vqvae is vqvae
        assert model.prior is prior
        assert not vqvae.__sklearn_is_fitted__()
        assert not prior.__sklearn_is_fitted__()
        assert prior.grid is None

    def test_without_parts_it_is_their_defaults(self):
        model = VQGenerator()
        routed = model.get_metadata_routing()._route_mappings
        assert isinstance(routed["vqvae"].router.owner, VQVAE)
        assert isinstance(routed["prior"].router.owner, PixelCNNPrior)
        assert clone(model).get_params() == {"vqvae": None, "prior": None, "checkpoint": None}

    def test_vectors_instead_of_codes_change_nothing(self, images, model, labels):
        other = generator(vqvae__output="quantized", prior__conditional=True).fit(images, labels)
        np.testing.assert_array_equal(other.transform(images), model.transform(images))
        np.testing.assert_array_equal(other.sample(3, 0, random_state=0), model.sample(3, 0, random_state=0))

    def test_a_failing_second_stage_leaves_the_former_fit(self, images, monkeypatch):
        model = generator().fit(images)
        codes, parts = model.transform(images), (model.vqvae_, model.prior_)
        monkeypatch.setattr(ContextPrior, "fit", lambda self, X, y=None: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            model.set_params(vqvae__n_embeddings=7).fit(images)
        assert (model.vqvae_, model.prior_) == parts
        np.testing.assert_array_equal(model.transform(images), codes)

    def test_a_pickle_answers_alike(self, model, images, labels):
        twin = pickle.loads(pickle.dumps(model))
        np.testing.assert_array_equal(twin.score_samples(images, labels), model.score_samples(images, labels))
        np.testing.assert_array_equal(twin.sample(3, 0, random_state=0), model.sample(3, 0, random_state=0))

    def test_columns_have_names(self, images):
        pandas = pytest.importorskip("pandas")
        frame = pandas.DataFrame(images.reshape(96, 64), columns=[f"pixel{i}" for i in range(64)])
        model = generator(vqvae__image_shape=(8, 8)).fit(frame)
        assert list(model.feature_names_in_) == list(frame.columns)
        assert list(model.get_feature_names_out()) == [f"vqgenerator{i}" for i in range(4)]


class TestAnswers:
    def test_completion_of_everything_and_of_nothing(self, model, images, labels):
        everything = model.complete(images, np.ones((2, 2), bool), labels)
        np.testing.assert_array_equal(everything, model.reconstruct(images))
        nothing = model.complete(images, np.zeros(4, bool), labels, random_state=1)
        np.testing.assert_array_equal(nothing, model.sample(96, labels, random_state=1))

    def test_bits_are_the_score_in_other_units(self, model, images, labels):
        nats = model.score_samples(images, labels)
        assert nats.shape == (96,)
        assert model.bits_per_image(images, labels) == pytest.approx(-nats.mean() / np.log(2))

    def test_score_is_the_density_of_codes_and_of_what_they_leave_out(self, images):
        X = images / 255.0
        model = generator().fit(X)
        assert model.noise_variance_ == pytest.approx(np.square(X - model.reconstruct(X)).mean(), rel=1e-4)
        residuals = norm.logpdf(X, model.reconstruct(X), np.sqrt(model.noise_variance_)).sum(axis=(1, 2))
        assert model.score(X) == pytest.approx((model.score_samples(X) + residuals).mean(), rel=1e-4)

    def test_it_is_not_fitted_before_fit(self, images):
        for call in (lambda m: m.sample(), lambda m: m.transform(images), lambda m: m.score(images)):
            with pytest.raises(NotFittedError, match="This VQGenerator must be fitted"):
                call(generator())


class TestSearch:
    def test_parameters_of_both_stages_and_the_stages_themselves(self, images):
        grid = [
            {"vqvae__n_embeddings": [4, 6], "prior__n_features": [4]},
            {"prior": [small_pixelcnn()]},
        ]
        search = GridSearchCV(generator(), grid, cv=2).fit(images)
        assert np.isfinite(search.cv_results_["mean_test_score"]).all()
        assert len(set(search.cv_results_["mean_test_score"])) == 3
        best = search.best_estimator_
        assert best.prior_.grid_ == best.vqvae_.grid_

    @pytest.mark.filterwarnings("ignore:X has values from")  # the folds are made to differ
    def test_a_fold_that_lacks_a_code_scores(self, images):
        dark, bright = np.zeros((24, 8, 8)), 255.0 * np.ones((24, 8, 8))
        X = np.concatenate([dark, bright]) + images[:48]
        search = GridSearchCV(generator(vqvae__quantizer="fsq"), {"vqvae__n_embeddings": [4]}, cv=2).fit(X)
        assert np.isfinite(search.cv_results_["mean_test_score"]).all()


class TestWrongParts:
    def test_swapped(self, images):
        with pytest.raises(ValueError, match=r"The order is VQGenerator\(vqvae, prior\)"):
            VQGenerator(ContextPrior(), small_vqvae()).fit(images)

    def test_swapped_and_frozen(self, images, vqvae, prior):
        with pytest.raises(SkvqError, match=r"(?s)vqvae must hold a VQVAE; .*The order is VQGenerator\(vqvae, prior\)"):
            VQGenerator(FrozenEstimator(prior), FrozenEstimator(vqvae)).fit(images)

    @pytest.mark.parametrize(
        ("model", "message"),
        [
            (generator(prior__conditional=True), "conditional prior needs the class of every row"),
            (generator(prior__n_embeddings=9), r"prior\.n_embeddings must be that of vqvae, 4; got 9\. Leave"),
            (generator(prior__grid=CodeGrid((2, 2), 9)), r"prior\.n_embeddings must be that of vqvae, 4; got 9"),
            (VQGenerator(FrozenEstimator(small_vqvae())), "(?s)vqvae must be fitted before it is frozen; .*Fit it, or"),
            (VQGenerator(small_vqvae(), FrozenEstimator(ContextPrior())), "prior must be fitted before it is frozen"),
            (VQGenerator(small_vqvae(), FrozenEstimator(ContextPrior().fit([[0, 1, 1, 0]]))),
             "prior must not be frozen unless vqvae is"),
        ],
    )  # fmt: skip
    def test_what_would_fail_is_told_before_anything_is_trained(self, images, model, message, monkeypatch):
        monkeypatch.setattr(VQVAE, "fit", lambda self, X, y=None: pytest.fail("the first stage was trained"))
        with pytest.raises(SkvqError, match=message):
            model.fit(images)
        with pytest.raises(NotFittedError):
            model.sample()

    def test_another_shape_of_the_grid(self, images):
        with pytest.raises(SkvqError, match=r"prior\.code_shape must be that of vqvae, \(2, 2\); got \(1, 4\)"):
            generator(prior__code_shape=(1, 4)).fit(images)


class TestFrozen:
    def test_a_frozen_vqvae_is_used_as_it_is(self, vqvae, images, codes):
        model = VQGenerator(FrozenEstimator(vqvae), ContextPrior()).fit(images)
        assert model.vqvae_ is vqvae
        np.testing.assert_array_equal(model.transform(images), codes)

    def test_both_may_be_frozen(self, vqvae, prior, images, labels):
        model = VQGenerator(FrozenEstimator(vqvae), FrozenEstimator(prior)).fit(images, labels)
        assert model.prior_ is prior
        assert np.isfinite(model.score(images, labels))

    def test_frozen_parts_must_fit_each_other(self, vqvae, images):
        other = ContextPrior().fit([[0, 1, 1, 0, 1, 1, 0, 0, 1]])
        with pytest.raises(SkvqError, match=r"must fit the grid of the VQVAE, 2 × 2 codes of 12; got 3 × 3"):
            VQGenerator(FrozenEstimator(vqvae), FrozenEstimator(other)).fit(images)


class TestFromFitted:
    def test_it_holds_both_as_they_are(self, vqvae, prior, images, labels):
        model = VQGenerator.from_fitted(vqvae, prior)
        assert model.vqvae_ is vqvae
        assert model.prior_ is prior
        assert model.sample(3, 1, random_state=0).shape == (3, 8, 8)
        with pytest.raises(SkvqError, match="score must know noise_variance_"):
            model.score(images, labels)
        model.noise_variance_ = model.vqvae_.reconstruction_errors(images).mean()  # the way out that it names
        assert np.isfinite(model.score(images, labels))

    def test_what_it_refuses(self, vqvae, prior):
        with pytest.raises(NotFittedError, match="vqvae must be fitted"):
            VQGenerator.from_fitted(VQVAE(), prior)
        with pytest.raises(NotFittedError, match="prior must be fitted"):
            VQGenerator.from_fitted(vqvae, ContextPrior())
        with pytest.raises(ValueError, match="The order is"):
            VQGenerator.from_fitted(prior, vqvae)
        with pytest.raises(SkvqError, match=r"prior\.grid_ must fit the grid of the VQVAE"):
            VQGenerator.from_fitted(vqvae, ContextPrior(20).fit([[0, 1, 1, 19]]))


class TestPartialFit:
    def test_it_streams(self, images, labels):
        model = VQGenerator(small_vqvae(), small_pixelcnn(conditional=True))
        first = labels == 0
        model.partial_fit(images[first], labels[first], classes=[0, 1])
        model.partial_fit(images, labels)
        assert (model.vqvae_.n_iter_, model.prior_.n_iter_) == (2, 2)
        assert list(model.classes_) == [0, 1]
        assert model.sample(3, 1).shape == (3, 8, 8)

    def test_a_failure_leaves_both_stages_as_they_were(self, images, monkeypatch):
        model = VQGenerator(small_vqvae(), small_pixelcnn()).partial_fit(images)
        codes = model.transform(images)
        monkeypatch.setattr(PixelCNNPrior, "_take", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            model.partial_fit(images)
        assert (model.vqvae_.n_iter_, model.prior_.n_iter_) == (1, 1)
        np.testing.assert_array_equal(model.transform(images), codes)

    def test_a_prior_of_counts_cannot(self, images):
        assert not hasattr(generator(), "partial_fit")
        assert hasattr(VQGenerator(), "partial_fit")
        with pytest.raises(AttributeError) as error:
            generator().partial_fit(images)
        assert "partial_fit needs a prior that learns in parts; got ContextPrior. Call fit" in str(
            error.value.__cause__
        )


class TestScikitLearn:
    def test_metadata_reach_the_stage_that_asks_for_them(self, images):
        class Noting(ContextPrior):
            def fit(self, X, y=None, source=None):
                self.source_ = source
                return super().fit(X, y)

        with sklearn.config_context(enable_metadata_routing=True):
            model = VQGenerator(small_vqvae(), Noting().set_fit_request(source=True)).fit(images, source="a scanner")
        assert model.prior_.source_ == "a scanner"
        with pytest.raises(TypeError, match=r"fit got source, .*set_config\(enable_metadata_routing=True\)"):
            model.fit(images, source="a scanner")

    def test_callbacks_see_both_stages_and_their_epochs(self, images):
        pytest.importorskip("sklearn.callback", reason="callbacks came with scikit-learn 1.9")

        class Tasks:
            max_propagation_depth = None

            def __init__(self):
                self.events = []

            def setup(self, estimator, context): ...
            def teardown(self, estimator, context): ...

            def on_fit_task_begin(self, estimator, context):
                self.events.append(f"{type(estimator).__name__} begins {context.task_name}")

            def on_fit_task_end(self, estimator, context):
                self.events.append(f"{type(estimator).__name__} ends {context.task_name}")

        def stage(name, n_epochs):
            epochs = [f"{name} begins epoch", f"{name} ends epoch"] * n_epochs
            return [f"{name} begins fit", *epochs, f"{name} ends fit"]

        tasks = Tasks()
        VQGenerator(small_vqvae(max_iter=2), small_pixelcnn()).set_callbacks(tasks).fit(images)
        stages = [*stage("VQVAE", 2), *stage("PixelCNNPrior", 1)]
        assert tasks.events == ["VQGenerator begins fit", *stages, "VQGenerator ends fit"]

    def test_the_notebook_shows_both(self):
        html = generator()._repr_html_()
        assert "ContextPrior" in html
        assert "VQVAE" in html
