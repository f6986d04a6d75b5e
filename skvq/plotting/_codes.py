"""Originals over their maps of codes, in colours that carry meaning."""

from typing import TYPE_CHECKING, Any

import numpy as np

from skvq.metrics._scorers import codes_of
from skvq.plotting._axes import mosaic_inches, open_axes, show_mosaic
from skvq.plotting._code_colors import code_colors
from skvq.plotting._fitted import code_maps, first_rows, fitted, images_of
from skvq.plotting._mosaic import as_rgb, check_data_range, mosaic, spread_over_pixels, unit_images

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage


class CodeMapDisplay:
    """Images in one row, the codes that stand for them in the next.

    Codes whose vectors lie close in the codebook have colours that look alike, so that the map of an image
    shows where the autoencoder sees the same thing.

    Parameters
    ----------
    originals : array-like of shape (n, height, width) or (n, height, width, channels)
        Any units.
    codes : array-like of shape (n, h, w), int
        Each in [0, n_codes).
    codebook : array-like of shape (n_codes, code_dim)
        Decides the colours.
    counts : array-like of shape (n_codes,) or None, default=None
        How often each code is used; codes in use then decide the colours.
    data_range : tuple of float or None, default=None
        Values of ``originals`` drawn black and white. None takes their own.

    Attributes
    ----------
    colors : ndarray of shape (n_codes, 3)
        sRGB in [0, 1], the colour of each code.
    ax_, figure_, image_ : Axes, Figure, AxesImage
        What was drawn on, and the mosaic drawn. Made by :meth:`plot`.

    Raises
    ------
    ValueError
        If ``codes`` are not maps of codes in range, one for each image.

    Examples
    --------
    >>> import numpy as np
    >>> from matplotlib.figure import Figure
    >>> from skvq.plotting import CodeMapDisplay
    >>> images = np.linspace(0, 1, 2 * 64).reshape(2, 8, 8)
    >>> codes = np.arange(8).reshape(2, 2, 2)
    >>> display = CodeMapDisplay(images, codes, codebook=np.eye(8)).plot(ax=Figure().subplots())
    >>> display.colors.shape
    (8, 3)
    """

    ax_: "Axes"
    figure_: "Figure"
    image_: "AxesImage"

    def __init__(
        self,
        originals: np.ndarray,
        codes: np.ndarray,
        codebook: np.ndarray,
        *,
        counts: np.ndarray | None = None,
        data_range: tuple[float, float] | None = None,
    ) -> None:
        self.originals = np.asarray(originals)
        self.codes = np.asarray(codes)
        self.colors = code_colors(codebook, counts)
        self.data_range = check_data_range(data_range, self.originals)
        if self.codes.ndim != 3 or len(self.codes) != len(self.originals):
            raise ValueError(
                f"codes must be one map (h, w) for each of the {len(self.originals)} images; "
                f"got shape {self.codes.shape}. Reshape what transform returned to (n, *code_shape_)."
            )
        if not np.issubdtype(self.codes.dtype, np.integer) or not (
            self.codes.min() >= 0 and self.codes.max() < len(self.colors)
        ):
            raise ValueError(
                f"codes must be integers in [0, {len(self.colors)}), rows of the codebook; "
                f"got {self.codes.dtype} from {self.codes.min()} to {self.codes.max()}. "
                "Pass the codebook that the codes were made with."
            )

    @classmethod
    def from_estimator(
        cls, vqvae: Any, X: Any, *, n_images: int = 10, ax: "Axes | None" = None, **plot_kwargs: Any
    ) -> "CodeMapDisplay":
        """Encode the first rows of X and draw their codes under them.

        Parameters
        ----------
        vqvae : fitted VQVAE
        X : array-like of shape (n, features), (n, height, width) or (n, height, width, channels)
            Images in a layout that ``vqvae`` accepts.
        n_images : int, default=10
            Draw at most this many, the first of X.
        ax : Axes or None, default=None
            Where to draw; None opens a figure.
        **plot_kwargs
            Passed on to :meth:`plot`.

        Returns
        -------
        CodeMapDisplay

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If ``vqvae`` is not fitted.
        ValueError
            If X does not hold images of the fitted shape, or ``n_images`` is not an integer >= 1.
        """
        X = first_rows(X, n_images)
        display = cls(
            images_of(vqvae, X),
            code_maps(vqvae, codes_of(vqvae, X)),
            fitted(vqvae, "codebook_", "vqvae"),
            counts=fitted(vqvae, "code_counts_", "vqvae"),
            data_range=fitted(vqvae, "data_range_", "vqvae"),
        )
        return display.plot(ax, **plot_kwargs)

    def plot(self, ax: "Axes | None" = None, *, title: str | None = None, **imshow_kwargs: Any) -> "CodeMapDisplay":
        """Draw the two rows.

        Parameters
        ----------
        ax : Axes or None, default=None
            Where to draw; None opens a figure.
        title : str or None, default=None
            None says how large a map is; ``""`` for none.
        **imshow_kwargs
            Passed on to ``Axes.imshow``.

        Returns
        -------
        CodeMapDisplay
            Itself, now with ``ax_``, ``figure_`` and ``image_``.
        """
        originals = as_rgb(unit_images(self.originals, self.data_range, "originals"))
        maps = spread_over_pixels(self.colors[self.codes], originals.shape[1:3])
        picture = mosaic(np.stack([originals, maps]))
        if title is None:
            title = f"Maps of {self.codes.shape[1]} × {self.codes.shape[2]} codes out of {len(self.colors)}"
        labels = ["original", "codes"]
        self.ax_ = open_axes(ax, mosaic_inches(picture, labels))
        self.figure_ = self.ax_.figure
        self.image_ = show_mosaic(self.ax_, picture, title=title, row_labels=labels, **imshow_kwargs)
        return self
