"""Displays in scikit-learn's manner: figures of what an autoencoder and a prior have learnt.

``XDisplay.from_estimator(...)`` computes and draws; ``XDisplay(arrays).plot()`` draws what you computed. Each
display draws in one Axes, so that ``plt.subplots`` or ``subplot_mosaic`` makes one figure of several; without
``ax`` it opens a figure of its own. ``plot`` may be called again, on another Axes or in another style, without
computing anew. matplotlib (``pip install "skvq[examples]"``) is needed to draw and not to import.

Examples
--------
>>> import numpy as np
>>> from matplotlib.figure import Figure
>>> from skvq.plotting import LossCurveDisplay, SampleDisplay
>>> left, right = Figure(layout="constrained").subplots(1, 2)
>>> samples = SampleDisplay(np.linspace(0, 1, 12 * 64).reshape(12, 8, 8)).plot(ax=left, n_columns=4)
>>> curves = LossCurveDisplay({"loss": [1.0, 0.5, 0.4]}).plot(ax=right)
>>> curves.figure_ is samples.figure_
True
"""

from skvq.plotting._codebook import CodebookDisplay
from skvq.plotting._codes import CodeMapDisplay
from skvq.plotting._completion import CompletionDisplay
from skvq.plotting._curves import LossCurveDisplay
from skvq.plotting._interpolation import InterpolationDisplay
from skvq.plotting._rate_distortion import RateDistortionDisplay
from skvq.plotting._reconstruction import ReconstructionDisplay
from skvq.plotting._samples import SampleDisplay
from skvq.plotting._surprise import SurpriseDisplay

__all__ = [
    "CodeMapDisplay",
    "CodebookDisplay",
    "CompletionDisplay",
    "InterpolationDisplay",
    "LossCurveDisplay",
    "RateDistortionDisplay",
    "ReconstructionDisplay",
    "SampleDisplay",
    "SurpriseDisplay",
]
