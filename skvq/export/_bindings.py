"""Limit the number of tensors that a node reads and writes, for the storage buffers of WebGPU shaders.

WebGPU guarantees eight, and many devices have ten. A prior with six layers splits the biases of its classes into
twelve tensors, which fails there. So wide Split and Concat nodes are divided in stages::

    Split into 12   =   Split into 2, Split of each into 6

This cannot be done in the network, because tf2onnx joins nested Concats.
"""

import math
from itertools import pairwise
from typing import Any

import numpy as np

from ._rewrite import set_nodes, subgraphs

MOST_AT_ONCE = 6  # besides the one tensor on the other side of the node


def limit_bindings(graph: Any) -> None:
    """Divide each Split and Concat of more than six tensors in stages, in place.

    Parameters
    ----------
    graph : onnx.GraphProto
        Tensor names are unique at all depths, and constants are initialisers. A Split without constant sizes is not
        changed.
    """
    _limit(graph, {})


def _limit(graph: Any, outer: dict[str, Any]) -> None:
    constants = {**outer, **{tensor.name: tensor for tensor in graph.initializer}}
    nodes = list(graph.node)
    limited: list = []
    for node in nodes:
        for body in subgraphs(node):
            _limit(body, constants)
        limited.extend(_in_stages(node, graph, constants))
    if len(limited) > len(nodes):
        set_nodes(graph, limited)


def _in_stages(node: Any, graph: Any, constants: dict[str, Any]) -> list:
    """Return nodes that are equivalent to ``node``."""
    from onnx import helper, numpy_helper

    axis = next((attribute.i for attribute in node.attribute if attribute.name == "axis"), 0)
    if node.op_type == "Concat" and len(node.input) > MOST_AT_ONCE:
        parts, nodes = [], []
        for start, stop in pairwise(_bounds(len(node.input))):
            name = f"{node.output[0]}/{start}"
            first = helper.make_node("Concat", node.input[start:stop], [name], axis=axis)
            nodes += _in_stages(first, graph, constants)
            parts.append(name)
        return [*nodes, helper.make_node("Concat", parts, node.output, axis=axis)]
    if node.op_type == "Split" and len(node.output) > MOST_AT_ONCE and node.input[-1] in constants:
        sizes = numpy_helper.to_array(constants[node.input[1]])

        def split(source: str, sizes: np.ndarray, results: list[str]) -> Any:
            name = f"{results[0]}/{len(results)}-sizes"  # nested groups may start with the same name
            graph.initializer.append(numpy_helper.from_array(sizes, name))
            constants[name] = graph.initializer[-1]
            return helper.make_node("Split", [source, name], results, axis=axis)

        bounds = _bounds(len(sizes))
        groups = [f"{node.output[start]}/{stop - start}" for start, stop in pairwise(bounds)]
        nodes = [split(node.input[0], np.add.reduceat(sizes, bounds[:-1]), groups)]
        for group, (start, stop) in zip(groups, pairwise(bounds), strict=True):
            nodes += _in_stages(split(group, sizes[start:stop], node.output[start:stop]), graph, constants)
        return nodes
    return [node]


def _bounds(n: int) -> list[int]:
    """Return the starts of at most six groups of nearly equal size, and ``n``."""
    n_groups = min(MOST_AT_ONCE, math.ceil(n / MOST_AT_ONCE))
    return [n * k // n_groups for k in range(n_groups + 1)]
