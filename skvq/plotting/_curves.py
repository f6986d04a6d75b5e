"""Curves of the loss and its terms during a fit."""

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np

from skvq._contract.errors import invalid
from skvq.metrics._scorers import autoencoder_of
from skvq.plotting._axes import matplotlib_module, open_axes, suited_scale

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

# Terms in numbers of codes, and those of single stages such as "perplexity_1". They have an axis of their own.
_COUNTED_IN_CODES = ("perplexity", "codes_in_use")
# Terms that are drawn only if ``terms`` names them.
_NOT_SHOWN = ("learning_rate",)
_VALIDATION = "val_"


class LossCurveDisplay:
    """The terms of a training history over the epochs.

    Parameters
    ----------
    history : mapping of str to sequence of float
        For each term, one value for each epoch. The prefix ``"val_"`` marks the same term on validation rows, which is
        drawn dashed in the same colour.

    Attributes
    ----------
    history : dict of str to ndarray
        The parameter ``history``.
    lines_ : dict of str to Line2D
        The line of each drawn term. Set by :meth:`plot`.
    ax_, figure_ : Axes, Figure
        The Axes and its figure. Set by :meth:`plot`.
    codes_ax_ : Axes or None
        The axis of ``perplexity`` and ``codes_in_use`` at the right. None if neither is drawn.

    Raises
    ------
    ValueError
        If ``history`` is empty, or a term is not a sequence of numbers.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from skvq.plotting import LossCurveDisplay
    >>> history = {"loss": [1.0, 0.3, 0.1], "val_loss": [1.1, 0.4, 0.2], "perplexity": [4, 9, 12]}
    >>> display = LossCurveDisplay(history)
    >>> sorted(display.plot(ax=Figure().subplots()).lines_)
    ['loss', 'perplexity', 'val_loss']
    >>> display.ax_.get_yscale()
    'log'
    """

    ax_: "Axes"
    figure_: "Figure | SubFigure"
    codes_ax_: "Axes | None"

    def __init__(self, history: Mapping[str, Sequence[float]]) -> None:
        self.history: dict[str, np.ndarray] = {
            name: np.asarray(values, dtype=np.float64) for name, values in history.items()
        }
        wrong = [name for name, values in self.history.items() if values.ndim != 1 or not len(values)]
        if wrong or not self.history:
            raise invalid(
                "history",
                "have at least one term, and for each term one number for each epoch",
                ", ".join(map(repr, wrong)) or "no term",
                "Pass the history_ of a fitted estimator.",
            )

    @classmethod
    def from_estimator(cls, model: Any, *, ax: "Axes | None" = None, **plot_kwargs: Any) -> "LossCurveDisplay":
        """Draw the ``history_`` of a fitted estimator.

        Parameters
        ----------
        model : fitted VQVAE, prior or VQGenerator
            The curves of a VQGenerator are those of its autoencoder. For its prior, pass ``model.prior_``.
        ax : Axes or None, default=None
            Where to draw. None opens a new figure.
        **plot_kwargs
            Arguments of :meth:`plot`.

        Returns
        -------
        LossCurveDisplay

        Raises
        ------
        NotFittedError
            If ``model`` is not fitted.
        """
        from skvq._fitted import check_fitted  # loads scikit-learn, which displays of arrays do not need

        estimator = autoencoder_of(model)
        check_fitted(estimator, "history_", "model")
        return cls(estimator.history_).plot(ax, **plot_kwargs)

    def plot(
        self,
        ax: "Axes | None" = None,
        *,
        terms: Sequence[str] | None = None,
        yscale: str | None = None,
        title: str = "Training",
        **line_kwargs: Any,
    ) -> "LossCurveDisplay":
        """Draw the curves.

        Parameters
        ----------
        ax : Axes or None, default=None
            Where to draw. None opens a new figure. Terms in numbers of codes are drawn in a twin of it.
        terms : sequence of str or None, default=None
            Names without ``"val_"``. None draws all terms except the learning rate and terms that are always 0, such
            as the codebook loss with moving averages.
        yscale : str or None, default=None
            Scale of the left axis, such as ``"linear"``. None uses ``"log"`` if no value is negative and the largest
            is more than 8 times the smallest positive one. On it, a curve has gaps where it is 0.
        title : str, default="Training"
            Use ``""`` for no title.
        **line_kwargs
            Arguments of ``Axes.plot``.

        Returns
        -------
        LossCurveDisplay
            This display, now with ``ax_``, ``codes_ax_``, ``figure_`` and ``lines_``.

        Raises
        ------
        ValueError
            If a term is not in the history.
        """
        terms = self._terms(terms)
        self.ax_ = open_axes(ax, (6.4, 4.4))
        self.figure_ = self.ax_.figure
        counted = [term for term in terms if term.startswith(_COUNTED_IN_CODES)]
        losses = [term for term in terms if term not in counted]
        self.codes_ax_ = self.ax_.twinx() if counted else None
        self.lines_: dict[str, Any] = {}
        colors = cycle(matplotlib_module().rcParams["axes.prop_cycle"].by_key().get("color", ["C0"]))
        for term in losses + counted:
            axes = self.codes_ax_ if term in counted and self.codes_ax_ is not None else self.ax_
            self._draw_term(axes, term, {"color": next(colors)} | line_kwargs)
        self._dress(losses, counted, yscale, title)
        return self

    def _terms(self, terms: Sequence[str] | None) -> list[str]:
        known = list(dict.fromkeys(name.removeprefix(_VALIDATION) for name in self.history))
        if terms is None:
            shown = [term for term in known if term not in _NOT_SHOWN and self._is_ever_nonzero(term)]
            # The loss is the sum of the others, and comes first.
            return sorted(shown, key=lambda term: term != "loss")
        terms = [terms] if isinstance(terms, str) else list(terms)
        unknown = [term for term in terms if term not in known]
        if unknown or not terms:
            way_out = f"The history has {', '.join(known)}."
            raise invalid("terms", "be names from the history, without 'val_'", unknown or terms, way_out)
        return terms

    def _is_ever_nonzero(self, term: str) -> bool:
        return any(np.any(self.history.get(name, 0.0)) for name in (term, _VALIDATION + term))

    def _draw_term(self, axes: "Axes", term: str, line_kwargs: dict[str, Any]) -> None:
        for name, style in ((term, "-"), (_VALIDATION + term, "--")):
            if name not in self.history:
                continue
            values = self.history[name]
            # A single epoch is drawn as a point, because a line would not be visible.
            options = {
                "linestyle": style,
                "marker": "o" if len(values) == 1 else None,
                "label": _readable(name),
            }
            (self.lines_[name],) = axes.plot(np.arange(1, len(values) + 1), values, **(options | line_kwargs))

    def _dress(self, losses: list[str], counted: list[str], yscale: str | None, title: str) -> None:
        left = [values for name, values in self.history.items() if name.removeprefix(_VALIDATION) in losses]
        yscale = yscale or suited_scale(np.concatenate([np.empty(0), *left]))
        # Zeros are masked: clipped, they would draw lines to the bottom of the picture.
        self.ax_.set_yscale(yscale, **({"nonpositive": "mask"} if yscale == "log" else {}))
        self.ax_.set_xlabel("epoch")
        self.ax_.set_ylabel(_readable(losses[0]) if len(losses) == 1 else "loss terms" if losses else "")
        # The user's Axes may have another scale or fixed ticks, whose locators have no option for integers.
        locator = self.ax_.xaxis.get_major_locator()
        if isinstance(locator, matplotlib_module("matplotlib.ticker").MaxNLocator):
            locator.set_params(integer=True)  # pyright: ignore[reportCallIssue] # its class is known when it runs
        self.ax_.spines["top"].set_visible(False)
        self.ax_.grid(axis="y", alpha=0.25)
        if self.codes_ax_ is None:
            self.ax_.spines["right"].set_visible(False)
        else:
            self.codes_ax_.set_ylabel(" and ".join(map(_readable, counted)))
            self.codes_ax_.set_ylim(bottom=0)
            self.codes_ax_.spines["top"].set_visible(False)
        if title:
            self.ax_.set_title(title)
        self._add_legend()

    def _add_legend(self) -> None:
        handles = [line for name, line in self.lines_.items() if self._term_is_new(name)]
        if any(name.startswith(_VALIDATION) for name in self.lines_):
            line_type = matplotlib_module("matplotlib.lines").Line2D
            handles.append(line_type([], [], color="0.5", linestyle="--", label="validation"))
        # Below the axes, where it hides no curve, at a fixed distance in inches.
        shift = matplotlib_module("matplotlib.transforms").ScaledTranslation(0, -0.42, self.figure_.dpi_scale_trans)
        self.ax_.legend(
            handles=handles,
            loc="upper center",
            bbox_to_anchor=(0.5, 0),
            bbox_transform=self.ax_.transAxes + shift,
            ncols=min(3, len(handles)),
            fontsize="small",
            frameon=False,
        )

    def _term_is_new(self, name: str) -> bool:
        """Return whether ``name`` needs a label of its own: validation curves share the label of their term."""
        return not name.startswith(_VALIDATION) or name.removeprefix(_VALIDATION) not in self.lines_


def _readable(name: str) -> str:
    """Return ``"val_bits_per_code"`` as ``"bits per code, validation"``."""
    term = name.removeprefix(_VALIDATION).replace("_", " ")
    return f"{term}, validation" if name.startswith(_VALIDATION) else term
