"""Converters for skl2onnx, so that a whole scikit-learn pipeline around a VQVAE becomes one graph.

::

    columns of X, any numeric type
          |
      Cast, Concat               to one float32 tensor
          |
       Reshape                   to images
          |
       the part "encoder"
          |
        codes ------------ Gather, Reshape ----- OneHot, ReduceSum        latents, from within the encoder
          |                       |                    |                      |
       "codes"               "quantized"          "histogram"             "latents"

Nodes and tensors have the names of the file of the encoder, with the name of the step before them: ``VQVAE/Conv_0``.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from skvq._contract.errors import ExportError
from skvq._contract.graph import TensorSpec
from skvq._outputs import check_output

from ._convert import OPSET
from ._naming import renamed
from ._search import latents_of

_LATENTS_TOLERANCE = 1e-4  # relative to the largest latent; ten times the rounding error of float32 in a network


def register_converters() -> None:
    """Let skl2onnx convert :class:`skvq.VQVAE` and :class:`skvq.PixelCNNPrior` in pipelines.

    Call it once in a process, before ``skl2onnx.to_onnx`` [1]_. A VQVAE gives the result of its ``transform`` for its
    ``output``. A prior returns its codes unchanged, as int64.

    Raises
    ------
    ImportError
        If skl2onnx is not installed.

    Notes
    -----
    The conversion raises the errors of :func:`skvq.to_onnx`, and ExportError for a ``target_opset`` below 18. Float64
    input is rounded to float32 before the encoder, as in ``transform``. ``StandardScaler`` divides by ``scale_``, but
    skl2onnx multiplies by ``1 / scale_``. So images may differ in their last digit, and a code may differ if two
    embeddings are equally near. With ``options={StandardScaler: {"div": "div"}}``, skl2onnx divides, too.

    References
    ----------
    .. [1] https://onnx.ai/sklearn-onnx/

    Examples
    --------
    >>> from skl2onnx import to_onnx  # doctest: +SKIP
    >>> skvq.export.register_converters()  # doctest: +SKIP
    >>> pipe = make_pipeline(StandardScaler(), VQVAE(image_shape=(28, 28))).fit(X)  # doctest: +SKIP
    >>> model = to_onnx(pipe, X[:1])  # doctest: +SKIP
    """
    try:
        from skl2onnx import update_registered_converter
    except ImportError as missing:
        raise ImportError(
            "To convert pipelines, skl2onnx must be installed, which cannot be imported. "
            'Run: pip install "skvq[sklearn-onnx]"'
        ) from missing
    import skvq

    converters = {skvq.VQVAE: _convert_vqvae, skvq.PixelCNNPrior: _convert_prior}
    for estimator, convert in converters.items():
        update_registered_converter(
            estimator, f"Skvq{estimator.__name__}", _declare_features, convert, parser=_declare_step
        )


def _declare_step(scope: Any, model: Any, inputs: list, custom_parsers: Any = None) -> list:
    """Declare the output type of a step for skl2onnx, which derives the types of later steps from it."""
    from skl2onnx import get_model_alias

    operator = scope.declare_local_operator(get_model_alias(type(model)), model)
    operator.inputs = inputs
    operator.outputs.append(scope.declare_local_variable("features", _type_of_features(model)))
    return operator.outputs


def _declare_features(operator: Any) -> None:
    """Tell skl2onnx the shape of what a step answers."""
    n_features = len(operator.raw_operator.get_feature_names_out())
    shape = [operator.inputs[0].get_first_dimension(), n_features]
    operator.outputs[0].type = _type_of_features(operator.raw_operator, shape)


def _type_of_features(estimator: Any, shape: list | None = None) -> Any:
    from skl2onnx.common.data_types import FloatTensorType, Int64TensorType

    output = getattr(estimator, "output", "codes")  # a prior always returns codes
    check_output(output)
    return (Int64TensorType if output == "codes" else FloatTensorType)(shape)


def _convert_vqvae(scope: Any, operator: Any, container: Any) -> None:
    from onnx import TensorProto, compose, version_converter

    import skvq

    estimator, opset = operator.raw_operator, container.target_opset_any_domain("")
    if opset < OPSET:
        raise ExportError(
            f"target_opset must be at least {OPSET} for a pipeline with a {type(estimator).__name__}; got {opset}. "
            f"Pass target_opset={OPSET}, or leave it out."
        )
    model = skvq.to_onnx(estimator, "encoder")
    model.graph.CopyFrom(_answer_features(model.graph, estimator))
    if estimator.output == "latents":
        _check_latents(model, estimator)
    if opset > OPSET:
        model = version_converter.convert_version(model, opset)
    source = _one_tensor(scope, operator.inputs, container, TensorProto.FLOAT)
    names = {model.graph.input[0].name: source, model.graph.output[0].name: operator.outputs[0].full_name}
    prefix = scope.get_unique_operator_name(type(estimator).__name__) + "/"
    graph = compose.add_prefix_graph(model.graph, prefix, rename_inputs=False, rename_outputs=False, name_map=names)
    container.nodes.extend(graph.node)
    container.initializers.extend(graph.initializer)
    container.node_domain_version_pair_sets.add(("", opset))


def _convert_prior(scope: Any, operator: Any, container: Any) -> None:
    from onnx import TensorProto

    codes = _one_tensor(scope, operator.inputs, container, TensorProto.INT64)
    name = scope.get_unique_operator_name("Identity")
    container.add_node("Identity", [codes], [operator.outputs[0].full_name], name=name)


def _one_tensor(scope: Any, variables: Sequence, container: Any, kind: int) -> str:
    """Return the name of one tensor with the columns of all variables, in one type."""

    def add(op_type: str, inputs: list[str], **attributes: Any) -> str:
        result = scope.get_unique_variable_name(op_type.lower())
        container.add_node(op_type, inputs, [result], name=scope.get_unique_operator_name(op_type), **attributes)
        return result

    columns = [add("Cast", [variable.full_name], to=kind) for variable in variables]
    return columns[0] if len(columns) == 1 else add("Concat", columns, axis=1)


def _answer_features(graph: Any, estimator: Any) -> Any:
    """Return the graph of an encoder that takes rows of X in any shape and returns the result of ``transform``."""
    from onnx import GraphProto, TensorProto, helper, numpy_helper

    wide = GraphProto()
    wide.CopyFrom(graph)
    images, codes = graph.input[0].name, graph.output[0].name

    def constant(name: str, value: Any) -> str:
        wide.initializer.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def add(op_type: str, inputs: list[str], output: str, **attributes: Any) -> str:
        wide.node.append(helper.make_node(op_type, inputs, [output], **attributes))
        return output

    def rows_of_tables(codes: str) -> str:
        """Number codes as rows of the stages' codebooks, one below the other."""
        if grid.depth == 1:
            return codes
        offsets = grid.n_embeddings * (np.arange(grid.n_codes, dtype=np.int64) % grid.depth)
        return add("Add", [codes, constant("offsets", offsets)], "numbered_codes")

    add("Reshape", ["rows", constant("image_shape", (-1, *estimator.image_shape_))], images)
    n_features, grid = len(estimator.get_feature_names_out()), estimator.grid_
    dtype, result = "float32", "features"
    if estimator.output == "codes":
        dtype, result = "int64", codes
    elif estimator.output == "histogram":
        shares = constant("shares", np.array([0, 1 / grid.n_positions], np.float32))
        n_rows = constant("n_rows", [grid.depth * grid.n_embeddings])
        one_hot = add("OneHot", [rows_of_tables(codes), n_rows, shares], "one_hot")
        add("ReduceSum", [one_hot, constant("positions", [1])], result, keepdims=0)
    else:
        vectors = latents_of(graph) if estimator.output == "latents" else None
        if vectors is None:
            tables = constant("codebook", estimator.codebook_.reshape(-1, estimator.codebook_.shape[-1]))
            vectors = add("Gather", [tables, rows_of_tables(codes)], "vectors")
            if grid.depth > 1:
                by_stage = constant("by_stage", [0, grid.n_positions, grid.depth, -1])
                staged = add("Reshape", [vectors, by_stage], "staged_vectors")
                vectors = add("ReduceSum", [staged, constant("stages", [2])], "summed_vectors", keepdims=0)
        add("Reshape", [vectors, constant("row", [-1, n_features])], result)
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    del wide.input[:], wide.output[:]
    wide.input.append(helper.make_tensor_value_info("rows", TensorProto.FLOAT, None))
    wide.output.append(helper.make_tensor_value_info(result, kind, None))
    rows = TensorSpec("rows", "features", (None, math.prod(estimator.image_shape_)), "float32", "rows of X")
    meaning = f"what transform answers, output={estimator.output!r}"
    features = TensorSpec("features", "features", (None, n_features), dtype, meaning)
    return renamed(wide, graph.name, (rows,), (features,))


def _check_latents(model: Any, estimator: Any) -> None:
    """Raise an error unless the latents in the graph are the result of ``transform``."""
    import onnxruntime

    images = estimator.graph_functions()["encoder"].example(3, np.random.default_rng(0))[0]
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (answer,) = session.run(None, {"rows": images.reshape(len(images), -1)})
    expected = estimator.transform(images.reshape(len(images), *estimator.describe().layout.row_shape))
    difference = float(np.abs(answer - expected).max())
    if not difference <= _LATENTS_TOLERANCE * max(1.0, float(np.abs(expected).max())):
        raise ExportError(
            f"The latents found in the encoder's graph differ by {difference:.3g} from those of transform: the "
            "quantizer changes them before it searches. Set output to 'codes', 'quantized' or 'histogram'."
        )
