"""What all displays have in common: whose figure they draw in, what they leave alone, how they refuse."""

import doctest
import importlib
import pkgutil
import subprocess
import sys
import warnings

import numpy as np
import pytest

pytest.importorskip("matplotlib")
import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from plotting_stand_ins import BlockVQ, CountingPrior, agg_figure, blocky_images, rendered
from sklearn.exceptions import NotFittedError

from skvq import plotting

VQVAE = BlockVQ()
X = blocky_images(4, VQVAE)
PRIOR = CountingPrior(VQVAE, classes=[3, 5])
Y = [3, 5, 5, 3]

DRAWN = {
    "ReconstructionDisplay": lambda **kw: plotting.ReconstructionDisplay.from_estimator(VQVAE, X, **kw),
    "CodeMapDisplay": lambda **kw: plotting.CodeMapDisplay.from_estimator(VQVAE, X, **kw),
    "CodebookDisplay": lambda **kw: plotting.CodebookDisplay.from_estimator(VQVAE, **kw),
    "LossCurveDisplay": lambda **kw: plotting.LossCurveDisplay.from_estimator(VQVAE, **kw),
    "SampleDisplay": lambda **kw: plotting.SampleDisplay.from_estimator(VQVAE, PRIOR, n_per_class=3, **kw),
    "CompletionDisplay": lambda **kw: plotting.CompletionDisplay.from_estimator(VQVAE, PRIOR, X, y=Y, **kw),
    "InterpolationDisplay": lambda **kw: plotting.InterpolationDisplay.from_estimator(VQVAE, X[:2], X[2:], **kw),
    "RateDistortionDisplay": lambda ax=None, **kw: plotting.RateDistortionDisplay(
        [1, 2, 3], [0.3, 0.1, 0.2], ["a", "b", "c"], ["ema", "ema", "fsq"]
    ).plot(ax, **kw),
    "SurpriseDisplay": lambda **kw: plotting.SurpriseDisplay.from_estimator(VQVAE, PRIOR, X, y=Y, **kw),
}
every_display = pytest.mark.parametrize("name", DRAWN)


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def run_python(source):
    return subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=False)


def global_random_state():
    return np.random.get_state()[1].copy()


def test_every_display_is_tested():
    assert set(DRAWN) == set(plotting.__all__)
    assert plotting.__all__ == sorted(plotting.__all__)


def test_importing_loads_neither_matplotlib_nor_a_framework():
    heavy = "'matplotlib', 'keras', 'sklearn', 'tensorflow'"
    done = run_python(f"import skvq.plotting, sys; print([m for m in ({heavy}) if m in sys.modules])")
    assert done.stdout.strip() == "[]", done.stderr


def test_drawing_in_a_given_axes_leaves_pyplot_unloaded():
    source = (
        "import sys; from matplotlib.figure import Figure; from skvq.plotting import SampleDisplay;"
        "SampleDisplay([[[0, 1]]]).plot(Figure().subplots()); print('matplotlib.pyplot' in sys.modules)"
    )
    done = run_python(source)
    assert done.stdout.strip() == "False", done.stderr


def test_without_matplotlib_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.axes", None)
    with pytest.raises(ImportError, match=r'pip install "skvq\[examples\]"'):
        plotting.SampleDisplay(np.zeros((1, 4, 4))).plot()


@every_display
def test_a_given_axes_is_drawn_in_and_nothing_else_is_touched(name):
    figure = agg_figure(figsize=(6, 4), layout="constrained")
    ax, other = figure.subplots(1, 2)
    rc, random_state = dict(matplotlib.rcParams), global_random_state()
    open_figures = plt.get_fignums()
    display = DRAWN[name](ax=ax)
    figure.canvas.draw()
    assert type(display).__name__ == name
    assert display.ax_ is ax
    assert display.figure_ is figure
    assert plt.get_fignums() == open_figures
    assert dict(matplotlib.rcParams) == rc
    assert not other.has_data()
    np.testing.assert_array_equal(global_random_state(), random_state)


@every_display
def test_without_axes_it_opens_one_figure(name):
    display = DRAWN[name]()
    display.figure_.canvas.draw()
    assert plt.get_fignums() == [display.figure_.number]
    assert display.ax_.figure is display.figure_


@every_display
def test_plotting_again_elsewhere_shows_the_same(name):
    first, second = agg_figure(figsize=(5, 4)), agg_figure(figsize=(5, 4))
    display = DRAWN[name](ax=first.subplots())
    assert display.plot(second.subplots()) is display
    assert display.figure_ is second
    pixels = [rendered(first), rendered(second)]
    np.testing.assert_array_equal(*pixels)
    assert len(np.unique(pixels[0].reshape(-1, 4), axis=0)) > 3  # something is drawn


@every_display
def test_subfigures_and_titles(name):
    subfigure = agg_figure(figsize=(8, 4), layout="constrained").subfigures(1, 2)[0]
    display = DRAWN[name](ax=subfigure.subplots(), title="Mine")
    assert display.figure_ is subfigure
    assert display.ax_.get_title() == "Mine"
    assert DRAWN[name](ax=agg_figure().subplots(), title="").ax_.get_title() == ""
    assert DRAWN[name](ax=agg_figure().subplots()).ax_.get_title()


@every_display
def test_an_array_of_axes_is_refused(name):
    with pytest.raises(TypeError, match=r"ax must be one matplotlib Axes.*got ndarray.*one element"):
        DRAWN[name](ax=agg_figure().subplots(2, 2))


@every_display
def test_the_style_of_the_user_is_kept_to(name):
    hostile = {"image.origin": "lower", "image.cmap": "jet", "axes.grid": True, "image.aspect": "auto"}
    plain, styled = (agg_figure(figsize=(5, 4)) for _ in range(2))
    DRAWN[name](ax=plain.subplots())
    with matplotlib.rc_context(hostile):
        display = DRAWN[name](ax=styled.subplots())
    if hasattr(display, "image_"):
        np.testing.assert_array_equal(rendered(plain), rendered(styled))


TAKES_VQVAE = {
    "ReconstructionDisplay": lambda vqvae, X: plotting.ReconstructionDisplay.from_estimator(vqvae, X),
    "CodeMapDisplay": lambda vqvae, X: plotting.CodeMapDisplay.from_estimator(vqvae, X),
    "CompletionDisplay": lambda vqvae, X: plotting.CompletionDisplay.from_estimator(vqvae, PRIOR, X),
    "InterpolationDisplay": lambda vqvae, X: plotting.InterpolationDisplay.from_estimator(vqvae, X, X),
    "SurpriseDisplay": lambda vqvae, X: plotting.SurpriseDisplay.from_estimator(vqvae, PRIOR, X),
}


class Unfitted:
    pass


@pytest.mark.parametrize("name", TAKES_VQVAE)
def test_bad_rows_are_refused_before_a_figure_opens(name):
    with pytest.raises(NotFittedError, match=r"vqvae must be a fitted estimator.*Unfitted.*vqvae\.fit"):
        TAKES_VQVAE[name](Unfitted(), X)
    with pytest.raises(ValueError, match="must hold at least one image"):
        TAKES_VQVAE[name](VQVAE, X[:0])
    with pytest.raises(ValueError, match="X must hold images of image_shape"):
        TAKES_VQVAE[name](VQVAE, np.zeros((2, 5, 5)))
    vectors = BlockVQ()
    vectors.image_shape_ = (96,)
    with pytest.raises(ValueError, match=r"vqvae must be fitted on images.*\(96,\).*image_shape=\("):
        TAKES_VQVAE[name](vectors, X)
    assert plt.get_fignums() == []


@pytest.mark.parametrize("name", sorted(set(TAKES_VQVAE)))
@pytest.mark.parametrize("n_images", [0, -1, 2.5, True, None])
def test_counts_must_be_whole_numbers(name, n_images):
    with pytest.raises(ValueError, match=r"n_images must be an integer >= 1; got"):
        DRAWN[name](n_images=n_images)


@pytest.mark.parametrize("name", ["CodebookDisplay", "LossCurveDisplay", "SampleDisplay"])
def test_unfitted_estimators_are_refused(name):
    arguments = (Unfitted(), PRIOR) if name == "SampleDisplay" else (Unfitted(),)
    with pytest.raises(NotFittedError, match=r"must be a fitted estimator with \w+_; got Unfitted"):
        getattr(plotting, name).from_estimator(*arguments)


def test_an_unfitted_prior_is_refused():
    with pytest.raises(NotFittedError, match="prior must be a fitted estimator with classes_"):
        plotting.SampleDisplay.from_estimator(VQVAE, Unfitted())


def test_four_displays_in_one_figure_share_it():
    figure = agg_figure(figsize=(10, 6), layout="constrained")
    axes = figure.subplot_mosaic([["a", "b"], ["c", "d"]])
    names = ["ReconstructionDisplay", "CodeMapDisplay", "LossCurveDisplay", "SampleDisplay"]
    for name, ax in zip(names, axes.values(), strict=True):
        DRAWN[name](ax=ax)
    figure.canvas.draw()
    boxes = [ax.get_tightbbox() for ax in axes.values()]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def modules():
    found = [f"skvq.plotting.{module.name}" for module in pkgutil.iter_modules(plotting.__path__)]
    return ["skvq.plotting", *found]


@pytest.mark.parametrize("name", modules())
def test_the_examples_in_docstrings_run(name):
    module = importlib.import_module(name)
    assert doctest.testmod(module).failed == 0
    public = [value for key, value in vars(module).items() if key.endswith("Display")]
    assert all(">>>" in display.__doc__ for display in public)
