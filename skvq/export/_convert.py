"""Trace a function with TensorFlow and convert it with tf2onnx. All problems are errors.

If tf2onnx cannot convert an operation, it only logs that and returns a broken model. Here, logged errors and operators
that are not ONNX raise an error.
"""

import importlib.util
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from skvq._contract.errors import ExportError
from skvq._contract.graph import GraphFunction

from ._loop_shapes import state_loop_shapes
from ._scalar_summands import widen_scalar_summands

OPSET = 18  # the latest that tf2onnx writes


def require_converters() -> None:
    """Raise an error unless TensorFlow and tf2onnx are installed.

    Raises
    ------
    ImportError
        The message says what to install.
    """
    missing = [name for name in ("tensorflow", "tf2onnx") if importlib.util.find_spec(name) is None]
    if missing:
        raise ImportError(
            f"Export to ONNX traces with TensorFlow, whatever Keras backend fitted the estimator; "
            f'{" and ".join(missing)} cannot be imported. Run: pip install "skvq[tensorflow]"'
        )


def convert(function: GraphFunction) -> Any:
    """Return the ``onnx.ModelProto`` of a function, as tf2onnx makes it.

    Keras must run on TensorFlow in this process.

    Raises
    ------
    ExportError
        If the function cannot be traced, or one of its operations cannot be converted.
    """
    with _complaints() as complaints:
        try:
            traced = _frozen_graph(function)
            try:
                model = _converted(function.name, traced, catch_errors=False)
            except Exception:
                # An optimisation of tf2onnx failed. With catch_errors, tf2onnx copies the graph before each,
                # which takes twice the time.
                complaints.clear()
                model = _converted(function.name, traced, catch_errors=True)
        except Exception as error:
            raise _failure(function.name, [*complaints, f"{type(error).__name__}: {error}"]) from error
    if complaints:
        raise _failure(function.name, complaints)
    unknown = sorted(_unknown_operators(model.graph))
    if unknown:
        raise _failure(function.name, [f"operators that are not ONNX: {', '.join(unknown)}"])
    return model


def _frozen_graph(function: GraphFunction) -> tuple[Any, list[str], list[str]]:
    """Trace a function, with its weights as constants.

    Keras must run on TensorFlow in this process.

    Returns
    -------
    graph : tensorflow.GraphDef
    inputs, outputs : list of str
        Names of its tensors, in the order of the arguments and results of the function.
    """
    import tensorflow as tf
    import tf2onnx

    signature = [tf.TensorSpec(spec.shape, spec.dtype, name=spec.name) for spec in function.inputs]
    concrete = tf.function(function.function, autograph=False).get_concrete_function(*signature)
    inputs = [tensor.name for tensor in concrete.inputs if tensor.dtype != tf.resource]  # variables are resources
    outputs = [tensor.name for tensor in concrete.outputs]
    with tf.device("/cpu:0"):
        graph = tf2onnx.tf_loader.from_function(concrete, inputs, outputs)
        state_loop_shapes(graph)
    return graph, inputs, outputs


def _converted(name: str, traced: tuple[Any, list[str], list[str]], catch_errors: bool) -> Any:
    import tensorflow as tf
    import tf2onnx

    frozen, inputs, outputs = traced
    with tf.Graph().as_default() as graph, tf.device("/cpu:0"):
        tf.import_graph_def(frozen, name="")
        converted = tf2onnx.tfonnx.process_tf_graph(
            graph,
            continue_on_error=True,  # so that all errors are collected
            opset=OPSET,
            custom_rewriter=[widen_scalar_summands],
            input_names=inputs,
            output_names=outputs,
        )
        model = tf2onnx.optimizer.optimize_graph(converted, catch_errors).make_model(name)
    for tensors, order in ((model.graph.input, inputs), (model.graph.output, outputs)):
        tensors.sort(key=lambda tensor: order.index(tensor.name))
    return model


def _failure(part: str, complaints: list[str]) -> ExportError:
    return ExportError(
        f"The part {part!r} could not be converted to ONNX opset {OPSET}: {'; '.join(complaints)}. "
        "Use operations that tf2onnx knows, for example ops.top_k(score, 1) instead of ops.argmax."
    )


@contextmanager
def _complaints() -> Iterator[list[str]]:
    """Collect the errors that tf2onnx logs, and hide its log from the user."""
    found: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(" ".join(record.getMessage().split()))

    logger = logging.getLogger("tf2onnx")
    handler = Collector(level=logging.ERROR)
    before = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.ERROR)
    logger.propagate = False
    try:
        yield found
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before[0])
        logger.propagate = before[1]


def _unknown_operators(graph: Any) -> set[str]:
    """Return the operators in a graph and its inner graphs that ONNX does not define."""
    import onnx

    found = set()
    for node in graph.node:
        if node.domain not in ("", "ai.onnx") or not onnx.defs.has(node.op_type, max_inclusive_version=OPSET):
            found.add(f"{node.domain}::{node.op_type}" if node.domain else node.op_type)
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                found |= _unknown_operators(attribute.g)
    return found
