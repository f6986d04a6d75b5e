"""Displays that draw rows of images: which images they draw, where, in which units and with which labels."""

import numpy as np
import pytest

pytest.importorskip("matplotlib")
from plotting_stand_ins import (
    LAYOUTS,
    CountingPrior,
    blocky_images,
    column_labels,
    laid_out,
    new_axes,
    rendered,
    row_labels,
    shown,
    stand_in,
    unit,
)

from skvq.plotting import CompletionDisplay, InterpolationDisplay, ReconstructionDisplay, SampleDisplay, SurpriseDisplay

every_layout = pytest.mark.parametrize("layout", LAYOUTS)
VQVAE = stand_in("float")
X = blocky_images(5, VQVAE)
# Pixels between tiles of this size.
GAP = 1


@every_layout
def test_reconstructions_are_below_their_originals(layout):
    vqvae = stand_in(layout)
    X = blocky_images(4, vqvae)
    display = ReconstructionDisplay.from_estimator(vqvae, X, n_images=3, ax=new_axes(), show_difference=True)
    originals, reconstructions = unit(X[:3], vqvae), unit(vqvae.reconstruct(X[:3]), vqvae)
    expected = laid_out([originals, reconstructions, np.abs(originals - reconstructions)], GAP)
    np.testing.assert_array_equal(shown(display.image_), expected)
    assert row_labels(display) == ["original", "reconstruction", "difference"]
    assert column_labels(display) == [f"{value:.1f}" for value in display.psnr]


def test_psnr_is_each_images_own_in_decibels():
    originals = np.zeros((3, 4, 4))
    reconstructions = np.stack([np.full((4, 4), 25.5), np.full((4, 4), 2.55), np.zeros((4, 4))])
    display = ReconstructionDisplay(originals, reconstructions, data_range=(0, 255)).plot(new_axes())
    np.testing.assert_allclose(display.psnr, [20, 40, np.inf])
    assert column_labels(display) == ["20.0", "40.0", "∞"]
    assert display.ax_.get_xlabel() == "PSNR (dB)"
    assert column_labels(display.plot(new_axes(), show_psnr=False)) == []


def test_a_reconstruction_of_nan_is_not_called_lossless():
    reconstructions = np.stack([np.full((4, 4), np.nan), np.zeros((4, 4)), np.full((4, 4), 0.1)])
    display = ReconstructionDisplay(np.zeros((3, 4, 4)), reconstructions, data_range=(0, 1)).plot(new_axes())
    assert column_labels(display) == ["nan", "∞", "20.0"]


def test_unsigned_integers_do_not_wrap_around():
    display = ReconstructionDisplay(
        np.zeros((1, 2, 2), np.uint8), np.full((1, 2, 2), 255, np.uint8), data_range=(0, 255)
    )
    assert display.psnr.tolist() == [0.0]
    canvas = shown(display.plot(new_axes(), show_difference=True).image_)
    np.testing.assert_array_equal(canvas[-2:], 1)


def test_the_gain_of_differences_is_named():
    display = ReconstructionDisplay([[[0.0, 1.0]]], [[[0.1, 0.5]]], data_range=(0, 1))
    display.plot(new_axes(), show_difference=True, difference_gain=3)
    assert row_labels(display)[2] == "difference ×3"
    np.testing.assert_allclose(shown(display.image_)[-1], [0.3, 1], rtol=1e-6)
    with pytest.raises(ValueError, match="difference_gain must be > 0; got 0"):
        display.plot(new_axes(), show_difference=True, difference_gain=0)


def test_originals_and_reconstructions_have_one_shape():
    with pytest.raises(
        ValueError, match=r"reconstructions must have the shape of originals, \(1, 2, 2\); got \(2, 2, 2\)"
    ):
        ReconstructionDisplay(np.zeros((1, 2, 2)), np.zeros((2, 2, 2)))


def test_reconstructions_render_as_a_direct_drawing():
    ax, expected_ax = new_axes(), new_axes()
    ReconstructionDisplay.from_estimator(VQVAE, X, ax=ax, show_psnr=False, title="T")
    canvas = laid_out([unit(X, VQVAE), unit(VQVAE.reconstruct(X), VQVAE)], GAP)
    expected_ax.imshow(canvas, cmap="gray", vmin=0, vmax=1)
    expected_ax.set_title("T")
    expected_ax.set_xticks([])
    expected_ax.set_yticks([3.5, 12.5], ["original", "reconstruction"])
    expected_ax.tick_params(length=0)
    expected_ax.spines[:].set_visible(False)
    np.testing.assert_array_equal(rendered(ax.figure), rendered(expected_ax.figure))


@every_layout
def test_samples_stand_in_rows_by_class(layout):
    vqvae = stand_in(layout)
    prior = CountingPrior(vqvae, classes=["a", "b", "c"])
    options = {"n_per_class": 4, "temperature": 0.5, "random_state": 9}
    display = SampleDisplay.from_estimator(vqvae, prior=prior, ax=new_axes(), **options)
    labels = ["a"] * 4 + ["b"] * 4 + ["c"] * 4
    call = prior.calls[0]
    assert call["y"].tolist() == labels
    assert (call["temperature"], call["random_state"]) == (0.5, 9)
    images = unit(vqvae.inverse_transform(prior.sample(12, y=labels)), vqvae)
    np.testing.assert_array_equal(shown(display.image_), laid_out([images[:4], images[4:8], images[8:]], GAP))
    assert row_labels(display) == ["a", "b", "c"]


def test_samples_without_classes_are_a_plain_grid():
    prior = CountingPrior(VQVAE)
    display = SampleDisplay.from_estimator(VQVAE, prior=prior, n_samples=5, n_columns=3, ax=new_axes())
    assert prior.calls[0]["y"] is None
    images = unit(VQVAE.inverse_transform(prior.sample(5)), VQVAE)
    blank = np.full_like(images[0], np.nan)
    expected = laid_out([images[:3], [images[3], images[4], blank]], GAP)
    np.testing.assert_array_equal(shown(display.image_), expected)
    assert row_labels(display) == []


def test_labels_sort_samples_and_a_class_may_take_two_rows():
    images = np.random.default_rng(0).random((6, 4, 4), dtype=np.float32)
    display = SampleDisplay(images, [7, 1, 7, 7, 1, 7], data_range=(0, 1)).plot(new_axes(), n_columns=3)
    blank = np.full((4, 4), np.nan)
    rows = [[images[1], images[4], blank], [images[0], images[2], images[3]], [images[5], blank, blank]]
    np.testing.assert_array_equal(shown(display.image_), laid_out(rows, GAP))
    assert row_labels(display) == ["1", "7"]
    np.testing.assert_allclose(display.ax_.get_yticks(), [1.5, (6.5 + 11.5) / 2])


def test_samples_render_as_a_direct_drawing():
    images = np.random.default_rng(0).random((4, 6, 6), dtype=np.float32)
    ax, expected_ax = new_axes(), new_axes()
    SampleDisplay(images, [0, 0, 1, 1], data_range=(0, 1)).plot(ax, cmap="viridis")
    expected_ax.imshow(laid_out([images[:2], images[2:]], GAP), vmin=0, vmax=1, cmap="viridis")
    expected_ax.set_title("Samples")
    expected_ax.set_xticks([])
    expected_ax.set_yticks([2.5, 9.5], ["0", "1"])
    expected_ax.tick_params(length=0)
    expected_ax.spines[:].set_visible(False)
    np.testing.assert_array_equal(rendered(ax.figure), rendered(expected_ax.figure))


def test_samples_are_refused_when_numbers_do_not_fit():
    with pytest.raises(ValueError, match="labels must have one class for each of the 2 rows; got 3"):
        SampleDisplay(np.zeros((2, 4, 4)), [1, 2, 3])
    for labels in ([1, np.nan, np.nan], np.array(["a", None, np.nan], dtype=object)):
        with pytest.raises(ValueError, match=r"labels must hold no missing or mixed values.*; got (nan|None)"):
            SampleDisplay(np.zeros((3, 4, 4)), labels)
    for name in ("n_per_class", "n_samples", "n_columns"):
        with pytest.raises(ValueError, match=f"{name} must be an integer >= 1; got 0"):
            SampleDisplay.from_estimator(VQVAE, prior=CountingPrior(VQVAE), **{name: 0})


@every_layout
@pytest.mark.parametrize("given", ["default", "map", "flat", "each", "each map"])
def test_completions_keep_what_is_known(layout, given):
    vqvae = stand_in(layout)
    X, prior, (h, w) = blocky_images(3, vqvae), CountingPrior(vqvae), vqvae.grid_.shape
    known = np.random.default_rng(5).random((3, h * w)) < 0.5
    if given in ("default", "map", "flat"):
        known[:] = np.arange(h * w) < (h // 2) * w if given == "default" else known[0]
    argument = {
        "default": None,
        "map": known[0].reshape(h, w),
        "flat": known[0],
        "each": known,
        "each map": known.reshape(3, h, w),
    }[given]
    display = CompletionDisplay.from_estimator(
        vqvae, X, prior=prior, mask=argument, n_completions=2, random_state=4, ax=new_axes()
    )
    assert prior.calls[0]["random_state"] == 4
    np.testing.assert_array_equal(prior.calls[0]["mask"], np.tile(known, (2, 1)))
    originals = unit(X, vqvae)
    seen = known.reshape(3, h, w).repeat(4, axis=1).repeat(4, axis=2)
    seen = seen if originals.ndim == 3 else seen[..., None]
    hidden = np.where(seen, originals, np.float32(0.45))
    codes = np.where(known, vqvae.encode(X), np.arange(6).reshape(2, 3, 1))
    filled = [unit(vqvae.inverse_transform(c), vqvae) for c in codes]
    np.testing.assert_array_equal(shown(display.image_), laid_out([originals, hidden, *filled], GAP))
    assert row_labels(display) == ["original", "known", "completions"]


def test_classes_are_handed_to_the_prior_for_each_completion():
    prior = CountingPrior(VQVAE, classes=[1, 2])
    options = {"n_images": 3, "n_completions": 2, "ax": new_axes()}
    CompletionDisplay.from_estimator(VQVAE, X, prior=prior, y=[1, 2, 1, 2, 1], **options)
    assert prior.calls[0]["y"].tolist() == [1, 2, 1, 1, 2, 1]
    with pytest.raises(ValueError, match="y must have one class for each of the 5 rows; got 4"):
        CompletionDisplay.from_estimator(VQVAE, X, prior=prior, y=[1, 2, 1, 2])
    for display in (CompletionDisplay, SurpriseDisplay):
        with pytest.raises(ValueError, match=r"y must hold no missing or mixed values.*; got None"):
            display.from_estimator(VQVAE, X, prior=prior, y=[None] * 5)


@pytest.mark.parametrize("mask", [np.ones((3, 3), bool), np.ones(6), [[True]], np.ones((4, 6), bool)])
def test_a_mask_must_be_bool_and_fit_the_codes(mask):
    with pytest.raises(
        ValueError, match=r"mask must be an array of bool of shape \(6,\) or .*\(2, 3\).*; got \w+, shape"
    ):
        CompletionDisplay.from_estimator(VQVAE, X, prior=CountingPrior(VQVAE), mask=mask)


def test_completions_are_refused_when_arrays_do_not_fit():
    images, mask = np.zeros((2, 4, 4)), np.ones((2, 2, 2), bool)
    with pytest.raises(ValueError, match="mask must be an array of bool; got dtype int64"):
        CompletionDisplay(images, mask.astype(np.int64), [images])
    with pytest.raises(ValueError, match=r"completions must have the shape \(n_completions, \*originals.shape\)"):
        CompletionDisplay(images, mask, images)


@every_layout
def test_interpolation_walks_through_the_nearest_codes(layout):
    vqvae = stand_in(layout)
    starts, ends = blocky_images(2, vqvae, seed=1), blocky_images(2, vqvae, seed=2)
    display = InterpolationDisplay.from_estimator(vqvae, starts, ends, n_steps=4, ax=new_axes())
    first, last = vqvae.codebook_[vqvae.encode(starts)], vqvae.codebook_[vqvae.encode(ends)]
    columns = [unit(starts, vqvae)]
    for t in (0, 1 / 3, 2 / 3, 1):
        latents = first + t * (last - first)
        codes = np.linalg.norm(latents[:, :, None] - vqvae.codebook_, axis=-1).argmin(axis=-1)
        columns.append(unit(vqvae.inverse_transform(codes), vqvae))
    columns.append(unit(ends, vqvae))
    np.testing.assert_array_equal(columns[1], unit(vqvae.reconstruct(starts), vqvae))
    np.testing.assert_array_equal(columns[-2], unit(vqvae.reconstruct(ends), vqvae))
    rows = [[column[row] for column in columns] for row in range(2)]
    np.testing.assert_array_equal(shown(display.image_), laid_out(rows, GAP))
    assert column_labels(display) == ["start", "0", "0.33", "0.67", "1", "end"]


def test_interpolation_is_refused_when_numbers_do_not_fit():
    with pytest.raises(ValueError, match="n_steps must be an integer >= 2; got 1"):
        InterpolationDisplay.from_estimator(VQVAE, X[:1], X[1:2], n_steps=1)
    with pytest.raises(ValueError, match="X_end must have as many images as X_start, 1; got 2"):
        InterpolationDisplay.from_estimator(VQVAE, X[:1], X[1:3])
    with pytest.raises(ValueError, match=r"steps the shape \(n_steps, \*starts.shape\)"):
        InterpolationDisplay(X[:1], X[:1], X[:1])
