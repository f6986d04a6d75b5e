"""Find the nodes in the graph of an encoder that convert latents to codes: the search for the nearest embedding.

An approximation of nodes before the search changes a few codes. The search itself must stay exact.
"""

from typing import Any

from skvq._contract.errors import ExportError

from ._rewrite import subgraphs

PRODUCTS = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})


def search_of(graph: Any) -> tuple[list, list]:
    """Return the nodes of the search at the end of the graph of an encoder.

    Parameters
    ----------
    graph : onnx.GraphProto
        Its outputs are codes.

    Returns
    -------
    products : list of onnx.NodeProto
        The last products with weights before the codes: latents times the codebook, or times the projection to a grid.
    others : list of onnx.NodeProto
        The nodes between these products and the codes.
    """
    constants = {tensor.name for tensor in graph.initializer}
    makers = {result: node for node in graph.node for result in node.output}
    products, others, seen = [], [], set()
    wanted = [output.name for output in graph.output]
    while wanted:
        node = makers.get(wanted.pop())
        if node is None or node.name in seen or node.op_type == "Shape":  # Shape ignores values
            continue
        seen.add(node.name)
        if node.op_type in PRODUCTS and constants & set(node.input):
            products.append(node)
            continue
        others.append(node)
        wanted.extend(node.input)
        for body in subgraphs(node):
            wanted.extend(name for inside in body.node for name in inside.input)
    return products, others


def latents_of(graph: Any) -> str:
    """Return the name of the input of the search in the graph of an encoder. Of several in a row, of the first one.

    Raises
    ------
    ExportError
        If the search does not start with exactly one product.
    """
    products, _ = search_of(graph)
    sources = {node.input[0] for node in products}
    sources = {source for source in sources if not _follows_a_code(graph, source)}
    if len(sources) != 1:
        raise ExportError(
            f"The latents cannot be told in this encoder's graph: its codes follow from {len(sources)} products. "
            "Set output to 'codes', 'quantized' or 'histogram'."
        )
    return sources.pop()


def _follows_a_code(graph: Any, name: str) -> bool:
    """Return whether a tensor depends on a code that was found before it."""
    makers = {result: node for node in graph.node for result in node.output}
    wanted, seen = [name], set()
    while wanted:
        node = makers.get(wanted.pop())
        if node is None or node.name in seen:
            continue
        if node.op_type == "TopK":
            return True
        seen.add(node.name)
        wanted.extend(node.input)
    return False
