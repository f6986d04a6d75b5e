"""Readable names that are the same in each export of a model.

tf2onnx numbers tensors by a counter of the process. Here, the order of nodes and all names depend only on the graph:
``Conv_0``, its weight ``Conv_0.W``, and ``Loop_0/MatMul_2`` in a loop. Inputs and outputs have the names of the
estimator, and the one variable dimension is ``batch``.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np

from skvq._contract.errors import ExportError
from skvq._contract.graph import TensorSpec

from ._convert import OPSET
from ._rewrite import subgraphs

BATCH = "batch"


def renamed(
    graph: Any,
    name: str,
    inputs: tuple[TensorSpec, ...],
    outputs: tuple[TensorSpec, ...],
    inner: tuple[TensorSpec, ...] = (),
) -> Any:
    """Return a new ``onnx.GraphProto`` with only the nodes that the outputs need, sorted and renamed.

    Parameters
    ----------
    graph : onnx.GraphProto
        Tensor names are unique at all depths. Its inputs are ``inputs``. Its outputs are ``outputs``, then ``inner``.
    name : str
        The name of the new graph.
    inputs, outputs : tuple of TensorSpec
        The new graph's signature.
    inner : tuple of TensorSpec
        Tensors that get their own name, but are not outputs.

    Raises
    ------
    ExportError
        If names collide, or a type differs from the specification.
    """
    import onnx

    specs = (*inputs, *outputs, *inner)
    if len({spec.name for spec in specs}) < len(specs):
        raise ExportError(
            f"The inputs and outputs of the part {name!r} need different names in one graph; "
            f"got {', '.join(spec.name for spec in specs)}. Rename one in its GraphFunction."
        )
    names: dict[str, str] = {}
    for tensor, spec in zip(graph.input, inputs, strict=True):
        _check_type(name, tensor, spec)
        names[tensor.name] = spec.name
    for tensor, spec in zip(graph.output, (*outputs, *inner), strict=True):
        _check_type(name, tensor, spec)
        if tensor.name in names or tensor.name in {constant.name for constant in graph.initializer}:
            tensor.name = _hand_on(graph, tensor.name, f"{spec.name}-handed-on")
        names[tensor.name] = spec.name

    new = onnx.GraphProto(name=name)
    _write(graph, new, "", names, [])
    new.input.extend(_value_info(spec) for spec in inputs)
    new.output.extend(_value_info(spec) for spec in outputs)
    return new


def _value_info(spec: TensorSpec) -> Any:
    import onnx

    kind = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(spec.dtype))
    shape = [BATCH if size is None else size for size in spec.shape]
    return onnx.helper.make_tensor_value_info(spec.name, kind, shape, doc_string=spec.description)


def _check_type(part: str, tensor: Any, spec: TensorSpec) -> None:
    import onnx

    dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.type.tensor_type.elem_type).name
    if dtype != spec.dtype:
        raise ExportError(
            f"{spec.name!r} of the part {part!r} must be {spec.dtype} as its TensorSpec says; the traced "
            f"function has {dtype}. Cast it in the function, or correct the specification."
        )


def _hand_on(graph: Any, source: str, name: str) -> str:
    """Add a node that gives ``source`` a second name. In ONNX, a node of the same graph must make each output."""
    graph.node.add(op_type="Identity", input=[source], output=[name])
    return name


def _write(graph: Any, new: Any, prefix: str, names: dict[str, str], outside: list[tuple[dict, Any]]) -> None:
    """Copy the nodes and constants that the outputs of one graph need into ``new``, with new names.

    ``outside`` contains, for each outer graph, its constants and the new graph to which needed constants are copied.
    """
    counts: Counter = Counter()
    scopes = [*outside, ({tensor.name: tensor for tensor in graph.initializer}, new)]
    for node in _needed_in_order(graph):
        node_name = f"{prefix}{node.op_type}_{counts[node.op_type]}"
        counts[node.op_type] += 1
        for index, source in enumerate(node.input):
            for constants, home in scopes:
                if source in constants and source not in names:
                    names[source] = f"{node_name}.{_formal(node.op_type, 'inputs', index)}"
                    home.initializer.add().CopyFrom(constants[source])
                    home.initializer[-1].name = names[source]
        for index, result in enumerate(node.output):
            role = f".{_formal(node.op_type, 'outputs', index)}" if len(node.output) > 1 else ""
            names.setdefault(result, f"{node_name}{role}" if result else "")

        written = new.node.add(op_type=node.op_type, name=node_name)
        written.input.extend(names[source] if source else "" for source in node.input)
        written.output.extend(names[result] for result in node.output)
        for attribute in sorted(node.attribute, key=lambda attribute: attribute.name):
            copy = written.attribute.add()
            copy.CopyFrom(attribute)
            copy.doc_string = ""
            if attribute.HasField("g"):
                copy.ClearField("g")
                copy.g.name = f"{node_name}/{attribute.name}"
                _write_body(attribute.g, copy.g, f"{node_name}/", names, scopes)


def _write_body(body: Any, new: Any, prefix: str, names: dict[str, str], scopes: list[tuple[dict, Any]]) -> None:
    for index, tensor in enumerate(body.input):
        role = ("iteration", "condition")[index] if index < 2 else f"state_{index - 2}"
        names[tensor.name] = prefix + role
    made = {result for node in body.node for result in node.output} | {tensor.name for tensor in body.input}
    for index, output in enumerate(body.output):
        if output.name not in made:
            output.name = _hand_on(body, output.name, f"{prefix}{index}-handed-on")
        made.discard(output.name)  # a second use as output needs its own node
    _write(body, new, prefix, names, scopes)
    for target, tensors in ((new.input, body.input), (new.output, body.output)):
        for tensor in tensors:
            info = target.add()
            info.CopyFrom(tensor)
            info.name = names[tensor.name]
            _name_dimensions(info)


def _name_dimensions(info: Any) -> None:
    """Name a variable first dimension ``batch``. Other variable dimensions get no name."""
    for axis, dimension in enumerate(info.type.tensor_type.shape.dim):
        if not dimension.HasField("dim_value"):
            dimension.Clear()
            if axis == 0:
                dimension.dim_param = BATCH


def _needed_in_order(graph: Any) -> list:
    """Return the nodes that the outputs need, each after its inputs, in an order that does not depend on names."""
    makers = {result: node for node in graph.node for result in node.output if result}
    order: list = []
    done: set[int] = set()
    for output in graph.output:
        # Depth first without recursion, because networks can be deeper than the stack of Python.
        stack = [(makers[output.name], False)] if output.name in makers else []
        while stack:
            node, expanded = stack.pop()
            if id(node) in done:
                continue
            if expanded:
                done.add(id(node))
                order.append(node)
                continue
            stack.append((node, True))
            sources = [makers[name] for name in _uses(node) if name in makers]
            stack.extend((source, False) for source in reversed(sources))
    return order


def _uses(node: Any) -> Iterator[str]:
    """Yield the tensors that a node needs: its inputs, then the tensors that its inner graphs use."""
    yield from node.input
    for body in subgraphs(node):
        for inside in _needed_in_order(body):
            yield from _uses(inside)
        yield from (output.name for output in body.output)


def _formal(op_type: str, side: str, index: int) -> str:
    """Return the name of an input or output in the definition of an operator, such as ``W`` or ``axes``."""
    import onnx

    formals = getattr(onnx.defs.get_schema(op_type, OPSET), side)
    formal = formals[min(index, len(formals) - 1)]
    variadic = formal.option == onnx.defs.OpSchema.FormalParameterOption.Variadic
    return f"{formal.name}_{index - len(formals) + 1}" if variadic else formal.name
