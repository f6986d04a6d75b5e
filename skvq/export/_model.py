"""Convert graph functions to ONNX models, in a process in which Keras runs on TensorFlow."""

import inspect
from typing import Any

import skvq
from skvq._contract.errors import ExportError
from skvq._contract.graph import GraphFunction

from ._convert import OPSET, convert
from ._naming import renamed
from ._parts import Composition
from ._passes import PASSES
from ._rewrite import joined, make_names_unique

IR_VERSION = 8  # the lowest for opset 18, so that old runtimes can read the file


class Converter:
    """Converts graph functions. Parts that several functions share are converted once."""

    def __init__(self) -> None:
        self._graphs: dict[int, tuple[GraphFunction, Any]] = {}

    def model(self, function: GraphFunction) -> Any:
        """Return the model of a function. The same weights give the same bytes.

        Returns
        -------
        onnx.ModelProto
            Without metadata.

        Raises
        ------
        ExportError
            If the function cannot be converted.
        """
        import onnx

        graph = onnx.GraphProto()
        graph.CopyFrom(self._graph(function))
        inner = function.inner if isinstance(function, Composition) else ()
        graph = renamed(graph, function.name, function.inputs, function.outputs, inner)
        graph.doc_string = inspect.getdoc(function.function) or ""
        return onnx.helper.make_model(
            graph,
            opset_imports=[onnx.helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="skvq",
            producer_version=skvq.__version__,
        )

    def _graph(self, function: GraphFunction) -> Any:
        if isinstance(function, Composition):
            return joined(self._graph(function.first), self._graph(function.second))
        if id(function) not in self._graphs:  # keep the function, because otherwise its id could be reused
            raw = convert(function)
            make_names_unique(raw.graph)
            for improve in PASSES.values():
                improve(raw.graph)
            self._graphs[id(function)] = function, raw.graph
        return self._graphs[id(function)][1]


def proto_of(model: Any) -> Any:
    """Return an ``onnx.ModelProto`` from a model or its bytes.

    Raises
    ------
    TypeError
        If it is anything else.
    ValueError
        If the bytes are not a model.
    """
    import onnx
    from google.protobuf.message import DecodeError

    if isinstance(model, onnx.ModelProto):
        return model
    if not isinstance(model, bytes):
        raise TypeError(
            f"model must be an onnx.ModelProto or bytes; got {model!r}. Use what skvq.to_onnx returned. "
            "Of a file, pass Path(file).read_bytes()."
        )
    try:
        return onnx.load_model_from_string(model)
    except DecodeError as error:
        raise ValueError(
            f"model must be the bytes of an ONNX file; got {len(model)} bytes that are none. Read the file again."
        ) from error


def check_valid(model: Any, part: str) -> None:
    """Raise an error unless the checker of ONNX accepts the model, with shape inference.

    Raises
    ------
    ExportError
        With the message of the checker.
    """
    import onnx

    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError, ValueError) as error:
        raise ExportError(
            f"The ONNX graph of the part {part!r} is not valid: {error}. Nothing was written. Try the versions of "
            "tf2onnx and onnx that skvq is tested with, or write the function with other operations."
        ) from error


def serialized(model: Any) -> bytes:
    """Return the bytes of a model. They are the same in each call."""
    return model.SerializeToString(deterministic=True)
