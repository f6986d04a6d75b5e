"""Fitted estimators -> ONNX files that answer as the estimators do.

:func:`to_onnx` makes one model, :func:`export_onnx` a folder with all of them and a manifest, and
:func:`compare` measures a model against its estimator. Each model is run and compared before anything is
written. :func:`register_converters` lets skl2onnx convert pipelines, and :func:`quantize` makes
files smaller. :mod:`skvq.runtime` runs the files without Keras.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from skvq._contract.graph import GraphFunction
from skvq.runtime._source import MANIFEST

from ._child import models_from_child
from ._convert import require_converters
from ._errors import ExportError
from ._folder import check_target, write_folder
from ._manifest import annotate, manifest, sections
from ._model import Converter, check_valid, serialized
from ._parity import ParityReport, Reference, checked, compare, magnitude_of
from ._parts import check_parts, choose, functions_of, of_kind
from ._quantize import QuantizationReport, quantize
from ._sklearn import register_converters

__all__ = [
    "ExportError",
    "ParityReport",
    "QuantizationReport",
    "compare",
    "export_onnx",
    "quantize",
    "register_converters",
    "to_onnx",
]

_FOLDER_PARTS = (
    "encoder",
    "encoder_uint8",
    "decoder",
    "prior",
    "log_likelihood",
    "sampler",
    "controlled_sampler",
    "generator",
)


def to_onnx(estimator: Any, part: str | None = None, *, prior: Any = None) -> Any:
    """Convert one part of a fitted estimator to ONNX, and check that it answers alike.

    Parameters
    ----------
    estimator : fitted estimator
        A VQVAE, or a prior.
    part : str, optional
        Of a VQVAE ``"encoder"`` (default), ``"decoder"`` or ``"reconstruct"``, and ``"encoder_uint8"`` if it was
        fitted to uint8; of a prior ``"sampler"`` (default), ``"controlled_sampler"`` (with top_k, top_p and known
        codes), ``"prior"`` or ``"log_likelihood"``; of both ``"generator"`` (default) and ``"controlled_generator"``,
        which draw codes and decode them in one graph. The model's ``graph.doc_string`` draws what is in it.
    prior : fitted prior, optional
        Of the codes that ``estimator`` makes.

    Returns
    -------
    onnx.ModelProto
        Opset 18, with named inputs and outputs and the one open dimension ``batch``. Its metadata hold
        shapes, units, parameters and versions as JSON. The same weights give the same bytes.

    Raises
    ------
    ValueError
        If there is no such part, or the prior's codes are not the estimator's.
    TypeError
        If ``estimator`` or ``prior`` is none of skvq.
    NotFittedError
        If one is not fitted.
    ExportError
        If a part cannot be converted, or onnxruntime answers something else than Keras.
    ImportError
        If TensorFlow or tf2onnx is missing.

    Notes
    -----
    Conversion is by tf2onnx [1]_. Under another Keras backend than TensorFlow it runs in a child process.

    References
    ----------
    .. [1] https://github.com/onnx/tensorflow-onnx

    Examples
    --------
    >>> model = skvq.to_onnx(vqvae, "encoder")  # doctest: +SKIP
    >>> onnx.save(model, "encoder.onnx")  # doctest: +SKIP
    """
    functions = functions_of(estimator, prior)
    name = choose(functions, part).name
    alone = prior is None and bool(of_kind(functions, "sampler"))
    described = sections(None, estimator) if alone else sections(estimator, prior)
    model, _ = next(_models(estimator, prior, {name: functions[name]}, described))
    return model


def export_onnx(
    vqvae: Any, prior: Any = None, path: str | os.PathLike | None = None, *, parts: Sequence[str] | None = None
) -> Path:
    """Write a folder of ONNX files and a manifest, for :func:`skvq.runtime.load` or any ONNX runtime.

    Parameters
    ----------
    vqvae : fitted VQVAE
        Gives ``encoder.onnx`` and ``decoder.onnx``, and ``encoder_uint8.onnx`` if it was fitted to uint8.
    prior : fitted prior, optional
        Gives ``prior.onnx``, ``log_likelihood.onnx``, ``sampler.onnx``, ``controlled_sampler.onnx`` and
        ``generator.onnx``.
    path : path-like
        The folder: new, empty, or an earlier export, which is replaced as a whole; so neither the working directory
        nor a mount point.
    parts : sequence of str, optional
        Which of the parts to write, by the names that :func:`to_onnx` takes; None writes all named above. Encoder,
        decoder and generator are all that :mod:`skvq.runtime` needs for codes, images and samples.

    Returns
    -------
    Path
        The folder. ``manifest.json`` in it names each file with its SHA-256, inputs and outputs, and how it
        compared with the estimator.

    Raises
    ------
    ValueError
        If ``path`` holds anything else or cannot be written, the prior's codes are not those of ``vqvae``, or there is
        no such part.
    TypeError
        If ``path`` is missing or no path.
    TypeError, NotFittedError, ExportError, ImportError
        As :func:`to_onnx`. The folder is then as it was before.

    Examples
    --------
    >>> skvq.export_onnx(vqvae, prior, "exports/mnist")  # doctest: +SKIP
    PosixPath('/home/me/exports/mnist')
    """
    target = check_target(path)
    functions = functions_of(vqvae, prior)
    if not (of_kind(functions, "encoder") and of_kind(functions, "decoder")):
        raise ValueError(
            f"vqvae must offer an encoder and a decoder; {type(vqvae).__name__} offers {', '.join(functions)}. "
            "For a prior alone, call skvq.to_onnx(prior)."
        )
    if parts is None:
        chosen = {part: functions[part] for part in _FOLDER_PARTS if part in functions}
    else:
        chosen = {part: choose(functions, part) for part in check_parts(parts)}
    described = sections(vqvae, prior)
    files = {}
    models = _models(vqvae, prior, chosen, described)
    for (part, function), (model, report) in zip(chosen.items(), models, strict=True):
        files[f"{part}.onnx"] = function, serialized(model), report
    content = {name: data for name, (_, data, _) in files.items()}
    write_folder(target, {**content, MANIFEST: manifest(described, files)})
    return target


def _models(
    estimator: Any, prior: Any, functions: Mapping[str, GraphFunction], described: Mapping
) -> Iterator[tuple[Any, ParityReport]]:
    """Yield each part's finished model with its parity report."""
    import keras

    require_converters()
    elsewhere = keras.backend.backend() != "tensorflow"
    converted = models_from_child(estimator, prior, list(functions)) if elsewhere else {}
    converter, reference, magnitude = Converter(), Reference(), magnitude_of(estimator)
    for part, function in functions.items():
        model = converted[part] if elsewhere else converter.model(function)
        annotate(model, function, described)
        check_valid(model, part)
        yield model, checked(function, model, reference, magnitude)
