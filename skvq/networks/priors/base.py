"""The base of networks of priors: logits of whole grids for training and likelihoods, and of single cells for sampling.

The sampler (:mod:`skvq.networks.sampling`) draws a grid cell by cell, and uses only the methods of
:class:`PriorNetwork`. It runs two nested loops, equivalent to this code::

    prepared = network.prepare(labels, n)
    row_memory = network.row_memory(n)
    for row in range(rows):
        given, row_memory, cell_memory = network.begin_row(prepared, row, row_memory)
        for column in range(columns):
            logits, cell_memory = network.cell(prepared, given, row, column, cell_memory)
            code = draw(logits)
            cell_memory = network.put(prepared, code, row, column, cell_memory)
        row_memory = network.end_row(prepared, row_codes, row_memory, cell_memory)

A memory is a list of tensors. Their number, shapes and dtypes never change, because both loops become ``Loop`` nodes in
ONNX. ``row`` and ``column`` are scalar integer tensors in these loops: use ``keras.ops.take`` instead of indexing.
"""

from typing import Any

import keras
from keras import ops


class PriorNetwork(keras.Model):
    """Base of networks that give each code a distribution given the codes before it in row-major order.

    A subclass makes its weights in ``__init__``, sets ``self.built = True``, and overrides :meth:`logits`,
    :meth:`row_memory`, :meth:`begin_row` and :meth:`cell`. If needed, it also overrides :meth:`prepare`, :meth:`put`
    and :meth:`end_row`. ``logits`` must be causal: the logits at a position depend only on earlier codes.

    Parameters
    ----------
    n_embeddings : int
        Number of codes K.
    code_shape : tuple of int
        (rows, columns) of the grid, ``CodeGrid.plane``.
    n_classes : int, default=0
        Number of classes of a conditional prior. 0 for none.
    name : str, default=None

    Input shape
    -----------
    Codes ``(n, n_positions)`` of integers, and labels ``(n,)`` if ``n_classes``.

    Output shape
    ------------
    Logits ``(n, n_positions, n_embeddings)``.
    """

    drawings: dict[str, str] = {}  # descriptions of exported graphs, by part

    def __init__(
        self, n_embeddings: int, code_shape: tuple[int, int], *, n_classes: int = 0, name: str | None = None
    ) -> None:
        super().__init__(name=name)
        self.n_embeddings = n_embeddings
        self.code_shape: tuple[int, ...] = tuple(code_shape)
        self.n_classes = n_classes
        self.loss_tracker: Any = keras.metrics.Mean(name="loss")

    @property
    def n_positions(self) -> int:
        """Number of codes in a grid."""
        return self.code_shape[0] * self.code_shape[1]

    def logits(self, codes: Any, labels: Any = None, training: bool = False) -> Any:
        """Return logits (n, n_positions, K) of whole grids of codes (n, n_positions)."""
        raise NotImplementedError

    def prepare(self, labels: Any, n: Any) -> Any:
        """Return values that are computed once for a draw. They are passed to all methods below.

        Parameters
        ----------
        labels : integer tensor of shape (n,) or None
        n : int or integer scalar
            Number of grids that are drawn at once. It may be a tensor.
        """
        return None

    def row_memory(self, n: Any) -> list[Any]:
        """Return the memory before the first row, as a list of tensors."""
        raise NotImplementedError

    def begin_row(self, prepared: Any, row: Any, row_memory: list[Any]) -> tuple[Any, list[Any], list[Any]]:
        """Return the values for all cells of a row, the new row memory, and the memory before its first cell."""
        raise NotImplementedError

    def cell(self, prepared: Any, given: Any, row: Any, column: Any, cell_memory: list[Any]) -> tuple[Any, list[Any]]:
        """Return the logits (n, K) of the code at this position, and the new cell memory.

        Parameters
        ----------
        prepared, given
            From :meth:`prepare` and :meth:`begin_row`.
        row, column : integer scalars
        cell_memory : list of tensors
        """
        raise NotImplementedError

    def put(self, prepared: Any, code: Any, row: Any, column: Any, cell_memory: list[Any]) -> list[Any]:
        """Return the cell memory after the code (n,), int32, at this position is drawn."""
        return cell_memory

    def end_row(self, prepared: Any, row_codes: Any, row_memory: list[Any], cell_memory: list[Any]) -> list[Any]:
        """Return the row memory after all codes (n, columns), int32, of the row are drawn."""
        return row_memory

    def log_probabilities(self, codes: Any, labels: Any = None) -> Any:
        """Return the log-probability (n, n_positions), in nats, of each code given the codes before it."""
        every = ops.log_softmax(self.logits(codes, labels), axis=-1)
        chosen = ops.one_hot(codes, self.n_embeddings, dtype="float32")
        return ops.sum(ops.where(chosen > 0, every, 0.0), axis=-1)

    def call(self, inputs: Any, training: bool = False) -> Any:
        codes, labels = inputs if self.n_classes else (inputs, None)
        return self.logits(codes, labels, training=training)

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        loss = ops.mean(ops.sparse_categorical_crossentropy(y, y_pred, from_logits=True))  # nats a code
        self.loss_tracker.update_state(loss)
        return loss

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        return {"loss": self.loss_tracker.result()}
