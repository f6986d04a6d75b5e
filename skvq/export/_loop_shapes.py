"""Write the input shapes of loop bodies into a TensorFlow graph.

tf2onnx converts functions in the order of a hash table of their names, and names contain a counter. For nested loops,
it knows the shapes of the inner loop only if it converts the outer loop first. Without shapes, conversion fails, or
equal calls give different nodes. Shapes in the functions themselves do not depend on the order. TensorFlow writes them,
but removes them when variables become constants.
"""

from typing import Any


def state_loop_shapes(graph_def: Any) -> None:
    """Write the shapes of its inputs into each function of a ``GraphDef``, such as a loop body, in place."""
    import tensorflow as tf
    from tf2onnx.tf_loader import function_def_to_graph

    library = {definition.signature.name: definition for definition in graph_def.library.function}

    def visit(graph: Any) -> None:
        for operation in graph.get_operations():
            for attribute in operation.node_def.attr.values():
                definition = library.get(attribute.func.name)
                if definition is None:
                    continue
                # The first input of If is the condition. Its branches get the other inputs.
                n_arguments = len(definition.signature.input_arg)
                shapes = [tensor.shape for tensor in operation.inputs][-n_arguments:] if n_arguments else []
                stated = definition.attr["_input_shapes"].list.shape
                del stated[:]
                stated.extend(shape.as_proto() for shape in shapes)
                visit(function_def_to_graph(definition, input_shapes=shapes))

    with tf.Graph().as_default() as graph:
        tf.import_graph_def(graph_def, name="")
        visit(graph)
