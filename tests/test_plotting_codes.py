"""What codes look like, how they are used and what they cost."""

import warnings

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
    shown,
    stand_in,
    unit,
)

from skvq.plotting import CodebookDisplay, CodeMapDisplay, RateDistortionDisplay, SurpriseDisplay

every_layout = pytest.mark.parametrize("layout", LAYOUTS)
VQVAE = stand_in("float")
X = blocky_images(5, VQVAE)
# Pixels between tiles of this size.
GAP = 1


@every_layout
def test_code_maps_show_each_codes_colour_over_its_block(layout):
    vqvae = stand_in(layout)
    X = blocky_images(3, vqvae)
    display = CodeMapDisplay.from_estimator(vqvae, X, ax=new_axes())
    colors = display.colors[vqvae.encode(X)].reshape(3, *vqvae.grid_.shape, 3)
    maps = [np.kron(m, np.ones((4, 4, 1), dtype=np.float32)) for m in colors]
    originals = unit(X, vqvae)
    if originals.ndim == 3:
        originals = np.stack([originals] * 3, axis=-1)
    np.testing.assert_array_equal(shown(display.image_), laid_out([originals, maps], GAP))
    assert len(np.unique(display.colors, axis=0)) == len(vqvae.codebook_)


def test_code_maps_render_as_a_direct_drawing():
    ax, expected_ax = new_axes(), new_axes()
    display = CodeMapDisplay.from_estimator(VQVAE, X, ax=ax, title="")
    colors = display.colors[VQVAE.encode(X)].reshape(-1, 2, 3, 3)
    maps = [m.repeat(4, axis=0).repeat(4, axis=1) for m in colors]
    canvas = laid_out([np.stack([unit(X, VQVAE)] * 3, axis=-1), maps], GAP)
    gaps = np.isnan(canvas[..., :1])
    expected_ax.imshow(np.concatenate([np.where(gaps, 1, canvas), 1 - gaps], axis=2))
    expected_ax.set_xticks([])
    expected_ax.set_yticks([3.5, 12.5], ["original", "codes"])
    expected_ax.tick_params(length=0)
    expected_ax.spines[:].set_visible(False)
    np.testing.assert_array_equal(rendered(ax.figure), rendered(expected_ax.figure))


def test_codes_must_be_maps_of_the_codebook():
    images, codebook = np.zeros((2, 4, 4)), np.eye(3)
    with pytest.raises(
        ValueError, match=r"codes must have one map \(h, w\) for each of the 2 images; got shape \(2, 4\)"
    ):
        CodeMapDisplay(images, np.zeros((2, 4), int), codebook)
    for wrong in (3, -1, 0.5):
        with pytest.raises(ValueError, match=r"codes must (lie in \[0, n_embeddings\)|hold codes).*; got"):
            CodeMapDisplay(images, np.full((2, 2, 2), wrong), codebook)


@every_layout
def test_patches_are_what_each_code_decodes_to_sorted_by_use(layout):
    vqvae = stand_in(layout)
    vqvae.code_counts_ = np.array([3, 9, 0, 9, 1, 0, 2, 2, 2, 2, 2, 50])
    ax = new_axes()
    display = CodebookDisplay.from_estimator(vqvae, kind="patches", n_columns=4, ax=ax)
    assert display.order.tolist() == [11, 1, 3, 0, 6, 7, 8, 9, 10, 4, 2, 5]
    channels = vqvae.image_shape_[2]
    blocks = unit(vqvae.codebook_.reshape(12, 4, 4, channels).astype(vqvae.dtype), VQOfBlocks(vqvae))
    tiles = blocks[display.order].repeat(3, axis=1).repeat(3, axis=2)
    np.testing.assert_array_equal(shown(ax.images[0]), laid_out(tiles.reshape(3, 4, *tiles.shape[1:]), 4))
    assert display.ax_ is display.patches_ax_
    assert display.map_ax_ is None


class VQOfBlocks:
    """The units of an autoencoder, for images of the size of one block."""

    def __init__(self, vqvae):
        self.data_range_, self.image_shape_ = vqvae.data_range_, (4, 4, vqvae.image_shape_[2])


def test_bars_and_areas_grow_with_use_and_unused_codes_are_struck_out():
    counts = np.array([0, 4, 16, 1])
    patches = np.random.default_rng(0).random((4, 4, 4))
    display = CodebookDisplay(patches, np.random.default_rng(1).random((4, 6)), counts).plot(new_axes())
    _, _, bars, strikes = display.patches_ax_.collections
    widths = [path.get_extents().width for path in bars.get_paths()]
    np.testing.assert_allclose(widths, 12 * np.array([1, 0.5, 0.25, 0]))
    assert len(strikes.get_segments()) == 1
    used, unused = display.map_ax_.collections
    np.testing.assert_allclose(used.get_sizes(), 10 + 250 * np.array([1, 0.5, 0.25]))
    assert len(unused.get_offsets()) == 1
    shares = np.array([4, 16, 1]) / 21
    np.testing.assert_allclose(display.perplexity, np.prod(shares**-shares))
    assert display.ax_.get_title() == "Codebook: 3 of 4 codes used, perplexity 1.95"


def test_a_codebook_without_use_is_drawn_all_the_same():
    display = CodebookDisplay(np.zeros((5, 4, 4)), np.eye(5), np.zeros(5)).plot(new_axes())
    rendered(display.figure_)
    assert display.perplexity == 0
    assert len(display.patches_ax_.collections[3].get_segments()) == 5


def test_only_the_most_used_codes_are_drawn_when_there_are_many():
    display = CodebookDisplay(np.zeros((300, 4, 4)), np.eye(300, 4), np.arange(300.0))
    assert len(display.plot(new_axes()).patches_ax_.collections[0].get_paths()) == 256
    assert len(display.plot(new_axes(), n_codes=10).patches_ax_.collections[0].get_paths()) == 10


def test_codebooks_are_refused_when_arrays_do_not_fit():
    patches = np.zeros((3, 4, 4))
    with pytest.raises(
        ValueError, match=r"codebook must have shape \(3, embedding_dim\), and counts.*\(2, 2\) and \(3,\)"
    ):
        CodebookDisplay(patches, np.eye(2), np.ones(3))
    with pytest.raises(ValueError, match=r"counts must be >= 0; got a minimum of -1\.0"):
        CodebookDisplay(patches, np.eye(3), [1, -1, 0])
    with pytest.raises(ValueError, match="kind must be one of 'both', 'patches', 'map'; got 'all'"):
        CodebookDisplay(patches, np.eye(3), np.ones(3)).plot(kind="all")


@every_layout
def test_surprise_is_in_bits_below_each_image(layout):
    vqvae = stand_in(layout)
    X, prior = blocky_images(3, vqvae), CountingPrior(vqvae, classes=[0, 1])
    display = SurpriseDisplay.from_estimator(vqvae, X, prior=prior, y=[0, 1, 0], ax=new_axes())
    codes = vqvae.encode(X)  # code k costs k bits
    bits = codes.reshape(3, *vqvae.grid_.shape).repeat(4, axis=1).repeat(4, axis=2)
    originals = unit(X, vqvae)
    nothing = np.full_like(originals, np.nan)
    np.testing.assert_array_equal(shown(display.originals_image_), laid_out([originals, nothing], GAP))
    below = laid_out([np.full(bits.shape, np.nan), bits], GAP)
    np.testing.assert_allclose(shown(display.image_), below, rtol=1e-6)
    assert display.image_.get_clim() == pytest.approx((0, codes.max()))
    assert column_labels(display) == [str(total) for total in codes.sum(axis=1)]
    assert prior.calls[0]["y"].tolist() == [0, 1, 0]


def test_the_colour_bar_spans_the_row_it_explains():
    display = SurpriseDisplay(np.zeros((2, 8, 8)), np.ones((2, 2, 2))).plot(new_axes(), vmax=4)
    rendered(display.figure_)
    box = display.colorbar_.ax.get_window_extent()
    (_, top), (_, bottom) = display.ax_.transData.transform([(0, 8.5), (0, 16.5)])
    assert (box.y0, box.y1) == pytest.approx((bottom, top), abs=1)
    assert display.image_.get_clim() == (0, 4)
    assert display.plot(new_axes(), colorbar=False).colorbar_ is None
    with pytest.raises(ValueError, match=r"bits must have one map \(h, w\) for each of.*got shape \(2, 4\)"):
        SurpriseDisplay(np.zeros((2, 8, 8)), np.ones((2, 4)))


def test_the_front_holds_every_point_that_no_other_beats():
    generator = np.random.default_rng(0)
    rates, distortions = generator.integers(1, 9, (2, 60)) / 10
    display = RateDistortionDisplay(rates, distortions)
    for i in range(60):
        beaten = any(
            (rates[j], distortions[j]) != (rates[i], distortions[i])
            and rates[j] <= rates[i]
            and distortions[j] <= distortions[i]
            for j in range(60)
        )
        assert display.on_front[i] == (not beaten)
    front = display.plot(new_axes()).ax_.lines[0]
    assert (np.diff(front.get_xdata()) >= 0).all()
    assert (np.diff(front.get_ydata()) <= 0).all()
    assert front.get_drawstyle() == "steps-post"


def test_points_labels_and_groups_are_drawn():
    display = RateDistortionDisplay([100, 200, 1600], [0.4, 0.2, 0.3], ["a", "b", "c"], ["ema", "fsq", "ema"])
    ax = display.plot(new_axes()).ax_
    places = {text.get_text(): text.xy for text in ax.texts}
    assert places == {"a": (100, 0.4), "b": (200, 0.2), "c": (1600, 0.3)}
    assert [label.get_text() for label in ax.get_legend().get_texts()] == ["Pareto front", "ema", "fsq"]
    np.testing.assert_array_equal(ax.collections[0].get_offsets(), [[100, 0.4], [1600, 0.3]])
    np.testing.assert_array_equal(ax.collections[1].get_offsets(), [[200, 0.2]])
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "linear")
    assert display.plot(new_axes(), xscale="linear").ax_.get_xscale() == "linear"


def test_a_front_of_one_point_is_not_named():
    best = RateDistortionDisplay([1, 2, 1], [0.1, 0.2, 0.1], groups=["ema", "fsq", "fsq"])
    assert best.on_front.tolist() == [True, False, True]
    assert [text.get_text() for text in best.plot(new_axes()).ax_.get_legend().get_texts()] == ["ema", "fsq"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert RateDistortionDisplay([1], [0.1]).plot(new_axes()).ax_.get_legend() is None


def test_points_are_refused_when_they_do_not_fit():
    for wrong in ([1, 0], [1, np.nan], [[1, 2]], []):
        with pytest.raises(ValueError, match="rates must have one finite number > 0 for each model; got"):
            RateDistortionDisplay(wrong, [1, 2])
    with pytest.raises(ValueError, match="labels must have one entry for each of the 2 rates; got 1"):
        RateDistortionDisplay([1, 2], [1, 2], ["a"])
