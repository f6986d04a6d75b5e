"""A gated PixelCNN without blind spot for a grid of codes.

It has two stacks of gated convolutions. The input of the vertical stack is all rows above. The input of the horizontal
stack is the codes to the left in the row, and the features of the vertical stack. The network is causal because inputs
are shifted by one row or column and kernels are one-sided. There are no masks, so no weight has to stay zero.

Each layer of the vertical stack also receives the mean of all rows above. On wide grids, kernels skip columns. So each
code influences all later codes, and the memory of the sampler is only a few rows.

:meth:`PixelCNN.logits`, which gets whole grids, and the methods for the sampler use the same weights. The sampler
computes each feature once: a row of the vertical stack after the row above it is complete, and a cell of the horizontal
stack after the code to its left is drawn.
"""

from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from skvq.networks.priors.base import PriorNetwork
from skvq.networks.priors.pixelcnn_drawings import DRAWINGS


def column_dilations(width: int, n_layers: int, reach: int) -> list[int]:
    """Return the dilation of each layer along the columns. It is 1 if the layers then reach all columns.

    Otherwise the first layers have as many powers of two as needed. Each distance is a sum of them.
    """
    dilations: list[int] = []
    for n_doubled in range(n_layers + 1):
        dilations = [2**i for i in range(n_doubled)] + [1] * (n_layers - n_doubled)
        if reach * sum(dilations) >= width - 1:
            break
    return dilations if reach else [1] * n_layers


def gate(features: Any) -> Any:
    """Halve the channels: the hyperbolic tangent of one half times the sigmoid of the other."""
    values, gates = ops.split(features, 2, axis=-1)
    return ops.tanh(values) * ops.sigmoid(gates)


def pointwise(features: Any, kernel: Any) -> Any:
    """Multiply the channels of (n, height, width, channels) by a matrix.

    It is a convolution because, with an unknown batch size, other products with more than two axes are exported as a
    dozen nodes.
    """
    return ops.conv(features, kernel[None, None], padding="valid", data_format="channels_last")


def dilated(features: Any, kernel: Any, dilation: int) -> Any:
    """Convolve padded features (n, height, width, channels) with a kernel that skips columns."""
    return ops.conv(features, kernel, padding="valid", data_format="channels_last", dilation_rate=(1, dilation))


def broadcast_over_grid(features: Any) -> Any:
    """Return features (n, channels) as (n, 1, 1, channels), for all cells of a grid.

    It is a reshape because indices with None are exported as three nodes.
    """
    return ops.reshape(features, (-1, 1, 1, features.shape[-1]))


def in_parts(features: Any, n_parts: int) -> list[Any]:
    """Split the last axis into equal parts.

    The split is at given indices, because the exporter can divide a Split of known sizes in stages, as WebGPU needs.
    """
    if n_parts == 1:
        return [features]  # TensorFlow refuses an empty list of indices
    size = features.shape[-1] // n_parts
    return ops.split(features, [size * k for k in range(1, n_parts)], axis=-1)


class Prepared(NamedTuple):
    """The values that :meth:`PixelCNN.prepare` computes once for a draw.

    Attributes
    ----------
    n : int or integer scalar
        Number of grids.
    layers : list of dict
        The weights of each layer, with convolution kernels as matrices.
    class_biases : list of tuple
        For each layer, the (vertical, horizontal) biases (n, 2 * channels), or None.
    embedding, row_embedding, column_embedding : tensors of shape (K, c), (rows, c), (columns, c)
    """

    n: Any
    layers: list[Any]
    class_biases: list[Any]
    embedding: Any
    row_embedding: Any
    column_embedding: Any


class PixelCNN(PriorNetwork):
    """Logits of each code given the codes before it in row-major order.

    Parameters
    ----------
    n_embeddings : int
        Number of codes K.
    code_shape : tuple of int
        (height, width) of the grid.
    n_classes : int
        Number of classes of a conditional prior. 0 for none.
    hidden_channels : int
        Channels of each stack.
    n_layers : int
    kernel_size : int
        Width of the kernels of the vertical stack. It must be odd.
    dropout : float

    Input shape
    -----------
    Codes ``(n, height * width)`` of integers, and labels ``(n,)`` if ``n_classes``.

    Output shape
    ------------
    Logits ``(n, height * width, n_embeddings)``.

    References
    ----------
    van den Oord et al., "Conditional Image Generation with PixelCNN Decoders", 2016, section 2 and figure 2.
    """

    drawings = DRAWINGS

    def __init__(
        self,
        n_embeddings: int,
        code_shape: tuple[int, int],
        *,
        n_classes: int,
        hidden_channels: int,
        n_layers: int,
        kernel_size: int,
        dropout: float,
    ):
        super().__init__(n_embeddings, code_shape, n_classes=n_classes, name="pixelcnn")
        self.hidden_channels = hidden_channels
        self.n_layers = n_layers
        self.kernel_size = kernel_size
        self.reach: int = kernel_size // 2  # columns on each side, and rows or columns back, in the kernel of one layer
        height, width = code_shape
        channels = hidden_channels
        self.dilations: list[int] = column_dilations(width, n_layers, self.reach)

        def kernel(name, *shape, gain=1.0):
            fan_in = int(np.prod(shape[:-1]))
            initializer = keras.initializers.RandomNormal(stddev=gain / np.sqrt(fan_in))
            return self.add_weight(shape=shape, initializer=initializer, name=name)

        def bias(name, *shape):
            return self.add_weight(shape=shape, initializer="zeros", name=name)

        self.embedding: Any = kernel("embedding", n_embeddings, channels, gain=np.sqrt(n_embeddings) * 0.1)
        self.row_embedding: Any = bias("row_embedding", height, 1, channels)
        self.column_embedding: Any = bias("column_embedding", 1, width, channels)
        if n_classes:
            # One table for all layers. A row contains both biases of each layer for one class.
            self.class_embedding: Any = bias("class_embedding", n_classes, n_layers * 4 * channels)
        self.layer_weights: list[dict[str, Any]] = [
            {
                "vertical": kernel(f"vertical_{i}", self.reach + 1, kernel_size, channels, 2 * channels),
                "vertical_bias": bias(f"vertical_bias_{i}", 2 * channels),
                "rows_above": kernel(f"rows_above_{i}", channels, 2 * channels, gain=0.5) if height > 1 else None,
                "across": kernel(f"across_{i}", 2 * channels, 2 * channels, gain=0.7),
                "horizontal": kernel(f"horizontal_{i}", 1, self.reach + 1, channels, 2 * channels),
                "horizontal_bias": bias(f"horizontal_bias_{i}", 2 * channels),
                # Nothing uses the vertical features of the last layer.
                "vertical_out": kernel(f"vertical_out_{i}", channels, channels) if i + 1 < n_layers else None,
                "horizontal_out": kernel(f"horizontal_out_{i}", channels, channels),
                "horizontal_out_bias": bias(f"horizontal_out_bias_{i}", channels),
            }
            for i in range(n_layers)
        ]
        self.head: Any = kernel("head", channels, 2 * channels, gain=1.4)
        self.head_bias: Any = bias("head_bias", 2 * channels)
        self.output_kernel: Any = kernel("output", 2 * channels, n_embeddings)
        self.output_bias: Any = bias("output_bias", n_embeddings)
        self.dropout: Any = keras.layers.Dropout(dropout)
        self.dropout.build(None)
        self.built = True

    def class_biases(self, labels: Any) -> Any:
        """Return the (vertical, horizontal) biases of each layer for the labels, each (n, 2 * channels)."""
        if not self.n_classes:
            return [(None, None)] * self.n_layers
        # A product instead of a lookup, whose gradient is wrong if labels repeat in a batch.
        rows = ops.matmul(ops.one_hot(labels, self.n_classes, dtype="float32"), self.class_embedding)
        parts = in_parts(rows, 2 * self.n_layers)
        return list(zip(parts[::2], parts[1::2], strict=True))

    def logits(self, codes: Any, labels: Any = None, training: bool = False) -> Any:
        """Return the logits (n, height * width, K) of whole grids of codes (n, height * width)."""
        one_hot = ops.one_hot(ops.reshape(codes, (-1,)), self.n_embeddings, dtype="float32")  # (n * h * w, K)
        features = self.features(ops.matmul(one_hot, self.embedding), labels, training)
        return ops.reshape(self.logits_of(features), (-1, self.n_positions, self.n_embeddings))

    def features(self, embedded: Any, labels: Any = None, training: bool = False) -> Any:
        """Return the features (n * height * width, channels) of the last layer for embedded codes of that shape."""
        height, width = self.code_shape
        reach = self.reach
        embedded = ops.reshape(embedded, (-1, height, width, self.hidden_channels))
        place = self.row_embedding + self.column_embedding
        vertical = ops.pad(embedded, ((0, 0), (1, 0), (0, 0), (0, 0)))[:, :-1] + place
        horizontal = ops.pad(embedded, ((0, 0), (0, 0), (1, 0), (0, 0)))[:, :, :-1] + place
        n_rows_above = ops.convert_to_tensor(np.arange(1, height + 1, dtype="float32")[:, None, None])
        for layer, dilation, (vertical_class, horizontal_class) in zip(
            self.layer_weights, self.dilations, self.class_biases(labels), strict=True
        ):
            wide = reach * dilation
            above = ops.pad(vertical, ((0, 0), (reach, 0), (wide, wide), (0, 0)))
            above = dilated(above, layer["vertical"], dilation)
            above = above + layer["vertical_bias"]  # (n, h, w, 2c)
            if layer["rows_above"] is not None:
                means = ops.cumsum(ops.mean(vertical, axis=2, keepdims=True), axis=1) / n_rows_above  # (n, h, 1, c)
                above = above + pointwise(means, layer["rows_above"])
            if vertical_class is not None:
                above = above + broadcast_over_grid(vertical_class)
            left = ops.pad(horizontal, ((0, 0), (0, 0), (wide, 0), (0, 0)))
            left = dilated(left, layer["horizontal"], dilation)
            left = left + layer["horizontal_bias"] + pointwise(above, layer["across"])
            if horizontal_class is not None:
                left = left + broadcast_over_grid(horizontal_class)
            if layer["vertical_out"] is not None:
                vertical = vertical + pointwise(self.dropout(gate(above), training=training), layer["vertical_out"])
            horizontal = (
                horizontal
                + pointwise(self.dropout(gate(left), training=training), layer["horizontal_out"])
                + layer["horizontal_out_bias"]
            )
        return ops.reshape(horizontal, (-1, self.hidden_channels))

    def logits_of(self, features: Any) -> Any:
        """Return the logits (n, K) of the features (n, channels) of the last layer."""
        hidden = ops.relu(ops.matmul(ops.relu(features), self.head) + self.head_bias)
        return ops.matmul(hidden, self.output_kernel) + self.output_bias

    def prepare(self, labels: Any, n: Any) -> Prepared:
        return Prepared(
            n,
            [flat_kernels(layer) for layer in self.layer_weights],
            self.class_biases(labels),
            ops.convert_to_tensor(self.embedding),
            ops.convert_to_tensor(self.row_embedding)[:, 0],
            ops.convert_to_tensor(self.column_embedding)[0],
        )

    def row_memory(self, n: Any) -> list[Any]:
        """Return the embedded row above, the last ``reach`` rows of each layer, and its sums over all rows above."""
        height, width = self.code_shape
        channels = self.hidden_channels
        return [
            ops.zeros((n, width, channels), "float32"),
            *[ops.zeros((n, width, self.reach * channels), "float32")] * self.n_layers,
            *[ops.zeros((n, channels), "float32")] * (self.n_layers if height > 1 else 0),
        ]

    def begin_row(self, prepared: Prepared, row: Any, row_memory: list[Any]) -> tuple[Any, list[Any], list[Any]]:
        """Run the vertical stack for one row. ``given`` is its output for each column of the horizontal stack."""
        reach, channels, width, n_layers = self.reach, self.hidden_channels, self.code_shape[1], self.n_layers
        embedded_above, rows_above, sums = row_memory[0], row_memory[1 : n_layers + 1], row_memory[n_layers + 1 :]
        row_bias = ops.take(prepared.row_embedding, row, axis=0)  # (c,)
        x = embedded_above + (row_bias + prepared.column_embedding)  # (n, w, c)
        n_rows_above = ops.cast(row + 1, "float32")
        given, new_rows, new_sums = [], [], []
        for i, layer in enumerate(prepared.layers):
            dilation = self.dilations[i]
            vertical_class, horizontal_class = prepared.class_biases[i]
            rows = ops.concatenate([rows_above[i], x], axis=-1) if reach else x  # (n, w, (reach + 1) * c)
            new_rows.append(x if reach == 1 else rows[:, :, channels:])  # (n, w, reach * c)
            rows = ops.pad(rows, ((0, 0), (reach * dilation, reach * dilation), (0, 0)))
            views = [rows[:, start : start + width] for start in range(0, self.kernel_size * dilation, dilation)]
            above = row_product(ops.concatenate(views, axis=-1), layer["vertical"], layer["vertical_bias"])
            if "rows_above" in layer:
                new_sums.append(sums[i] + ops.mean(x, axis=1))  # (n, c)
                above = above + ops.matmul(new_sums[i] / n_rows_above, layer["rows_above"])[:, None, :]
            if vertical_class is not None:
                above = above + vertical_class[:, None, :]
            across = row_product(above, layer["across"], layer["horizontal_bias"])
            if horizontal_class is not None:
                across = across + horizontal_class[:, None, :]
            given.append(across)  # (n, w, 2c)
            if i + 1 < n_layers:
                x = x + row_product(gate(above), layer["vertical_out"])
        given = ops.transpose(ops.concatenate(given, axis=-1), (1, 0, 2))  # (w, n, layers * 2c)
        cell_memory = [
            ops.zeros((prepared.n, channels), "float32"),  # the embedded code to the left
            *[ops.zeros((prepared.n, reach * dilation * channels), "float32") for dilation in self.dilations],
        ]
        return (given, row_bias), [embedded_above, *new_rows, *new_sums], cell_memory

    def cell(
        self, prepared: Prepared, given: tuple[Any, ...], row: Any, column: Any, cell_memory: list[Any]
    ) -> tuple[Any, list[Any]]:
        features, cell_memory = self.cell_features(prepared, given, column, cell_memory)
        return self.logits_of(features), cell_memory

    def cell_features(
        self, prepared: Prepared, given: tuple[Any, ...], column: Any, cell_memory: list[Any]
    ) -> tuple[Any, list[Any]]:
        """Run the horizontal stack for one cell, and return its features (n, channels) and the new cell memory."""
        from_above, row_bias = given
        embedded_left, *cells_left = cell_memory
        x = embedded_left + (row_bias + ops.take(prepared.column_embedding, column, axis=0))  # (n, c)
        parts = in_parts(ops.take(from_above, column, axis=0), self.n_layers)  # each (n, 2c)
        new_cells = []
        for i, layer in enumerate(prepared.layers):
            cells = ops.concatenate([cells_left[i], x], axis=-1) if self.reach else x
            new_cells.append(x if self.reach * self.dilations[i] == 1 else cells[:, self.hidden_channels :])
            left = ops.matmul(self._seen(cells, self.dilations[i]), layer["horizontal"]) + parts[i]
            x = x + (ops.matmul(gate(left), layer["horizontal_out"]) + layer["horizontal_out_bias"])
        return x, [embedded_left, *new_cells]

    def _seen(self, cells, dilation: int):
        """Return the cells in the kernel, (n, (reach + 1) * c), of all cells (n, (reach * dilation + 1) * c)."""
        if dilation == 1 or not self.reach:
            return cells
        starts = [k * dilation * self.hidden_channels for k in range(self.reach + 1)]
        return ops.concatenate([cells[:, start : start + self.hidden_channels] for start in starts], axis=-1)

    def put(self, prepared: Prepared, code: Any, row: Any, column: Any, cell_memory: list[Any]) -> list[Any]:
        return [ops.take(prepared.embedding, code, axis=0), *cell_memory[1:]]

    def end_row(self, prepared: Prepared, row_codes: Any, row_memory: list[Any], cell_memory: list[Any]) -> list[Any]:
        return [ops.take(prepared.embedding, row_codes, axis=0), *row_memory[1:]]


def row_product(features: Any, kernel: Any, bias: Any = None) -> Any:
    """Multiply the channels of a row (n, width, channels) by a matrix.

    It is a product of two matrices because, with an unknown batch size, a product with three axes is exported as a
    dozen nodes.
    """
    flat = ops.matmul(ops.reshape(features, (-1, kernel.shape[0])), kernel)
    return ops.reshape(flat if bias is None else flat + bias, (-1, features.shape[1], kernel.shape[1]))


def flat_kernels(layer: dict[str, Any]) -> dict[str, Any]:
    """Return the weights of a layer, with kernels as matrices (columns * rows * channels_in, channels_out)."""
    flat = {name: ops.convert_to_tensor(weight) for name, weight in layer.items() if weight is not None}
    # In the memory, the rows of a column are side by side in its channels.
    flat["vertical"] = ops.transpose(flat["vertical"], (1, 0, 2, 3))
    for name in ("vertical", "horizontal"):
        flat[name] = ops.reshape(flat[name], (int(np.prod(flat[name].shape[:-1])), flat[name].shape[-1]))
    return flat
