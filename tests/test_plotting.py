"""What all displays have in common: the models they take, the Axes they draw in, and their errors."""

import subprocess
import sys
import warnings

import numpy as np
import pytest

pytest.importorskip("matplotlib")
import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from plotting_stand_ins import BlockVQ, CountingPrior, agg_figure, blocky_images, generator_of, rendered

from skvq import CodeGrid, NotFittedError, plotting

VQVAE = BlockVQ()
X = blocky_images(4, VQVAE)
PRIOR = CountingPrior(VQVAE, classes=[3, 5])
Y = [3, 5, 5, 3]

DRAWN = {
    "ReconstructionDisplay": lambda **kw: plotting.ReconstructionDisplay.from_estimator(VQVAE, X, **kw),
    "CodeMapDisplay": lambda **kw: plotting.CodeMapDisplay.from_estimator(VQVAE, X, **kw),
    "CodebookDisplay": lambda **kw: plotting.CodebookDisplay.from_estimator(VQVAE, **kw),
    "LossCurveDisplay": lambda **kw: plotting.LossCurveDisplay.from_estimator(VQVAE, **kw),
    "SampleDisplay": lambda **kw: plotting.SampleDisplay.from_estimator(VQVAE, prior=PRIOR, n_per_class=3, **kw),
    "CompletionDisplay": lambda **kw: plotting.CompletionDisplay.from_estimator(VQVAE, X, prior=PRIOR, y=Y, **kw),
    "InterpolationDisplay": lambda **kw: plotting.InterpolationDisplay.from_estimator(VQVAE, X[:2], X[2:], **kw),
    "RateDistortionDisplay": lambda ax=None, **kw: plotting.RateDistortionDisplay(
        [1, 2, 3], [0.3, 0.1, 0.2], ["a", "b", "c"], ["ema", "ema", "fsq"]
    ).plot(ax, **kw),
    "SurpriseDisplay": lambda **kw: plotting.SurpriseDisplay.from_estimator(VQVAE, X, prior=PRIOR, y=Y, **kw),
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
    with pytest.raises(ValueError, match=r"ax must be one matplotlib Axes.*got ndarray.*one element"):
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
    "CompletionDisplay": lambda vqvae, X: plotting.CompletionDisplay.from_estimator(vqvae, X, prior=PRIOR),
    "InterpolationDisplay": lambda vqvae, X: plotting.InterpolationDisplay.from_estimator(vqvae, X, X),
    "SurpriseDisplay": lambda vqvae, X: plotting.SurpriseDisplay.from_estimator(vqvae, X, prior=PRIOR),
}


class Unfitted:
    pass


@pytest.mark.parametrize("name", TAKES_VQVAE)
def test_bad_rows_are_refused_before_a_figure_opens(name):
    with pytest.raises(NotFittedError, match=r"model must be fitted with grid_; got a Unfitted before fit\. Call fit"):
        TAKES_VQVAE[name](Unfitted(), X)
    with pytest.raises(ValueError, match="must hold at least one image"):
        TAKES_VQVAE[name](VQVAE, X[:0])
    with pytest.raises(ValueError, match=r"X\w* must (hold|have|be) .*; got"):
        TAKES_VQVAE[name](VQVAE, np.zeros((2, 5, 5)))
    vectors = BlockVQ()
    vectors.image_shape_ = (96,)
    with pytest.raises(ValueError, match=r"model must be fitted on images.*\(96,\).*image_shape=\("):
        TAKES_VQVAE[name](vectors, X)
    assert plt.get_fignums() == []


@pytest.mark.parametrize("name", sorted(set(TAKES_VQVAE)))
@pytest.mark.parametrize("n_images", [0, -1, 2.5, True, None])
def test_counts_must_be_whole_numbers(name, n_images):
    with pytest.raises(ValueError, match=r"n_images must be an integer >= 1; got"):
        DRAWN[name](n_images=n_images)


@pytest.mark.parametrize("name", ["CodebookDisplay", "LossCurveDisplay", "SampleDisplay"])
def test_unfitted_estimators_are_refused(name):
    with pytest.raises(NotFittedError, match=r"model must be fitted with \w+_; got a Unfitted before fit"):
        getattr(plotting, name).from_estimator(Unfitted())


NEEDS_PRIOR = {
    "SampleDisplay": lambda model, prior: plotting.SampleDisplay.from_estimator(model, prior=prior),
    "CompletionDisplay": lambda model, prior: plotting.CompletionDisplay.from_estimator(model, X, prior=prior, y=Y),
    "SurpriseDisplay": lambda model, prior: plotting.SurpriseDisplay.from_estimator(model, X, prior=prior, y=Y),
}


@pytest.mark.parametrize("name", NEEDS_PRIOR)
def test_a_display_has_exactly_one_fitted_prior_for_the_grid(name):
    draw = NEEDS_PRIOR[name]
    with pytest.raises(ValueError, match=r"prior must be a fitted prior if model is a VQVAE; got None\. Pass prior="):
        draw(VQVAE, None)
    with pytest.raises(ValueError, match=r"prior must be None for a VQGenerator.*; got CountingPrior"):
        draw(generator_of(VQVAE, PRIOR), PRIOR)
    with pytest.raises(NotFittedError, match="prior must be fitted with grid_; got a Unfitted before fit"):
        draw(VQVAE, Unfitted())
    other = CountingPrior(VQVAE, classes=[3, 5])
    other.grid_ = CodeGrid((3, 2), 12)
    for model, prior in ((VQVAE, other), (generator_of(VQVAE, other), None)):
        with pytest.raises(ValueError, match=r"prior\.grid_ must fit the grid of the VQVAE, 2 × 3.*; got 3 × 2"):
            draw(model, prior)
    assert plt.get_fignums() == []


GENERATOR = generator_of(VQVAE, PRIOR)
FROM_GENERATOR = {
    "ReconstructionDisplay": lambda ax: plotting.ReconstructionDisplay.from_estimator(GENERATOR, X, ax=ax),
    "CodeMapDisplay": lambda ax: plotting.CodeMapDisplay.from_estimator(GENERATOR, X, ax=ax),
    "CodebookDisplay": lambda ax: plotting.CodebookDisplay.from_estimator(GENERATOR, ax=ax),
    "LossCurveDisplay": lambda ax: plotting.LossCurveDisplay.from_estimator(GENERATOR, ax=ax),
    "SampleDisplay": lambda ax: plotting.SampleDisplay.from_estimator(GENERATOR, n_per_class=3, ax=ax),
    "CompletionDisplay": lambda ax: plotting.CompletionDisplay.from_estimator(GENERATOR, X, y=Y, ax=ax),
    "InterpolationDisplay": lambda ax: plotting.InterpolationDisplay.from_estimator(GENERATOR, X[:2], X[2:], ax=ax),
    "SurpriseDisplay": lambda ax: plotting.SurpriseDisplay.from_estimator(GENERATOR, X, y=Y, ax=ax),
}


@pytest.mark.parametrize("name", FROM_GENERATOR)
def test_a_generator_is_drawn_like_its_parts(name):
    figures = [agg_figure(figsize=(4, 3), dpi=60) for _ in range(2)]
    for figure, draw in zip(figures, (DRAWN[name], FROM_GENERATOR[name]), strict=True):
        draw(ax=figure.subplots())
    np.testing.assert_array_equal(*map(rendered, figures))


def test_several_codes_at_each_position():
    flat, deep = BlockVQ(), BlockVQ(depth=3)
    priors = {vqvae: CountingPrior(vqvae) for vqvae in (flat, deep)}
    mask = np.array([[True, False, True], [False, False, True]])
    shown = {}
    for vqvae, prior in priors.items():
        maps = plotting.CodeMapDisplay.from_estimator(vqvae, X).codes
        patches = plotting.CodebookDisplay.from_estimator(vqvae).patches
        completion = plotting.CompletionDisplay.from_estimator(vqvae, X, prior=prior, mask=mask)
        steps = plotting.InterpolationDisplay.from_estimator(vqvae, X[:2], X[2:]).steps
        maps = maps if vqvae is flat else maps[..., 0]
        shown[vqvae] = maps, patches, completion.mask, completion.completions, steps
    for one, several in zip(shown[flat], shown[deep], strict=True):
        np.testing.assert_array_equal(several, one)
    # Code k costs k bits, and a position costs the sum of its codes.
    bits = plotting.SurpriseDisplay.from_estimator(deep, X, prior=priors[deep]).bits
    np.testing.assert_allclose(bits, deep.grid_.to_grid(deep.encode(X)).sum(axis=-1), rtol=1e-12)


def test_four_displays_in_one_figure_share_it():
    figure = agg_figure(figsize=(10, 6), layout="constrained")
    axes = figure.subplot_mosaic([["a", "b"], ["c", "d"]])
    names = ["ReconstructionDisplay", "CodeMapDisplay", "LossCurveDisplay", "SampleDisplay"]
    for name, ax in zip(names, axes.values(), strict=True):
        DRAWN[name](ax=ax)
    figure.canvas.draw()
    boxes = [ax.get_tightbbox() for ax in axes.values()]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


@pytest.mark.parametrize("name", plotting.__all__)
def test_every_display_has_an_example(name):
    assert ">>>" in getattr(plotting, name).__doc__  # test_doctests.py runs it
