"""Tables of random numbers: what coding must not depend on is how good they are."""

import numpy as np

from skvq import CodeGrid
from skvq.compression.tables import CodeTables, ContextLayout

GRIDS = {
    "square": CodeGrid((4, 4), 7),
    "wide": CodeGrid((2, 9), 3),
    "row": CodeGrid((11,), 5),
    "column": CodeGrid((6, 1), 4),
    "volume": CodeGrid((2, 3, 4), 6),
    "depth": CodeGrid((3, 4), 5, 3),
    "depth-row": CodeGrid((5,), 4, 2),
    "one-position": CodeGrid((1,), 9),
    "one-code": CodeGrid((3, 3), 1),
    "two-codes": CodeGrid((3, 5), 2),
}


def random_tables(grid, n_classes=0, n_features=6, seed=0):
    """Return tables whose distributions are far from equal."""
    generator = np.random.default_rng(seed)
    layout = ContextLayout(grid, n_classes)
    rows = generator.integers(-60, 60, (layout.n_rows, n_features))
    output = generator.integers(-120, 120, (grid.depth, n_features, grid.n_embeddings))
    bias = generator.integers(-4000, 4000, (grid.depth, grid.n_embeddings))
    return CodeTables(grid, n_classes, *(array.astype(np.float32) for array in (rows, output, bias)))
