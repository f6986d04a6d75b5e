"""Where an image surprises a prior: bits that each of its codes costs."""

from typing import TYPE_CHECKING, Any

import numpy as np

from skvq.metrics._scorers import codes_of
from skvq.plotting._axes import mosaic_inches, open_axes, show_mosaic
from skvq.plotting._fitted import code_maps, first_rows, fitted, images_of, labels_for
from skvq.plotting._mosaic import check_data_range, mosaic, spread_over_pixels, unit_images

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colorbar import Colorbar
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage


class SurpriseDisplay:
    """Images in one row, the bits of their codes under a prior in the next.

    A position costs ``-log2 p`` bits, p being the probability that the prior gave to the code found there,
    knowing those before it: bright is what it did not expect.

    Parameters
    ----------
    originals : array-like of shape (n, height, width) or (n, height, width, channels)
        Any units.
    bits : array-like of shape (n, h, w)
        Of each position, >= 0.
    data_range : tuple of float or None, default=None
        Values of ``originals`` drawn black and white. None takes their own.

    Attributes
    ----------
    ax_, figure_ : Axes, Figure
        What was drawn on. Made by :meth:`plot`.
    originals_image_, image_ : AxesImage
        The mosaics of the images, and of the bits.
    colorbar_ : Colorbar or None
        None when it was not asked for.

    Raises
    ------
    ValueError
        If ``bits`` is not one map for each image.

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
    figure_: "Figure"
    originals_image_: "AxesImage"
    image_: "AxesImage"
    colorbar_: "Colorbar | None"

    def __init__(
        self, originals: np.ndarray, bits: np.ndarray, *, data_range: tuple[float, float] | None = None
    ) -> None:
        self.originals = np.asarray(originals)
        self.bits = np.asarray(bits)
        self.data_range = check_data_range(data_range, self.originals)
        if self.bits.ndim != 3 or len(self.bits) != len(self.originals):
            raise ValueError(
                f"bits must be one map (h, w) for each of the {len(self.originals)} images; "
                f"got shape {self.bits.shape}. Reshape them to (n, *code_shape_)."
            )

    @classmethod
    def from_estimator(
        cls,
        vqvae: Any,
        prior: Any,
        X: Any,
        *,
        y: Any = None,
        n_images: int = 10,
        ax: "Axes | None" = None,
        **plot_kwargs: Any,
    ) -> "SurpriseDisplay":
        """Encode the first rows of X and draw what each code costs under the prior.

        Parameters
        ----------
        vqvae : fitted VQVAE
        prior : fitted PixelCNNPrior
        X : array-like of shape (n, features), (n, height, width) or (n, height, width, channels)
            Images in a layout that ``vqvae`` accepts.
        y : array-like of shape (n,) or None, default=None
            Classes, for a conditional prior.
        n_images : int, default=10
            Draw at most this many, the first of X.
        ax : Axes or None, default=None
            Where to draw; None opens a figure.
        **plot_kwargs
            Passed on to :meth:`plot`.

        Returns
        -------
        SurpriseDisplay

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If ``vqvae`` is not fitted.
        ValueError
            If X or ``y`` does not fit the estimators, or ``n_images`` is not an integer >= 1.
        """
        X = first_rows(X, n_images)
        originals = images_of(vqvae, X)
        log_prob = prior.log_prob_per_code(codes_of(vqvae, X), y=labels_for(y, len(originals)))
        bits = code_maps(vqvae, np.asarray(log_prob) / -np.log(2))
        return cls(originals, bits, data_range=fitted(vqvae, "data_range_", "vqvae")).plot(ax, **plot_kwargs)

    def plot(
        self,
        ax: "Axes | None" = None,
        *,
        colorbar: bool = True,
        title: str = "Surprise under the prior",
        **imshow_kwargs: Any,
    ) -> "SurpriseDisplay":
        """Draw the two rows; the sum of bits stands below each image.

        Parameters
        ----------
        ax : Axes or None, default=None
            Where to draw; None opens a figure.
        colorbar : bool, default=True
            Add the scale of bits at the right, in an inset of ``ax``.
        title : str, default="Surprise under the prior"
            ``""`` for none.
        **imshow_kwargs
            Passed on to ``Axes.imshow`` of the bits, for example ``vmax=8``.

        Returns
        -------
        SurpriseDisplay
            Itself, now with ``ax_``, ``figure_``, ``originals_image_``, ``image_`` and ``colorbar_``.
        """
        originals = unit_images(self.originals, self.data_range, "originals")
        maps = spread_over_pixels(self.bits, originals.shape[1:3])
        # Two pictures of one size, each empty where the other is drawn, since each needs a colour map of its
        # own.
        above = mosaic(np.stack([originals, np.full_like(originals, np.nan)]))
        below = mosaic(np.stack([np.full_like(maps, np.nan), maps]))
        rows = ["original", "surprise"]
        wide, high = mosaic_inches(above, rows, lines_below=2)
        self.ax_ = open_axes(ax, (wide + 0.7 * colorbar, high))
        self.figure_ = self.ax_.figure
        totals = [f"{bits.sum():.0f}" for bits in self.bits]
        labels = {"row_labels": rows, "column_labels": totals, "title": title}
        self.originals_image_ = show_mosaic(self.ax_, above, **labels)
        options = {"cmap": "inferno", "vmin": 0.0, "vmax": float(np.nanmax(self.bits)) or 1.0}
        self.image_ = show_mosaic(self.ax_, below, **labels, **(options | imshow_kwargs))
        self.ax_.set_xlabel("bits per image", fontsize="small")
        self.colorbar_ = None
        if colorbar:
            # Inside ax, so that it keeps to the height of the row it explains, however ax is shaped.
            height, width = below.canvas.shape[:2]
            box = (1 + 2 * below.gap / width, 0, 2 * below.gap / width, below.tile_shape[0] / height)
            self.colorbar_ = self.figure_.colorbar(self.image_, cax=self.ax_.inset_axes(box))
            self.colorbar_.set_label("bits per code", fontsize="small")
            self.colorbar_.ax.tick_params(labelsize="small")
            self.colorbar_.ax.grid(False)
            self.colorbar_.outline.set_visible(False)
        return self
