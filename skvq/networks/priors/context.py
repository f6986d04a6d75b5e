"""Tables of counts as the network of a prior. Its weights are counts, and are not trained.

:mod:`skvq._context_tables` counts the codes and explains the formula. Here, each table is three arrays: an index from
contexts to rows, with 0 for unseen contexts; rows with the share of each code in the counts; and the weights of the
less specific probabilities, with 1 in row 0. The probabilities of all codes need one look-up and one weighted sum for
each table, both for whole grids and for single cells.
"""

from typing import Any

from keras import ops

from skvq._context_tables import ContextTables, context_number, context_sizes, n_contexts
from skvq.networks.priors.base import PriorNetwork

SMALLEST = 1e-30  # smallest probability; products of small weights can be below the range of float32


class ContextNetwork(PriorNetwork):
    """Logits of each code given its position, its left and upper neighbours, and its class.

    Logits are log-probabilities.

    Parameters
    ----------
    n_embeddings : int
        Number of codes K.
    code_shape : tuple of int
        (rows, columns) of the grid.
    n_classes : int, default=0
        Number of classes of a conditional prior. 0 for none.
    contexts : sequence of sequence of str
        For each table, the parts of its context. See :class:`~skvq._context_tables.ContextTables`.
    n_rows : sequence of int
        For each table, its number of contexts.

    Input shape
    -----------
    Codes ``(n, rows * columns)`` of integers, and labels ``(n,)`` if ``n_classes``.

    Output shape
    ------------
    Logits ``(n, rows * columns, n_embeddings)``.
    """

    def __init__(
        self, n_embeddings: int, code_shape: tuple[int, int], *, n_classes: int = 0, contexts: Any, n_rows: Any
    ) -> None:
        super().__init__(n_embeddings, code_shape, n_classes=n_classes, name="context")
        self.contexts: tuple[tuple[Any, ...], ...] = tuple(tuple(parts) for parts in contexts)
        self.sizes: dict[str, int] = context_sizes(code_shape, n_embeddings, n_classes)

        def array(name, *shape, dtype="float32", initializer="zeros"):
            return self.add_weight(shape=shape, dtype=dtype, initializer=initializer, trainable=False, name=name)

        self.tables: list[Any] = []
        for parts, rows in zip(self.contexts, n_rows, strict=True):
            name = "_".join(parts) or "everywhere"
            index = array(f"{name}_index", n_contexts(parts, self.sizes), dtype="int32")
            shares = array(f"{name}_shares", 1 + rows, n_embeddings)
            broader = array(f"{name}_broader", 1 + rows, initializer="ones")
            self.tables.append((index, shares, broader))
        self.built = True

    @classmethod
    def of(cls, tables: ContextTables) -> "ContextNetwork":
        """Return the network of counted tables."""
        network = cls(
            tables.n_embeddings,
            tables.plane,
            n_classes=tables.n_classes,
            contexts=tables.contexts,
            n_rows=tables.n_rows,
        )
        network.set_weights(tables.arrays())
        return network

    def log_densities(self, tables: list[Any], values: dict[str, Any]) -> Any:
        """Return log-probabilities (..., K) of all codes.

        Parameters
        ----------
        tables : list of tuple
            For each table, its index, its shares and the weights of the less specific probabilities.
        values : dict of integer tensor
            The value of each part of a context. They broadcast to (...).
        """
        density = 1.0 / self.n_embeddings
        for parts, (index, shares, broader) in zip(self.contexts, tables, strict=True):
            rows = ops.take(index, context_number(parts, values, self.sizes), axis=0)
            density = ops.take(shares, rows, axis=0) + ops.expand_dims(ops.take(broader, rows, axis=0), -1) * density
        return ops.log(ops.maximum(density, SMALLEST))

    def logits(self, codes: Any, labels: Any = None, training: bool = False) -> Any:
        height, width = self.code_shape
        maps = ops.reshape(ops.cast(codes, "int32"), (-1, height, width))
        beyond = self.n_embeddings
        left = ops.pad(maps, ((0, 0), (0, 0), (1, 0)), constant_values=beyond)[:, :, :-1]
        up = ops.pad(maps, ((0, 0), (1, 0), (0, 0)), constant_values=beyond)[:, :-1]
        values = {
            "position": ops.arange(self.n_positions, dtype="int32"),
            "left": ops.reshape(left, (-1, self.n_positions)),
            "up": ops.reshape(up, (-1, self.n_positions)),
        }
        if labels is not None:
            values["class"] = ops.cast(labels, "int32")[:, None]
        return self.log_densities(self.tables, values)  # (n, positions, K)

    def prepare(self, labels: Any, n: Any) -> tuple[Any, ...]:
        tables = [tuple(ops.convert_to_tensor(array) for array in table) for table in self.tables]
        return n, tables, {} if labels is None else {"class": ops.cast(labels, "int32")}

    def row_memory(self, n: Any) -> list[Any]:
        """Return the codes (n, columns) above the first row: the number for "beyond the border"."""
        return [ops.zeros((n, self.code_shape[1]), "int32") + self.n_embeddings]

    def begin_row(self, prepared: tuple[Any, ...], row: Any, row_memory: list[Any]) -> tuple[Any, list[Any], list[Any]]:
        left = ops.zeros((prepared[0],), "int32") + self.n_embeddings
        return ops.transpose(row_memory[0]), row_memory, [left]

    def cell(
        self, prepared: tuple[Any, ...], given: Any, row: Any, column: Any, cell_memory: list[Any]
    ) -> tuple[Any, list[Any]]:
        _, tables, values = prepared
        position = row * self.code_shape[1] + column
        up = ops.take(given, column, axis=0)  # (n,)
        return self.log_densities(
            tables, {**values, "position": position, "left": cell_memory[0], "up": up}
        ), cell_memory

    def put(self, prepared: tuple[Any, ...], code: Any, row: Any, column: Any, cell_memory: list[Any]) -> list[Any]:
        return [code]

    def end_row(
        self, prepared: tuple[Any, ...], row_codes: Any, row_memory: list[Any], cell_memory: list[Any]
    ) -> list[Any]:
        return [row_codes]
