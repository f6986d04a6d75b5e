"""A walk through latent space from one image to another."""

from typing import TYPE_CHECKING, Any

import numpy as np

from skvq.metrics._scorers import codes_of
from skvq.plotting._axes import mosaic_inches, open_axes, show_mosaic
from skvq.plotting._fitted import check_count, decoded, first_rows, fitted, images_of
from skvq.plotting._mosaic import check_data_range, in_same_mode, mosaic, unit_images

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage


class InterpolationDisplay:
    """One row for each pair of images: the first, the steps between their codes, the second.

    Parameters
    ----------
    starts, ends : array-like of shape (n, height, width) or (n, height, width, channels)
        Any units, the same for all.
    steps : array-like of shape (n_steps, n, height, width) or (..., channels)
        From the reconstructions of ``starts`` to those of ``ends``.
    data_range : tuple of float or None, default=None
        Values drawn black and white. None takes those of ``starts``.

    Attributes
    ----------
    ax_, figure_, image_ : Axes, Figure, AxesImage
        What was drawn on, and the mosaic drawn. Made by :meth:`plot`.

    Raises
    ------
    ValueError
        If the shapes do not fit each other.

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
    figure_: "Figure"
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
            raise ValueError(
                "ends must have the shape of starts, and steps (n_steps, *starts.shape); "
                f"got starts {self.starts.shape}, ends {self.ends.shape}, steps {self.steps.shape}."
            )
        self.data_range = check_data_range(data_range, self.starts)

    @classmethod
    def from_estimator(
        cls,
        vqvae: Any,
        X_start: Any,
        X_end: Any,
        *,
        n_steps: int = 8,
        n_images: int = 10,
        ax: "Axes | None" = None,
        **plot_kwargs: Any,
    ) -> "InterpolationDisplay":
        """Walk in a straight line between the quantised latents of two images, quantising again at each step.

        Parameters
        ----------
        vqvae : fitted VQVAE
        X_start, X_end : array-like of shape (n, features), (n, height, width) or (n, height, width, channels)
            Images in a layout that ``vqvae`` accepts, as many of both; for one pair pass ``X[:1]`` and
            ``X[1:2]``.
        n_steps : int, default=8
            Steps, with both reconstructions; at least 2.
        n_images : int, default=10
            Draw at most this many pairs, the first.
        ax : Axes or None, default=None
            Where to draw; None opens a figure.
        **plot_kwargs
            Passed on to :meth:`plot`.

        Returns
        -------
        InterpolationDisplay

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If ``vqvae`` is not fitted.
        ValueError
            If the images do not have the fitted shape or are not as many, or a number is too small.
        """
        n_steps = check_count(n_steps, "n_steps", minimum=2)
        X_start, X_end = first_rows(X_start, n_images), first_rows(X_end, n_images)
        starts, ends = images_of(vqvae, X_start, "X_start"), images_of(vqvae, X_end, "X_end")
        if len(starts) != len(ends):
            raise ValueError(
                f"X_start and X_end must hold equally many images; got {len(starts)} and {len(ends)}. "
                "Each row of X_start is paired with the same row of X_end."
            )
        codebook = np.asarray(fitted(vqvae, "codebook_", "vqvae"), dtype=np.float64)
        first, last = (codebook[codes_of(vqvae, X)] for X in (X_start, X_end))
        steps = [
            decoded(vqvae, nearest_codes((1 - t) * first + t * last, codebook)) for t in np.linspace(0, 1, n_steps)
        ]
        display = cls(starts, ends, np.stack(steps), data_range=fitted(vqvae, "data_range_", "vqvae"))
        return display.plot(ax, **plot_kwargs)

    def plot(
        self, ax: "Axes | None" = None, *, title: str = "Interpolation between codes", **imshow_kwargs: Any
    ) -> "InterpolationDisplay":
        """Draw the rows; a step's label is its share of the way.

        Parameters
        ----------
        ax : Axes or None, default=None
            Where to draw; None opens a figure.
        title : str, default="Interpolation between codes"
            ``""`` for none.
        **imshow_kwargs
            Passed on to ``Axes.imshow``, for example ``cmap="viridis"``.

        Returns
        -------
        InterpolationDisplay
            Itself, now with ``ax_``, ``figure_`` and ``image_``.
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


def nearest_codes(latents: np.ndarray, codebook: np.ndarray) -> np.ndarray:
    """Return the code nearest to each latent.

    Parameters
    ----------
    latents : ndarray of shape (..., code_dim)
    codebook : ndarray of shape (n_codes, code_dim)

    Returns
    -------
    ndarray of shape (...), int64
        The lower code where two are equally near.
    """
    # ‖z − c‖² without ‖z‖², which is the same for all codes.
    distances = np.square(codebook).sum(axis=1) - 2 * latents @ codebook.T
    return distances.argmin(axis=-1).astype(np.int64)
