"""Displays in the style of scikit-learn: figures of a fitted autoencoder and its prior.

``XDisplay.from_estimator(model, X, ...)`` computes and draws, and ``XDisplay(arrays).plot()`` draws your own arrays.
``model`` is a fitted VQGenerator, or a fitted VQVAE. Displays that need a prior take it from the VQGenerator, or from
``prior=`` for a VQVAE.

Each display draws in one Axes, so several displays can share a figure from ``plt.subplots`` or ``subplot_mosaic``.
Without ``ax`` it opens a new figure. ``plot`` can be called again with another Axes or style, without computing again.
Drawing needs matplotlib (``pip install "skvq[examples]"``); importing does not.

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
