"""Images with a hidden part, and completions of this part by a prior."""

from typing import TYPE_CHECKING, Any

import numpy as np

from skvq._contract.counts import check_count
from skvq._contract.errors import invalid
from skvq.metrics._scorers import codes_of
from skvq.plotting._axes import mosaic_inches, open_axes, show_mosaic
from skvq.plotting._model import code_maps, decoded, first_labels, first_rows, fitted_parts, images_of
from skvq.plotting._mosaic import check_data_range, check_maps, in_same_mode, mosaic, spread_over_pixels, unit_images

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure
    from matplotlib.image import AxesImage

    from skvq._contract.randomness import RandomStateLike

# A grey value, so that hidden cells do not look like a black or white part of the image.
_HIDDEN = 0.45


class CompletionDisplay:
    """Images in the first row, their known part in the second row, and completions below.

    Parameters
    ----------
    originals : array-like of shape (n, height, width) or (n, height, width, channels)
        Any units.
    mask : array-like of shape (n, h, w), bool
        True for the known cells of each image. A cell has ``height / h`` by ``width / w`` pixels.
    completions : array-like of shape (n_completions, n, height, width) or (..., channels)
        In the units of ``originals``.
    data_range : tuple of float or None, default=None
        Values that are drawn black and white. None uses the range of ``originals``.

    Attributes
    ----------
    ax_, figure_, image_ : Axes, Figure, AxesImage
        The Axes, its figure and the drawn image. Set by :meth:`plot`.

    Raises
    ------
    ValueError
        If ``mask`` or ``completions`` does not have the shape that ``originals`` needs.

    Examples
    --------
    >>> import numpy as np
    >>> from matplotlib.figure import Figure
    >>> from skvq.plotting import CompletionDisplay
    >>> images = np.linspace(0, 1, 2 * 64).reshape(2, 8, 8)
    >>> mask = np.repeat([[[True], [False]]], 2, axis=0)
    >>> display = CompletionDisplay(images, mask, [images, images[::-1]]).plot(ax=Figure().subplots())
    >>> [label.get_text() for label in display.ax_.get_yticklabels()]
    ['original', 'known', 'completions']
    """

    ax_: "Axes"
    figure_: "Figure | SubFigure"
    image_: "AxesImage"

    def __init__(
        self,
        originals: np.ndarray,
        mask: np.ndarray,
        completions: np.ndarray,
        *,
        data_range: tuple[float, float] | None = None,
    ) -> None:
        self.originals: np.ndarray = np.asarray(originals)
        way_out = "True keeps the code at that position."
        self.mask: np.ndarray = check_maps(np.asarray(mask), len(self.originals), "mask", way_out)
        self.completions: np.ndarray = np.asarray(completions)
        if self.mask.dtype != bool:
            raise invalid("mask", "be an array of bool", f"dtype {self.mask.dtype}", way_out)
        if self.completions.shape[1:] != self.originals.shape:
            raise invalid(
                "completions",
                f"have the shape (n_completions, *originals.shape), with originals.shape {self.originals.shape}",
                f"shape {self.completions.shape}",
                "Stack one array of images for each completion.",
            )
        self.data_range: tuple[float, float] = check_data_range(data_range, self.originals)

    @classmethod
    def from_estimator(
        cls,
        model: Any,
        X: Any,
        *,
        prior: Any = None,
        mask: np.ndarray | None = None,
        y: Any = None,
        n_completions: int = 4,
        n_images: int = 10,
        random_state: "RandomStateLike" = 0,
        ax: "Axes | None" = None,
        **plot_kwargs: Any,
    ) -> "CompletionDisplay":
        """Hide a part of the codes of each image, draw new codes from the prior, and show the decoded images.

        Parameters
        ----------
        model : fitted VQGenerator, or fitted VQVAE together with ``prior``
        X : array-like of shape (n, features), (n, height, width) or (n, height, width, channels)
            Images in any layout that ``model`` accepts.
        prior : fitted PixelCNNPrior or other prior, or None, default=None
            For a VQVAE. A VQGenerator has its own.
        mask : array-like of bool or None, default=None
            True keeps a code. The shape is ``grid_.shape`` or ``(n_codes,)`` for all images, or has one such mask for
            each image that is drawn. None keeps the upper half of the rows of codes, rounded down.
        y : array-like of shape (n,), one label, or None, default=None
            The class of each row of X, or one class for all rows, for a conditional prior.
        n_completions : int, default=4
            Different completions of each image.
        n_images : int, default=10
            At most this many images are drawn, the first of X.
        random_state : int, RandomState, Generator or None, default=0
            An int gives the same completions at every call.
        ax : Axes or None, default=None
            Where to draw. None opens a new figure.
        **plot_kwargs
            Arguments of :meth:`plot`.

        Returns
        -------
        CompletionDisplay

        Raises
        ------
        NotFittedError
            If ``model`` or ``prior`` is not fitted.
        ValueError
            If the prior has another grid, if X, ``mask`` or ``y`` is invalid for the model, or if a number is not an
            integer >= 1.
        """
        vqvae, prior = fitted_parts(model, prior)
        grid, n_completions = vqvae.grid_, check_count("n_completions", n_completions)
        shown = first_rows(X, n_images)
        originals = images_of(vqvae, shown)
        if mask is None:
            rows = np.arange(grid.shape[0]) < grid.shape[0] // 2
            mask = np.broadcast_to(rows[:, None], grid.shape)
        known = grid.check_mask(mask, len(originals))
        labels = first_labels(y, X, len(originals))
        # One call for all completions: with one random_state, they are different draws.
        codes = prior.complete(
            np.tile(codes_of(vqvae, shown), (n_completions, 1)),
            np.tile(known, (n_completions, 1)),
            y=None if labels is None else np.tile(labels, n_completions),
            random_state=random_state,
        )
        completions = decoded(vqvae, codes).reshape(n_completions, *originals.shape)
        known_cells = np.asarray(code_maps(grid, known).all(axis=-1))
        return cls(originals, known_cells, completions, data_range=vqvae.data_range_).plot(ax, **plot_kwargs)

    def plot(
        self, ax: "Axes | None" = None, *, title: str = "Completions", **imshow_kwargs: Any
    ) -> "CompletionDisplay":
        """Draw the rows.

        Parameters
        ----------
        ax : Axes or None, default=None
            Where to draw. None opens a new figure.
        title : str, default="Completions"
            Use ``""`` for no title.
        **imshow_kwargs
            Arguments of ``Axes.imshow``, for example ``cmap="viridis"``.

        Returns
        -------
        CompletionDisplay
            This display, now with ``ax_``, ``figure_`` and ``image_``.
        """
        originals = unit_images(self.originals, self.data_range, "originals")
        completions = [unit_images(images, self.data_range, "completions") for images in self.completions]
        known = spread_over_pixels(self.mask, originals.shape[1:3])
        known = known if originals.ndim == 3 else known[..., None]
        rows = in_same_mode(originals, np.where(known, originals, np.float32(_HIDDEN)), *completions)
        picture = mosaic(np.stack(rows))
        # All completions share one label, in the middle of their rows.
        ticks = np.array([*picture.row_centers[:2], picture.row_centers[2:].mean()])
        labels = ["original", "known", "completion" if len(completions) == 1 else "completions"]
        self.ax_ = open_axes(ax, mosaic_inches(picture, labels))
        self.figure_ = self.ax_.figure
        self.image_ = show_mosaic(self.ax_, picture, title=title, row_labels=labels, row_ticks=ticks, **imshow_kwargs)
        return self
