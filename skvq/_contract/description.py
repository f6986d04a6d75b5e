"""What a model says about itself to whoever runs it elsewhere: grids, layout, units, classes."""

from dataclasses import dataclass

from .codes import CodeGrid
from .images import Layout
from .labels import Classes


@dataclass(frozen=True)
class ModelDescription:
    """The facts about a fitted model that a runtime needs and no graph holds.

    Parameters
    ----------
    grid : CodeGrid or None
        Codes that the autoencoder makes; None without one.
    layout : Layout or None
        How the user's images look; None without an autoencoder.
    data_range : tuple of float or None
        Smallest and largest value of the training images.
    prior_grid : CodeGrid or None
        Codes that the prior knows; None without one.
    classes : Classes or None
        Of a conditional prior.
    """

    grid: CodeGrid | None = None
    layout: Layout | None = None
    data_range: tuple[float, float] | None = None
    prior_grid: CodeGrid | None = None
    classes: Classes | None = None

    @property
    def codes(self) -> CodeGrid:
        """The grid of whichever part there is, the autoencoder's first."""
        return self.grid or self.prior_grid
