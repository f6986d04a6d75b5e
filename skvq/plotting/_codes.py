"""Images above their maps of codes, one map for each stage, in colours that show which codes are similar."""

from typing import TYPE_CHECKING, Any

import numpy as np

from skvq._contract.codes import check_code_values
from skvq._contract.errors import invalid
from skvq.metrics._scorers import codes_of
from skvq.plotting._axes import mosaic_inches, open_axes, show_mosaic
from skvq.plotting._code_colors import code_colors
from skvq.plotting._model import first_rows, fitted_autoencoder, images_of
from skvq.plotting._mosaic import as_rgb, check_data_range, check_maps, mosaic, spread_over_pixels, unit_images

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure
    from matplotlib.image import AxesImage


class CodeMapDisplay:
    """Images in one row, and their codes as colours in the next row, or rows.

    Codes with similar embeddings have similar colours, so equal colours in a map are regions that the autoencoder
    describes in a similar way. With several codes at each position, each stage has a row and colours of its own.

    Parameters
    ----------
    originals : array-like of shape (n, height, width) or (n, height, width, channels)
        Any units.
    codes : array-like of shape (n, h, w) or (n, h, w, depth), int
        In [0, n_embeddings).
    codebook : array-like of shape (n_embeddings, embedding_dim) or (depth, n_embeddings, embedding_dim)
        Determines the colours.
    counts : array-like of shape (n_embeddings,) or (depth, n_embeddings), or None, default=None
        How often each code is used. Unused codes then do not influence the colours of the others.
    data_range : tuple of float or None, default=None
        Values of ``originals`` that are drawn black and white. None uses their range.

    Attributes
    ----------
    colors : ndarray of shape (n_embeddings, 3) or (depth, n_embeddings, 3)
        The colour of each code, sRGB in [0, 1].
    ax_, figure_, image_ : Axes, Figure, AxesImage
        The Axes, its figure and the drawn image. Set by :meth:`plot`.

    Raises
    ------
    ValueError
        If ``codes`` does not have one map for each image and stage, or a code is not in [0, n_embeddings).

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
    figure_: "Figure | SubFigure"
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
        tables = np.asarray(codebook)
        if tables.ndim == 3:
            usage = [None] * len(tables) if counts is None else counts
            self.colors = np.stack([code_colors(*stage) for stage in zip(tables, usage, strict=True)])
        else:
            self.colors = code_colors(tables, counts)
        codes = check_code_values(codes, "codes", self.colors.shape[-2])
        way_out = "Make maps with vqvae.grid_.to_grid(vqvae.transform(X))."
        for stage in np.moveaxis(codes, -1, 0) if tables.ndim == 3 else [codes]:
            check_maps(stage, len(self.originals), "codes", way_out)
        if tables.ndim == 3 and codes.shape[-1] != len(tables):
            raise invalid("codes", f"have {len(tables)} codes at each position", f"shape {codes.shape}", way_out)
        self.codes = codes
        self.data_range = check_data_range(data_range, self.originals)

    @classmethod
    def from_estimator(
        cls, model: Any, X: Any, *, n_images: int = 10, ax: "Axes | None" = None, **plot_kwargs: Any
    ) -> "CodeMapDisplay":
        """Encode the first rows of X and draw their codes below them.

        Parameters
        ----------
        model : fitted VQVAE or VQGenerator
        X : array-like of shape (n, features), (n, height, width) or (n, height, width, channels)
            Images in any layout that ``model`` accepts.
        n_images : int, default=10
            At most this many images are drawn, the first of X.
        ax : Axes or None, default=None
            Where to draw. None opens a new figure.
        **plot_kwargs
            Arguments of :meth:`plot`.

        Returns
        -------
        CodeMapDisplay

        Raises
        ------
        NotFittedError
            If ``model`` is not fitted.
        ValueError
            If the rows of X are not images of the fitted shape, or ``n_images`` is not an integer >= 1.
        """
        vqvae, X = fitted_autoencoder(model), first_rows(X, n_images)
        originals = images_of(vqvae, X)
        codes = vqvae.grid_.to_grid(codes_of(vqvae, X))
        options = {"counts": vqvae.code_counts_, "data_range": vqvae.data_range_}
        return cls(originals, codes, vqvae.codebook_, **options).plot(ax, **plot_kwargs)

    def plot(self, ax: "Axes | None" = None, *, title: str | None = None, **imshow_kwargs: Any) -> "CodeMapDisplay":
        """Draw the rows.

        Parameters
        ----------
        ax : Axes or None, default=None
            Where to draw. None opens a new figure.
        title : str or None, default=None
            None writes the size of the maps. Use ``""`` for no title.
        **imshow_kwargs
            Arguments of ``Axes.imshow``.

        Returns
        -------
        CodeMapDisplay
            This display, now with ``ax_``, ``figure_`` and ``image_``.
        """
        originals = as_rgb(unit_images(self.originals, self.data_range, "originals"))
        if self.codes.ndim == 4:
            stages, labels = np.moveaxis(self.codes, -1, 0), [f"codes {i + 1}" for i in range(len(self.colors))]
            colored = [colors[codes] for colors, codes in zip(self.colors, stages, strict=True)]
        else:
            colored, labels = [self.colors[self.codes]], ["codes"]
        picture = mosaic(np.stack([originals, *(spread_over_pixels(maps, originals.shape[1:3]) for maps in colored)]))
        if title is None:
            n_embeddings = self.colors.shape[-2]
            title = f"Maps of {self.codes.shape[1]} × {self.codes.shape[2]} codes out of {n_embeddings}"
        labels = ["original", *labels]
        self.ax_ = open_axes(ax, mosaic_inches(picture, labels))
        self.figure_ = self.ax_.figure
        self.image_ = show_mosaic(self.ax_, picture, title=title, row_labels=labels, **imshow_kwargs)
        return self
