"""Exact incremental sampling from a :class:`~skvq.networks.pixelcnn.PixelCNN`.

Sampling by running the whole grid once for every code computes each feature height × width times. Here each is
computed once: a row of the vertical stack when the row above it is complete, a cell of the horizontal stack when
the code to its left is known. Two nested loops of ``keras.ops`` do it on every backend, and become two nested
``Loop`` nodes in ONNX.

Randomness is an input. A code is the inverse of the cumulative distribution at its uniform, so equal uniforms give
equal codes wherever the graph runs, and one full forward pass certifies a sample: inverting there must give the
sample again.
"""

from typing import Any, NamedTuple

import numpy as np
from keras import ops

from skvq.networks.pixelcnn import PixelCNN, gate


class Choice(NamedTuple):
    """What narrows a code's distribution before it is drawn.

    Attributes
    ----------
    temperature : float tensor of shape () or (n, 1)
        Divides the logits; below 1 the likely codes become likelier.
    top_k : integer tensor of shape () or (n, 1), or None
        Only that many of the likeliest codes are drawn.
    top_p : float tensor of shape () or (n, 1), or None
        Only the likeliest codes are drawn that together reach this probability, after ``top_k``; 1 keeps all.
    """

    temperature: Any
    top_k: Any = None
    top_p: Any = None


def cumulative_weights(logits, choice: Choice):
    """Cumulative sums (..., K) of unnormalised probabilities; codes that are left out weigh nothing."""
    scaled = logits / choice.temperature
    weights = ops.exp(scaled - ops.max(scaled, axis=-1, keepdims=True))
    if choice.top_k is not None or choice.top_p is not None:
        weights = _narrowed(weights, choice)
    return ops.cumsum(weights, axis=-1)


def _narrowed(weights, choice: Choice):
    """The weights (..., K), 0 for the codes that ``top_k`` and ``top_p`` leave out."""
    n_embeddings = weights.shape[-1]
    falling = ops.top_k(weights, n_embeddings)[0]  # (..., K), the largest first
    if choice.top_k is not None:
        falling = falling * ops.cast(
            ops.arange(n_embeddings, dtype="int32") < ops.cast(choice.top_k, "int32"), "float32"
        )
    if choice.top_p is not None:
        top_p = ops.cast(choice.top_p, "float32")
        # The sums round: to reach all of 1 could leave out the rarest codes.
        share = ops.where(top_p < 1, top_p, 2.0)
        before = ops.cumsum(falling, axis=-1) - falling
        falling = falling * ops.cast(before < share * ops.sum(falling, axis=-1, keepdims=True), "float32")
    # Codes as likely as the last one kept are kept with it.
    lowest = ops.min(ops.where(falling > 0, falling, 1.0), axis=-1, keepdims=True)
    return ops.where(weights >= lowest, weights, 0.0)


def invert(cumulative, uniforms):
    """Codes (...) whose interval of the cumulative weights (..., K) holds the uniforms (...).

    A code of probability zero has an empty interval and is never chosen.
    """
    threshold = ops.expand_dims(uniforms, -1) * cumulative[..., -1:]
    passed = ops.sum(ops.cast(cumulative <= threshold, "int32"), axis=-1)
    return ops.minimum(passed, cumulative.shape[-1] - 1)


def sample(network: PixelCNN, uniforms, choice: Choice, labels=None, known_codes=None):
    """Draw codes (n, height * width), int32.

    Parameters
    ----------
    network : PixelCNN
    uniforms : float tensor of shape (n, height * width), in [0, 1)
        One for each code.
    choice : Choice
    labels : integer tensor of shape (n,) or None
        Indices of classes, for a conditional network.
    known_codes : integer tensor of shape (n, height * width) or None
        Codes to keep; the others are drawn around them. Negative where a code is to be drawn.
    """
    height, width = network.code_shape
    channels, n_layers, reach = network.hidden_channels, network.n_layers, network.reach
    kernel_size = network.kernel_size
    n = ops.shape(uniforms)[0]
    class_biases = network.class_biases(labels)
    layers = [_flat_kernels(layer) for layer in network.layer_weights]
    embedding = ops.convert_to_tensor(network.embedding)  # (K, c)
    row_embedding = ops.convert_to_tensor(network.row_embedding)[:, 0]  # (h, c)
    column_embedding = ops.convert_to_tensor(network.column_embedding)[0]  # (w, c)

    def by_position(x):
        return ops.reshape(ops.transpose(x), (height, width, -1))  # (h, w, n)

    inputs = [by_position(uniforms)]
    if known_codes is not None:
        inputs.append(by_position(ops.cast(known_codes, "int32")))

    def in_row(features, kernel, bias=None):
        # As a product of two matrices: with the batch open, one of three dimensions is exported as a dozen nodes.
        flat = ops.matmul(ops.reshape(features, (-1, kernel.shape[0])), kernel)
        return ops.reshape(flat if bias is None else flat + bias, (-1, width, kernel.shape[1]))

    def vertical_row(embedded_row, rows_above, sums, row):
        """One row of the vertical stack, all layers: what each gives to the horizontal stack, and its new memory."""
        x = embedded_row + (ops.take(row_embedding, row, axis=0) + column_embedding)  # (n, w, c)
        n_rows_above = ops.cast(row + 1, "float32")
        given, memory, new_sums = [], [], []
        for i, layer in enumerate(layers):
            dilation = network.dilations[i]
            rows = ops.concatenate([rows_above[i], x], axis=-1) if reach else x  # (n, w, (reach + 1) * c)
            memory.append(x if reach == 1 else rows[:, :, channels:])  # (n, w, reach * c)
            rows = ops.pad(rows, ((0, 0), (reach * dilation, reach * dilation), (0, 0)))
            views = [rows[:, start : start + width] for start in range(0, kernel_size * dilation, dilation)]
            above = in_row(ops.concatenate(views, axis=-1), layer["vertical"], layer["vertical_bias"])
            if "rows_above" in layer:
                new_sums.append(sums[i] + ops.mean(x, axis=1))  # (n, c)
                above = above + ops.matmul(new_sums[i] / n_rows_above, layer["rows_above"])[:, None, :]
            if class_biases[i][0] is not None:
                above = above + class_biases[i][0][:, None, :]
            across = in_row(above, layer["across"], layer["horizontal_bias"])
            if class_biases[i][1] is not None:
                across = across + class_biases[i][1][:, None, :]
            given.append(across)  # (n, w, 2c)
            if i + 1 < n_layers:
                x = x + in_row(gate(above), layer["vertical_out"])
        return ops.transpose(ops.concatenate(given, axis=-1), (1, 0, 2)), memory, new_sums  # given (w, n, layers * 2c)

    def seen(cells, dilation):
        """Of cells side by side, (n, (reach * dilation + 1) * c), those that the kernel sees, (n, (reach + 1) * c)."""
        if dilation == 1 or not reach:
            return cells
        starts = [k * dilation * channels for k in range(reach + 1)]
        return ops.concatenate([cells[:, start : start + channels] for start in starts], axis=-1)

    def cell(embedded_left, given, memory, row_bias, column):
        """One cell of the horizontal stack: features (n, c), and its new memory."""
        x = embedded_left + (row_bias + ops.take(column_embedding, column, axis=0))
        parts = ops.split(given, [2 * channels * k for k in range(1, n_layers)], axis=-1)  # each (n, 2c)
        new_memory = []
        for i, layer in enumerate(layers):
            cells = ops.concatenate([memory[i], x], axis=-1) if reach else x  # (n, (reach * dilation + 1) * c)
            new_memory.append(x if reach * network.dilations[i] == 1 else cells[:, channels:])
            left = ops.matmul(seen(cells, network.dilations[i]), layer["horizontal"]) + parts[i]
            x = x + (ops.matmul(gate(left), layer["horizontal_out"]) + layer["horizontal_out_bias"])
        return x, new_memory

    def draw_row(row, codes, embedded_above, *memory):
        rows_above, sums = memory[:n_layers], memory[n_layers:]
        given, rows_above, sums = vertical_row(embedded_above, rows_above, sums, row)
        row_bias = ops.take(row_embedding, row, axis=0)  # (c,)
        row_inputs = [ops.take(x, row, axis=0) for x in inputs]  # each (w, n)

        def draw_cell(column, row_codes, embedded_left, *memory):
            x, memory = cell(embedded_left, ops.take(given, column, axis=0), memory, row_bias, column)
            uniform, *known = [ops.take(x, column, axis=0) for x in row_inputs]  # each (n,)
            code = invert(cumulative_weights(network.logits_of(x), choice), uniform)
            if known:
                code = ops.where(known[0] >= 0, known[0], code)
            here = ops.cast(ops.equal(ops.arange(width, dtype="int32"), column), "int32")
            row_codes = row_codes + ops.expand_dims(code, -1) * here
            return (column + 1, row_codes, ops.take(embedding, code, axis=0), *memory)

        empty_memory = [ops.zeros((n, reach * dilation * channels), "float32") for dilation in network.dilations]
        _, row_codes, *_ = ops.while_loop(
            lambda column, *_: column < width,
            draw_cell,
            (
                ops.convert_to_tensor(0, "int32"),
                ops.zeros((n, width), dtype="int32"),
                ops.zeros((n, channels), "float32"),
                *empty_memory,
            ),
        )
        here = ops.cast(ops.equal(ops.arange(height, dtype="int32"), row), "int32")
        codes = codes + row_codes[:, None, :] * here[:, None]
        return (row + 1, codes, ops.take(embedding, row_codes, axis=0), *rows_above, *sums)

    n_sums = sum("rows_above" in layer for layer in layers)
    _, codes, *_ = ops.while_loop(
        lambda row, *_: row < height,
        draw_row,
        (
            ops.convert_to_tensor(0, "int32"),
            ops.zeros((n, height, width), dtype="int32"),
            ops.zeros((n, width, channels), "float32"),
            *[ops.zeros((n, width, reach * channels), "float32")] * n_layers,
            *[ops.zeros((n, channels), "float32")] * n_sums,
        ),
    )
    return ops.reshape(codes, (-1, height * width))


def _flat_kernels(layer: dict) -> dict:
    """The same weights with convolution kernels as matrices, (columns * rows * channels_in, channels_out)."""
    flat = {name: ops.convert_to_tensor(weight) for name, weight in layer.items() if weight is not None}
    # The vertical stack's rows lie side by side in the channels of a column.
    flat["vertical"] = ops.transpose(flat["vertical"], (1, 0, 2, 3))
    for name in ("vertical", "horizontal"):
        flat[name] = ops.reshape(flat[name], (int(np.prod(flat[name].shape[:-1])), flat[name].shape[-1]))
    return flat


def boundary_distance(logits: np.ndarray, uniforms: np.ndarray, codes: np.ndarray, choice: Choice) -> np.ndarray:
    """How far each uniform lies from the interval of its code: the certificate of a sample.

    Parameters
    ----------
    logits : ndarray of shape (n, positions, K)
        From one full pass over ``codes``.
    uniforms, codes : ndarray of shape (n, positions)
    choice : Choice

    Returns
    -------
    ndarray of shape (n, positions)
        0 where inverting the cumulative distribution gives the code; otherwise the distance of the uniform to the
        code's interval, as a probability, or 1 where the code's interval is empty.
    """
    cumulative = ops.convert_to_numpy(cumulative_weights(ops.convert_to_tensor(logits), choice)).astype(np.float64)
    cumulative = cumulative / cumulative[..., -1:]
    chosen = np.asarray(codes, dtype=np.int64)[..., None]
    upper = np.take_along_axis(cumulative, chosen, axis=-1)[..., 0]
    below = np.take_along_axis(cumulative, np.maximum(chosen - 1, 0), axis=-1)[..., 0]
    lower = np.where(chosen[..., 0] > 0, below, 0.0)
    distance = np.maximum(np.maximum(lower - uniforms, uniforms - upper), 0.0)
    return np.where(upper > lower, distance, 1.0)


def is_undecided(logits: np.ndarray, codes: np.ndarray, choice: Choice, blur: float) -> np.ndarray:
    """Whether rounding decides which codes are left out, and may have let in the code that was drawn.

    Parameters
    ----------
    logits : ndarray of shape (n, positions, K)
    codes : ndarray of shape (n, positions)
    choice : Choice
        Of Python numbers.
    blur : float
        By how much a probability may be off, relative to the largest.

    Returns
    -------
    ndarray of shape (n, positions), bool
    """
    scaled = logits.astype(np.float64) / choice.temperature
    weights = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    falling = -np.sort(-weights, axis=-1)
    sums = np.cumsum(falling, axis=-1)
    most = np.full(codes.shape, min(choice.top_k or weights.shape[-1], weights.shape[-1]))
    fewest = most
    if choice.top_p is not None and choice.top_p < 1:
        reached = (sums - falling) / np.take_along_axis(sums, most[..., None] - 1, axis=-1)
        fewest = np.minimum(most, np.maximum((reached < choice.top_p - blur).sum(axis=-1), 1))
        most = np.minimum(most, (reached < choice.top_p + blur).sum(axis=-1))
    possible = weights >= np.take_along_axis(falling, most[..., None] - 1, axis=-1) * (1 - blur)
    was_possible = np.take_along_axis(possible, np.asarray(codes, np.int64)[..., None], axis=-1)[..., 0]
    return (possible.sum(axis=-1) != fewest) & was_possible
