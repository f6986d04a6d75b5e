"""Let Transposes stand where channels-last tensors meet convolutions, and nowhere else.

Keras computes with channels last, ONNX convolves with channels first, and tf2onnx puts two Transposes around each
convolution. It cancels most of them, but not across a Split, a Pad, a Slice or a Concat. Here a Transpose is taken
above such an operator, which then works on other axes, until it meets one that undoes it.
"""

from collections import Counter
from typing import Any

import numpy as np

from ._convert import OPSET
from ._tidy import replace_uses, set_nodes, subgraphs

_POINTWISE = frozenset({"Add", "Cast", "Clip", "Div", "Max", "Min", "Mul", "Relu", "Sigmoid", "Sub", "Tanh"})
_NO_END = 2**31 - 1


def hoist_transposes(graph: Any) -> None:
    """Take Transposes above what they follow, one after the other, unless more of them come of it.

    Works in place on the outermost ``onnx.GraphProto``, whose names are unique at all depths, and whose constants are
    initialisers.
    """
    drop_dead_nodes(graph)
    ranks = {name: len(shape) for name, shape in shapes_of(graph).items()}
    for seed in [node.output[0] for node in graph.node if _permutation(node)]:
        attempt = type(graph)()
        attempt.CopyFrom(graph)
        constants, moving = _constants(attempt), {seed}
        while _hoist_one(attempt, ranks, constants, moving):
            drop_dead_nodes(attempt)
        if _count(attempt) <= _count(graph):
            graph.CopyFrom(attempt)


def drop_whole_slices(graph: Any) -> None:
    """Take out Slices that cut nothing off."""
    shapes, constants = shapes_of(graph), _constants(graph)
    for node in graph.node:
        if node.op_type != "Slice" or len(node.input) < 4 or not set(node.input[1:]) <= constants.keys():
            continue
        starts, ends, axes, *steps = (constants[name] for name in node.input[1:])
        if starts.any() or any((step != 1).any() for step in steps) or node.input[0] not in shapes:
            continue
        sizes = [shapes[node.input[0]][axis] for axis in axes]
        # An open size is cut by any end but the largest that int32 can say.
        if all(end >= (_NO_END if size is None else size) for size, end in zip(sizes, ends, strict=True)):
            replace_uses(graph, {node.output[0]: node.input[0]})


def shapes_of(graph: Any) -> dict[str, list[int | None]]:
    """Return the shapes of the outermost graph's tensors, as far as ONNX can tell; None where a size is open."""
    import onnx

    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", OPSET)])
    inferred = onnx.shape_inference.infer_shapes(model).graph
    return {
        tensor.name: [d.dim_value if d.HasField("dim_value") else None for d in tensor.type.tensor_type.shape.dim]
        for tensor in (*inferred.value_info, *inferred.input)
        if tensor.type.tensor_type.HasField("shape")
    }


def drop_dead_nodes(graph: Any) -> None:
    """Take out nodes whose results nobody needs."""
    needed = {output.name for output in graph.output}
    kept = []
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            kept.append(node)
            needed |= _uses(node)
    if len(kept) < len(graph.node):
        set_nodes(graph, kept[::-1])


def _uses(node: Any) -> set[str]:
    """Names of all that a node needs, by its inputs or from inside its graphs."""
    found = set(node.input)
    for body in subgraphs(node):
        found |= {output.name for output in body.output}.union(*map(_uses, body.node))
    return found


def _count(graph: Any) -> int:
    return sum(node.op_type == "Transpose" for node in graph.node)


def _constants(graph: Any) -> dict[str, np.ndarray]:
    from onnx import numpy_helper

    return {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}


def _permutation(node: Any) -> list[int]:
    """Return a Transpose's axes; none for another operator."""
    return list(node.attribute[0].ints) if node.op_type == "Transpose" and node.attribute else []


def _hoist_one(graph: Any, ranks: dict[str, int], constants: dict[str, np.ndarray], moving: set[str]) -> bool:
    """Take Transposes of ``moving`` above the operator before them; return whether one could be taken."""
    n_uses = Counter(name for node in graph.node for name in _uses(node))
    n_uses.update(output.name for output in graph.output)
    for node in graph.node:
        behind = [user for user in graph.node if _permutation(user) and user.input[0] in node.output]
        if not moving.intersection(user.output[0] for user in behind):
            continue
        permutation = _permutation(behind[0])
        if any(_permutation(user) != permutation for user in behind[1:]):
            continue
        if len(behind) < sum(n_uses[name] for name in node.output):
            continue  # somebody needs it as it is
        inputs = set(node.input if node.op_type in _POINTWISE or node.op_type == "Concat" else node.input[:1])
        if any(name not in constants and ranks.get(name) != len(permutation) for name in inputs):
            continue
        hoisted = _on_other_axes(node, permutation, graph, constants)
        if hoisted is None:
            continue
        nodes, above = list(graph.node), []
        for index, name in enumerate(hoisted.input):
            if name not in inputs:
                continue
            if name in constants:
                value = _transposed(constants[name], permutation)
                hoisted.input[index] = _add_constant(graph, constants, name, value, permutation)
            else:
                hoisted.input[index] = _add_transpose(nodes, above, name, permutation, ranks)
        moving |= {new.output[0] for new in above}
        without = {user.output[0]: user.input[0] for user in behind}
        # Looked up anew, for a Transpose that was further down may have come up.
        place = next(i for i, other in enumerate(nodes) if other.output[:] == node.output[:])
        set_nodes(graph, [*nodes[:place], *above, hoisted, *nodes[place + 1 :]])
        replace_uses(graph, without)
        return True
    return False


def _on_other_axes(node: Any, permutation: list[int], graph: Any, constants: dict[str, np.ndarray]) -> Any:
    """Return a copy of the operator for inputs under the permutation, or None where that is not known."""
    rank = len(permutation)
    copy = type(node)()
    copy.CopyFrom(node)

    def replace_input(index: int, value: np.ndarray) -> None:
        copy.input[index] = _add_constant(graph, constants, copy.input[index], value, permutation)

    if node.op_type in ("Concat", "Split"):
        (axis,) = (attribute for attribute in copy.attribute if attribute.name == "axis")
        axis.i = permutation.index(axis.i % rank)
        return copy
    axes_at = {"CumSum": 1, "Pad": 3, "ReduceMean": 1, "Slice": 3}.get(node.op_type)
    if axes_at is None:
        return copy if node.op_type in _POINTWISE else None
    if any(attribute.name == "keepdims" and not attribute.i for attribute in node.attribute):
        return None  # what comes after has fewer axes than the permutation
    axes = node.input[axes_at] if len(node.input) > axes_at else ""
    if axes in constants:
        moved = [permutation.index(axis % rank) for axis in constants[axes].flat]
        replace_input(axes_at, np.array(moved, constants[axes].dtype).reshape(constants[axes].shape))
        return copy
    if node.op_type == "Pad" and not axes and node.input[1] in constants:
        before, after = np.split(constants[node.input[1]], 2)
        replace_input(1, np.concatenate([before[permutation], after[permutation]]))
        return copy
    return None


def _transposed(value: np.ndarray, permutation: list[int]) -> np.ndarray:
    """Return a constant for tensors under the permutation, to which it is broadcast."""
    if value.size == 1:
        return value
    return value.reshape((1,) * (len(permutation) - value.ndim) + value.shape).transpose(permutation)


def _add_constant(graph: Any, constants: dict, name: str, value: np.ndarray, permutation: list[int]) -> str:
    from onnx import numpy_helper

    result = f"{name}/{permutation}"
    if result not in constants:
        constants[result] = value
        graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(value), result))
    return result


def _add_transpose(nodes: list, above: list, name: str, permutation: list[int], ranks: dict[str, int]) -> str:
    """Return the name of a tensor under the permutation, and put the node that makes it into ``above`` if needed."""
    import onnx

    for node in nodes:
        earlier = _permutation(node)
        if name in node.output and earlier and [earlier[axis] for axis in permutation] == sorted(permutation):
            return node.input[0]
    for node in (*nodes, *above):
        if _permutation(node) == permutation and node.input[0] == name:
            if node in nodes:
                nodes.remove(node)
                above.append(node)
            return node.output[0]
    above.append(onnx.helper.make_node("Transpose", [name], [f"{name}/{permutation}"], perm=permutation))
    ranks[above[-1].output[0]] = len(permutation)
    return above[-1].output[0]
