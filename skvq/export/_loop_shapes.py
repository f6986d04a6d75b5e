"""Write into a TensorFlow graph the shapes that its loops' bodies are called with.

tf2onnx takes functions in the order of a hash table over their names, which hold a running number. Of a loop in a loop
it learns the inner one's shapes only if it meets the outer one first. Without them, conversion fails, or equal calls
give different nodes. Shapes that stand in the functions themselves are found in any order. TensorFlow writes them
there, but loses them where variables become constants.
"""

from typing import Any


def state_loop_shapes(graph_def: Any) -> None:
    """State in each function of a ``GraphDef``, such as a loop's body, its inputs' shapes, in place."""
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
