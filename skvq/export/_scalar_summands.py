"""Convert scalars that are added to images to vectors of one element, before tf2onnx optimises a graph.

The pass of tf2onnx that removes Transposes fails on a scalar that is added right after a convolution. It then undoes
all its changes, and each convolution keeps two Transposes.
"""

from typing import Any


def widen_scalar_summands(graph: Any, operations: list) -> list:
    """Rewrite a graph of tf2onnx in place. It is used as a ``custom_rewriter``."""
    for node in operations:
        if node.type not in ("Add", "AddV2") or not node.inputs[1].is_const():
            continue
        summand = node.inputs[1].get_tensor_value(as_list=False)
        if summand.ndim == 0 and len(graph.get_shape(node.input[0]) or ()) == 4:
            vector = graph.make_const(f"{node.name}/summand", summand.reshape(1))
            graph.replace_input(node, node.input[1], vector.output[0], 1)
    return graph.get_nodes()
