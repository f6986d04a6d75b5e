"""What each code looks like, how often it is used, and where its vector lies."""

from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np

from skvq.plotting._axes import matplotlib_module, open_axes, show_mosaic
from skvq.plotting._code_colors import code_colors, principal_axes
from skvq.plotting._fitted import check_count, decoded, fitted, image_shape_of
from skvq.plotting._mosaic import Mosaic, check_data_range, fill_grid, mosaic, spread_over_pixels, unit_images

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_KINDS = ("both", "patches", "map")
# Constant maps decoded at a time: bounds memory for large images and codebooks.
_DECODED_AT_ONCE = 64
# Least side of a patch in the mosaic.
_PATCH_PIXELS = 12


class CodebookDisplay:
    """The codes of a codebook: what each decodes to, its use, and its place among the others.

    Parameters
    ----------
    patches : array-like of shape (n_codes, height, width) or (n_codes, height, width, channels)
        What each code looks like, in any units.
    codebook : array-like of shape (n_codes, code_dim)
    counts : array-like of shape (n_codes,)
        How often each code is used, >= 0.
    data_range : tuple of float or None, default=None
        Values of ``patches`` drawn black and white. None takes their own.

    Attributes
    ----------
    order : ndarray of shape (n_codes,), int
        Codes from the most used to the least.
    use : ndarray of shape (n_codes,)
        Square root of each code's use as a share of the most used code's, from 0 to 1.
    perplexity : float
        Exponential of the entropy of use: how many codes, evenly used, would carry as much. 0 without use.
    ax_, figure_ : Axes, Figure
        What was drawn on. Made by :meth:`plot`.
    patches_ax_, map_ax_ : Axes or None
        Where the patches and the map are; None for what was not drawn.

    Raises
    ------
    ValueError
        If the three arrays do not hold one row for each code, or a count is negative.

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
    'Codebook: 3 of 4 codes in use, perplexity 2.38'
    """

    ax_: "Axes"
    figure_: "Figure"
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
        self.patches = np.asarray(patches)
        self.codebook = np.asarray(codebook)
        self.counts = np.asarray(counts, dtype=np.float64)
        n_codes = len(self.patches)
        if self.codebook.ndim != 2 or len(self.codebook) != n_codes or self.counts.shape != (n_codes,):
            raise ValueError(
                f"codebook must be ({n_codes}, code_dim) and counts ({n_codes},), one row for each patch; "
                f"got shapes {self.codebook.shape} and {self.counts.shape}. "
                "Pass all three from one estimator."
            )
        if not (self.counts >= 0).all():
            raise ValueError(
                f"counts must be >= 0; got {self.counts.min()} at the least. Pass how often each code occurs."
            )
        self.data_range = check_data_range(data_range, self.patches)
        self.order = np.argsort(-self.counts, kind="stable")
        self.use = np.sqrt(self.counts / (self.counts.max() or 1.0))
        used = self.counts[self.counts > 0] / max(self.counts.sum(), 1e-300)
        self.perplexity = float(np.exp(-(used * np.log(used)).sum())) if used.size else 0.0

    @classmethod
    def from_estimator(cls, vqvae: Any, *, ax: "Axes | None" = None, **plot_kwargs: Any) -> "CodebookDisplay":
        """Decode every code by itself and draw the codebook.

        A code is decoded in a map that holds nothing else, and the cell in the middle of the image is shown:
        what the code means among its own kind. Beside other codes a decoder may draw it differently.

        Parameters
        ----------
        vqvae : fitted VQVAE
        ax : Axes or None, default=None
            Where to draw; None opens a figure.
        **plot_kwargs
            Passed on to :meth:`plot`.

        Returns
        -------
        CodebookDisplay

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If ``vqvae`` is not fitted.
        ValueError
            If ``vqvae`` was fitted on vectors.
        """
        codebook = fitted(vqvae, "codebook_", "vqvae")
        (height, width, _), (h, w) = image_shape_of(vqvae), vqvae.code_shape_
        rows = np.arange(height) * h // height == h // 2
        columns = np.arange(width) * w // width == w // 2
        patches = []
        for start in range(0, len(codebook), _DECODED_AT_ONCE):
            codes = np.arange(start, min(start + _DECODED_AT_ONCE, len(codebook)))
            images = decoded(vqvae, np.repeat(codes[:, None], h * w, axis=1))
            patches.append(images[:, rows][:, :, columns])
        counts, data_range = fitted(vqvae, "code_counts_", "vqvae"), fitted(vqvae, "data_range_", "vqvae")
        return cls(np.concatenate(patches), codebook, counts, data_range=data_range).plot(ax, **plot_kwargs)

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

        The patches stand in order of use. The bar below a patch is its use on a square-root scale, full for
        the most used code; use is often so uneven that few bars could be seen on another. A code never used
        is struck out. The map shows the code vectors on their first two principal axes, larger where used
        more, in the colours of :class:`CodeMapDisplay`; crosses are codes never used.

        Parameters
        ----------
        ax : Axes or None, default=None
            Where to draw; None opens a figure. ``kind="both"`` divides it in two.
        kind : {"both", "patches", "map"}, default="both"
        n_codes : int, default=256
            At most this many patches, the most used.
        n_columns : int or None, default=None
            Patches in a row; None fills the Axes as it stands when drawn.
        title : str or None, default=None
            None tells how many codes are in use; ``""`` for none.
        **imshow_kwargs
            Passed on to ``Axes.imshow`` of the patches.

        Returns
        -------
        CodebookDisplay
            Itself, now with ``ax_``, ``patches_ax_``, ``map_ax_`` and ``figure_``.

        Raises
        ------
        ValueError
            If ``kind`` is none of these, or ``n_codes`` or ``n_columns`` is not an integer >= 1.
        """
        if kind not in _KINDS:
            raise ValueError(f"kind must be one of {', '.join(map(repr, _KINDS))}; got {kind!r}.")
        n_codes = min(check_count(n_codes, "n_codes"), len(self.order))
        n_columns = n_columns if n_columns is None else check_count(n_columns, "n_columns")
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
            in_use = np.count_nonzero(self.counts)
            title = f"Codebook: {in_use} of {len(self.counts)} codes in use, perplexity {self.perplexity:.3g}"
        if title:
            self.ax_.set_title(title)
        return self

    def _draw_patches(
        self, ax: "Axes", shown: np.ndarray, n_columns: int | None, imshow_kwargs: dict[str, Any]
    ) -> None:
        patches = unit_images(self.patches, self.data_range, "patches")[shown]
        height, width = patches.shape[1:3]
        # Pixels of a patch are few: enlarged, so that a gap can be a fraction of one.
        factor = ceil(_PATCH_PIXELS / max(height, width))
        patches = spread_over_pixels(patches, (factor * height, factor * width))
        if n_columns is None:
            box = ax.get_window_extent()
            n_columns = _columns(len(shown), box.width / box.height * height / width)
        picture = mosaic(fill_grid(patches, min(n_columns, len(shown))), gap=ceil(factor * height / 3))
        show_mosaic(ax, picture, **imshow_kwargs)
        self._draw_use(ax, picture, self.use[shown])
        ax.set_xlabel("bar: use (square-root scale)", fontsize="small")
        # Room below the last row, whose bars lie outside the picture.
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
        # Framed, or white patches would be lost on white paper.
        ax.add_collection(collections.PatchCollection(frames, facecolor="none", edgecolor="0.7", linewidth=0.5))
        ax.add_collection(collections.PatchCollection(tracks, facecolor="0.5", alpha=0.25, linewidth=0))
        ax.add_collection(collections.PatchCollection(bars, facecolor="C0", linewidth=0))
        ax.add_collection(collections.LineCollection(strikes, colors="C3", linewidths=1))

    def _draw_map(self, ax: "Axes") -> None:
        places = principal_axes(self.codebook, 2, self.counts)
        colors = code_colors(self.codebook, self.counts)
        used = self.counts > 0
        areas = 10 + 250 * self.use
        # Large ones first, so that none hides a smaller one.
        drawn = self.order[used[self.order]]
        ax.scatter(*places[drawn].T, s=areas[drawn], c=colors[drawn], edgecolors="0.25", linewidths=0.5, alpha=0.9)
        ax.scatter(*places[~used].T, s=16, c="C3", marker="x", linewidths=0.8)
        ax.set_xticks([])
        ax.set_yticks([])
        ax.margins(0.12)
        ax.set_xlabel("principal axis 1", fontsize="small")
        ax.set_ylabel("principal axis 2", fontsize="small")
        for side in ("top", "right"):
            ax.spines[side].set_visible(False)


def _columns(n_codes: int, aspect: float) -> int:
    """Return in how many columns ``n_codes`` square tiles fill a box ``aspect`` times as wide as high.

    A number near it is preferred that leaves no tile of the last row empty.
    """
    wanted = max(1.0, np.sqrt(aspect * n_codes))
    full = [c for c in range(1, n_codes + 1) if n_codes % c == 0 and 0.8 < c / wanted < 1.25]
    return min(full, key=lambda c: abs(np.log(c / wanted)), default=ceil(wanted))
