"""Images above their reconstructions."""

from typing import TYPE_CHECKING, Any

import numpy as np

from skvq._contract.errors import invalid
from skvq.plotting._axes import mosaic_inches, open_axes, show_mosaic
from skvq.plotting._model import first_rows, fitted_autoencoder, images_of
from skvq.plotting._mosaic import check_data_range, in_same_mode, mosaic, unit_images

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure
    from matplotlib.image import AxesImage


class ReconstructionDisplay:
    """Images in one row, and their reconstructions in the next row.

    Parameters
    ----------
    originals, reconstructions : array-like of shape (n, height, width) or (n, height, width, channels)
        Any units, the same for both.
    data_range : tuple of float or None, default=None
        Values that are drawn black and white, (minimum, maximum) in the units of the images. None uses the range of
        ``originals``.

    Attributes
    ----------
    psnr : ndarray of shape (n,)
        Peak signal-to-noise ratio of each image in decibels. The peak is the width of ``data_range``. It is inf for a
        reconstruction without error.
    ax_, figure_, image_ : Axes, Figure, AxesImage
        The Axes, its figure and the drawn image. Set by :meth:`plot`.

    Raises
    ------
    ValueError
        If the two arrays differ in shape, or ``data_range`` is not a range.

    Examples
    --------
    >>> import numpy as np
    >>> from matplotlib.figure import Figure
    >>> from skvq.plotting import ReconstructionDisplay
    >>> originals = np.linspace(0, 1, 3 * 64).reshape(3, 8, 8)
    >>> display = ReconstructionDisplay(originals, originals.round(1), data_range=(0, 1))
    >>> display.psnr.round().tolist()
    [31.0, 30.0, 31.0]
    >>> display.plot(ax=Figure().subplots()).ax_.get_title()
    'Reconstructions'
    """

    ax_: "Axes"
    figure_: "Figure | SubFigure"
    image_: "AxesImage"

    def __init__(
        self,
        originals: np.ndarray,
        reconstructions: np.ndarray,
        *,
        data_range: tuple[float, float] | None = None,
    ) -> None:
        self.originals: np.ndarray = np.asarray(originals)
        self.reconstructions: np.ndarray = np.asarray(reconstructions)
        if self.originals.shape != self.reconstructions.shape:
            raise invalid(
                "reconstructions",
                f"have the shape of originals, {self.originals.shape}",
                self.reconstructions.shape,
                "Reshape both to (n, height, width).",
            )
        self.data_range: tuple[float, float] = check_data_range(data_range, self.originals)
        error = self.originals.astype(np.float64) - self.reconstructions
        mse = np.square(error).reshape(len(error), -1).mean(axis=1)
        with np.errstate(divide="ignore"):
            self.psnr: Any = 10 * np.log10((self.data_range[1] - self.data_range[0]) ** 2 / mse)

    @classmethod
    def from_estimator(
        cls, model: Any, X: Any, *, n_images: int = 10, ax: "Axes | None" = None, **plot_kwargs: Any
    ) -> "ReconstructionDisplay":
        """Reconstruct the first rows of X and draw them below the originals.

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
        ReconstructionDisplay

        Raises
        ------
        NotFittedError
            If ``model`` is not fitted.
        ValueError
            If the rows of X are not images of the fitted shape, or ``n_images`` is not an integer >= 1.
        """
        vqvae, X = fitted_autoencoder(model), first_rows(X, n_images)
        originals = images_of(vqvae, X)
        reconstructions = np.asarray(vqvae.reconstruct(X), dtype=np.float32).reshape(originals.shape)
        return cls(originals, reconstructions, data_range=vqvae.data_range_).plot(ax, **plot_kwargs)

    def plot(
        self,
        ax: "Axes | None" = None,
        *,
        show_difference: bool = False,
        difference_gain: float = 1.0,
        show_psnr: bool = True,
        title: str = "Reconstructions",
        **imshow_kwargs: Any,
    ) -> "ReconstructionDisplay":
        """Draw the rows.

        Parameters
        ----------
        ax : Axes or None, default=None
            Where to draw. None opens a new figure.
        show_difference : bool, default=False
            Draw a third row with absolute differences, on the scale of the images. Black is no error.
        difference_gain : float, default=1.0
            Factor for the differences, which makes small errors visible. The label of the row contains it.
        show_psnr : bool, default=True
            Write the PSNR of each image, in decibels, below it.
        title : str, default="Reconstructions"
            Use ``""`` for no title.
        **imshow_kwargs
            Arguments of ``Axes.imshow``, for example ``cmap="viridis"``.

        Returns
        -------
        ReconstructionDisplay
            This display, now with ``ax_``, ``figure_`` and ``image_``.

        Raises
        ------
        ValueError
            If ``difference_gain`` is not positive.
        """
        originals, reconstructions = in_same_mode(
            unit_images(self.originals, self.data_range, "originals"),
            unit_images(self.reconstructions, self.data_range, "reconstructions"),
        )
        rows = [originals, reconstructions]
        labels = ["original", "reconstruction"]
        if show_difference:
            if not difference_gain > 0:
                raise invalid("difference_gain", "be > 0", repr(difference_gain), "1 is the scale of the images.")
            rows.append(np.clip(np.float32(difference_gain) * np.abs(originals - reconstructions), 0, 1))
            labels.append("difference" if difference_gain == 1 else f"difference ×{difference_gain:g}")
        picture = mosaic(np.stack(rows))
        self.ax_ = open_axes(ax, mosaic_inches(picture, labels, lines_below=2 if show_psnr else 0))
        self.figure_ = self.ax_.figure
        self.image_ = show_mosaic(
            self.ax_,
            picture,
            title=title,
            row_labels=labels,
            column_labels=[_decibels(value) for value in self.psnr] if show_psnr else (),
            **imshow_kwargs,
        )
        if show_psnr:
            self.ax_.set_xlabel("PSNR (dB)", fontsize="small")
        return self


def _decibels(value: float) -> str:
    return "∞" if np.isposinf(value) else f"{value:.1f}"
