"""One bound model in two places: VQGenerator and the runtime of its export answer alike, by the same names."""

import inspect

import numpy as np
import pytest
from small_models import small_pixelcnn

import skvq.runtime
from skvq import ContextPrior, SkvqError, VQGenerator, export_onnx
from skvq.runtime import Runtime

METHODS = ("transform", "inverse_transform", "reconstruct", "sample", "complete", "score_samples", "bits_per_image")
CODING = ("compress", "decompress")
PARTS = ("encoder", "decoder", "log_likelihood", "controlled_sampler")
TOP = np.array([[True, True], [False, False]])


@pytest.fixture(scope="module", params=["pixelcnn-classes", "pixelcnn", "context-classes"])
def bound(request, vqvae, prior, codes, labels, tmp_path_factory):
    """A generator, the runtime of its export, and the labels that both take."""
    if request.param == "pixelcnn":
        prior = small_pixelcnn(grid=vqvae.grid_).fit(codes)
    elif request.param == "context-classes":
        prior = ContextPrior(grid=vqvae.grid_, conditional=True).fit(codes, labels)
    model = VQGenerator.from_fitted(vqvae, prior)
    path = export_onnx(model, tmp_path_factory.mktemp("bound") / request.param, parts=PARTS)
    return model, skvq.runtime.load(path), None if request.param == "pixelcnn" else labels


@pytest.mark.parametrize("name", [*METHODS, *CODING])
def test_names_order_and_defaults_of_arguments_are_the_same(name):
    ours, theirs = (
        [(p.name, p.kind, p.default) for p in inspect.signature(getattr(owner, name)).parameters.values()]
        for owner in (VQGenerator, Runtime)
    )
    assert ours == theirs


def test_the_runtime_has_no_other_method_of_images():
    public = {name for name in vars(Runtime) if not name.startswith("_")}
    assert public == {*METHODS, "codes_in_parts"}  # for as many images as there are


def test_both_hold_the_same_grid_and_classes(bound):
    model, runtime, labels = bound
    assert runtime.grid == model.grid_
    assert runtime.classes == (None if labels is None else (0, 1))


class TestAnswers:
    def test_codes(self, bound, images):
        model, runtime, _ = bound
        found, expected = runtime.transform(images), model.transform(images)
        np.testing.assert_array_equal(found, expected)
        assert found.dtype == expected.dtype

    @pytest.mark.parametrize("name", ["inverse_transform", "reconstruct"])
    def test_images(self, bound, images, codes, name):
        model, runtime, _ = bound
        X = codes if name == "inverse_transform" else images
        agree(getattr(runtime, name)(X), getattr(model, name)(X))

    @pytest.mark.parametrize("options", [{}, {"temperature": 0.7}, {"top_k": 3}, {"top_p": 0.8, "temperature": 1.2}])
    def test_samples(self, bound, labels, options):
        model, runtime, y = bound
        y = None if y is None else y[:20]
        agree(runtime.sample(20, y, **options, random_state=5), model.sample(20, y, **options, random_state=5))
        np.testing.assert_array_equal(
            runtime.sample_codes(20, y, **options, random_state=5),
            model.prior_.sample(20, y, **options, random_state=5),
        )

    def test_selected_samples(self, bound, labels):
        model, runtime, y = bound
        if y is None:
            for each in (model, runtime):
                with pytest.raises(SkvqError, match=r"select must be None for a prior with 0 classes"):
                    each.sample(3, select=0.5)
            return
        options = {"select": 0.5, "random_state": 5}
        selected = model.prior_.sample(20, y[:20], **options)
        np.testing.assert_array_equal(runtime.sample_codes(20, y[:20], **options), selected)
        agree(runtime.sample(20, y[:20], **options), model.sample(20, y[:20], **options))
        everything = model.prior_.sample(20, y[:20], random_state=5)

        def odds(codes):
            return model.prior_.score_samples(codes, y[:20]) - model.prior_.score_samples(codes, 1 - y[:20])

        assert odds(selected).mean() > odds(everything).mean()

    def test_completions(self, bound, images):
        model, runtime, y = bound
        agree(runtime.complete(images, TOP, y, random_state=5), model.complete(images, TOP, y, random_state=5))
        codes = model.transform(images)
        drawn = runtime.complete_codes(codes, TOP, y, random_state=5)
        np.testing.assert_array_equal(drawn, model.prior_.complete(codes, TOP, y, random_state=5))
        np.testing.assert_array_equal(drawn[:, :2], codes[:, :2])

    def test_scores(self, bound, images):
        model, runtime, y = bound
        found, expected = runtime.score_samples(images, y), model.score_samples(images, y)
        np.testing.assert_allclose(found, expected, rtol=1e-4)
        assert found.dtype == expected.dtype == np.float64
        assert runtime.bits_per_image(images, y) == pytest.approx(model.bits_per_image(images, y), rel=1e-4)
        np.testing.assert_allclose(runtime.score_codes(model.transform(images), y), expected, rtol=1e-4)


def agree(found, expected):
    """Assert that images are equal but for the last bits of floats before they were rounded to uint8."""
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype == np.uint8
    assert np.abs(found.astype(int) - expected).max() <= 1


@pytest.mark.parametrize(
    "call",
    [
        lambda model, X, y: model.sample(0, y),
        lambda model, X, y: model.sample(2.5, y),
        lambda model, X, y: model.sample(96, y, temperature=0),
        lambda model, X, y: model.sample(96, y, top_k=0),
        lambda model, X, y: model.sample(96, y, top_p=1.5),
        lambda model, X, y: model.sample(96, y, select=0),
        lambda model, X, y: model.sample(96, y, random_state="seed"),
        lambda model, X, y: model.sample(3, ["a", "b", "c"]),
        lambda model, X, y: model.sample(3, None if y is not None else 1),
        lambda model, X, y: model.complete(X, [True], y),
        lambda model, X, y: model.complete(X, TOP.astype(int), y),
        lambda model, X, y: model.inverse_transform([[0, 0, 0, 99]]),
        lambda model, X, y: model.inverse_transform([[0, 0, 0]]),
        lambda model, X, y: model.inverse_transform([[0, 0, 0, 0.5]]),
    ],
)
def test_both_refuse_with_the_same_words(bound, images, call):
    model, runtime, y = bound
    messages = []
    for each in (model, runtime):
        with pytest.raises(SkvqError) as error:
            call(each, images, y)
        messages.append(str(error.value))
    assert messages[0] == messages[1]
