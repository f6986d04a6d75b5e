"""Where an encoder's graph turns latents into codes: the products that the codes are read off.

Everything before the search may be approximated at the price of a few codes; the search itself must stay exact.
"""

from typing import Any

from skvq._contract.errors import ExportError

from ._rewrite import subgraphs

PRODUCTS = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})


def search_of(graph: Any) -> tuple[list, list]:
    """Split off the search at the end of an encoder's graph.

    Parameters
    ----------
    graph : onnx.GraphProto
        Its outputs are codes.

    Returns
    -------
    products : list of onnx.NodeProto
        Products with weights that codes follow from without another such product between: latents times the
        codebook, or times what projects them to a grid.
    others : list of onnx.NodeProto
        What stands between these and the codes.
    """
    constants = {tensor.name for tensor in graph.initializer}
    makers = {result: node for node in graph.node for result in node.output}
    products, others, seen = [], [], set()
    wanted = [output.name for output in graph.output]
    while wanted:
        node = makers.get(wanted.pop())
        if node is None or node.name in seen or node.op_type == "Shape":  # a size holds no value
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
    """Return the name of the tensor that the search of an encoder's graph begins with.

    Raises
    ------
    ExportError
        If the search does not begin with one product.
    """
    products, _ = search_of(graph)
    sources = {node.input[0] for node in products}
    if len(sources) != 1:
        raise ExportError(
            f"The latents cannot be told in this encoder's graph: its codes follow from {len(sources)} products. "
            "Set output to 'codes', 'quantized' or 'histogram'."
        )
    return sources.pop()
