"""VQVAE in front of a classifier: what it answers under each ``output``, and what that is worth."""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, OneHotEncoder
from small_models import small_pixelcnn, small_vqvae

from skvq import VQVAE, PixelCNNPrior


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return train_test_split(X, y, test_size=0.3, random_state=0, stratify=y)


@pytest.fixture(scope="module")
def scaled_vqvae(digits):
    """A scaler and a VQVAE, fitted once: pipelines around them train the classifier alone."""
    vqvae = VQVAE(
        16,
        8,
        image_shape=(8, 8),
        downsampling=2,
        hidden_channels=16,
        n_residual_blocks=1,
        learning_rate=0.01,
        max_iter=8,
        random_state=0,
    )
    return make_pipeline(MinMaxScaler(), vqvae).fit(digits[0])


@pytest.fixture
def encoded(scaled_vqvae):
    """The fitted VQVAE with its ``output`` set, which is put back afterwards."""
    vqvae = scaled_vqvae[-1]

    def set_output_of(output):
        return vqvae.set_params(output=output)

    yield set_output_of
    vqvae.set_params(output="codes")


def accuracy(digits, features):
    X_train, X_test, y_train, y_test = digits
    return RidgeClassifier().fit(features(X_train), y_train).score(features(X_test), y_test)


class TestClassifiers:
    @pytest.mark.slow
    def test_one_hot_codes_beat_raw_codes(self, digits):
        X_train, X_test, y_train, y_test = digits

        def pipeline(*encoders):
            vqvae = VQVAE(
                16, 8, image_shape=(8, 8), downsampling=2, hidden_channels=16, learning_rate=0.01, max_iter=5,
                random_state=0,
            )  # fmt: skip
            return make_pipeline(MinMaxScaler(), vqvae, *encoders, LogisticRegression(max_iter=200, tol=0.01))

        raw = pipeline().fit(X_train, y_train)
        # All codes at all positions: columns do not depend on which codes a fold happens to hold.
        one_hot = pipeline(OneHotEncoder(categories=[range(16)] * 16)).fit(X_train, y_train)
        assert one_hot.score(X_test, y_test) > raw.score(X_test, y_test) + 0.03
        assert one_hot.score(X_test, y_test) > 0.85

    @pytest.mark.parametrize("output", ["quantized", "latents", "histogram"])
    def test_every_output_beats_chance_by_far_and_vectors_beat_raw_codes(self, digits, scaled_vqvae, encoded, output):
        raw = accuracy(digits, scaled_vqvae.transform)
        encoded(output)
        score = accuracy(digits, scaled_vqvae.transform)
        assert score > (0.25 if output == "histogram" else raw + 0.02)


class TestOutputs:
    def test_shapes_and_types(self, digits, scaled_vqvae, encoded):
        X = digits[1][:20]
        sizes = {"codes": 16, "quantized": 16 * 8, "latents": 16 * 8, "histogram": 16}
        for output, size in sizes.items():
            encoded(output)
            features = scaled_vqvae.transform(X)
            assert features.shape == (20, size)
            assert features.dtype == (np.int64 if output == "codes" else np.float32)
            names = scaled_vqvae[-1].get_feature_names_out()
            assert list(names[[0, -1]]) == ["vqvae0", f"vqvae{size - 1}"]

    def test_what_each_output_means(self, digits, scaled_vqvae, encoded):
        X = digits[1][:20]
        codes = scaled_vqvae.transform(X)
        codebook = encoded("quantized").codebook_
        np.testing.assert_array_equal(scaled_vqvae.transform(X).reshape(20, 16, 8), codebook[codes])
        encoded("histogram")
        counts = np.stack([np.bincount(row, minlength=16) for row in codes])
        np.testing.assert_allclose(scaled_vqvae.transform(X), counts / 16, atol=1e-6)
        encoded("latents")
        latents = scaled_vqvae.transform(X).reshape(20, 16, 1, 8)
        nearest = np.square(latents - codebook).sum(axis=-1).argmin(axis=-1)
        assert (nearest == codes).mean() > 0.99  # ties apart

    @pytest.mark.parametrize("output", ["quantized", "latents"])
    def test_vectors_and_codes_turn_back_into_the_same_images(self, digits, scaled_vqvae, encoded, output):
        X = scaled_vqvae[0].transform(digits[1][:20])
        vqvae = scaled_vqvae[-1]
        codes = vqvae.transform(X)
        images = vqvae.inverse_transform(codes)
        encoded(output)
        np.testing.assert_array_equal(vqvae.inverse_transform(codes), images)
        np.testing.assert_array_equal(vqvae.reconstruct(X), images)
        np.testing.assert_allclose(vqvae.inverse_transform(vqvae.transform(X)), images, atol=1e-6)
        # Off the embeddings by a little, vectors still stand for their nearest codes.
        np.testing.assert_allclose(vqvae.inverse_transform(vqvae.transform(X).astype(float)), images, atol=1e-6)
        with pytest.raises(ValueError, match=r"16 \* 8 = 128 values to a row.*; got 16\..*codes of an integer dtype"):
            vqvae.inverse_transform(codes.astype(float))

    def test_histograms_cannot_be_turned_back(self, digits, scaled_vqvae, encoded):
        X = digits[1][:5]
        codes = scaled_vqvae.transform(X)
        images = scaled_vqvae[-1].inverse_transform(codes)
        encoded("histogram")
        with pytest.raises(
            ValueError, match=r"integer dtype, when output='histogram'; got floats\..*output='quantized'"
        ):
            scaled_vqvae[-1].inverse_transform(scaled_vqvae.transform(X))
        np.testing.assert_array_equal(scaled_vqvae[-1].inverse_transform(codes), images)

    def test_an_unknown_output(self, digits, scaled_vqvae, encoded):
        encoded("one-hot")
        with pytest.raises(ValueError, match=r"output must be one of 'codes', .*; got 'one-hot'"):
            scaled_vqvae.transform(digits[1][:5])
        with pytest.raises(ValueError, match=r"'output' parameter of VQVAE .*Got 'one-hot' instead\. It is what"):
            VQVAE(output="one-hot").fit(digits[0])

    @pytest.mark.parametrize("library", ["pandas", "polars"])
    def test_data_frames_come_out_with_their_columns(self, digits, encoded, library):
        pytest.importorskip(library)
        vqvae = encoded("histogram").set_output(transform=library)
        try:
            frame = vqvae.transform(digits[1][:5] / 16)
        finally:
            vqvae.set_output(transform="default")
        assert type(frame).__module__.startswith(library)
        assert list(frame.columns) == [f"vqvae{i}" for i in range(16)]

    def test_exported_functions_answer_codes_whatever_the_output(self, digits, scaled_vqvae, encoded):
        X = scaled_vqvae[0].transform(digits[1][:5])
        codes = scaled_vqvae[-1].transform(X)
        encoder = encoded("latents").graph_functions()["encoder"]
        answer = encoder.function(X.reshape(5, 8, 8, 1).astype(np.float32))[0]
        np.testing.assert_array_equal(np.asarray(answer), codes)


class TestPriors:
    def test_images_to_codes_to_scores_and_back_with_data_frames(self, digits):
        vqvae = small_vqvae(n_embeddings=8, image_shape=(8, 8))
        prior = PixelCNNPrior(
            n_embeddings=8, hidden_channels=4, n_layers=1, optimizer="sgd", max_iter=1, random_state=0
        )
        pipe = make_pipeline(vqvae, prior).set_output(transform="pandas").fit(digits[0])
        codes = pipe.transform(digits[1])
        assert list(codes.columns) == ["vqvae0", "vqvae1", "vqvae2", "vqvae3"]
        assert list(pipe.get_feature_names_out()) == list(codes.columns)
        assert pipe.score(digits[1]) == pytest.approx(pipe[-1].score(codes))
        assert pipe.inverse_transform(pipe[-1].sample(3, random_state=0)).shape == (3, 64)

    def test_a_prior_refuses_features_that_are_not_codes(self, digits):
        vqvae = VQVAE(
            8, 2, image_shape=(8, 8), output="quantized", hidden_channels=4, optimizer="sgd", max_iter=1, random_state=0
        )
        with pytest.raises(ValueError, match="X must hold codes, which are whole numbers"):
            make_pipeline(vqvae, PixelCNNPrior(max_iter=1)).fit(digits[0])


class TestSearchesOverBothStages:
    def test_a_fold_that_lacks_a_code_never_scores_nan(self):
        """The largest code occurs in one fold alone, so the prior that is fitted on the other guesses too few codes."""
        codes = np.random.default_rng(0).integers(0, 3, (40, 4))
        codes[30:, 0] = 5
        pipe = make_pipeline(FunctionTransformer(), small_pixelcnn())
        scores = cross_val_score(pipe, codes, cv=KFold(2))
        assert np.isfinite(scores).all()
        fitted = pipe.fit(codes[:20])
        assert fitted[-1].grid_.n_embeddings == 3
        # A code that no training row had costs log(N + 1) nats after N codes.
        assert fitted[-1].log_prob_per_code(codes[30:])[:, 0] == pytest.approx(-np.log(81))

    def test_the_size_of_the_codebook_can_be_searched(self, images):
        pipe = make_pipeline(small_vqvae(), small_pixelcnn())
        search = GridSearchCV(pipe, {"vqvae__n_embeddings": [4, 8]}, cv=2).fit(images)
        assert np.isfinite(search.cv_results_["mean_test_score"]).all()
        best = search.best_estimator_
        assert best[-1].grid_.n_embeddings <= best[0].grid_.n_embeddings == search.best_params_["vqvae__n_embeddings"]
