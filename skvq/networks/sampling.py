"""Exact incremental sampling from any :class:`~skvq.networks.priors.base.PriorNetwork`.

A forward pass of the whole grid for each code would compute each feature rows × columns times. The methods of the
protocol compute each feature once, row by row and cell by cell. They run in two nested loops of ``keras.ops`` on every
backend, and become two nested ``Loop`` nodes in ONNX.

Random numbers are an input. A code is the inverse of the cumulative distribution at its uniform, so equal uniforms give
equal codes on every platform. :mod:`~skvq.networks.certificate` checks a sample by one full forward pass.
"""

from typing import Any

from keras import ops

from skvq._contract.sampling import SamplingOptions
from skvq.networks.priors.base import PriorNetwork


def cumulative_weights(logits: Any, options: SamplingOptions) -> Any:
    """Return cumulative sums (..., K) of unnormalised probabilities. Excluded codes have probability 0."""
    scaled = logits / options.temperature
    weights = ops.exp(scaled - ops.max(scaled, axis=-1, keepdims=True))
    if options.top_k is not None or options.top_p is not None:
        weights = _narrowed(weights, options)
    return ops.cumsum(weights, axis=-1)


def _narrowed(weights, options: SamplingOptions):
    """Return the weights (..., K), with 0 for codes that ``top_k`` or ``top_p`` excludes."""
    n_embeddings = weights.shape[-1]
    falling = ops.top_k(weights, n_embeddings)[0]  # (..., K), the largest first
    if options.top_k is not None:
        falling = falling * ops.cast(
            ops.arange(n_embeddings, dtype="int32") < ops.cast(options.top_k, "int32"), "float32"
        )
    if options.top_p is not None:
        top_p = ops.cast(options.top_p, "float32")
        # Sums are rounded, so the condition for top_p = 1 could exclude the rarest codes.
        share = ops.where(top_p < 1, top_p, 2.0)
        before = ops.cumsum(falling, axis=-1) - falling
        falling = falling * ops.cast(before < share * ops.sum(falling, axis=-1, keepdims=True), "float32")
    # Also keep codes that are exactly as likely as the last one kept.
    lowest = ops.min(ops.where(falling > 0, falling, 1.0), axis=-1, keepdims=True)
    return ops.where(weights >= lowest, weights, 0.0)


def invert(cumulative: Any, uniforms: Any) -> Any:
    """Return the codes (...) whose intervals of the cumulative weights (..., K) contain the uniforms (...).

    A code with probability 0 has an empty interval and is never chosen.
    """
    threshold = ops.expand_dims(uniforms, -1) * cumulative[..., -1:]
    passed = ops.sum(ops.cast(cumulative <= threshold, "int32"), axis=-1)
    return ops.minimum(passed, cumulative.shape[-1] - 1)


def sample(
    network: PriorNetwork, uniforms: Any, options: SamplingOptions, labels: Any = None, known_codes: Any = None
) -> Any:
    """Draw codes (n, rows * columns), int32.

    Parameters
    ----------
    network : PriorNetwork
    uniforms : float tensor of shape (n, rows * columns), in [0, 1)
        One for each code.
    options : SamplingOptions
    labels : integer tensor of shape (n,) or None
        Class indices, for a conditional network.
    known_codes : integer tensor of shape (n, rows * columns) or None
        Codes to keep. Negative values are drawn. Known codes later in raster order are ignored when a code is drawn.
    """
    height, width = network.code_shape
    n = ops.shape(uniforms)[0]
    prepared = network.prepare(labels, n)

    def by_position(x):
        return ops.reshape(ops.transpose(x), (height, width, -1))  # (h, w, n)

    inputs = [by_position(uniforms)]
    if known_codes is not None:
        inputs.append(by_position(ops.cast(known_codes, "int32")))

    def draw_row(row, codes, *row_memory):
        given, row_memory, cell_memory = network.begin_row(prepared, row, list(row_memory))
        row_inputs = [ops.take(x, row, axis=0) for x in inputs]  # each (w, n)

        def draw_cell(column, row_codes, *cell_memory):
            logits, cell_memory = network.cell(prepared, given, row, column, list(cell_memory))
            uniform, *known = [ops.take(x, column, axis=0) for x in row_inputs]  # each (n,)
            code = invert(cumulative_weights(logits, options), uniform)
            if known:
                code = ops.where(known[0] >= 0, known[0], code)
            here = ops.cast(ops.equal(ops.arange(width, dtype="int32"), column), "int32")
            row_codes = row_codes + ops.expand_dims(code, -1) * here
            return (column + 1, row_codes, *network.put(prepared, code, row, column, cell_memory))

        _, row_codes, *cell_memory = ops.while_loop(
            lambda column, *_: column < width,
            draw_cell,
            (ops.convert_to_tensor(0, "int32"), ops.zeros((n, width), dtype="int32"), *cell_memory),
        )
        here = ops.cast(ops.equal(ops.arange(height, dtype="int32"), row), "int32")
        codes = codes + row_codes[:, None, :] * here[:, None]
        return (row + 1, codes, *network.end_row(prepared, row_codes, row_memory, cell_memory))

    _, codes, *_ = ops.while_loop(
        lambda row, *_: row < height,
        draw_row,
        (ops.convert_to_tensor(0, "int32"), ops.zeros((n, height, width), dtype="int32"), *network.row_memory(n)),
    )
    return ops.reshape(codes, (-1, height * width))
