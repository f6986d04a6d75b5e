"""Curves of a fit: every term by its name, on the right axis, in the right style."""

import numpy as np
import pytest

pytest.importorskip("matplotlib")
from plotting_stand_ins import BlockVQ, CountingPrior, new_axes, rendered

from skvq.plotting import LossCurveDisplay


def test_every_term_is_drawn_but_the_schedule():
    vqvae = BlockVQ()
    display = LossCurveDisplay.from_estimator(vqvae, ax=new_axes())
    assert set(display.lines_) == set(vqvae.history_) - {"learning_rate"}
    for name, line in display.lines_.items():
        np.testing.assert_array_equal(line.get_xdata(), [1, 2, 3, 4, 5])
        np.testing.assert_array_equal(line.get_ydata(), vqvae.history_[name])


def test_validation_has_its_terms_colour_dashed():
    lines = LossCurveDisplay.from_estimator(BlockVQ(), ax=new_axes()).lines_
    assert lines["val_loss"].get_color() == lines["loss"].get_color()
    assert (lines["loss"].get_linestyle(), lines["val_loss"].get_linestyle()) == ("-", "--")
    colors = [line.get_color() for name, line in lines.items() if not name.startswith("val_")]
    assert len(set(colors)) == len(colors)


def test_perplexity_has_an_axis_of_its_own():
    display = LossCurveDisplay.from_estimator(BlockVQ(), ax=new_axes())
    assert display.lines_["perplexity"].axes is display.codes_ax_
    assert display.lines_["loss"].axes is display.ax_
    assert display.codes_ax_.get_ylabel() == "perplexity"
    assert display.codes_ax_.get_ylim()[0] == 0
    prior = LossCurveDisplay.from_estimator(CountingPrior(BlockVQ()), ax=new_axes())
    assert prior.codes_ax_ is None
    assert prior.ax_.get_ylabel() == "loss"


@pytest.mark.parametrize(
    ("losses", "scale"),
    [
        ([1.0, 0.01], "log"),
        ([1.0, 0.5], "linear"),
        ([1.0, 0.0], "linear"),
        ([1.0, -0.01], "linear"),
        ([np.nan, 1.0, 0.01], "log"),
        ([0.0, 1.0, 0.01], "log"),
    ],
)
def test_the_scale_is_logarithmic_where_that_serves(losses, scale):
    display = LossCurveDisplay({"loss": losses, "perplexity": np.ones(len(losses))})
    assert display.plot(new_axes()).ax_.get_yscale() == scale
    assert display.plot(new_axes(), yscale="linear").ax_.get_yscale() == "linear"


def test_axes_with_a_scale_of_their_own_are_drawn_in():
    display = LossCurveDisplay({"loss": [1.0, 0.5, 0.4]})
    ax = new_axes()
    ax.set_xscale("log")
    assert display.plot(ax).ax_.get_xscale() == "log"
    ax = new_axes()
    ax.set_xticks([1, 3])
    assert display.plot(ax).ax_.get_xticks().tolist() == [1, 3]
    plain = display.plot(new_axes()).ax_.get_xticks()
    assert np.array_equal(plain, plain.round())


def test_the_legend_names_terms_once_and_lies_below_the_curves():
    display = LossCurveDisplay.from_estimator(BlockVQ(), ax=new_axes())
    legend = display.ax_.get_legend()
    names = [text.get_text() for text in legend.get_texts()]
    assert names == ["loss", "reconstruction loss", "perplexity", "validation"]
    rendered(display.figure_)
    assert legend.get_window_extent().y1 < display.ax_.get_window_extent().y0


def test_terms_can_be_chosen_and_one_epoch_is_a_dot():
    history = {"loss": [1.0], "val_loss": [1.2], "learning_rate": [0.1], "perplexity": [3.0]}
    display = LossCurveDisplay(history).plot(new_axes(), terms=["loss"])
    assert set(display.lines_) == {"loss", "val_loss"}
    assert display.lines_["loss"].get_marker() == "o"
    assert set(LossCurveDisplay(history).plot(new_axes(), terms="learning_rate").lines_) == {"learning_rate"}
    only_codes = LossCurveDisplay({"perplexity": [1.0, 2.0]}).plot(new_axes())
    rendered(only_codes.figure_)
    with pytest.raises(ValueError, match=r"terms must be names from the history.*\['beta'\].*loss, learning"):
        LossCurveDisplay(history).plot(new_axes(), terms=["beta"])


def test_a_term_known_on_held_out_rows_alone_is_named():
    display = LossCurveDisplay({"val_score": [1.0, 0.9]}).plot(new_axes())
    assert display.lines_["val_score"].get_label() == "score, validation"


def test_what_is_zero_throughout_is_left_out_and_the_loss_comes_first():
    history = {"codebook_loss": [0.0, 0.0], "commitment_loss": [0.0, 0.1], "loss": [1.0, 0.5]}
    display = LossCurveDisplay(history).plot(new_axes())
    assert list(display.lines_) == ["loss", "commitment_loss"]
    assert list(display.plot(new_axes(), terms=["codebook_loss"]).lines_) == ["codebook_loss"]
    rendered(LossCurveDisplay({"loss": [0.0, 0.0]}).plot(new_axes()).figure_)


@pytest.mark.parametrize("history", [{}, {"loss": []}, {"loss": [[1.0]]}])
def test_a_history_has_a_number_an_epoch(history):
    with pytest.raises(
        ValueError, match="history must have at least one term, and for each term one number for each epoch; got"
    ):
        LossCurveDisplay(history)
