"""Several codes at each position, from fit to files, exports and displays."""

import io
import pickle

import numpy as np
import pytest
from small_models import small_pixelcnn, small_vqvae

import skvq
import skvq.runtime
from skvq import VQVAE, CodeGrid, ContextPrior, PixelCNNPrior, SkvqError, VQGenerator, export_onnx
from skvq._contract.counts import perplexity_of_counts
from skvq._contract.sampling import SamplingOptions
from skvq.networks.quantizers import EMAQuantizer

DEPTH, K, DIM = 3, 6, 4


@pytest.fixture(scope="module")
def deep(images):
    """An estimator of 2 × 2 positions with three codes each."""
    return VQVAE(
        K,
        DIM,
        n_quantizers=DEPTH,
        hidden_channels=16,
        n_residual_blocks=1,
        learning_rate=0.01,
        batch_size=16,
        max_iter=30,
        random_state=0,
    ).fit(images)


@pytest.fixture(scope="module")
def deep_codes(deep, images):
    return deep.transform(images)


@pytest.fixture(scope="module")
def deep_prior(deep, deep_codes, labels):
    return small_pixelcnn(grid=deep.grid_, conditional=True).fit(deep_codes, labels)


def copied(estimator, **params):
    return pickle.loads(pickle.dumps(estimator)).set_params(**params)


class TestFit:
    def test_the_grid_has_the_depth(self, deep, deep_codes):
        assert deep.grid_ == CodeGrid((2, 2), K, DEPTH)
        assert deep.codebook_.shape == (DEPTH, K, DIM)
        assert deep_codes.shape == (96, 4 * DEPTH)
        assert 0 <= deep_codes.min() <= deep_codes.max() < K

    def test_every_stage_makes_images_better(self, deep, deep_codes, images):
        errors = [
            np.square(images.astype(float) - deep.inverse_transform(deep_codes, n_quantizers=k)).mean()
            for k in range(1, DEPTH + 1)
        ]
        assert errors == sorted(errors, reverse=True)
        assert errors[0] < 0.8 * images.var()
        assert errors[-1] < 0.9 * errors[0]

    def test_codes_are_counted_by_stage(self, deep):
        assert deep.code_counts_.shape == (DEPTH, K)
        assert deep.code_counts_.sum(axis=1).tolist() == [96 * 4] * DEPTH
        last = {name: values[-1] for name, values in deep.history_.items()}
        perplexities = [last[f"perplexity_{i}"] for i in range(1, DEPTH + 1)]
        assert perplexities == pytest.approx([perplexity_of_counts(counts) for counts in deep.code_counts_])
        assert last["perplexity"] == pytest.approx(np.mean(perplexities))
        assert last["codes_in_use"] == (deep.code_counts_ > 0).sum()

    @pytest.mark.parametrize("params", [{"quantizer": "gradient"}, {"codebook_init": "random"}])
    def test_other_ways_to_learn_the_codebooks(self, images, params):
        vqvae = VQVAE(
            K, DIM, n_quantizers=2, hidden_channels=8, n_residual_blocks=0, max_iter=5, random_state=0, **params
        ).fit(images)
        assert -vqvae.score(images) < images.var()
        assert len(np.unique(vqvae.transform(images)[:, 1::2])) > 1

    def test_training_goes_on_alike_from_a_copy(self, images):
        vqvae = small_vqvae(n_quantizers=2).fit(images)
        twin = copied(vqvae)
        for each in (vqvae, twin):
            each.partial_fit(images)
        np.testing.assert_array_equal(twin.codebook_, vqvae.codebook_)
        with pytest.raises(SkvqError, match="n_quantizers must stay 2 for training to continue; got 3"):
            twin.set_params(n_quantizers=3).partial_fit(images)

    def test_one_quantizer_is_the_plain_one(self, vqvae, images):
        assert type(vqvae._network().quantizer) is EMAQuantizer
        np.testing.assert_array_equal(vqvae.inverse_transform(vqvae.encode(images), 1), vqvae.reconstruct(images))
        assert not any(name.startswith("perplexity_") for name in vqvae.history_)

    def test_a_fixed_grid_takes_one_quantizer_only(self, images):
        with pytest.raises(SkvqError, match=r"n_quantizers must be 1 for FSQQuantizer, .*; got 2\. Use quantizer"):
            VQVAE(8, n_quantizers=2, quantizer="fsq").fit(images)


class TestCodes:
    def test_the_codes_of_a_position_are_neighbours_the_first_stage_first(self, deep, deep_codes, images):
        latents = copied(deep, output="latents").transform(images).reshape(96, 4, DIM)
        for i, table in enumerate(deep.codebook_):
            nearest = np.square(latents[:, :, None] - table).sum(axis=-1).argmin(axis=-1)
            assert (nearest == deep_codes[:, i::DEPTH]).mean() > 0.999
            latents = latents - table[deep_codes[:, i::DEPTH]]

    def test_a_few_images_have_the_codes_that_they_have_among_many(self, deep, deep_codes, images):
        for n in (1, 5):
            np.testing.assert_array_equal(deep.transform(images[:n]), deep_codes[:n])

    @pytest.mark.parametrize("k", range(1, DEPTH + 1))
    def test_codes_of_the_first_stages_alone_are_enough(self, deep, deep_codes, k):
        short = deep_codes.reshape(96, 4, DEPTH)[..., :k].reshape(96, -1)
        np.testing.assert_array_equal(deep.inverse_transform(short, k), deep.inverse_transform(deep_codes, k))
        changed = deep_codes.reshape(96, 4, DEPTH).copy()
        changed[..., k:] = (changed[..., k:] + 1) % K
        np.testing.assert_array_equal(
            deep.inverse_transform(changed.reshape(96, -1), k), deep.inverse_transform(deep_codes, k)
        )

    def test_all_stages_are_the_default(self, deep, deep_codes):
        np.testing.assert_array_equal(deep.inverse_transform(deep_codes, DEPTH), deep.inverse_transform(deep_codes))

    @pytest.mark.parametrize("k", [0, DEPTH + 1, 1.5, True])
    def test_other_numbers_of_stages_are_refused(self, deep, deep_codes, k):
        with pytest.raises(SkvqError, match=r"n_quantizers must be an integer from 1 to 3, .*; got .*None takes all"):
            deep.inverse_transform(deep_codes, k)

    def test_quantized_vectors_are_sums_of_embeddings_and_turn_back(self, deep, deep_codes, images):
        twin = copied(deep, output="quantized")
        vectors = twin.transform(images)
        expected = sum(table[deep_codes[:, i::DEPTH]] for i, table in enumerate(deep.codebook_))
        np.testing.assert_allclose(vectors, expected.reshape(96, -1), atol=1e-5)
        assert len(twin.get_feature_names_out()) == vectors.shape[1] == 4 * DIM
        difference = twin.inverse_transform(vectors).astype(int) - deep.inverse_transform(deep_codes)
        assert np.abs(difference).max() <= 1
        with pytest.raises(SkvqError, match=r"n_quantizers must be None for vectors; got 1\. Pass codes"):
            twin.inverse_transform(vectors, 1)

    def test_latents_turn_into_their_codes(self, deep, deep_codes, images):
        twin = copied(deep, output="latents")
        np.testing.assert_array_equal(
            twin.inverse_transform(twin.transform(images)), deep.inverse_transform(deep_codes)
        )

    def test_histograms_are_shares_in_each_stage(self, deep, deep_codes, images):
        shares = copied(deep, output="histogram").transform(images).reshape(96, DEPTH, K)
        np.testing.assert_allclose(shares.sum(axis=-1), 1, atol=1e-6)
        for i in range(DEPTH):
            expected = [np.bincount(row, minlength=K) / 4 for row in deep_codes[:, i::DEPTH]]
            np.testing.assert_allclose(shares[:, i], expected, atol=1e-6)

    def test_codes_drawn_without_a_prior_are_of_each_stage(self, deep):
        assert deep.sample(5, random_state=0).shape == (5, 8, 8)
        drawn = deep._draw_independently(4000, None, SamplingOptions(), 0).reshape(-1, DEPTH)
        for i, counts in enumerate(deep.code_counts_):
            shares = np.bincount(drawn[:, i], minlength=K) / len(drawn)
            np.testing.assert_allclose(shares, counts / counts.sum(), atol=0.02)


class TestPriors:
    def test_the_prior_draws_codes_of_the_grid(self, deep, deep_prior):
        assert deep_prior.grid_ == deep.grid_
        assert deep_prior.sample(3, 1, random_state=0).shape == (3, 4 * DEPTH)

    def test_earlier_stages_tell_the_prior_about_later_ones(self):
        generator = np.random.default_rng(0)
        first = generator.integers(0, K, (512, 4, 1))
        codes = np.concatenate([first, (first + 1) % K, (first + 2) % K], axis=-1).reshape(512, -1)
        prior = PixelCNNPrior(grid=CodeGrid((2, 2), K, DEPTH), hidden_channels=16, n_layers=2, random_state=0)
        bits = -prior.fit(codes).log_prob_per_code(codes).mean(axis=0) / np.log(2)
        np.testing.assert_allclose(bits[::DEPTH], np.log2(K), atol=0.3)
        assert bits.reshape(4, DEPTH)[:, 1:].max() < 0.1
        drawn = prior.sample(50, random_state=0).reshape(50, 4, DEPTH)
        assert (drawn[..., 2] == (drawn[..., 0] + 2) % K).mean() > 0.95

    def test_both_stages_as_one_estimator(self, images):
        vqvae = small_vqvae(n_quantizers=2)
        model = VQGenerator(vqvae, small_pixelcnn()).fit(images)
        assert model.grid_.depth == model.prior_.grid_.depth == 2
        assert model.sample(2, random_state=0).shape == (2, 8, 8)
        top = np.array([[True, True], [False, False]])
        kept = model.prior_.complete(model.transform(images), top, random_state=0)
        np.testing.assert_array_equal(kept[:, :4], model.transform(images)[:, :4])
        np.testing.assert_array_equal(
            model.inverse_transform(model.transform(images), 1),
            model.vqvae_.inverse_transform(model.transform(images), 1),
        )

    def test_the_prior_of_counts_takes_the_depth(self, deep, deep_codes):
        prior = ContextPrior(grid=deep.grid_).fit(deep_codes)
        assert prior.bits_per_code(deep_codes) < np.log2(K)
        assert prior.sample(2, random_state=0).shape == (2, 4 * DEPTH)


class TestFiles:
    def test_all_comes_back(self, deep, deep_prior, deep_codes, images):
        stream = io.BytesIO()
        VQGenerator.from_fitted(deep, deep_prior).save(stream)
        twin = skvq.load(stream.getvalue())
        assert twin.vqvae_.get_params() == deep.get_params()
        assert twin.vqvae_.history_ == deep.history_
        np.testing.assert_array_equal(twin.vqvae_.code_counts_, deep.code_counts_)
        np.testing.assert_array_equal(twin.transform(images), deep_codes)
        np.testing.assert_array_equal(
            twin.sample(2, 1, random_state=0), VQGenerator.from_fitted(deep, deep_prior).sample(2, 1, random_state=0)
        )

    def test_a_file_of_one_quantizer_does_not_name_them(self, vqvae):
        stream = io.BytesIO()
        vqvae.save(stream)
        assert b"n_quantizers" not in stream.getvalue()
        assert b"quantizer_dropout" not in stream.getvalue()
        assert skvq.load(stream.getvalue()).get_params() == vqvae.get_params()


@pytest.fixture(scope="module")
def runtime(deep, deep_prior, tmp_path_factory):
    parts = ("encoder", "decoder", "log_likelihood", "controlled_sampler")
    model = VQGenerator.from_fitted(deep, deep_prior)
    return skvq.runtime.load(export_onnx(model, tmp_path_factory.mktemp("deep") / "model", parts=parts))


class TestExports:
    def test_the_runtime_knows_the_grid(self, deep, runtime):
        assert runtime.grid == deep.grid_

    def test_it_has_the_same_codes(self, runtime, deep_codes, images):
        assert (runtime.transform(images) == deep_codes).mean() > 0.999

    @pytest.mark.parametrize("k", [None, *range(1, DEPTH + 1)])
    def test_it_rebuilds_images_from_the_first_stages(self, deep, runtime, deep_codes, k):
        difference = runtime.inverse_transform(deep_codes, k).astype(int) - deep.inverse_transform(deep_codes, k)
        assert np.abs(difference).max() <= 1

    def test_it_draws_the_same_codes(self, deep_prior, runtime, labels):
        for options in ({}, {"top_k": 3}):
            drawn = runtime.sample_codes(20, labels[:20], **options, random_state=5)
            np.testing.assert_array_equal(drawn, deep_prior.sample(20, labels[:20], **options, random_state=5))

    def test_it_has_the_same_likelihoods(self, deep_prior, runtime, deep_codes, labels):
        np.testing.assert_allclose(
            runtime.score_codes(deep_codes, labels), deep_prior.score_samples(deep_codes, labels), rtol=1e-4
        )

    @pytest.mark.parametrize("output", ["quantized", "latents", "histogram"])
    def test_a_pipeline_becomes_one_graph(self, deep, images, output):
        skl2onnx = pytest.importorskip("skl2onnx")
        import onnxruntime
        from sklearn.pipeline import make_pipeline

        skvq.export.register_converters()
        flat = images.reshape(96, -1).astype(np.float32)
        pipe = make_pipeline(copied(deep, output=output))
        model = skl2onnx.to_onnx(pipe, flat[:1])
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        (answer,) = session.run(None, {session.get_inputs()[0].name: flat})
        np.testing.assert_allclose(answer, copied(deep, output=output).transform(images), atol=1e-3)


class TestDisplays:
    def test_maps_have_a_row_for_each_stage(self, deep, images):
        plotting = pytest.importorskip("skvq.plotting")
        display = plotting.CodeMapDisplay.from_estimator(deep, images, n_images=2)
        labels = [label.get_text() for label in display.ax_.get_yticklabels()]
        assert labels == ["original", "codes 1", "codes 2", "codes 3"]
        assert display.colors.shape == (DEPTH, K, 3)
        assert display.codes.shape == (2, 2, 2, DEPTH)
        with pytest.raises(ValueError, match=r"codes must have 3 codes at each position; got shape \(2, 2, 2, 2\)"):
            plotting.CodeMapDisplay(images[:2], display.codes[..., :2], deep.codebook_)

    @pytest.mark.parametrize("stage", [1, DEPTH])
    def test_a_codebook_is_drawn_by_stage(self, deep, stage):
        plotting = pytest.importorskip("skvq.plotting")
        display = plotting.CodebookDisplay.from_estimator(deep, stage=stage)
        np.testing.assert_array_equal(display.counts, deep.code_counts_[stage - 1])
        position = [*deep.code_counts_[: stage - 1].argmax(axis=1), 2]
        (expected,) = deep.inverse_transform([position * 4], stage)
        np.testing.assert_array_equal(display.patches[2][..., 0], expected[4:, 4:])
        with pytest.raises(ValueError, match="stage must be at most 3, that of grid_; got 4"):
            plotting.CodebookDisplay.from_estimator(deep, stage=DEPTH + 1)

    def test_the_curves_count_codes_of_stages_on_the_axis_of_codes(self, deep):
        plotting = pytest.importorskip("skvq.plotting")
        display = plotting.LossCurveDisplay.from_estimator(deep)
        assert display.lines_["perplexity_2"].axes is display.codes_ax_

    def test_an_interpolation_begins_and_ends_at_the_reconstructions(self, deep, images):
        plotting = pytest.importorskip("skvq.plotting")
        steps = plotting.InterpolationDisplay.from_estimator(deep, images[:3], images[3:6], n_steps=3).steps
        np.testing.assert_array_equal(steps[0][..., 0], deep.reconstruct(images[:3]))
        np.testing.assert_array_equal(steps[-1][..., 0], deep.reconstruct(images[3:6]))
