"""Images between two images, in straight steps through latent space."""

from typing import TYPE_CHECKING, Any

import numpy as np

from skvq._contract.codes import nearest_codes
from skvq._contract.counts import check_count
from skvq._contract.errors import invalid
from skvq.metrics._scorers import codes_of
from skvq.plotting._axes import mosaic_inches, open_axes, show_mosaic
from skvq.plotting._model import decoded, first_rows, fitted_autoencoder, images_of
from skvq.plotting._mosaic import check_data_range, in_same_mode, mosaic, unit_images

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure
    from matplotlib.image import AxesImage


class InterpolationDisplay:
    """One row for each pair of images: the first image, the steps between their codes, and the second image.

    Parameters
    ----------
    starts, ends : array-like of shape (n, height, width) or (n, height, width, channels)
        Any units, the same for all images.
    steps : array-like of shape (n_steps, n, height, width) or (..., channels)
        The first step is the reconstruction of ``starts``, and the last is the reconstruction of ``ends``.
    data_range : tuple of float or None, default=None
        Values that are drawn black and white. None uses the range of ``starts``.

    Attributes
    ----------
    ax_, figure_, image_ : Axes, Figure, AxesImage
        The Axes, its figure and the drawn image. Set by :meth:`plot`.

    Raises
    ------
    ValueError
        If the shapes of the three arrays are inconsistent.

    Examples
    --------
    >>> import numpy as np
    >>> from matplotlib.figure import Figure
    >>> from skvq.plotting import InterpolationDisplay
    >>> black, white = np.zeros((1, 8, 8)), np.ones((1, 8, 8))
    >>> steps = [black, (black + white) / 2, white]
    >>> display = InterpolationDisplay(black, white, steps, data_range=(0, 1)).plot(ax=Figure().subplots())
    >>> [label.get_text() for label in display.ax_.get_xticklabels()]
    ['start', '0', '0.5', '1', 'end']
    """

    ax_: "Axes"
    figure_: "Figure | SubFigure"
    image_: "AxesImage"

    def __init__(
        self,
        starts: np.ndarray,
        ends: np.ndarray,
        steps: np.ndarray,
        *,
        data_range: tuple[float, float] | None = None,
    ) -> None:
        self.starts, self.ends, self.steps = np.asarray(starts), np.asarray(ends), np.asarray(steps)
        if self.starts.shape != self.ends.shape or self.steps.shape[1:] != self.starts.shape:
            raise invalid(
                "ends",
                f"have the shape of starts, {self.starts.shape}, and steps the shape (n_steps, *starts.shape)",
                f"ends {self.ends.shape} and steps {self.steps.shape}",
                "Stack one array of images for each step.",
            )
        self.data_range: tuple[float, float] = check_data_range(data_range, self.starts)

    @classmethod
    def from_estimator(
        cls,
        model: Any,
        X_start: Any,
        X_end: Any,
        *,
        n_steps: int = 8,
        n_images: int = 10,
        ax: "Axes | None" = None,
        **plot_kwargs: Any,
    ) -> "InterpolationDisplay":
        """Interpolate linearly between the embeddings of two images, and decode the nearest codes of each step.

        With several codes at each position (``grid_.depth`` > 1), each stage has its own steps.

        Parameters
        ----------
        model : fitted VQVAE or VQGenerator
        X_start, X_end : array-like of shape (n, features), (n, height, width) or (n, height, width, channels)
            Equal numbers of images, in any layout that ``model`` accepts. For one pair, pass ``X[:1]`` and ``X[1:2]``.
        n_steps : int, default=8
            Number of steps, >= 2. It includes both reconstructions.
        n_images : int, default=10
            At most this many pairs are drawn, the first ones.
        ax : Axes or None, default=None
            Where to draw. None opens a new figure.
        **plot_kwargs
            Arguments of :meth:`plot`.

        Returns
        -------
        InterpolationDisplay

        Raises
        ------
        NotFittedError
            If ``model`` is not fitted.
        ValueError
            If the rows are not images of the fitted shape, the numbers of images differ, or a number is too small.
        """
        vqvae, n_steps = fitted_autoencoder(model), check_count("n_steps", n_steps, minimum=2)
        X_start, X_end = first_rows(X_start, n_images), first_rows(X_end, n_images)
        starts, ends = images_of(vqvae, X_start, "X_start"), images_of(vqvae, X_end, "X_end")
        if len(starts) != len(ends):
            way_out = "Each row of X_start is paired with the same row of X_end."
            raise invalid("X_end", f"have as many images as X_start, {len(starts)}", len(ends), way_out)
        depth = vqvae.grid_.depth
        tables = np.asarray(vqvae.codebook_, dtype=np.float64).reshape(depth, -1, np.shape(vqvae.codebook_)[-1])
        first, last = (codes_of(vqvae, X).reshape(len(starts), -1, depth) for X in (X_start, X_end))
        steps = []
        for t in np.linspace(0, 1, n_steps):
            codes = [
                nearest_codes((1 - t) * table[first[..., i]] + t * table[last[..., i]], table)
                for i, table in enumerate(tables)
            ]  # each (n, n_positions)
            steps.append(decoded(vqvae, np.stack(codes, axis=-1).reshape(len(starts), -1)))
        return cls(starts, ends, np.stack(steps), data_range=vqvae.data_range_).plot(ax, **plot_kwargs)

    def plot(
        self, ax: "Axes | None" = None, *, title: str = "Interpolation between codes", **imshow_kwargs: Any
    ) -> "InterpolationDisplay":
        """Draw the rows. The label of a step is its position between the images, from 0 to 1.

        Parameters
        ----------
        ax : Axes or None, default=None
            Where to draw. None opens a new figure.
        title : str, default="Interpolation between codes"
            Use ``""`` for no title.
        **imshow_kwargs
            Arguments of ``Axes.imshow``, for example ``cmap="viridis"``.

        Returns
        -------
        InterpolationDisplay
            This display, now with ``ax_``, ``figure_`` and ``image_``.
        """
        columns = in_same_mode(
            *(unit_images(images, self.data_range) for images in (self.starts, *self.steps, self.ends))
        )
        picture = mosaic(np.stack(columns, axis=1))
        labels = ["start", *(f"{t:.2g}" for t in np.linspace(0, 1, len(self.steps))), "end"]
        self.ax_ = open_axes(ax, mosaic_inches(picture, lines_below=1))
        self.figure_ = self.ax_.figure
        self.image_ = show_mosaic(self.ax_, picture, title=title, column_labels=labels, **imshow_kwargs)
        return self
