"""Take out of a converted graph what costs time or puzzles a reader, without changing a result.

Loops keep weights that never change in their state, where no runtime can prepare them; pairs of Transposes
undo each other; constants stand twice. Each pass is one function on a graph whose names are unique.
"""

from collections.abc import Iterator
from typing import Any


def subgraphs(node: Any) -> Iterator[Any]:
    """Yield the graphs inside a node: the body of a Loop, the branches of an If."""
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def replace_uses(graph: Any, new_names: dict[str, str]) -> None:
    """Point every use of the old names, at any depth, to the new ones; graph outputs are uses too."""
    for node in graph.node:
        for index, name in enumerate(node.input):
            if name in new_names:
                node.input[index] = new_names[name]
        for body in subgraphs(node):
            replace_uses(body, new_names)
    for output in graph.output:
        output.name = new_names.get(output.name, output.name)


def joined(first: Any, second: Any) -> Any:
    """Return one ``onnx.GraphProto`` in which the outputs of ``first`` are the inputs of ``second``.

    Its outputs are those of ``second``, then those of ``first``.
    """
    both, rest = type(first)(), type(second)()
    both.CopyFrom(first)
    rest.CopyFrom(second)
    make_names_unique(both, "first_")
    make_names_unique(rest, "second_")
    replace_uses(rest, {end.name: start.name for end, start in zip(rest.input, both.output, strict=True)})
    both.node.extend(rest.node)
    both.initializer.extend(rest.initializer)
    outputs = [*rest.output, *both.output]
    del both.output[:]
    both.output.extend(outputs)
    merge_constants(both)
    return both


def make_names_unique(graph: Any, prefix: str = "") -> None:
    """Give every tensor its own name, across all depths, so that passes may ignore scopes."""
    count = 0

    def visit(graph: Any, outer: dict[str, str]) -> None:
        nonlocal count
        names = dict(outer)

        def fresh(name: str) -> str:
            nonlocal count
            if name:  # an optional output that is not wanted has none
                names[name] = f"{prefix}{count}"
                count += 1
            return names.get(name, "")

        for tensor in (*graph.input, *graph.initializer):
            tensor.name = fresh(tensor.name)
        for node in graph.node:
            node.input[:] = [names.get(name, "") for name in node.input]
            for body in subgraphs(node):
                visit(body, names)
            node.output[:] = [fresh(name) for name in node.output]
        for output in graph.output:
            output.name = names[output.name]
        del graph.value_info[:]

    visit(graph, {})


def lift_loop_invariants(graph: Any) -> None:
    """Let loop bodies see from outside what each iteration hands on unchanged.

    tf2onnx carries weights and inputs through the loop's state. Seen from outside they are constants, which
    a runtime can fold and pack once.
    """
    for node in graph.node:
        for body in subgraphs(node):
            lift_loop_invariants(body)
    for node in graph.node:
        if node.op_type != "Loop":
            continue
        body = next(subgraphs(node))
        # Body inputs: iteration, condition, state…; body outputs: condition, state…; Loop inputs: M, condition, state….
        for k in reversed(range(len(node.input) - 2)):
            state, start = body.input[k + 2].name, node.input[k + 2]
            if body.output[k + 1].name != state:
                continue
            end = node.output[k]
            del node.input[k + 2], node.output[k], body.input[k + 2], body.output[k + 1]
            replace_uses(body, {state: start})
            replace_uses(graph, {end: start})


def drop_identities(graph: Any) -> None:
    """Take out nodes that hand their input on."""
    for node in graph.node:
        for body in subgraphs(node):
            drop_identities(body)
    kept = []
    for node in graph.node:
        if node.op_type == "Identity":
            replace_uses(graph, {node.output[0]: node.input[0]})
        else:
            kept.append(node)
    set_nodes(graph, kept)


def cancel_transposes(graph: Any) -> None:
    """Take out Transposes that undo the one before them, or do nothing."""
    permutations: dict[str, tuple[str, list[int]]] = {}
    for node in graph.node:
        for body in subgraphs(node):
            cancel_transposes(body)
        if node.op_type != "Transpose" or not node.attribute:
            continue
        source, axes = node.input[0], list(node.attribute[0].ints)
        if source in permutations:
            earlier, before = permutations[source]
            if [before[axis] for axis in axes] == sorted(axes):
                replace_uses(graph, {node.output[0]: earlier})
                continue
        permutations[node.output[0]] = source, axes
        if axes == sorted(axes):
            replace_uses(graph, {node.output[0]: source})


def drop_repetitions(graph: Any) -> None:
    """Take out a Relu of a Relu, and the first of two Reshapes in a row; constants are initialisers."""
    from onnx import TensorProto, numpy_helper

    integers = (tensor for tensor in graph.initializer if tensor.data_type == TensorProto.INT64)
    shapes = {tensor.name: numpy_helper.to_array(tensor) for tensor in integers}
    made_by = {output: node for node in graph.node for output in node.output}
    for node in graph.node:
        for body in subgraphs(node):
            drop_repetitions(body)
        before = made_by.get(node.input[0]) if node.input else None
        if before is None or before.op_type != node.op_type:
            continue
        if node.op_type == "Relu":
            replace_uses(graph, {node.output[0]: node.input[0]})
        # A 0 in a shape stands for the size that the input has.
        if node.op_type == "Reshape" and node.input[1] in shapes and shapes[node.input[1]].all():
            node.input[0] = before.input[0]


def merge_constants(graph: Any) -> None:
    """Keep one initialiser of those that are equal, and make initialisers of Constant nodes."""
    from onnx import numpy_helper

    kept_nodes = []
    for node in graph.node:
        for body in subgraphs(node):
            merge_constants(body)
        values = [a.t for a in node.attribute if node.op_type == "Constant" and a.name == "value"]
        if values:
            graph.initializer.add().CopyFrom(values[0])
            graph.initializer[-1].name = node.output[0]
        else:
            kept_nodes.append(node)
    set_nodes(graph, kept_nodes)

    first: dict[tuple, str] = {}
    kept, again = [], {}
    for tensor in graph.initializer:
        value = numpy_helper.to_array(tensor)
        key = tensor.data_type, value.shape, value.tobytes()
        if key in first:
            again[tensor.name] = first[key]
            continue
        first[key] = tensor.name
        kept.append(numpy_helper.from_array(value, tensor.name))
    del graph.initializer[:]
    graph.initializer.extend(kept)
    replace_uses(graph, again)


def set_nodes(graph: Any, nodes: list) -> None:
    """Give a graph these nodes, which may be its own."""
    copies = [type(node).FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(copies)


def gather_plainly(graph: Any) -> None:
    """Let each Gather take its index as it is, where Keras wraps it first.

    ``keras.ops.take`` counts a negative index from the end in ten nodes, which Gather does of itself:
    ``(index < 0) * (index + size) + index * not (index < 0)``.
    """
    made_by = {output: node for node in graph.node for output in node.output}

    def inputs_of(name: str, op_type: str) -> list[str]:
        node = made_by.get(name)
        return list(node.input) if node is not None and node.op_type == op_type else []

    def through_casts(name: str) -> str:
        while inner := inputs_of(name, "Cast"):
            name = inner[0]
        return name

    def wrapped(name: str) -> str | None:
        """Return the index that ``name`` wraps, or None if it is anything else."""
        for from_end, plain in (inputs_of(name, "Add"), inputs_of(name, "Add")[::-1]):
            is_negative, shifted = (inputs_of(from_end, "Mul") or [""] * 2)[:2]
            index, is_not = (inputs_of(plain, "Mul") or [""] * 2)[:2]
            condition = inputs_of(through_casts(is_negative), "Less")
            negated = inputs_of(through_casts(is_not), "Not")
            if (
                condition
                and through_casts(condition[0]) == through_casts(index)
                and negated == [through_casts(is_negative)]
                and index in inputs_of(shifted, "Add")
            ):
                return index
        return None

    for node in graph.node:
        for body in subgraphs(node):
            gather_plainly(body)
        if node.op_type == "Gather" and inputs_of(node.input[1], "Add"):
            node.input[1] = wrapped(node.input[1]) or node.input[1]
