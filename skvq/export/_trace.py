"""Trace a function with TensorFlow into one frozen graph whose loops know their shapes."""

from typing import Any

from skvq._contract.graph import GraphFunction


def frozen_graph(function: GraphFunction) -> tuple[Any, list[str], list[str]]:
    """Trace a function, with its weights as constants.

    Keras must run on TensorFlow in this process.

    Returns
    -------
    graph : tensorflow.GraphDef
    inputs, outputs : list of str
        Names of its tensors, in the order of the function.
    """
    import tensorflow as tf
    import tf2onnx

    signature = [tf.TensorSpec(spec.shape, spec.dtype, name=spec.name) for spec in function.inputs]
    concrete = tf.function(function.function, autograph=False).get_concrete_function(*signature)
    inputs = [tensor.name for tensor in concrete.inputs if tensor.dtype != tf.resource]  # variables are resources
    outputs = [tensor.name for tensor in concrete.outputs]
    with tf.device("/cpu:0"):
        graph = tf2onnx.tf_loader.from_function(concrete, inputs, outputs)
        _state_shapes(graph)
    return graph, inputs, outputs


def _state_shapes(graph_def: Any) -> None:
    """Write into each function of the graph, such as a loop's body, the shapes that it is called with.

    tf2onnx takes functions in the order of a hash table over their names, which hold a running number. Of a loop in a
    loop it learns the inner one's shapes only if it meets the outer one first; without them, conversion fails or gives
    other nodes: of equal calls, some. What stands in the functions themselves it finds in any order. TensorFlow writes
    it there, but loses it again where variables become constants.
    """
    import tensorflow as tf
    from tf2onnx.tf_loader import function_def_to_graph

    library = {definition.signature.name: definition for definition in graph_def.library.function}

    def visit(graph: Any) -> None:
        for operation in graph.get_operations():
            for attribute in operation.node_def.attr.values():
                definition = library.get(attribute.func.name)
                if definition is None:
                    continue
                # A branch of If takes all inputs but the first, which decides.
                n_arguments = len(definition.signature.input_arg)
                shapes = [tensor.shape for tensor in operation.inputs][-n_arguments:] if n_arguments else []
                stated = definition.attr["_input_shapes"].list.shape
                del stated[:]
                stated.extend(shape.as_proto() for shape in shapes)
                visit(function_def_to_graph(definition, input_shapes=shapes))

    with tf.Graph().as_default() as graph:
        tf.import_graph_def(graph_def, name="")
        visit(graph)
