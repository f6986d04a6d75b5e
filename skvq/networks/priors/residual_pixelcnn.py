"""A gated PixelCNN for grids with several codes at each position, those of a residual quantiser.

A position is one cell of a :class:`~skvq.networks.priors.pixelcnn.PixelCNN`, which sees the sum of the embeddings of
its codes. That gives features of all positions before. The codes of a position then follow each other: each earlier
one adds an embedding of its own to the hidden layer before the logits, which have weights of their own for each stage.
So the convolutions run once for a position, however many codes it has.

For the sampler, the codes of a position are neighbouring columns of the plane.
"""

from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from skvq.networks.priors.base import PriorNetwork
from skvq.networks.priors.pixelcnn import PixelCNN, Prepared


class PreparedStages(NamedTuple):
    """The values that :meth:`ResidualPixelCNN.prepare` computes once for a draw.

    Attributes
    ----------
    positions : Prepared
        Those of the PixelCNN.
    heads, biases : tensors of shape (depth, 2 * channels, K), (depth, K)
        The last layer, by stage.
    earlier : tensor of shape (depth * K, 2 * channels)
    places, stages : integer tensors of shape (columns * depth,)
        The position and the stage of each column of the plane.
    """

    positions: Prepared
    heads: Any
    biases: Any
    earlier: Any
    places: Any
    stages: Any


class ResidualPixelCNN(PriorNetwork):
    """Logits of each code given the codes before it: all positions before, and the earlier stages at its own.

    Parameters
    ----------
    n_embeddings : int
        Number of codes K of each stage.
    positions : tuple of int
        (height, width) of the grid of positions.
    depth : int
        Codes at each position.
    n_classes : int
        Number of classes of a conditional prior. 0 for none.
    **options
        Further arguments of :class:`~skvq.networks.priors.pixelcnn.PixelCNN`.

    Input shape
    -----------
    Codes ``(n, height * width * depth)`` of integers, and labels ``(n,)`` if ``n_classes``.

    Output shape
    ------------
    Logits ``(n, height * width * depth, n_embeddings)``.

    References
    ----------
    Lee et al., "Autoregressive Image Generation using Residual Quantization", 2022, section 3.2, arXiv:2203.01941.
    """

    def __init__(self, n_embeddings: int, positions: tuple[int, int], depth: int, *, n_classes: int, **options: Any):
        height, width = positions
        super().__init__(n_embeddings, (height, width * depth), n_classes=n_classes, name="residual_pixelcnn")
        self.depth = depth
        # Its codes are those of all stages, one table below the other, and so are its logits.
        self.pixelcnn: Any = PixelCNN(depth * n_embeddings, positions, n_classes=n_classes, **options)
        self.earlier: Any = self.add_weight(
            shape=(depth * n_embeddings, 2 * options["hidden_channels"]),
            initializer=keras.initializers.RandomNormal(stddev=0.1),
            name="earlier",
        )
        self.built = True

    @property
    def dropout(self) -> keras.layers.Dropout:
        """The dropout of all layers."""
        return self.pixelcnn.dropout

    def logits(self, codes: Any, labels: Any = None, training: bool = False) -> Any:
        """Return the logits (n, height * width * depth, K) of whole grids of codes (n, height * width * depth)."""
        n_embeddings = self.n_embeddings
        by_stage = ops.reshape(codes, (-1, self.depth))  # (n * h * w, depth)
        one_hots = [ops.one_hot(by_stage[:, i], n_embeddings, dtype="float32") for i in range(self.depth)]
        embeddings, heads, biases, earlier = self._tables()
        embedded = sum(ops.matmul(one_hot, embeddings[i]) for i, one_hot in enumerate(one_hots))
        hidden = self._hidden(self.pixelcnn.features(embedded, labels, training))  # (n * h * w, 2c)
        logits = []
        for i, one_hot in enumerate(one_hots):
            logits.append(ops.matmul(ops.relu(hidden), heads[i]) + biases[i])
            hidden = hidden + ops.matmul(one_hot, earlier[i])
        return ops.reshape(ops.stack(logits, axis=1), (-1, self.n_positions, n_embeddings))

    def _hidden(self, features):
        """Return the hidden layer (n, 2 * channels) before the logits, without its activation."""
        return ops.matmul(ops.relu(features), self.pixelcnn.head) + self.pixelcnn.head_bias

    def _tables(self) -> tuple[Any, ...]:
        """Return, by stage, embeddings (K, c), heads (2c, K), biases (K,), and embeddings (K, 2c) of earlier codes."""
        shape, net = (self.depth, self.n_embeddings, -1), self.pixelcnn
        heads = ops.reshape(net.output_kernel, (-1, self.depth, self.n_embeddings))
        return (
            ops.reshape(net.embedding, shape),
            ops.transpose(heads, (1, 0, 2)),
            ops.reshape(net.output_bias, shape[:2]),
            ops.reshape(self.earlier, shape),
        )

    def prepare(self, labels: Any, n: Any) -> PreparedStages:
        _, heads, biases, _ = self._tables()
        columns = np.arange(self.code_shape[1], dtype="int32")
        return PreparedStages(
            self.pixelcnn.prepare(labels, n),
            heads,
            biases,
            ops.convert_to_tensor(self.earlier),
            ops.convert_to_tensor(columns // self.depth),
            ops.convert_to_tensor(columns % self.depth),
        )

    def row_memory(self, n: Any) -> list[Any]:
        return self.pixelcnn.row_memory(n)

    def begin_row(self, prepared: PreparedStages, row: Any, row_memory: list[Any]) -> tuple[Any, list[Any], list[Any]]:
        """Run the vertical stack for one row. The cell memory begins with what the codes of the position have added."""
        given, row_memory, cell_memory = self.pixelcnn.begin_row(prepared.positions, row, row_memory)
        channels = self.pixelcnn.hidden_channels
        added = [ops.zeros((prepared.positions.n, size), "float32") for size in (2 * channels, channels)]
        return given, row_memory, [*added, *cell_memory]

    def cell(
        self, prepared: PreparedStages, given: tuple[Any, ...], row: Any, column: Any, cell_memory: list[Any]
    ) -> tuple[Any, list[Any]]:
        hidden_added, embedded, *left = cell_memory
        stage = ops.take(prepared.stages, column)
        # The same for all codes of a position. What it remembers counts from the last of them on.
        features, new_left = self.pixelcnn.cell_features(
            prepared.positions, given, ops.take(prepared.places, column), left
        )
        is_last = ops.equal(stage, self.depth - 1)
        left = [ops.where(is_last, new, old) for new, old in zip(new_left, left, strict=True)]
        hidden = ops.relu(self._hidden(features) + hidden_added)
        logits = ops.matmul(hidden, ops.take(prepared.heads, stage, axis=0)) + ops.take(prepared.biases, stage, axis=0)
        return logits, [hidden_added, embedded, *left]

    def put(self, prepared: PreparedStages, code: Any, row: Any, column: Any, cell_memory: list[Any]) -> list[Any]:
        hidden_added, embedded, embedded_left, *cells_left = cell_memory
        stage = ops.take(prepared.stages, column)
        numbered = code + stage * self.n_embeddings
        hidden_added = hidden_added + ops.take(prepared.earlier, numbered, axis=0)
        embedded = embedded + ops.take(prepared.positions.embedding, numbered, axis=0)
        is_last = ops.equal(stage, self.depth - 1)
        return [
            ops.where(is_last, 0.0, hidden_added),
            ops.where(is_last, 0.0, embedded),
            ops.where(is_last, embedded, embedded_left),
            *cells_left,
        ]

    def end_row(
        self, prepared: PreparedStages, row_codes: Any, row_memory: list[Any], cell_memory: list[Any]
    ) -> list[Any]:
        numbered = row_codes + prepared.stages * self.n_embeddings  # (n, w * depth)
        embedded = ops.take(prepared.positions.embedding, numbered, axis=0)
        width, channels = self.pixelcnn.code_shape[1], self.pixelcnn.hidden_channels
        embedded = ops.reshape(embedded, (-1, width, self.depth, channels))
        return [ops.sum(embedded, axis=2), *row_memory[1:]]
