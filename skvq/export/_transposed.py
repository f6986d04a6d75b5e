"""Replace the last two transposed convolutions of a decoder by ordinary convolutions on the coarse grid.

ConvTranspose is slow in onnxruntime: it multiplies matrices and adds the products to the image one by one, which takes
longer than all other layers together. But a ConvTranspose with stride s makes blocks of s × s pixels, and each of the
s² positions in a block is an ordinary convolution of the coarse grid, which is fast in onnxruntime::

      (C0, h, w)                                  (C0, h, w)
          |                                            |
    ConvTranspose  stride s                Conv, Relu for each of s * s positions
          |                                            |
        Relu                       =               Concat               (s * s * C1, h, w)
          |                                            |
    ConvTranspose  stride t                          Conv               (s * t * s * t * C2, h, w)
          |                                            |
    (C2, s * t * h, s * t * w)            DepthToSpace by s * t         (C2, s * t * h, s * t * w)

Pixels are rearranged only at the end, where there are few channels. The second Conv also multiplies by zeros: it needs
nine times the products for kernels of 4 and strides of 2. So this saves time only if C2 is small.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from ._rewrite import set_nodes, subgraphs

# For 32 × 32 images with three channels, both ways take the same time.
MOST_CHANNELS = 1


def fold_last_upsampling(graph: Any) -> None:
    """Rewrite each pair of transposed convolutions that ends in few channels, in place.

    Parameters
    ----------
    graph : onnx.GraphProto
        Tensor names are unique. Nodes with another padding, or with further uses, are not changed.
    """
    from onnx import numpy_helper

    constants = {tensor.name: tensor for tensor in graph.initializer}
    makers = {result: node for node in graph.node for result in node.output}
    n_uses = Counter(output.name for output in graph.output)
    for node in graph.node:
        n_uses.update(node.input)
        n_uses.update(name for body in subgraphs(node) for inside in body.node for name in inside.input)

    def upsampling(node: Any) -> "_Upsampling | None":
        if node is None or node.op_type != "ConvTranspose" or not set(node.input[1:]) <= constants.keys():
            return None
        return _Upsampling.of(node, [numpy_helper.to_array(constants[name]) for name in node.input[1:]])

    nodes = list(graph.node)
    for last in [node for node in nodes if node.op_type == "ConvTranspose"]:
        between = makers.get(last.input[0])
        relu = between if between is not None and between.op_type == "Relu" else None
        start = makers.get(relu.input[0]) if relu is not None else between
        first, second = upsampling(start), upsampling(last)
        if first is None or second is None or second.weight.shape[1] > MOST_CHANNELS:
            continue
        if any(n_uses[node.output[0]] > 1 for node in (start, relu) if node is not None):
            continue
        replaced = [node for node in (start, relu, last) if node is not None]
        position = nodes.index(last)
        nodes[position:position] = _folded(graph, first, second, relu is not None)
        nodes = [node for node in nodes if not any(node is old for old in replaced)]
    set_nodes(graph, nodes)


@dataclass(frozen=True)
class _Upsampling:
    """A ConvTranspose that makes its input exactly ``stride`` times as large.

    Parameters
    ----------
    source, result : str
    weight : ndarray of shape (C_in, C_out, height, width)
    bias : ndarray of shape (C_out,), or None
    stride : int
    pads : tuple of int
        Pixels that are cut off at the top and at the left.
    """

    source: str
    result: str
    weight: np.ndarray
    bias: np.ndarray | None
    stride: int
    pads: tuple[int, int]

    @classmethod
    def of(cls, node: Any, parameters: list[np.ndarray]) -> "_Upsampling | None":
        """Return the parameters of a node, or None for other kinds of ConvTranspose."""
        from onnx import helper

        attributes = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
        weight, bias = parameters[0], parameters[1] if len(parameters) > 1 else None
        strides = list(attributes.get("strides", []))
        pads = list(attributes.get("pads", [0, 0, 0, 0]))
        plain = (
            weight.ndim == 4
            and len(set(strides)) == 1
            and attributes.get("group", 1) == 1
            and set(attributes.get("dilations", [1])) == {1}
            and not any(attributes.get("output_padding", [0]))
            and "output_shape" not in attributes
            and attributes.get("auto_pad", b"NOTSET") == b"NOTSET"
        )
        if not plain or any(
            kernel < strides[0] or kernel - strides[0] != before + after
            for kernel, before, after in zip(weight.shape[2:], pads[:2], pads[2:], strict=True)
        ):
            return None
        return cls(node.input[0], node.output[0], weight, bias, strides[0], (pads[0], pads[1]))

    def taps(self, axis: int, place: int) -> tuple[list[int], int, int]:
        """Return the taps of the kernel for one position in a block, in the order of pixels, and the padding.

        Position ``a`` in block ``q`` gets tap ``a + pad - stride * d`` of the pixel at ``q + d``.
        """
        size, reach = self.weight.shape[2 + axis], place + self.pads[axis]
        steps = range(-((size - 1 - reach) // self.stride), reach // self.stride + 1)
        return [reach - self.stride * step for step in steps], -steps[0], steps[-1]


def _folded(graph: Any, first: _Upsampling, second: _Upsampling, has_relu: bool) -> list:
    """Return nodes that compute ``second.result`` from ``first.source``."""
    from onnx import helper, numpy_helper

    nodes = []

    def add(op_type: str, inputs: list[str], output: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(op_type, inputs, [output], **attributes))
        return output

    def convolution(source: str, weight: np.ndarray, bias: np.ndarray | None, pads: list[int], output: str) -> str:
        parameters = {f"{output}/W": weight} | ({} if bias is None else {f"{output}/B": bias})
        graph.initializer.extend(numpy_helper.from_array(np.ascontiguousarray(v), k) for k, v in parameters.items())
        shape = {"kernel_shape": weight.shape[2:], "strides": [1, 1], "dilations": [1, 1], "group": 1}
        return add("Conv", [source, *parameters], output, pads=pads, **shape)

    places = []
    for row in range(first.stride):
        for column in range(first.stride):
            (rows, top, bottom), (columns, left, right) = first.taps(0, row), first.taps(1, column)
            weight = first.weight[:, :, rows][:, :, :, columns].swapaxes(0, 1)  # (C1, C0, taps, taps)
            name = f"{first.result}/place-{row}-{column}"
            place = convolution(first.source, weight, first.bias, [top, left, bottom, right], name)
            places.append(add("Relu", [place], f"{name}/Relu") if has_relu else place)
    blocks = add("Concat", places, f"{first.result}/blocks", axis=1)  # (n, s * s * C1, h, w)
    weight, pads = _weight_on_blocks(first.stride, second)
    block = first.stride * second.stride
    bias = None if second.bias is None else np.tile(second.bias, block * block)
    pixels = convolution(blocks, weight, bias, pads, f"{second.result}/blocks")
    add("DepthToSpace", [pixels], second.result, blocksize=block, mode="DCR")
    return nodes


def _weight_on_blocks(stride: int, second: _Upsampling) -> tuple[np.ndarray, list[int]]:
    """Return the weight (positions out * C2, positions in * C1, rows, columns) and padding of ``second`` on blocks.

    Tap ``u`` maps position ``a`` in block ``q`` to pixel ``t * (s * q + a) - pad + u``, a position in block ``q + d``.
    """
    block = stride * second.stride
    moves = []  # for each axis: {(place, tap): (d, place out)}
    for axis in range(2):
        pixels = {
            (place, tap): second.stride * place - second.pads[axis] + tap
            for place in range(stride)
            for tap in range(second.weight.shape[2 + axis])
        }
        moves.append({key: divmod(pixel, block) for key, pixel in pixels.items()})
    before = [max(step for step, _ in move.values()) for move in moves]
    after = [-min(step for step, _ in move.values()) for move in moves]
    sizes = [1 + b + a for b, a in zip(before, after, strict=True)]
    c_in, c_out = second.weight.shape[:2]
    weight = np.zeros((block, block, c_out, stride, stride, c_in, *sizes), second.weight.dtype)
    for (row_in, row_tap), (down, row_out) in moves[0].items():
        for (column_in, column_tap), (right, column_out) in moves[1].items():
            # A move down by one block means that the value comes from the block above.
            here = weight[row_out, column_out, :, row_in, column_in, :, before[0] - down, before[1] - right]
            here += second.weight[:, :, row_tap, column_tap].T
    return weight.reshape(block * block * c_out, stride * stride * c_in, *sizes), [*before, *after]
