"""Models as points of rate and distortion, and the Pareto front of the best ones."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from skvq._contract.errors import invalid
from skvq.plotting._axes import open_axes, suited_scale

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

_MARKERS = "osD^vPX*"


class RateDistortionDisplay:
    """Bits per image and the error of the reconstructions, one point for each model.

    Parameters
    ----------
    rates : array-like of shape (n,)
        Bits per image, > 0.
    distortions : array-like of shape (n,)
        Error of the reconstructions, such as the MSE, > 0. Lower is better.
    labels : sequence of str or None, default=None
        Texts next to the points.
    groups : sequence of str or None, default=None
        The group of each point. Each group has one colour, one marker and an entry in the legend.

    Attributes
    ----------
    on_front : ndarray of shape (n,), bool
        Points on the Pareto front: no other point is better in one value and at least equal in the other.
    ax_, figure_ : Axes, Figure
        The Axes and its figure. Set by :meth:`plot`.

    Raises
    ------
    ValueError
        If the arguments differ in length, or a rate or distortion is not a positive number.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from skvq.plotting import RateDistortionDisplay
    >>> display = RateDistortionDisplay([245, 343, 392], [0.008, 0.004, 0.005], ["K=32", "K=128", "K=256"])
    >>> display.on_front.tolist()
    [True, True, False]
    >>> display.plot(ax=Figure().subplots()).ax_.get_xlabel()
    'rate (bits per image)'
    """

    ax_: "Axes"
    figure_: "Figure | SubFigure"

    def __init__(
        self,
        rates: Sequence[float],
        distortions: Sequence[float],
        labels: Sequence[str] | None = None,
        groups: Sequence[str] | None = None,
    ) -> None:
        self.rates: np.ndarray = np.asarray(rates, dtype=np.float64)
        self.distortions: np.ndarray = np.asarray(distortions, dtype=np.float64)
        self.labels: list[str] | None = None if labels is None else [str(label) for label in labels]
        self.groups: list[str] | None = None if groups is None else [str(group) for group in groups]
        for name, values in (("rates", self.rates), ("distortions", self.distortions)):
            if values.ndim != 1 or not values.size or not (np.isfinite(values) & (values > 0)).all():
                way_out = "Leave out models without a measurement."
                raise invalid(name, "have one finite number > 0 for each model", repr(values), way_out)
        given_too = {"distortions": self.distortions, "labels": self.labels, "groups": self.groups}
        for name, given in given_too.items():
            if given is not None and len(given) != len(self.rates):
                way_out = "Pass sequences of equal length, with one entry for each model."
                raise invalid(name, f"have one entry for each of the {len(self.rates)} rates", len(given), way_out)
        self.on_front: np.ndarray = pareto_front(self.rates, self.distortions)

    def plot(
        self,
        ax: "Axes | None" = None,
        *,
        xscale: str | None = None,
        yscale: str | None = None,
        distortion_name: str = "distortion (MSE)",
        title: str = "Rate and distortion",
        **scatter_kwargs: Any,
    ) -> "RateDistortionDisplay":
        """Draw the points and the front.

        Parameters
        ----------
        ax : Axes or None, default=None
            Where to draw. None opens a new figure.
        xscale, yscale : str or None, default=None
            Scales of the axes, such as ``"linear"``. None uses ``"log"`` if the largest value is more than 8 times
            the smallest.
        distortion_name : str, default="distortion (MSE)"
            Label of the y axis.
        title : str, default="Rate and distortion"
            Use ``""`` for no title.
        **scatter_kwargs
            Arguments of ``Axes.scatter``.

        Returns
        -------
        RateDistortionDisplay
            This display, now with ``ax_`` and ``figure_``.
        """
        self.ax_ = open_axes(ax, (6.0, 4.2))
        self.figure_ = self.ax_.figure
        self.ax_.set_xscale(xscale or suited_scale(self.rates))
        self.ax_.set_yscale(yscale or suited_scale(self.distortions))
        self._draw_front()
        groups = self.groups or [""] * len(self.rates)
        for place, group in enumerate(dict.fromkeys(groups)):
            members = np.array([g == group for g in groups])
            options: dict[str, Any] = {
                "color": f"C{place}",
                "marker": _MARKERS[place % len(_MARKERS)],
                "s": 42,
                "zorder": 3,
            }
            options |= {"edgecolors": [self.ax_.get_facecolor()], "linewidths": 0.7, "label": group or None}
            self.ax_.scatter(self.rates[members], self.distortions[members], **(options | scatter_kwargs))
        self._write_labels()
        self._dress(distortion_name, title)
        return self

    def _draw_front(self) -> None:
        front = np.flatnonzero(self.on_front)
        front = front[np.argsort(self.rates[front])]
        # A front of a single point is not visible, and needs no entry in the legend.
        label = "Pareto front" if self.rates[front[0]] < self.rates[front[-1]] else None
        # Steps, because no models between two points were measured.
        options: dict[str, Any] = {"color": "0.6", "linewidth": 1.2, "zorder": 1, "label": label}
        self.ax_.plot(self.rates[front], self.distortions[front], drawstyle="steps-post", **options)

    def _write_labels(self) -> None:
        for label, rate, distortion, best in zip(
            self.labels or [], self.rates, self.distortions, self.on_front, strict=False
        ):
            # Labels of the front are below and left of it, where nothing is drawn. Other labels are above and right.
            offset, sides = ((-5, -5), ("right", "top")) if best else ((5, 5), ("left", "bottom"))
            self.ax_.annotate(
                label,
                (rate, distortion),
                xytext=offset,
                textcoords="offset points",
                ha=sides[0],
                va=sides[1],
                fontsize="small",
                alpha=0.9 if best else 0.6,
            )

    def _dress(self, distortion_name: str, title: str) -> None:
        self.ax_.set_xlabel("rate (bits per image)")
        self.ax_.set_ylabel(distortion_name)
        # Room for the labels at the left of the first point and below the last.
        self.ax_.margins(0.18)
        self.ax_.grid(alpha=0.2)
        for side in ("top", "right"):
            self.ax_.spines[side].set_visible(False)
        if self.ax_.get_legend_handles_labels()[0]:
            self.ax_.legend(fontsize="small", frameon=False)
        if title:
            self.ax_.set_title(title)


def pareto_front(rates: np.ndarray, distortions: np.ndarray) -> np.ndarray:
    """Return which points are not dominated by another point.

    Parameters
    ----------
    rates, distortions : ndarray of shape (n,)
        Lower is better for both.

    Returns
    -------
    ndarray of shape (n,), bool
        Equal points are either all on the front or all off it.
    """
    no_worse = (rates[:, None] <= rates) & (distortions[:, None] <= distortions)
    better = (rates[:, None] < rates) | (distortions[:, None] < distortions)
    return np.asarray(~(no_worse & better).any(axis=0))
