"""Integer tables as the network of a prior. Its weights are whole numbers, and are not trained by gradient here.

:mod:`skvq.compression.tables` explains the formula, and computes the same logits in NumPy. A code's neighbours in the
rows above are known before its own row begins, so the sampler adds their rows of the tables once for each row of the
grid, and only those of the codes to the left at each cell.
"""

from typing import Any

import numpy as np
from keras import ops

from skvq._contract.codes import CodeGrid
from skvq.compression.tables import LARGEST_HIDDEN, LOGITS_PER_NAT, CodeTables, ContextLayout
from skvq.networks.priors.base import PriorNetwork


class ContextNetwork(PriorNetwork):
    """Logits of each code given the codes around it that come earlier, its position, and its class.

    Parameters
    ----------
    grid : CodeGrid
    n_features : int
        Length of a row of the tables.
    n_classes : int, default=0
        Number of classes of a conditional prior. 0 for none.

    Input shape
    -----------
    Codes ``(n, n_codes)`` of integers, and labels ``(n,)`` if ``n_classes``.

    Output shape
    ------------
    Logits ``(n, n_codes, n_embeddings)``, in nats.
    """

    def __init__(self, grid: CodeGrid, n_features: int, *, n_classes: int = 0) -> None:
        super().__init__(grid.n_embeddings, grid.plane, n_classes=n_classes, name="context")
        self.grid = grid
        self.layout: Any = ContextLayout(grid, n_classes)

        def table(name, *shape):
            return self.add_weight(shape=shape, dtype="float32", initializer="zeros", trainable=False, name=name)

        self.rows: Any = table("rows", self.layout.n_rows, n_features)
        self.output_table: Any = table("output", grid.depth, n_features, grid.n_embeddings)
        self.bias: Any = table("bias", grid.depth, grid.n_embeddings)
        self.built = True

    @classmethod
    def of(cls, tables: CodeTables) -> "ContextNetwork":
        """Return the network of fitted tables."""
        network = cls(tables.grid, tables.n_features, n_classes=tables.n_classes)
        network.set_weights([tables.rows, tables.output, tables.bias])
        return network

    def logits(self, codes: Any, labels: Any = None, training: bool = False) -> Any:
        layout, n_codes = self.layout, self.n_positions
        maps = ops.reshape(ops.cast(codes, "int32"), (-1, *self.code_shape))
        positions = ops.take(self.rows, layout.position_rows + np.arange(n_codes, dtype="int32"), axis=0)
        of_classes = ops.expand_dims(self._of_classes(self.rows, labels, ops.shape(maps)[0]), 1)
        hidden = positions + of_classes  # (n, n_codes, features)
        for neighbour in range(layout.n_neighbours):
            chosen = self._shifted(maps, neighbour) + self._first_rows(neighbour)
            hidden = hidden + ops.take(self.rows, ops.reshape(chosen, (-1, n_codes)), axis=0)
        return self._logits_of(hidden, (self.output_table, self.bias))

    def _shifted(self, maps, neighbour: int):
        """Return the neighbour of every code (n, rows, columns); K beyond the border."""
        up, back = self._distance(neighbour)
        height, columns = self.code_shape
        sides = ((0, 0), (up, 0), (max(back, 0), max(-back, 0)))
        padded = ops.pad(maps, sides, constant_values=self.n_embeddings)
        start = max(-back, 0)
        found = padded[:, :height, start : start + columns]
        if neighbour < len(self.layout.window):
            return found
        # Stage s of a position has s earlier ones.
        lacks = np.arange(columns) % self.grid.depth < back
        return ops.where(lacks, self.n_embeddings, found)

    def _distance(self, neighbour: int) -> tuple[int, int]:
        """Return how many rows up and columns to the left a neighbour is, on the plane."""
        window = self.layout.window
        if neighbour < len(window):
            up, right = window[neighbour]
            return up, -right * self.grid.depth
        return 0, neighbour - len(window) + 1

    def _first_rows(self, neighbour: int) -> np.ndarray:
        """Return the row of code 0 of a neighbour, for each column of the plane."""
        stages = np.arange(self.code_shape[1]) % self.grid.depth
        return self.layout.first_rows[stages, neighbour].astype("int32")

    def _of_classes(self, rows, labels, n):
        """Return the rows (n, features) of classes; zeros (n, 1) without."""
        if labels is None:
            return ops.zeros((n, 1))
        return ops.take(rows, self.layout.class_rows + ops.cast(labels, "int32"), axis=0)

    def _logits_of(self, hidden, tables: tuple[Any, ...]):
        """Return logits (n, codes, K) of summed rows (n, codes, features), for whole rows of the grid."""
        output, bias = tables
        hidden = ops.clip(hidden, 0.0, float(LARGEST_HIDDEN))
        depth = self.grid.depth
        if depth == 1:
            return (ops.matmul(hidden, output[0]) + bias[0]) / LOGITS_PER_NAT
        n_codes, n_features = hidden.shape[1:]
        by_stage = ops.reshape(hidden, (-1, n_codes // depth, depth, n_features))
        stages = [ops.matmul(by_stage[:, :, s], output[s]) + bias[s] for s in range(depth)]
        return ops.reshape(ops.stack(stages, axis=2), (-1, n_codes, self.n_embeddings)) / LOGITS_PER_NAT

    def prepare(self, labels: Any, n: Any) -> tuple[Any, ...]:
        tables = [ops.convert_to_tensor(table) for table in (self.rows, self.output_table, self.bias)]
        return n, tables, self._of_classes(tables[0], labels, n)

    def row_memory(self, n: Any) -> list[Any]:
        """Return the codes (n, columns) of the rows above, the nearest first; K for "beyond the border"."""
        highest = max((up for up, _ in self.layout.window), default=0)
        return [ops.zeros((n, self.code_shape[1]), "int32") + self.n_embeddings for _ in range(max(highest, 1))]

    def begin_row(self, prepared: tuple[Any, ...], row: Any, row_memory: list[Any]) -> tuple[Any, list[Any], list[Any]]:
        n, (rows, *_), of_classes = prepared
        columns = self.code_shape[1]
        places = self.layout.position_rows + row * columns + ops.arange(columns, dtype="int32")
        hidden = ops.expand_dims(ops.take(rows, places, axis=0), 1) + of_classes  # (columns, n, features)
        for neighbour, (up, _) in enumerate(self.layout.window):
            if up:
                _, back = self._distance(neighbour)
                above = ops.pad(
                    row_memory[up - 1],
                    ((0, 0), (max(back, 0), max(-back, 0))),
                    constant_values=self.n_embeddings,
                )
                start = max(-back, 0)
                chosen = above[:, start : start + columns] + self._first_rows(neighbour)
                hidden = hidden + ops.take(rows, ops.transpose(chosen), axis=0)
        return hidden, row_memory, [ops.zeros((n,), "int32") + self.n_embeddings for _ in range(self._n_left())]

    def _n_left(self) -> int:
        """Return how many of the last codes of a row a code depends on."""
        lefts = [-right * self.grid.depth for up, right in self.layout.window if not up]
        return max([1, self.grid.depth - 1, *lefts])

    def cell(
        self, prepared: tuple[Any, ...], given: Any, row: Any, column: Any, cell_memory: list[Any]
    ) -> tuple[Any, list[Any]]:
        _, (rows, output, bias), _ = prepared
        depth, window = self.grid.depth, self.layout.window
        hidden = ops.take(given, column, axis=0)  # (n, features)
        stage = column % depth
        for neighbour in range(self.layout.n_neighbours):
            up, back = self._distance(neighbour)
            if up:
                continue
            code = cell_memory[back - 1]
            if neighbour >= len(window):
                code = ops.where(stage < back, self.n_embeddings, code)
            first = self.layout.first_rows[:, neighbour].astype("int32")
            first = first[0] if depth == 1 else ops.take(first, stage, axis=0)
            hidden = hidden + ops.take(rows, code + first, axis=0)
        hidden = ops.clip(hidden, 0.0, float(LARGEST_HIDDEN))
        output, bias = (output[0], bias[0]) if depth == 1 else (ops.take(t, stage, axis=0) for t in (output, bias))
        return (ops.matmul(hidden, output) + bias) / LOGITS_PER_NAT, cell_memory

    def put(self, prepared: tuple[Any, ...], code: Any, row: Any, column: Any, cell_memory: list[Any]) -> list[Any]:
        return [code, *cell_memory[:-1]]

    def end_row(
        self, prepared: tuple[Any, ...], row_codes: Any, row_memory: list[Any], cell_memory: list[Any]
    ) -> list[Any]:
        return [row_codes, *row_memory[:-1]]
