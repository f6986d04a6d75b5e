"""What a prior's network is: logits of whole grids for training and likelihoods, and the same by rows and cells.

The sampler (:mod:`skvq.networks.sampling`) draws a grid cell by cell, and knows a network by the methods of
:class:`PriorNetwork` alone. It runs two nested loops, as if this were written::

    prepared = network.prepare(labels, n)
    row_memory = network.row_memory(n)
    for row in range(rows):
        given, row_memory, cell_memory = network.begin_row(prepared, row, row_memory)
        for column in range(columns):
            logits, cell_memory = network.cell(prepared, given, row, column, cell_memory)
            code = draw(logits)
            cell_memory = network.put(prepared, code, row, column, cell_memory)
        row_memory = network.end_row(prepared, row_codes, row_memory, cell_memory)

A memory is a list of tensors whose number, shapes and dtypes never change, as both loops become ``Loop`` nodes in ONNX.
``row`` and ``column`` are integer scalars inside these loops: look things up by ``keras.ops.take``, not by indexing.
"""

from typing import Any

import keras
from keras import ops


class PriorNetwork(keras.Model):
    """Base of the networks that give each code a distribution, given those before it in row-major order.

    A subclass makes its weights in ``__init__``, sets ``self.built = True``, and overrides :meth:`logits`,
    :meth:`row_memory`, :meth:`begin_row`, :meth:`cell`, and whichever of :meth:`prepare`, :meth:`put` and
    :meth:`end_row` it needs. ``logits`` must be causal: the logits at a position depend on earlier codes only.

    Parameters
    ----------
    n_embeddings : int
        Number of codes K.
    code_shape : tuple of int
        (rows, columns) of the grid, ``CodeGrid.plane``.
    n_classes : int, default=0
        Number of classes that condition the codes; 0 for none.
    name : str, default=None

    Input shape
    -----------
    Codes ``(n, n_positions)`` of integers, and labels ``(n,)`` if ``n_classes``.

    Output shape
    ------------
    Logits ``(n, n_positions, n_embeddings)``.
    """

    drawings: dict[str, str] = {}  # of the graphs of the parts prior, sampler and controlled_sampler, for their files

    def __init__(
        self, n_embeddings: int, code_shape: tuple[int, int], *, n_classes: int = 0, name: str | None = None
    ) -> None:
        super().__init__(name=name)
        self.n_embeddings = n_embeddings
        self.code_shape = tuple(code_shape)
        self.n_classes = n_classes
        self.loss_tracker = keras.metrics.Mean(name="loss")

    @property
    def n_positions(self) -> int:
        """Number of codes of a grid."""
        return self.code_shape[0] * self.code_shape[1]

    def logits(self, codes, labels=None, training: bool = False):
        """Return logits (n, n_positions, K) of whole grids of codes (n, n_positions)."""
        raise NotImplementedError

    def prepare(self, labels, n) -> Any:
        """Return what is computed once for a draw; it is handed to every method below.

        Parameters
        ----------
        labels : integer tensor of shape (n,) or None
        n : int or integer scalar
            Grids that are drawn at once; may be a tensor.
        """
        return None

    def row_memory(self, n) -> list:
        """Return the tensors that the first row remembers of the (missing) rows above it."""
        raise NotImplementedError

    def begin_row(self, prepared: Any, row, row_memory: list) -> tuple[Any, list, list]:
        """Return what all cells of a row share, the new row memory, and the memory of the row's first cell."""
        raise NotImplementedError

    def cell(self, prepared: Any, given: Any, row, column, cell_memory: list) -> tuple[Any, list]:
        """Return logits (n, K) of the code at this place, and the new cell memory.

        Parameters
        ----------
        prepared, given
            From :meth:`prepare` and :meth:`begin_row`.
        row, column : integer scalars
        cell_memory : list of tensors
        """
        raise NotImplementedError

    def put(self, prepared: Any, code, row, column, cell_memory: list) -> list:
        """Return the cell memory once the code (n,), int32, at this place is known."""
        return cell_memory

    def end_row(self, prepared: Any, row_codes, row_memory: list, cell_memory: list) -> list:
        """Return the row memory once all codes (n, columns), int32, of the row are known."""
        return row_memory

    def log_probabilities(self, codes, labels=None):
        """Return the log-probability (n, n_positions), in nats, of each code given those before it."""
        every = ops.log_softmax(self.logits(codes, labels), axis=-1)
        chosen = ops.one_hot(codes, self.n_embeddings, dtype="float32")
        return ops.sum(ops.where(chosen > 0, every, 0.0), axis=-1)

    def call(self, inputs, training=False):
        codes, labels = inputs if self.n_classes else (inputs, None)
        return self.logits(codes, labels, training=training)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        loss = ops.mean(ops.sparse_categorical_crossentropy(y, y_pred, from_logits=True))  # nats a code
        self.loss_tracker.update_state(loss)
        return loss

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        return {"loss": self.loss_tracker.result()}
