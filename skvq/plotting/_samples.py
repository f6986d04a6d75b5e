"""New images from a prior, sorted by class."""

from typing import TYPE_CHECKING, Any

import numpy as np

from skvq._contract.counts import check_count
from skvq._contract.labels import check_labels
from skvq.plotting._axes import mosaic_inches, open_axes, show_mosaic
from skvq.plotting._model import decoded, fitted_parts
from skvq.plotting._mosaic import check_data_range, fill_grid, mosaic, unit_images

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure
    from matplotlib.image import AxesImage

    from skvq._contract.randomness import RandomStateLike


class SampleDisplay:
    """A grid of images. With labels, each class has one or more rows of its own.

    Parameters
    ----------
    images : array-like of shape (n, height, width) or (n, height, width, channels)
        Any units.
    labels : array-like of shape (n,) or None, default=None
        The class of each image. The images are then sorted by class.
    data_range : tuple of float or None, default=None
        Values that are drawn black and white. None uses the range of ``images``.

    Attributes
    ----------
    ax_, figure_, image_ : Axes, Figure, AxesImage
        The Axes, its figure and the drawn image. Set by :meth:`plot`.

    Raises
    ------
    ValueError
        If there is not one label for each image, or labels are missing or have several kinds.

    Examples
    --------
    >>> import numpy as np
    >>> from matplotlib.figure import Figure
    >>> from skvq.plotting import SampleDisplay
    >>> images = np.linspace(0, 1, 4 * 64).reshape(4, 8, 8)
    >>> display = SampleDisplay(images, labels=["b", "a", "b", "a"]).plot(ax=Figure().subplots())
    >>> [label.get_text() for label in display.ax_.get_yticklabels()]
    ['a', 'b']
    """

    ax_: "Axes"
    figure_: "Figure | SubFigure"
    image_: "AxesImage"

    def __init__(
        self,
        images: np.ndarray,
        labels: np.ndarray | None = None,
        *,
        data_range: tuple[float, float] | None = None,
    ) -> None:
        self.images: np.ndarray = np.asarray(images)
        self.labels: np.ndarray | None = None if labels is None else check_labels(labels, len(self.images), "labels")
        self.data_range: tuple[float, float] = check_data_range(data_range, self.images)

    @classmethod
    def from_estimator(
        cls,
        model: Any,
        *,
        prior: Any = None,
        n_per_class: int = 10,
        n_samples: int = 40,
        temperature: float = 1.0,
        random_state: "RandomStateLike" = 0,
        ax: "Axes | None" = None,
        **plot_kwargs: Any,
    ) -> "SampleDisplay":
        """Sample codes from a prior, decode them and draw the images.

        Parameters
        ----------
        model : fitted VQGenerator, or fitted VQVAE together with ``prior``
        prior : fitted PixelCNNPrior or other prior, or None, default=None
            For a VQVAE. A VQGenerator has its own. A conditional prior is sampled for each of its ``classes_``.
        n_per_class : int, default=10
            Number of images for each class of a conditional prior.
        n_samples : int, default=40
            Number of images from an unconditional prior.
        temperature : float, default=1.0
            Divides the logits. Below 1, likely codes become more likely.
        random_state : int, RandomState, Generator or None, default=0
            An int gives the same images at every call.
        ax : Axes or None, default=None
            Where to draw. None opens a new figure.
        **plot_kwargs
            Arguments of :meth:`plot`.

        Returns
        -------
        SampleDisplay

        Raises
        ------
        NotFittedError
            If ``model`` or ``prior`` is not fitted.
        ValueError
            If the prior has another grid, or ``n_per_class`` or ``n_samples`` is not an integer >= 1.
        """
        vqvae, prior = fitted_parts(model, prior)
        n_per_class, n_samples = check_count("n_per_class", n_per_class), check_count("n_samples", n_samples)
        labels = None if prior.classes_ is None else np.repeat(np.asarray(prior.classes_), n_per_class)
        n = n_samples if labels is None else len(labels)
        codes = prior.sample(n, y=labels, temperature=temperature, random_state=random_state)
        return cls(decoded(vqvae, codes), labels, data_range=vqvae.data_range_).plot(ax, **plot_kwargs)

    def plot(
        self,
        ax: "Axes | None" = None,
        *,
        n_columns: int = 10,
        title: str = "Samples",
        **imshow_kwargs: Any,
    ) -> "SampleDisplay":
        """Draw the grid.

        Parameters
        ----------
        ax : Axes or None, default=None
            Where to draw. None opens a new figure.
        n_columns : int, default=10
            At most this many images in each row. A class with more images continues in the next row.
        title : str, default="Samples"
            Use ``""`` for no title.
        **imshow_kwargs
            Arguments of ``Axes.imshow``, for example ``cmap="viridis"``.

        Returns
        -------
        SampleDisplay
            This display, now with ``ax_``, ``figure_`` and ``image_``.

        Raises
        ------
        ValueError
            If ``n_columns`` is not an integer >= 1.
        """
        n_columns = check_count("n_columns", n_columns)
        images = unit_images(self.images, self.data_range)
        if self.labels is None:
            grid, row_labels, row_classes = fill_grid(images, min(n_columns, len(images))), [], np.empty(0, int)
        else:
            classes, sizes = np.unique(self.labels, return_counts=True)
            n_columns = min(n_columns, sizes.max())
            blocks = [fill_grid(images[self.labels == label], n_columns) for label in classes]
            grid, row_labels = np.concatenate(blocks), [str(label) for label in classes]
            row_classes = np.repeat(np.arange(len(classes)), [len(block) for block in blocks])
        picture = mosaic(grid)
        # The label of a class with several rows is in the middle of them.
        ticks = [picture.row_centers[np.equal(row_classes, i)].mean() for i in range(len(row_labels))]
        self.ax_ = open_axes(ax, mosaic_inches(picture, row_labels))
        self.figure_ = self.ax_.figure
        self.image_ = show_mosaic(
            self.ax_, picture, title=title, row_labels=row_labels, row_ticks=np.array(ticks), **imshow_kwargs
        )
        return self
