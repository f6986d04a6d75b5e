"""The bits of each code of an image under a prior."""

from typing import TYPE_CHECKING, Any

import numpy as np

from skvq.metrics._scorers import codes_of
from skvq.plotting._axes import mosaic_inches, open_axes, show_mosaic
from skvq.plotting._model import code_maps, first_labels, first_rows, fitted_parts, images_of
from skvq.plotting._mosaic import check_data_range, check_maps, mosaic, spread_over_pixels, unit_images

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colorbar import Colorbar
    from matplotlib.figure import Figure, SubFigure
    from matplotlib.image import AxesImage


class SurpriseDisplay:
    """Images in one row, and the bits of their codes under a prior in the next row.

    A code costs ``-log2 p`` bits, where ``p`` is its probability given the codes before it. Bright positions are
    unexpected for the prior.

    Parameters
    ----------
    originals : array-like of shape (n, height, width) or (n, height, width, channels)
        Any units.
    bits : array-like of shape (n, h, w)
        The bits at each position, >= 0.
    data_range : tuple of float or None, default=None
        Values of ``originals`` that are drawn black and white. None uses their range.

    Attributes
    ----------
    ax_, figure_ : Axes, Figure
        The Axes and its figure. Set by :meth:`plot`.
    originals_image_, image_ : AxesImage
        The drawn images, and the drawn bits.
    colorbar_ : Colorbar or None
        None if ``colorbar=False``.

    Raises
    ------
    ValueError
        If ``bits`` does not have one map for each image.

    Examples
    --------
    >>> import numpy as np
    >>> from matplotlib.figure import Figure
    >>> from skvq.plotting import SurpriseDisplay
    >>> images = np.linspace(0, 1, 2 * 64).reshape(2, 8, 8)
    >>> display = SurpriseDisplay(images, bits=np.full((2, 2, 2), 3.0)).plot(ax=Figure().subplots())
    >>> [label.get_text() for label in display.ax_.get_xticklabels()]
    ['12', '12']
    """

    ax_: "Axes"
    figure_: "Figure | SubFigure"
    originals_image_: "AxesImage"
    image_: "AxesImage"
    colorbar_: "Colorbar | None"

    def __init__(
        self, originals: np.ndarray, bits: np.ndarray, *, data_range: tuple[float, float] | None = None
    ) -> None:
        self.originals: np.ndarray = np.asarray(originals)
        way_out = "Make maps with vqvae.grid_.to_grid(bits)."
        self.bits: np.ndarray = check_maps(np.asarray(bits), len(self.originals), "bits", way_out)
        self.data_range: tuple[float, float] = check_data_range(data_range, self.originals)

    @classmethod
    def from_estimator(
        cls,
        model: Any,
        X: Any,
        *,
        prior: Any = None,
        y: Any = None,
        n_images: int = 10,
        ax: "Axes | None" = None,
        **plot_kwargs: Any,
    ) -> "SurpriseDisplay":
        """Encode the first rows of X and draw the bits of each code under the prior.

        With several codes at each position (``grid_.depth`` > 1), the sum of their bits is drawn.

        Parameters
        ----------
        model : fitted VQGenerator, or fitted VQVAE together with ``prior``
        X : array-like of shape (n, features), (n, height, width) or (n, height, width, channels)
            Images in any layout that ``model`` accepts.
        prior : fitted PixelCNNPrior or other prior, or None, default=None
            For a VQVAE. A VQGenerator has its own.
        y : array-like of shape (n,), one label, or None, default=None
            The class of each row of X, or one class for all rows, for a conditional prior.
        n_images : int, default=10
            At most this many images are drawn, the first of X.
        ax : Axes or None, default=None
            Where to draw. None opens a new figure.
        **plot_kwargs
            Arguments of :meth:`plot`.

        Returns
        -------
        SurpriseDisplay

        Raises
        ------
        NotFittedError
            If ``model`` or ``prior`` is not fitted.
        ValueError
            If the prior has another grid, X or ``y`` is invalid for the model, or ``n_images`` is not an
            integer >= 1.
        """
        vqvae, prior = fitted_parts(model, prior)
        shown = first_rows(X, n_images)
        originals = images_of(vqvae, shown)
        log_prob = prior.log_prob_per_code(codes_of(vqvae, shown), y=first_labels(y, X, len(originals)))
        bits = code_maps(vqvae.grid_, np.asarray(log_prob) / -np.log(2)).sum(axis=-1)
        return cls(originals, bits, data_range=vqvae.data_range_).plot(ax, **plot_kwargs)

    def plot(
        self,
        ax: "Axes | None" = None,
        *,
        colorbar: bool = True,
        title: str = "Surprise under the prior",
        **imshow_kwargs: Any,
    ) -> "SurpriseDisplay":
        """Draw the two rows, and write the sum of bits below each image.

        Parameters
        ----------
        ax : Axes or None, default=None
            Where to draw. None opens a new figure.
        colorbar : bool, default=True
            Draw the scale of bits at the right, in an inset of ``ax``.
        title : str, default="Surprise under the prior"
            Use ``""`` for no title.
        **imshow_kwargs
            Arguments of ``Axes.imshow`` for the bits, for example ``vmax=8``.

        Returns
        -------
        SurpriseDisplay
            This display, now with ``ax_``, ``figure_``, ``originals_image_``, ``image_`` and ``colorbar_``.
        """
        originals = unit_images(self.originals, self.data_range, "originals")
        maps = spread_over_pixels(self.bits, originals.shape[1:3])
        # Two pictures of equal size, because each needs its own colour map. Each is empty where the other is drawn.
        above = mosaic(np.stack([originals, np.full_like(originals, np.nan)]))
        below = mosaic(np.stack([np.full_like(maps, np.nan), maps]))
        rows = ["original", "surprise"]
        wide, high = mosaic_inches(above, rows, lines_below=2)
        self.ax_ = open_axes(ax, (wide + 0.7 * colorbar, high))
        self.figure_ = self.ax_.figure
        totals = [f"{bits.sum():.0f}" for bits in self.bits]
        labels: dict[str, Any] = {"row_labels": rows, "column_labels": totals, "title": title}
        self.originals_image_ = show_mosaic(self.ax_, above, **labels)
        options: dict[str, Any] = {"cmap": "inferno", "vmin": 0.0, "vmax": float(np.nanmax(self.bits)) or 1.0}
        self.image_ = show_mosaic(self.ax_, below, **labels, **(options | imshow_kwargs))
        self.ax_.set_xlabel("bits per image", fontsize="small")
        self.colorbar_ = None
        if colorbar:
            # An inset has the height of the row of bits, for any shape of ax.
            height, width = below.canvas.shape[:2]
            box = (1 + 2 * below.gap / width, 0, 2 * below.gap / width, below.tile_shape[0] / height)
            self.colorbar_ = self.figure_.colorbar(self.image_, cax=self.ax_.inset_axes(box))
            self.colorbar_.set_label("bits per code", fontsize="small")
            self.colorbar_.ax.tick_params(labelsize="small")
            self.colorbar_.ax.grid(False)
            self.colorbar_.outline.set_visible(False)
        return self
