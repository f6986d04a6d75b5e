"""Compare the results of an ONNX model with those of its estimator.

Floats may differ by the rounding tolerance of float32. Codes must be equal, unless the two best choices are so close
that rounding decides. The ``margin`` of the function says where that is so. All other differences are errors.
"""

import json
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from skvq._contract.errors import ExportError
from skvq._contract.graph import GraphFunction

from ._model import proto_of
from ._parts import Composition, choose, functions_of

RELATIVE_TOLERANCE = 1e-5
SIZES = (1, 3, 17)


@dataclass(frozen=True)
class ParityReport:
    """The differences between the results of an ONNX model and those of its estimator.

    Parameters
    ----------
    part : str
        The part that was compared.
    n : int
        Number of compared rows.
    max_abs_difference : float or None
        Largest difference in a float output, in its unit. None if all outputs are codes.
    tolerance : float or None
        Limit on ``max_abs_difference``: 1e-5 of the magnitude of the output.
    n_codes : int
        Number of compared codes. 0 if no output is codes.
    code_agreement : float or None
        Fraction of equal codes, in [0, 1].
    explained, unexplained : int
        Number of different codes that rounding explains, and that it does not explain. For samplers, only the first
        difference of a row counts, because later codes depend on it.
    """

    part: str
    n: int
    max_abs_difference: float | None = None
    tolerance: float | None = None
    n_codes: int = 0
    code_agreement: float | None = None
    explained: int = 0
    unexplained: int = 0

    @property
    def ok(self) -> bool:
        """Whether the model gives the same results as the estimator."""
        floats = self.max_abs_difference is None or self.max_abs_difference <= (self.tolerance or 0.0)
        return floats and self.unexplained == 0

    def __str__(self) -> str:
        words = []
        if self.max_abs_difference is not None:
            words.append(f"largest difference {self.max_abs_difference:.3g}, allowed {self.tolerance:.3g}")
        if self.n_codes:
            words.append(
                f"{self.code_agreement:.4%} of {self.n_codes} codes equal, "
                f"{self.explained} differences explained by rounding, {self.unexplained} not"
            )
        return f"{self.part}, {self.n} rows: {'; '.join(words)}"

    def as_json(self) -> dict[str, Any]:
        """Return the fields for a manifest, with floats rounded to two digits."""
        fields = asdict(self)
        for name in ("max_abs_difference", "tolerance"):
            fields[name] = None if fields[name] is None else float(f"{fields[name]:.2g}")
        del fields["part"]
        return {**fields, "ok": self.ok}


def compare(source: Any, model: Any, inputs: Sequence[np.ndarray], *, prior: Any = None) -> ParityReport:
    """Compare an ONNX model with its estimator on given inputs.

    Parameters
    ----------
    source : fitted estimator or GraphFunction
        The source of the model. For an estimator, the metadata of the model give the part.
    model : onnx.ModelProto or bytes
        The result of :func:`skvq.to_onnx`, or the content of a file.
    inputs : tuple or list of ndarray
        One array for each input of the part, with the order, shapes, dtypes and units of the graph.
    prior : fitted prior, optional
        Needed if ``source`` is an autoencoder and the model is a generator.

    Returns
    -------
    ParityReport

    Raises
    ------
    ValueError
        If the estimator does not have the part of the model, bytes are not a model, or there is not one array for each
        input.
    TypeError
        If ``source`` or ``model`` has another type, such as a path.
    ExportError
        If the model cannot be run, or its outputs have other shapes.

    Examples
    --------
    >>> model = skvq.to_onnx(vqvae, "encoder")  # doctest: +SKIP
    >>> skvq.export.compare(vqvae, model, (images,)).ok  # doctest: +SKIP
    True
    """
    model = proto_of(model)
    function = source
    if not isinstance(source, GraphFunction):
        part = json.loads({entry.key: entry.value for entry in model.metadata_props}.get("skvq.part", '""'))
        function = choose(functions_of(source, prior), part)
    _check_inputs(inputs, function)
    return _compare(function, model, inputs, Reference(), magnitude_of(source))


def _check_inputs(inputs: Sequence[np.ndarray], function: GraphFunction) -> None:
    if not isinstance(inputs, (tuple, list)) or len(inputs) != len(function.inputs):
        names = ", ".join(spec.name for spec in function.inputs)
        received = f"{len(inputs)} in a {type(inputs).__name__}" if isinstance(inputs, (tuple, list)) else type(inputs)
        raise ValueError(
            f"inputs must be a tuple of one array for each input of the part {function.name!r}, {names}; "
            f"got {received}. Pass ({names}{',' * (len(function.inputs) == 1)})."
        )


def checked(function: GraphFunction, model: Any, reference: "Reference", magnitude: float = 1.0) -> ParityReport:
    """Compare on the function's own examples of several sizes, and insist.

    Raises
    ------
    ExportError
        With the numbers, if any size shows an unexplained difference.
    """
    generator = np.random.default_rng(0)
    reports = []
    for n in SIZES:
        report = _compare(function, model, function.example(n, generator), reference, magnitude)
        if not report.ok:
            raise ExportError(
                f"The ONNX model does not answer what the estimator answers: {report}. Nothing was written. "
                "Try the versions of tf2onnx and onnxruntime that skvq is tested with."
            )
        reports.append(report)
    return _joined(reports)


def magnitude_of(source: Any) -> float:
    """Return the largest absolute value of the data of a model. The tolerance for images is relative to it."""
    data_range = None if isinstance(source, GraphFunction) else source.describe().data_range
    return float(np.abs((0.0, 1.0) if data_range is None else data_range).max()) or 1.0


class Reference:
    """Runs graph functions on the Keras backend of this process. TensorFlow traces each once for each size."""

    def __init__(self) -> None:
        self._traced: dict[tuple[Any, ...], tuple[GraphFunction, Callable[..., Any]]] = {}

    def __call__(self, function: GraphFunction, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        import keras

        # On the CPU, because GPUs may compute float32 products with fewer bits. JAX warns that codes are int32.
        with keras.device("cpu:0"), warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*int64.*truncated to dtype int32")
            tensors = [
                keras.ops.convert_to_tensor(np.asarray(value, spec.dtype))
                for value, spec in zip(inputs, function.inputs, strict=True)
            ]
            run = function.function
            if keras.backend.backend() == "tensorflow":
                run = self._traced_for(function, tensors)  # traced loops are many times faster than eager ones
            return [np.asarray(keras.ops.convert_to_numpy(output)) for output in run(*tensors)]

    def _traced_for(self, function: GraphFunction, tensors: list[Any]) -> Callable[..., Any]:
        import tensorflow as tf

        key = id(function), *(tuple(tensor.shape) for tensor in tensors)
        if key not in self._traced:  # keep the function, because otherwise its id could be reused
            signature = [tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in tensors]
            traced = tf.function(function.function, autograph=False).get_concrete_function(*signature)
            self._traced[key] = function, traced
        return self._traced[key][1]


def _compare(
    function: GraphFunction, model: Any, inputs: Sequence[Any], reference: Reference, magnitude: float = 1.0
) -> ParityReport:
    inputs = tuple(np.asarray(value, spec.dtype) for value, spec in zip(inputs, function.inputs, strict=True))
    answers = _run(function, model, inputs)
    if isinstance(function, Composition):
        between = _run(function, _showing(model, function.first), inputs)[len(function.outputs) :]
        codes = _judge(function.first, inputs, reference(function.first, inputs), between, magnitude)
        images = _judge(function.second, tuple(between), reference(function.second, between), answers, magnitude)
        return replace(
            codes,
            part=function.name,
            max_abs_difference=images.max_abs_difference,
            tolerance=images.tolerance,
        )
    return _judge(function, inputs, reference(function, inputs), answers, magnitude)


def _run(function: GraphFunction, model: Any, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
    import onnxruntime

    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        feed = {spec.name: value for spec, value in zip(function.inputs, inputs, strict=True)}
        return session.run(None, feed)
    except Exception as error:  # the exceptions of onnxruntime have no common base class
        raise ExportError(
            f"onnxruntime {onnxruntime.__version__} cannot run the part {function.name!r}: {error}. "
            "Nothing was written."
        ) from error


def _showing(model: Any, first: GraphFunction) -> Any:
    """Return the model with the tensors between its two stages as additional outputs."""
    import onnx

    open_model = onnx.ModelProto()
    open_model.CopyFrom(model)
    for spec in first.outputs:
        kind = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(spec.dtype))
        open_model.graph.output.add().CopyFrom(onnx.helper.make_tensor_value_info(spec.name, kind, None))
    return open_model


def _judge(
    function: GraphFunction,
    inputs: tuple[np.ndarray, ...],
    expected: Iterable[np.ndarray],
    answers: Iterable[np.ndarray],
    magnitude: float,
) -> ParityReport:
    """Compare the outputs of one function that is not a composition."""
    report: dict[str, Any] = {"n": len(inputs[0])}
    for spec, wanted, got in zip(function.outputs, expected, answers, strict=True):
        if wanted.shape != got.shape or got.dtype != spec.dtype:
            raise ExportError(
                f"{spec.name!r} of the part {function.name!r} must be {spec.dtype} {wanted.shape} as in Keras; "
                f"onnxruntime answered {got.dtype} {got.shape}. Nothing was written."
            )
        if np.issubdtype(got.dtype, np.integer):
            report |= _judge_codes(function, inputs, wanted, got)
            continue
        least = magnitude if spec.role == "images" else 1.0  # other floats have a magnitude of about 1
        scale = max(least, float(np.abs(wanted).max(initial=0.0)))
        difference = float(np.abs(wanted.astype(np.float64) - got).max(initial=0.0))
        if not np.isfinite(difference):
            difference = float("inf")  # comparisons with NaN are always false
        report |= {"max_abs_difference": difference, "tolerance": RELATIVE_TOLERANCE * scale}
    return ParityReport(function.name, **report)


def _judge_codes(
    function: GraphFunction, inputs: tuple[Any, ...], wanted: np.ndarray, got: np.ndarray
) -> dict[str, Any]:
    different = wanted != got
    agreement = float(1 - different.mean()) if different.size else 1.0
    if function.kind == "sampler":
        # Later codes depend on earlier ones, so only the first difference of a row needs an explanation.
        different &= np.cumsum(different, axis=1) == 1
    close = np.zeros_like(different)
    if different.any() and function.margin is not None:
        import keras

        with keras.device("cpu:0"):
            close = np.asarray(function.margin(inputs, got)) <= 1
    return {
        "n_codes": int(got.size),
        "code_agreement": agreement,
        "explained": int((different & close).sum()),
        "unexplained": int((different & ~close).sum()),
    }


def _joined(reports: list[ParityReport]) -> ParityReport:
    """Return one report for several sizes, with the worst difference and all codes."""
    # Differences relative to what is allowed; a report without floats comes last.
    shares = [-1.0 if r.max_abs_difference is None else r.max_abs_difference / (r.tolerance or 1.0) for r in reports]
    worst = reports[shares.index(max(shares))]
    n_codes = sum(report.n_codes for report in reports)
    equal = sum(report.n_codes * (report.code_agreement or 0.0) for report in reports if report.n_codes)
    return ParityReport(
        worst.part,
        sum(report.n for report in reports),
        worst.max_abs_difference,
        worst.tolerance,
        n_codes,
        equal / n_codes if n_codes else None,
        sum(report.explained for report in reports),
        sum(report.unexplained for report in reports),
    )
