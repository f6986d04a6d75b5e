"""The facts that a runtime needs about a model: grids, layout, units and classes."""

from dataclasses import dataclass

from .codes import CodeGrid
from .images import Layout
from .labels import Classes


@dataclass(frozen=True)
class ModelDescription:
    """The facts about a fitted model that a runtime needs and that its graphs do not contain.

    Parameters
    ----------
    grid : CodeGrid or None
        The grid of the autoencoder's codes. None without an autoencoder.
    layout : Layout or None
        The layout of the user's images. None without an autoencoder.
    data_range : tuple of float or None
        Smallest and largest value of the training images.
    prior_grid : CodeGrid or None
        The grid of codes that the prior was fitted on. None without a prior.
    classes : Classes or None
        The classes of a conditional prior. None for other models.
    tables : bytes or None
        The packed integer tables of a prior that has them, for :mod:`skvq.compression`.
    decoder_digest : bytes or None
        SHA-256 of the weights of the autoencoder.
    """

    grid: CodeGrid | None = None
    layout: Layout | None = None
    data_range: tuple[float, float] | None = None
    prior_grid: CodeGrid | None = None
    classes: Classes | None = None
    tables: bytes | None = None
    decoder_digest: bytes | None = None

    @property
    def codes(self) -> CodeGrid:
        """The grid of the autoencoder, or of the prior where there is no autoencoder."""
        grid = self.grid or self.prior_grid
        assert grid is not None  # every model has a stage
        return grid
