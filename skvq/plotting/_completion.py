"""Images of which a part is hidden, and what a prior makes of the rest."""

from typing import TYPE_CHECKING, Any

import numpy as np

from skvq.metrics._scorers import codes_of
from skvq.plotting._axes import mosaic_inches, open_axes, show_mosaic
from skvq.plotting._fitted import check_count, code_maps, decoded, first_rows, fitted, images_of, labels_for
from skvq.plotting._mosaic import check_data_range, in_same_mode, mosaic, spread_over_pixels, unit_images

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

    from skvq._contract.randomness import RandomStateLike

# Neither black nor white, so that what is hidden is not taken for a part of the image.
_HIDDEN = 0.45


class CompletionDisplay:
    """Images in the first row, their known part in the second, completions below.

    Parameters
    ----------
    originals : array-like of shape (n, height, width) or (n, height, width, channels)
        Any units.
    known : array-like of shape (n, h, w), bool
        Which cells of each image are known; a cell covers ``height / h`` by ``width / w`` pixels.
    completions : array-like of shape (n_completions, n, height, width) or (..., channels)
        In the units of ``originals``.
    data_range : tuple of float or None, default=None
        Values drawn black and white. None takes those of ``originals``.

    Attributes
    ----------
    ax_, figure_, image_ : Axes, Figure, AxesImage
        What was drawn on, and the mosaic drawn. Made by :meth:`plot`.

    Raises
    ------
    ValueError
        If ``known`` or ``completions`` does not fit ``originals``.

    Examples
    --------
    >>> import numpy as np
    >>> from matplotlib.figure import Figure
    >>> from skvq.plotting import CompletionDisplay
    >>> images = np.linspace(0, 1, 2 * 64).reshape(2, 8, 8)
    >>> known = np.repeat([[[True], [False]]], 2, axis=0)
    >>> display = CompletionDisplay(images, known, [images, images[::-1]]).plot(ax=Figure().subplots())
    >>> [label.get_text() for label in display.ax_.get_yticklabels()]
    ['original', 'known', 'completions']
    """

    ax_: "Axes"
    figure_: "Figure"
    image_: "AxesImage"

    def __init__(
        self,
        originals: np.ndarray,
        known: np.ndarray,
        completions: np.ndarray,
        *,
        data_range: tuple[float, float] | None = None,
    ) -> None:
        self.originals = np.asarray(originals)
        self.known = np.asarray(known)
        self.completions = np.asarray(completions)
        if self.known.ndim != 3 or len(self.known) != len(self.originals) or self.known.dtype != bool:
            raise ValueError(
                f"known must be one boolean map (h, w) for each of the {len(self.originals)} images; "
                f"got {self.known.dtype} of shape {self.known.shape}. True is what the prior was given."
            )
        if self.completions.shape[1:] != self.originals.shape:
            raise ValueError(
                f"completions must be (n_completions, *originals.shape), here (…, {self.originals.shape}); "
                f"got shape {self.completions.shape}. Stack one array of images for each completion."
            )
        self.data_range = check_data_range(data_range, self.originals)

    @classmethod
    def from_estimator(
        cls,
        vqvae: Any,
        prior: Any,
        X: Any,
        *,
        known: np.ndarray | None = None,
        y: Any = None,
        n_completions: int = 4,
        n_images: int = 10,
        random_state: "RandomStateLike" = 0,
        ax: "Axes | None" = None,
        **plot_kwargs: Any,
    ) -> "CompletionDisplay":
        """Hide a part of each image's codes, let the prior fill it in, and draw the outcome.

        Parameters
        ----------
        vqvae : fitted VQVAE
        prior : fitted PixelCNNPrior
        X : array-like of shape (n, features), (n, height, width) or (n, height, width, channels)
            Images in a layout that ``vqvae`` accepts.
        known : array-like of bool or None, default=None
            Codes to keep: of shape ``vqvae.code_shape_`` or ``(positions,)`` for all images alike, or with a
            row for each image drawn. None keeps the upper half of the rows of codes, rounded down.
        y : array-like of shape (n,) or None, default=None
            Classes, for a conditional prior.
        n_completions : int, default=4
            Different completions of each image.
        n_images : int, default=10
            Draw at most this many, the first of X.
        random_state : int, RandomState, Generator or None, default=0
            An int draws the same completions at every call.
        ax : Axes or None, default=None
            Where to draw; None opens a figure.
        **plot_kwargs
            Passed on to :meth:`plot`.

        Returns
        -------
        CompletionDisplay

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If ``vqvae`` is not fitted.
        ValueError
            If X, ``known`` or ``y`` does not fit the estimators, or a number is not an integer >= 1.
        """
        n_completions = check_count(n_completions, "n_completions")
        X = first_rows(X, n_images)
        originals = images_of(vqvae, X)
        codes = codes_of(vqvae, X)
        known = _known_positions(known, tuple(fitted(vqvae, "code_shape_", "vqvae")), len(codes))
        labels = labels_for(y, len(codes))
        # All completions in one call: they are then different draws under one random_state.
        filled = prior.complete(
            np.tile(codes, (n_completions, 1)),
            np.tile(known, (n_completions, 1)),
            y=None if labels is None else np.tile(labels, n_completions),
            random_state=random_state,
        )
        completions = decoded(vqvae, filled).reshape(n_completions, *originals.shape)
        data_range = fitted(vqvae, "data_range_", "vqvae")
        return cls(originals, code_maps(vqvae, known), completions, data_range=data_range).plot(ax, **plot_kwargs)

    def plot(
        self, ax: "Axes | None" = None, *, title: str = "Completions", **imshow_kwargs: Any
    ) -> "CompletionDisplay":
        """Draw the rows.

        Parameters
        ----------
        ax : Axes or None, default=None
            Where to draw; None opens a figure.
        title : str, default="Completions"
            ``""`` for none.
        **imshow_kwargs
            Passed on to ``Axes.imshow``, for example ``cmap="viridis"``.

        Returns
        -------
        CompletionDisplay
            Itself, now with ``ax_``, ``figure_`` and ``image_``.
        """
        originals = unit_images(self.originals, self.data_range, "originals")
        completions = [unit_images(images, self.data_range, "completions") for images in self.completions]
        seen = spread_over_pixels(self.known, originals.shape[1:3])
        seen = seen if originals.ndim == 3 else seen[..., None]
        rows = in_same_mode(originals, np.where(seen, originals, np.float32(_HIDDEN)), *completions)
        picture = mosaic(np.stack(rows))
        # One label for all completions, in their middle.
        ticks = np.array([*picture.row_centers[:2], picture.row_centers[2:].mean()])
        labels = ["original", "known", "completion" if len(completions) == 1 else "completions"]
        self.ax_ = open_axes(ax, mosaic_inches(picture, labels))
        self.figure_ = self.ax_.figure
        self.image_ = show_mosaic(self.ax_, picture, title=title, row_labels=labels, row_ticks=ticks, **imshow_kwargs)
        return self


def _known_positions(known: Any, code_shape: tuple[int, int], n: int) -> np.ndarray:
    """Return ``known`` as booleans ``(n, positions)``; None is the upper half of the rows of codes."""
    h, w = code_shape
    if known is None:
        known = np.repeat(np.arange(h) < h // 2, w)
    known = np.asarray(known)
    shapes = {(h * w,), (h, w), (n, h * w), (n, h, w)}
    if known.dtype != bool or known.shape not in shapes:
        raise ValueError(
            f"known must be booleans of shape {(h, w)} or {(h * w,)} for all images alike, or {(n, h, w)} or "
            f"{(n, h * w)} for each; got {known.dtype} of shape {known.shape}. True is what the prior keeps."
        )
    if known.shape in {(h * w,), (h, w)}:
        known = np.broadcast_to(known.reshape(1, -1), (n, h * w))
    return known.reshape(n, h * w)
