"""Take out of a converted graph what costs time, without changing a result.

tf2onnx keeps weights that never change in a loop's state, where no runtime can prepare them; Keras wraps each index.
Each pass is one function on a graph whose names are unique.
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
