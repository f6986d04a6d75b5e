"""A gated PixelCNN without blind spot over a grid of codes.

Two stacks of gated convolutions: the vertical stack sees all rows above, the horizontal stack the codes to the
left in the row, and what the vertical stack found. Causality comes from shifting the inputs by one row and one
column and from one-sided kernels, not from masks, so there is no weight that must stay zero.

Each layer of the vertical stack is also told the mean of all rows above, and on a grid wider than the kernels reach
they skip columns, so that every code has a say in all that follow. What the sampler has to remember stays as small as
a few rows.

The same weights are read by :meth:`PixelCNN.logits`, which sees whole grids, and by the incremental sampler,
which computes every feature once.
"""

import keras
import numpy as np
from keras import ops


def column_dilations(width: int, n_layers: int, reach: int) -> list[int]:
    """Return the distance, for each layer, of the columns it sees: 1 everywhere, if that suffices to see all columns.

    Otherwise powers of two come first, as many as are needed; any distance is a sum of them.
    """
    for n_doubled in range(n_layers + 1):
        dilations = [2**i for i in range(n_doubled)] + [1] * (n_layers - n_doubled)
        if reach * sum(dilations) >= width - 1:
            break
    return dilations if reach else [1] * n_layers


def gate(features):
    """Halve the channels: the hyperbolic tangent of one half, let through by the sigmoid of the other."""
    values, gates = ops.split(features, 2, axis=-1)
    return ops.tanh(values) * ops.sigmoid(gates)


def pointwise(features, kernel):
    """Map the channels of (n, height, width, channels) by a matrix.

    As a convolution: with the batch open, a product of more than two dimensions is exported as a dozen nodes.
    """
    return ops.conv(features, kernel[None, None], padding="valid", data_format="channels_last")


def dilated(features, kernel, dilation: int):
    """Convolve padded features (n, height, width, channels) with a kernel that skips columns."""
    return ops.conv(features, kernel, padding="valid", data_format="channels_last", dilation_rate=(1, dilation))


def broadcast_over_grid(features):
    """Features (n, channels) as (n, 1, 1, channels), for every cell of a grid.

    By a reshape: indices with None are exported as three nodes.
    """
    return ops.reshape(features, (-1, 1, 1, features.shape[-1]))


class PixelCNN(keras.Model):
    """Logits of every code given the codes before it in row-major order.

    Parameters
    ----------
    n_embeddings : int
        Number of codes K.
    code_shape : tuple of int
        (height, width) of the grid.
    n_classes : int
        Number of classes that condition the codes; 0 for none.
    hidden_channels : int
        Channels of each stack.
    n_layers : int
    kernel_size : int
        Odd width of the vertical stack's view.
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
        super().__init__(name="pixelcnn")
        self.n_embeddings = n_embeddings
        self.code_shape = code_shape
        self.n_classes = n_classes
        self.hidden_channels = hidden_channels
        self.n_layers = n_layers
        self.kernel_size = kernel_size
        self.reach = kernel_size // 2  # columns to either side, and rows or columns back, that one layer sees
        height, width = code_shape
        channels = hidden_channels
        self.dilations = column_dilations(width, n_layers, self.reach)

        def kernel(name, *shape, gain=1.0):
            fan_in = int(np.prod(shape[:-1]))
            initializer = keras.initializers.RandomNormal(stddev=gain / np.sqrt(fan_in))
            return self.add_weight(shape=shape, initializer=initializer, name=name)

        def bias(name, *shape):
            return self.add_weight(shape=shape, initializer="zeros", name=name)

        self.embedding = kernel("embedding", n_embeddings, channels, gain=np.sqrt(n_embeddings) * 0.1)
        self.row_embedding = bias("row_embedding", height, 1, channels)
        self.column_embedding = bias("column_embedding", 1, width, channels)
        if n_classes:
            # One table for all layers: its row is every layer's two biases under that class.
            self.class_embedding = bias("class_embedding", n_classes, n_layers * 4 * channels)
        self.layer_weights = [
            {
                "vertical": kernel(f"vertical_{i}", self.reach + 1, kernel_size, channels, 2 * channels),
                "vertical_bias": bias(f"vertical_bias_{i}", 2 * channels),
                "rows_above": kernel(f"rows_above_{i}", channels, 2 * channels, gain=0.5) if height > 1 else None,
                "across": kernel(f"across_{i}", 2 * channels, 2 * channels, gain=0.7),
                "horizontal": kernel(f"horizontal_{i}", 1, self.reach + 1, channels, 2 * channels),
                "horizontal_bias": bias(f"horizontal_bias_{i}", 2 * channels),
                # The last layer's vertical features feed nothing further.
                "vertical_out": kernel(f"vertical_out_{i}", channels, channels) if i + 1 < n_layers else None,
                "horizontal_out": kernel(f"horizontal_out_{i}", channels, channels),
                "horizontal_out_bias": bias(f"horizontal_out_bias_{i}", channels),
            }
            for i in range(n_layers)
        ]
        self.head = kernel("head", channels, 2 * channels, gain=1.4)
        self.head_bias = bias("head_bias", 2 * channels)
        self.output_kernel = kernel("output", 2 * channels, n_embeddings)
        self.output_bias = bias("output_bias", n_embeddings)
        self.dropout = keras.layers.Dropout(dropout)
        self.dropout.build(None)
        self.loss_tracker = keras.metrics.Mean(name="loss")
        self.built = True

    @property
    def n_positions(self) -> int:
        """Number of codes of a grid."""
        return self.code_shape[0] * self.code_shape[1]

    def class_biases(self, labels):
        """Return each layer's (vertical, horizontal) biases under the labels, each (n, 2 * channels)."""
        if not self.n_classes:
            return [(None, None)] * self.n_layers
        # A product, not a lookup: a lookup's gradient is wrong where labels repeat in a batch.
        rows = ops.matmul(ops.one_hot(labels, self.n_classes, dtype="float32"), self.class_embedding)
        # By places, not by a number: the exporter can do a Split of known sizes in stages, as WebGPU needs.
        places = [2 * self.hidden_channels * k for k in range(1, 2 * self.n_layers)]
        parts = ops.split(rows, places, axis=-1)
        return list(zip(parts[::2], parts[1::2], strict=True))

    def logits(self, codes, labels=None, training=False):
        """Logits (n, height * width, K) of whole grids of codes (n, height * width)."""
        height, width = self.code_shape
        reach = self.reach
        one_hot = ops.one_hot(ops.reshape(codes, (-1,)), self.n_embeddings, dtype="float32")  # (n * h * w, K)
        embedded = ops.matmul(one_hot, self.embedding)
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
        features = ops.reshape(horizontal, (-1, self.hidden_channels))
        return ops.reshape(self.logits_of(features), (-1, self.n_positions, self.n_embeddings))

    def logits_of(self, features):
        """Logits (n, K) of the last layer's features (n, channels)."""
        hidden = ops.relu(ops.matmul(ops.relu(features), self.head) + self.head_bias)
        return ops.matmul(hidden, self.output_kernel) + self.output_bias

    def log_probabilities(self, codes, labels=None):
        """Log-probability (n, height * width), in nats, of each code given those before it."""
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
