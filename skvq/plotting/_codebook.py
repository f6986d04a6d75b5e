"""The appearance, the usage and the embedding of each code."""

from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np

from skvq._contract.counts import check_count, perplexity_of_counts, used_codes
from skvq._contract.errors import invalid
from skvq.plotting._axes import matplotlib_module, open_axes, show_mosaic
from skvq.plotting._code_colors import code_colors, principal_axes
from skvq.plotting._model import decoded, fitted_autoencoder
from skvq.plotting._mosaic import Mosaic, check_data_range, fill_grid, mosaic, spread_over_pixels, unit_images

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

_KINDS = ("both", "patches", "map")
# Images decoded at a time. This limits memory for large images and codebooks.
_DECODED_AT_ONCE = 64
# Smallest side of a patch in the mosaic.
_PATCH_PIXELS = 12


class CodebookDisplay:
    """All codes of a codebook: the image that each decodes to, its usage, and a map of the embeddings.

    Parameters
    ----------
    patches : array-like of shape (n_embeddings, height, width) or (n_embeddings, height, width, channels)
        A small image for each code, in any units.
    codebook : array-like of shape (n_embeddings, embedding_dim)
    counts : array-like of shape (n_embeddings,)
        How often each code is used, >= 0.
    data_range : tuple of float or None, default=None
        Values of ``patches`` that are drawn black and white. None uses their range.

    Attributes
    ----------
    order : ndarray of shape (n_embeddings,), int
        Codes in order of usage, the most used first.
    use : ndarray of shape (n_embeddings,)
        Square root of ``counts / counts.max()``, from 0 to 1.
    perplexity : float
        Exponential of the entropy of the usage: the number of equally frequent codes with the same information. 0 if
        no code is used.
    ax_, figure_ : Axes, Figure
        The Axes and its figure. Set by :meth:`plot`.
    patches_ax_, map_ax_ : Axes or None
        The Axes of the patches and of the map. None if not drawn.

    Raises
    ------
    ValueError
        If the three arrays do not have one row for each code, or a count is negative.

    Examples
    --------
    >>> import numpy as np
    >>> from matplotlib.figure import Figure
    >>> from skvq.plotting import CodebookDisplay
    >>> patches = np.linspace(0, 1, 4 * 16).reshape(4, 4, 4)
    >>> display = CodebookDisplay(patches, codebook=np.eye(4), counts=[5, 0, 20, 5])
    >>> display.order.tolist(), round(display.perplexity, 2)
    ([2, 0, 3, 1], 2.38)
    >>> display.plot(ax=Figure().subplots(), kind="patches").ax_.get_title()
    'Codebook: 3 of 4 codes used, perplexity 2.38'
    """

    ax_: "Axes"
    figure_: "Figure | SubFigure"
    patches_ax_: "Axes | None"
    map_ax_: "Axes | None"

    def __init__(
        self,
        patches: np.ndarray,
        codebook: np.ndarray,
        counts: np.ndarray,
        *,
        data_range: tuple[float, float] | None = None,
    ) -> None:
        self.patches: np.ndarray = np.asarray(patches)
        self.codebook: np.ndarray = np.asarray(codebook)
        self.counts: np.ndarray = np.asarray(counts, dtype=np.float64)
        n_codes = len(self.patches)
        if self.codebook.ndim != 2 or len(self.codebook) != n_codes or self.counts.shape != (n_codes,):
            raise invalid(
                "codebook",
                f"have shape ({n_codes}, embedding_dim), and counts shape ({n_codes},), one row for each patch",
                f"shapes {self.codebook.shape} and {self.counts.shape}",
                "Take all three from one estimator.",
            )
        if not (self.counts >= 0).all():
            raise invalid("counts", "be >= 0", f"a minimum of {self.counts.min()}", "Pass how often each code occurs.")
        self.data_range: tuple[float, float] = check_data_range(data_range, self.patches)
        self.order: np.ndarray = np.argsort(-self.counts, kind="stable")
        self.use: np.ndarray = np.sqrt(self.counts / (self.counts.max() or 1.0))
        self.perplexity: float = perplexity_of_counts(self.counts) if self.counts.any() else 0.0

    @classmethod
    def from_estimator(
        cls, model: Any, *, stage: int = 1, ax: "Axes | None" = None, **plot_kwargs: Any
    ) -> "CodebookDisplay":
        """Decode each code alone and draw the codebook.

        For each code, a grid that contains only this code is decoded, and the cell in the middle of the image is
        shown. Next to other codes, a decoder may draw the code differently.

        Parameters
        ----------
        model : fitted VQVAE or VQGenerator
        stage : int, default=1
            With several codes at each position (``grid_.depth`` > 1), the stage to draw, from 1 on. The earlier stages
            then have their commonest code, and the later ones are left out.
        ax : Axes or None, default=None
            Where to draw. None opens a new figure.
        **plot_kwargs
            Arguments of :meth:`plot`.

        Returns
        -------
        CodebookDisplay

        Raises
        ------
        NotFittedError
            If ``model`` is not fitted.
        ValueError
            If ``model`` was fitted on vectors, or has no such stage.
        """
        vqvae = fitted_autoencoder(model)
        grid = vqvae.grid_
        if check_count("stage", stage) > grid.depth:
            raise invalid("stage", f"be at most {grid.depth}, that of grid_", stage, "The first stage is 1.")
        tables, counts = vqvae.codebook_, np.atleast_2d(vqvae.code_counts_)
        codebook = np.asarray(tables) if grid.depth == 1 else tables[stage - 1]
        common = [int(np.argmax(usage)) for usage in counts[: stage - 1]]
        (height, width, _), (h, w) = vqvae.image_shape_, grid.shape
        rows = np.arange(height) * h // height == h // 2
        columns = np.arange(width) * w // width == w // 2
        patches = []
        for start in range(0, len(codebook), _DECODED_AT_ONCE):
            codes = np.arange(start, min(start + _DECODED_AT_ONCE, len(codebook)))
            position = np.stack([*(np.full(len(codes), code) for code in common), codes], axis=1)  # (n, stage)
            images = decoded(vqvae, np.tile(position, grid.n_positions), stage if grid.depth > 1 else None)
            patches.append(images[:, rows][:, :, columns])
        display = cls(np.concatenate(patches), codebook, counts[stage - 1], data_range=vqvae.data_range_)
        return display.plot(ax, **plot_kwargs)

    def plot(
        self,
        ax: "Axes | None" = None,
        *,
        kind: str = "both",
        n_codes: int = 256,
        n_columns: int | None = None,
        title: str | None = None,
        **imshow_kwargs: Any,
    ) -> "CodebookDisplay":
        """Draw the patches, the map, or both.

        The patches are in order of usage. The bar below a patch is its usage on a square-root scale, relative to the
        most used code. On a linear scale few bars would be visible, because usage is often very uneven. Unused codes
        are crossed out.

        The map shows the embeddings on their first two principal axes, in the colours of :class:`CodeMapDisplay`.
        Codes with more usage have larger points. Crosses are unused codes.

        Parameters
        ----------
        ax : Axes or None, default=None
            Where to draw. None opens a new figure. ``kind="both"`` divides the Axes in two.
        kind : {"both", "patches", "map"}, default="both"
        n_codes : int, default=256
            At most this many patches are drawn, the most used ones.
        n_columns : int or None, default=None
            Patches in each row. None fills the Axes in its present size.
        title : str or None, default=None
            None writes how many codes are used. Use ``""`` for no title.
        **imshow_kwargs
            Arguments of ``Axes.imshow`` for the patches.

        Returns
        -------
        CodebookDisplay
            This display, now with ``ax_``, ``patches_ax_``, ``map_ax_`` and ``figure_``.

        Raises
        ------
        ValueError
            If ``kind`` is another word, or ``n_codes`` or ``n_columns`` is not an integer >= 1.
        """
        if kind not in _KINDS:
            way_out = "The default is 'both'."
            raise invalid("kind", f"be one of {', '.join(map(repr, _KINDS))}", repr(kind), way_out)
        n_codes = min(check_count("n_codes", n_codes), len(self.order))
        n_columns = n_columns if n_columns is None else check_count("n_columns", n_columns)
        self.ax_ = open_axes(ax, (9.6, 3.9) if kind == "both" else (5.6, 4.0))
        self.figure_ = self.ax_.figure
        self.patches_ax_ = self.ax_ if kind == "patches" else None
        self.map_ax_ = self.ax_ if kind == "map" else None
        if kind == "both":
            self.ax_.set_axis_off()
            self.patches_ax_ = self.ax_.inset_axes((0, 0, 0.57, 1))
            self.map_ax_ = self.ax_.inset_axes((0.62, 0.07, 0.38, 0.93))
        if self.patches_ax_ is not None:
            self._draw_patches(self.patches_ax_, self.order[:n_codes], n_columns, imshow_kwargs)
        if self.map_ax_ is not None:
            self._draw_map(self.map_ax_)
        if title is None:
            used, n_embeddings = used_codes(self.counts), len(self.counts)
            title = f"Codebook: {used} of {n_embeddings} codes used, perplexity {self.perplexity:.3g}"
        if title:
            self.ax_.set_title(title)
        return self

    def _draw_patches(
        self, ax: "Axes", shown: np.ndarray, n_columns: int | None, imshow_kwargs: dict[str, Any]
    ) -> None:
        patches = unit_images(self.patches, self.data_range, "patches")[shown]
        height, width = patches.shape[1:3]
        # Patches have few pixels. They are enlarged, so that gaps can be narrower than one of their pixels.
        factor = ceil(_PATCH_PIXELS / max(height, width))
        patches = spread_over_pixels(patches, (factor * height, factor * width))
        if n_columns is None:
            box = ax.get_window_extent()
            n_columns = _columns(len(shown), box.width / box.height * height / width)
        picture = mosaic(fill_grid(patches, min(n_columns, len(shown))), gap=ceil(factor * height / 3))
        show_mosaic(ax, picture, **imshow_kwargs)
        self._draw_use(ax, picture, self.use[shown])
        ax.set_xlabel("bar: usage (square-root scale)", fontsize="small")
        # The bars of the last row are below the picture.
        ax.set_ylim(picture.canvas.shape[0] - 0.5 + picture.gap, -0.5)

    def _draw_use(self, ax: "Axes", picture: Mosaic, use: np.ndarray) -> None:
        collections = matplotlib_module("matplotlib.collections")
        rectangle = matplotlib_module("matplotlib.patches").Rectangle
        height, width = picture.tile_shape
        frames, bars, tracks, strikes = [], [], [], []
        for place, share in enumerate(use):
            row, column = divmod(place, len(picture.column_centers))
            left = picture.column_centers[column] - width / 2
            bottom = picture.row_centers[row] + height / 2
            corner, thickness = (left, bottom + 0.2 * picture.gap), 0.45 * picture.gap
            frames.append(rectangle((left, bottom - height), width, height))
            tracks.append(rectangle(corner, width, thickness))
            bars.append(rectangle(corner, width * share, thickness))
            if share == 0:
                strikes.append([(left, bottom), (left + width, bottom - height)])
        # Frames make white patches visible on a white background.
        ax.add_collection(collections.PatchCollection(frames, facecolor="none", edgecolor="0.7", linewidth=0.5))
        ax.add_collection(collections.PatchCollection(tracks, facecolor="0.5", alpha=0.25, linewidth=0))
        ax.add_collection(collections.PatchCollection(bars, facecolor="C0", linewidth=0))
        ax.add_collection(collections.LineCollection(strikes, colors="C3", linewidths=1))

    def _draw_map(self, ax: "Axes") -> None:
        places = principal_axes(self.codebook, 2, self.counts)
        colors = code_colors(self.codebook, self.counts)
        used = self.counts > 0
        areas = 10 + 250 * self.use
        # Large points first, so that they do not hide smaller ones.
        drawn = self.order[used[self.order]]
        x, y = places[drawn].T
        ax.scatter(x, y, s=areas[drawn], c=colors[drawn], edgecolors="0.25", linewidths=0.5, alpha=0.9)
        x, y = places[~used].T
        ax.scatter(x, y, s=16, c="C3", marker="x", linewidths=0.8)
        ax.set_xticks([])
        ax.set_yticks([])
        ax.margins(0.12)
        ax.set_xlabel("principal axis 1", fontsize="small")
        ax.set_ylabel("principal axis 2", fontsize="small")
        for side in ("top", "right"):
            ax.spines[side].set_visible(False)


def _columns(n_codes: int, aspect: float) -> int:
    """Return the number of columns with which ``n_codes`` square tiles fill a box of this aspect (width / height).

    A similar number is preferred if it makes the last row full.
    """
    wanted = max(1.0, np.sqrt(aspect * n_codes))
    full = [c for c in range(1, n_codes + 1) if n_codes % c == 0 and 0.8 < c / wanted < 1.25]
    return min(full, key=lambda c: abs(np.log(c / wanted)), default=ceil(wanted))
