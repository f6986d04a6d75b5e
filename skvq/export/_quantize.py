"""Make files smaller and faster: 8-bit weights and activations, and the search for codes in float32.

Each product with weights gets int8 weights with one scale for each channel, and uint8 inputs and outputs with the
ranges of calibration rows. The file uses only operators of ONNX: there are QuantizeLinear and DequantizeLinear around
the products, and a runtime with 8-bit kernels replaces them.

The cost depends on the codes. With the shipped MNIST files (7 × 7 codes of 128), calibrated on 256 digits::

    X, _ = skvq.datasets.load_mnist_sample()
    models = [Path("exports/mnist", name).read_bytes() for name in ("encoder.onnx", "decoder.onnx")]
    print(skvq.export.quantize(models, X[:256], X_test=X[256:])[1])

93.1 % of the codes of the other 4,744 digits are equal. That is less than ``min_agreement``, so there is a warning. It
is 91.0 % with all products in eight bits, 92.0 % if the last one before the search stays in float32, and 93.1 % if the
first one does, too. So the first and last products of an encoder stay in float32, and the file has 146 kB instead of
480. If the second and third products also stay in float32, 95.0 % of the codes are equal, with 352 kB. Ranges by
percentile or entropy changed these numbers by at most 0.3 %. A decoder loses almost nothing: with both files, the mean
squared error rose from 139.5 to 140.6, which is 0.02 % of the variance of the images.
"""

import json
import math
import os
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from skvq import metrics
from skvq._contract.errors import ExportError

from ._model import check_valid, proto_of, serialized
from ._search import PRODUCTS, search_of

BATCH_SIZE = 64
_PREPARED = "onnx.quant.pre_process", "onnxruntime.quant"  # suppresses advice of onnxruntime that does not apply
_SSIM_WINDOW = 11


@dataclass(frozen=True)
class QuantizationReport:
    """The savings and costs of a quantisation. ``print`` shows a table.

    Parameters
    ----------
    n : int
        Number of measured rows.
    n_bytes : dict of str to (int, int)
        Size of each part, before and after.
    code_agreement : float or None
        Fraction of codes that are equal in both encoders, in [0, 1]. None without an encoder.
    mse : tuple of float or None
        Mean squared error of the images, before and after, in squared units of the images. None without a decoder.
    ssim : tuple of float or None
        Structural similarity of the images, before and after. None without a decoder, for vectors, for images below
        11 × 11 pixels, and without scikit-image.
    variance : float or None
        Variance of the reference images, which gives the scale of ``mse``.
    kept : tuple of str
        Products that stay in float32, besides the search for codes, such as ``"encoder/Conv_0"``.

    Notes
    -----
    With an encoder, the reference images are the input images. For a decoder alone, they are the images of the float32
    decoder, so the values before are 0 (MSE) and 1 (SSIM).
    """

    n: int
    n_bytes: dict[str, tuple[int, int]]
    code_agreement: float | None = None
    mse: tuple[float, float] | None = None
    ssim: tuple[float, float] | None = None
    variance: float | None = None
    kept: tuple[str, ...] = ()

    @property
    def mse_increase(self) -> float:
        """Increase of the mean squared error, as a fraction of the variance of the images. 0 without a decoder."""
        return 0.0 if self.mse is None else (self.mse[1] - self.mse[0]) / (self.variance or 1.0)

    def __str__(self) -> str:
        lines = [f"{'':10}{'float32':>12}{'int8':>12}{'change':>10}"]
        for part, (before, after) in self.n_bytes.items():
            lines.append(f"{part:10}{before / 1000:>9.1f} kB{after / 1000:>9.1f} kB{after / before - 1:>+10.1%}")
        if self.code_agreement is not None:
            lines.append(f"{'codes':10}{'':12}{self.code_agreement:>12.2%}{'equal':>10}")
        for name, pair in (("MSE", self.mse), ("SSIM", self.ssim)):
            if pair is not None:
                lines.append(f"{name:10}{pair[0]:>12.5g}{pair[1]:>12.5g}{pair[1] - pair[0]:>+10.2g}")
        return "\n".join([*lines, f"measured on {self.n} rows; kept in float32: {', '.join(self.kept) or 'nothing'}"])


def quantize(
    model: Any,
    X_calibration: Any,
    *,
    X_test: Any = None,
    keep: Sequence[str] | None = None,
    min_agreement: float = 0.95,
    max_mse_increase: float = 0.01,
    reduce_range: bool = False,
) -> tuple[Any, QuantizationReport]:
    """Quantise the weights and activations of a model to eight bits, and measure the cost.

    Parameters
    ----------
    model : onnx.ModelProto, bytes, or a pair of them
        An encoder, a decoder, or both in this order, from :func:`skvq.to_onnx`.
    X_calibration : array-like
        Some hundred typical rows, which determine the ranges of activations: images (n, height, width, channels), or in
        another layout with as many values in each row, in the units of the encoder. For a decoder alone: codes
        (n, positions).
    X_test : array-like, optional
        Rows for the measurement. None uses ``X_calibration``, which gives slightly better values.
    keep : sequence of str, optional
        Names of nodes that stay in float32: ``"decoder/Conv_0"``, or ``"Conv_0"`` for nodes of this name in each model.
        None keeps the first and last products of an encoder with more than three, and no product of a decoder. The
        search for codes always stays in float32.
    min_agreement : float, default=0.95
        Warn if the fraction of equal codes is below it, in [0, 1].
    max_mse_increase : float, default=0.01
        Warn if the mean squared error increases by more, as a fraction of the variance of the images, in [0, 1].
    reduce_range : bool, default=False
        Use seven bits for weights. Processors with AVX2 but without VNNI add 8-bit products in 16 bits, which can
        overflow. Seven bits avoid that, and change about 0.5 % of the codes.

    Returns
    -------
    model : onnx.ModelProto, or a pair of them
        With operators of ONNX only, and the metadata of the original model.
    report : QuantizationReport

    Warns
    -----
    UserWarning
        If codes or images changed by more than allowed. The message contains the numbers.

    Raises
    ------
    ValueError
        If a model is not an encoder or decoder of skvq, rows have the wrong shape or are not finite, codes are out of
        range, a name in ``keep`` is not a node, or a number is out of its range.
    TypeError
        If ``model`` is not a model, but for example a path.
    ExportError
        If the model cannot be quantised.

    References
    ----------
    Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference", 2018,
    arXiv:1712.05877; https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html

    Examples
    --------
    >>> encoder, decoder = skvq.to_onnx(vqvae, "encoder"), skvq.to_onnx(vqvae, "decoder")  # doctest: +SKIP
    >>> (encoder, decoder), report = skvq.export.quantize((encoder, decoder), X[:256], X_test=X[256:])  # doctest: +SKIP
    >>> print(report)  # doctest: +SKIP
    >>> onnx.save(encoder, "encoder.onnx")  # doctest: +SKIP
    """
    _check_share("min_agreement", min_agreement)
    _check_share("max_mse_increase", max_mse_increase)
    pair = isinstance(model, (tuple, list))
    parts = _parts(model if pair else (model,))
    inputs = _rows("X_calibration", X_calibration, next(iter(parts.values())))
    test = inputs if X_test is None else _rows("X_test", X_test, next(iter(parts.values())))
    kept = _kept(parts, keep)
    quantized, calibration = {}, inputs
    for part, float_model in parts.items():
        quantized[part] = _quantized(part, float_model, calibration, kept[part], reduce_range)
        if part == "encoder":
            calibration = _run(float_model, inputs)
    report = _measured(parts, quantized, test, tuple(f"{part}/{name}" for part in kept for name in kept[part]))
    _warn(report, min_agreement, max_mse_increase)
    return (tuple(quantized.values()) if pair else next(iter(quantized.values()))), report


def _check_share(name: str, value: Any) -> None:
    if not isinstance(value, (int, float, np.number)) or not 0 <= value <= 1:
        raise ValueError(f"{name} must be a number in [0, 1]; got {value!r}. It says when to warn.")


def _parts(models: Sequence[Any]) -> dict[str, Any]:
    """Return the models by the kind in their metadata."""
    parts = {}
    for model in map(proto_of, models):
        parts[_metadata(model, "kind") or ""] = model
    if list(parts) not in (["encoder"], ["decoder"], ["encoder", "decoder"]) or len(models) > len(parts):
        raise ValueError(
            "model must be an encoder (images to codes), a decoder (codes to images), or a pair of them in this order; "
            f"got {', '.join(model.graph.name for model in parts.values()) or 'nothing'}. "
            'Make them with skvq.to_onnx(vqvae, "encoder") and skvq.to_onnx(vqvae, "decoder").'
        )
    return parts


def _rows(name: str, X: Any, model: Any) -> np.ndarray:
    """Return rows in the shape and dtype of the input of a model."""
    import onnx

    tensor = model.graph.input[0].type.tensor_type
    shape = tuple(dimension.dim_value for dimension in tensor.shape.dim[1:])
    dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type)
    X = np.asarray(X)
    if X.ndim < 2 or not len(X) or math.prod(X.shape[1:]) != math.prod(shape):
        raise ValueError(
            f"{name} must hold one or more rows of shape {shape} for the part {model.graph.name!r}; got an array of "
            f"shape {X.shape}. Pass images as they were in fit, or to a decoder alone what the encoder answers."
        )
    if X.dtype.kind not in "buif" or not np.isfinite(X).all():
        raise ValueError(f"{name} must hold finite numbers; got dtype {X.dtype}, NaN or infinity. Drop such rows.")
    rows = np.ascontiguousarray(X, dtype).reshape(len(X), *shape)
    if dtype.kind in "iu" and not np.array_equal(rows, X.reshape(rows.shape)):
        raise ValueError(
            f"{name} must hold whole numbers that {dtype} has room for, which the part {model.graph.name!r} takes; "
            "got others. Round them, or pass what the encoder answers to a decoder alone."
        )
    grid = _metadata(model, "grid") if _metadata(model, "kind") == "decoder" else None
    n_codes = None if grid is None else grid["n_embeddings"]
    # A decoder of several codes at each position takes -1 for those that are left out.
    lowest = -1 if grid is not None and grid["depth"] > 1 else 0
    if n_codes is not None and not (rows.min() >= lowest and rows.max() < n_codes):
        raise ValueError(
            f"{name} must hold codes in [0, {n_codes}), which the part {model.graph.name!r} knows; "
            f"got {rows.min()} to {rows.max()}. Pass what the encoder of the same autoencoder answers."
        )
    return rows


def _kept(parts: dict[str, Any], keep: Sequence[str] | None) -> dict[str, tuple[str, ...]]:
    """Return the names of nodes that stay in float32, without those of the search, by part."""
    if keep is None:
        return {part: _first_and_last(model) if part == "encoder" else () for part, model in parts.items()}
    if isinstance(keep, str) or not isinstance(keep, Iterable):
        raise ValueError(
            f'keep must be a sequence of names of nodes, or None; got {keep!r}. Pass keep=["Conv_0"], for instance.'
        )
    wanted, kept, known = list(keep), {}, []
    for part, model in parts.items():
        names = [node.name for node in model.graph.node]
        kept[part] = tuple(name for name in names if name in wanted or f"{part}/{name}" in wanted)
        known += [*names, *(f"{part}/{name}" for name in names)]
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise ValueError(
            f"keep must hold names of the model's nodes; got {unknown[0]!r}, which is none. "
            "They are the node.name of model.graph.node, such as 'Conv_0', or 'decoder/Conv_0' for one of two models."
        )
    return kept


def _first_and_last(encoder: Any) -> tuple[str, ...]:
    search = {node.name for node in search_of(encoder.graph)[0]}
    products = [node.name for node in encoder.graph.node if node.op_type in PRODUCTS and node.name not in search]
    return (products[0], products[-1]) if len(products) > 3 else ()


def _quantized(part: str, model: Any, inputs: np.ndarray, kept: Sequence[str], reduce_range: bool) -> Any:
    """Return a model in eight bits, with ranges from ``inputs``."""
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Rows(CalibrationDataReader):
        def __init__(self) -> None:
            self.batches: Iterator[dict[str, Any]] = (
                {model.graph.input[0].name: inputs[start : start + BATCH_SIZE]}
                for start in range(0, len(inputs), BATCH_SIZE)
            )

        def get_next(self) -> dict[str, Any] | None:
            return next(self.batches, None)

    prepared = onnx.ModelProto()
    prepared.CopyFrom(model)
    prepared.metadata_props.add(key=_PREPARED[0], value=_PREPARED[1])
    # There are no products after the last one, so only that one has to be excluded.
    search = [node.name for node in search_of(model.graph)[0]] if part == "encoder" else []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"{part}.onnx")
        try:
            quantize_static(
                prepared,
                os.fspath(path),
                Rows(),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=[*sorted(PRODUCTS), "Relu"],
                per_channel=True,
                reduce_range=reduce_range,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                nodes_to_exclude=[*kept, *search],
            )
        except Exception as error:  # onnxruntime raises many kinds of errors
            raise ExportError(
                f"The part {part!r} could not be quantised: {type(error).__name__}: {error}. Leave the node that it "
                "names in float32, by keep, or use the model as it is."
            ) from error
        quantized = onnx.load(path)
    quantized.producer_name, quantized.producer_version = model.producer_name, model.producer_version
    quantized.graph.name = model.graph.name
    del quantized.metadata_props[:]
    quantized.metadata_props.extend(model.metadata_props)
    described = {"weights": "int8", "activations": "uint8", "kept": list(kept), "calibration_rows": len(inputs)}
    quantized.metadata_props.add(key="skvq.quantization", value=json.dumps(described))
    check_valid(quantized, part)
    return quantized


def _run(model: Any, inputs: np.ndarray) -> np.ndarray:
    import onnxruntime

    session = onnxruntime.InferenceSession(serialized(model), providers=["CPUExecutionProvider"])
    name = model.graph.input[0].name
    batches = range(0, len(inputs), BATCH_SIZE)
    return np.concatenate([session.run(None, {name: inputs[start : start + BATCH_SIZE]})[0] for start in batches])


def _measured(
    parts: dict[str, Any], quantized: dict[str, Any], test: np.ndarray, kept: tuple[str, ...]
) -> QuantizationReport:
    """Compare the models before and after on the same rows."""
    sizes = {part: (len(serialized(parts[part])), len(serialized(quantized[part]))) for part in parts}
    report: dict[str, Any] = {"n": len(test), "n_bytes": sizes, "kept": kept}
    before = after = test
    if "encoder" in parts:
        before, after = (_run(models["encoder"], test) for models in (parts, quantized))
        report["code_agreement"] = float((before == after).mean())
    if "decoder" in parts:
        images = [_run(parts["decoder"], before), _run(quantized["decoder"], after)]
        wanted = test.astype(np.float32) if "encoder" in parts else images[0]
        report["mse"] = tuple(metrics.mse(wanted, found) for found in images)
        report["variance"] = float(wanted.var(dtype=np.float64))
        if wanted.ndim == 4 and min(wanted.shape[1:3]) >= _SSIM_WINDOW:
            report["ssim"] = _similarities(wanted, images, _span(parts["decoder"], wanted))
    return QuantizationReport(**report)


def _similarities(wanted: np.ndarray, images: list[np.ndarray], span: float) -> tuple[float, ...] | None:
    try:
        return tuple(float(metrics.ssim(wanted, found, data_range=span)) for found in images)
    except ImportError:  # scikit-image is an extra
        return None


def _span(model: Any, images: np.ndarray) -> float:
    """Return the difference of the highest and lowest possible values of images."""
    low, high = _metadata(model, "data_range") or (images.min(), images.max())
    return float(high - low) or 1.0


def _metadata(model: Any, key: str) -> Any:
    """Return an entry of the metadata of a model, or None if it is missing."""
    return json.loads({entry.key: entry.value for entry in model.metadata_props}.get(f"skvq.{key}", "null"))


def _warn(report: QuantizationReport, min_agreement: float, max_mse_increase: float) -> None:
    losses = []
    if report.code_agreement is not None and report.code_agreement < min_agreement:
        losses.append(f"{report.code_agreement:.2%} of codes are equal, min_agreement={min_agreement:g}")
    if report.mse is not None and report.mse_increase > max_mse_increase:
        losses.append(
            f"the mean squared error rose from {report.mse[0]:.4g} to {report.mse[1]:.4g}, "
            f"by {report.mse_increase:.2%} of the images' variance, max_mse_increase={max_mse_increase:g}"
        )
    if losses:
        warnings.warn(
            f"Quantisation to eight bits costs more than is allowed: {'; '.join(losses)} ({report.n} rows). "
            "Leave layers in float32 by keep, calibrate with more typical rows, or use the float32 model.",
            stacklevel=3,
        )
