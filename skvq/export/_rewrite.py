"""Operations on graphs for the passes: inner graphs, unique names, replaced uses, and new nodes."""

from collections.abc import Iterator
from typing import Any


def subgraphs(node: Any) -> Iterator[Any]:
    """Yield the graphs inside a node: the body of a Loop, the branches of an If."""
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def replace_uses(graph: Any, new_names: dict[str, str]) -> None:
    """Replace old names by new ones in all uses, at all depths and in the outputs of the graph."""
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
    """Give each tensor a unique name, across all depths, so that passes can ignore scopes."""
    count = 0

    def visit(graph: Any, outer: dict[str, str]) -> None:
        nonlocal count
        names = dict(outer)

        def fresh(name: str) -> str:
            nonlocal count
            if name:  # an unused optional output has no name
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


def set_nodes(graph: Any, nodes: list) -> None:
    """Replace the nodes of a graph. The new nodes may be nodes of the graph."""
    copies = [type(node).FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(copies)
