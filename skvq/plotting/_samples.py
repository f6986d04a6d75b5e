"""New images drawn from a prior, in rows by class."""

from typing import TYPE_CHECKING, Any

import numpy as np

from skvq.plotting._axes import mosaic_inches, open_axes, show_mosaic
from skvq.plotting._fitted import check_count, decoded, fitted
from skvq.plotting._mosaic import check_data_range, fill_grid, mosaic, unit_images

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

    from skvq._contract.randomness import RandomStateLike


class SampleDisplay:
    """A grid of images; with labels, one row or more for each class.

    Parameters
    ----------
    images : array-like of shape (n, height, width) or (n, height, width, channels)
        Any units.
    labels : array-like of shape (n,) or None, default=None
        Class of each image; images are then sorted by class.
    data_range : tuple of float or None, default=None
        Values drawn black and white. None takes those of ``images``.

    Attributes
    ----------
    ax_, figure_, image_ : Axes, Figure, AxesImage
        What was drawn on, and the mosaic drawn. Made by :meth:`plot`.

    Raises
    ------
    ValueError
        If there is not one label for each image, or one is NaN or None.

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
    figure_: "Figure"
    image_: "AxesImage"

    def __init__(
        self,
        images: np.ndarray,
        labels: np.ndarray | None = None,
        *,
        data_range: tuple[float, float] | None = None,
    ) -> None:
        self.images = np.asarray(images)
        self.labels = None if labels is None else np.asarray(labels)
        self.data_range = check_data_range(data_range, self.images)
        if self.labels is not None and self.labels.shape != (len(self.images),):
            raise ValueError(
                f"labels must hold one class for each of the {len(self.images)} images; "
                f"got shape {self.labels.shape}. Leave labels None for a plain grid."
            )
        missing = 0 if labels is None else sum(map(_is_missing, self.labels.tolist()))
        if missing:
            raise ValueError(
                f"labels must name a class for every image; got NaN or None for {missing} of {len(self.labels)}. "
                "Drop those images, or give them a class of their own, such as -1."
            )

    @classmethod
    def from_estimator(
        cls,
        vqvae: Any,
        prior: Any,
        *,
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
        vqvae : fitted VQVAE
        prior : fitted PixelCNNPrior
            When conditional, every one of its ``classes_`` is sampled.
        n_per_class : int, default=10
            Samples of each class of a conditional prior.
        n_samples : int, default=40
            Samples of an unconditional prior.
        temperature : float, default=1.0
            Below 1 the likelier codes are favoured, above 1 the rarer.
        random_state : int, RandomState, Generator or None, default=0
            An int draws the same images at every call.
        ax : Axes or None, default=None
            Where to draw; None opens a figure.
        **plot_kwargs
            Passed on to :meth:`plot`.

        Returns
        -------
        SampleDisplay

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If ``vqvae`` or ``prior`` is not fitted.
        ValueError
            If ``n_per_class`` or ``n_samples`` is not an integer >= 1.
        """
        n_per_class, n_samples = check_count(n_per_class, "n_per_class"), check_count(n_samples, "n_samples")
        classes = fitted(prior, "classes_", "prior")
        labels = None if classes is None else np.repeat(np.asarray(classes), n_per_class)
        n = n_samples if labels is None else len(labels)
        codes = prior.sample(n, y=labels, temperature=temperature, random_state=random_state)
        display = cls(decoded(vqvae, codes), labels, data_range=fitted(vqvae, "data_range_", "vqvae"))
        return display.plot(ax, **plot_kwargs)

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
            Where to draw; None opens a figure.
        n_columns : int, default=10
            At most this many images in a row; a class with more goes on in the next row.
        title : str, default="Samples"
            ``""`` for none.
        **imshow_kwargs
            Passed on to ``Axes.imshow``, for example ``cmap="viridis"``.

        Returns
        -------
        SampleDisplay
            Itself, now with ``ax_``, ``figure_`` and ``image_``.

        Raises
        ------
        ValueError
            If ``n_columns`` is not an integer >= 1.
        """
        n_columns = check_count(n_columns, "n_columns")
        images = unit_images(self.images, self.data_range)
        if self.labels is None:
            grid, row_labels, row_classes = fill_grid(images, min(n_columns, len(images))), [], []
        else:
            classes, sizes = np.unique(self.labels, return_counts=True)
            n_columns = min(n_columns, sizes.max())
            blocks = [fill_grid(images[self.labels == label], n_columns) for label in classes]
            grid, row_labels = np.concatenate(blocks), [str(label) for label in classes]
            row_classes = np.repeat(np.arange(len(classes)), [len(block) for block in blocks])
        picture = mosaic(grid)
        # A class of several rows has its label in their middle.
        ticks = [picture.row_centers[np.equal(row_classes, i)].mean() for i in range(len(row_labels))]
        self.ax_ = open_axes(ax, mosaic_inches(picture, row_labels))
        self.figure_ = self.ax_.figure
        self.image_ = show_mosaic(
            self.ax_, picture, title=title, row_labels=row_labels, row_ticks=np.array(ticks), **imshow_kwargs
        )
        return self


def _is_missing(label: Any) -> bool:
    # NaN is not itself, and pandas' NA is neither equal to itself nor unequal.
    return label is None or type(label).__name__ == "NAType" or label != label
