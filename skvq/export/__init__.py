"""Export fitted estimators to ONNX files that give the same results.

:func:`to_onnx` makes one model. :func:`export_onnx` writes a folder with all models and a manifest. :func:`compare`
compares a model with its estimator. Each model is run and compared before anything is written.
:func:`register_converters` lets skl2onnx convert pipelines, and :func:`quantize` makes files smaller.
:mod:`skvq.runtime` runs the files without Keras.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from skvq._contract.errors import ExportError, ModelFileError
from skvq._contract.graph import GraphFunction
from skvq.runtime._description import MANIFEST, TABLES, VECTORS
from skvq.runtime._operators import check_model

from ._child import models_from_child
from ._convert import require_converters
from ._folder import check_target, write_folder
from ._manifest import annotate, manifest, sections, signature
from ._model import Converter, check_valid, serialized
from ._parity import ParityReport, Reference, checked, compare, magnitude_of
from ._parts import check_parts, choose, described, estimators_of, functions_of
from ._quantize import QuantizationReport, quantize
from ._sklearn import register_converters
from ._vectors import make_vectors

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


def to_onnx(model: Any, part: str | None = None, *, prior: Any = None) -> Any:
    """Convert one part of a fitted estimator to ONNX, and check that it gives the same results.

    Parameters
    ----------
    model : fitted estimator
        A VQGenerator, a VQVAE, or a prior.
    part : str, optional
        For a VQVAE: ``"encoder"`` (default), ``"decoder"`` or ``"reconstruct"``, and ``"encoder_uint8"`` if it was
        fitted on uint8. For a prior: ``"sampler"`` (default), ``"controlled_sampler"`` (with top_k, top_p and known
        codes), ``"prior"`` or ``"log_likelihood"``. For both together: all of these, ``"generator"`` (default) and
        ``"controlled_generator"``, which draw codes and decode them in one graph. ``graph.doc_string`` of the result
        contains a drawing of the graph.
    prior : fitted prior, optional
        The prior of ``model``, if that is a VQVAE.

    Returns
    -------
    onnx.ModelProto
        Opset 18, with named inputs and outputs. Only the dimension ``batch`` is variable. Its metadata contain shapes,
        units, parameters and versions as JSON. The same weights give the same bytes.

    Raises
    ------
    InvalidInputError
        If there is no such part, or the prior has another grid than ``model``.
    TypeError
        If ``model`` or ``prior`` is not an estimator of skvq.
    NotFittedError
        If one is not fitted.
    ExportError
        If a part cannot be converted, or onnxruntime and Keras give different results.
    ImportError
        If TensorFlow or tf2onnx is missing.

    Notes
    -----
    tf2onnx [1]_ does the conversion. With another Keras backend than TensorFlow, it runs in a child process.

    References
    ----------
    .. [1] https://github.com/onnx/tensorflow-onnx

    Examples
    --------
    >>> encoder = skvq.to_onnx(vqvae, "encoder")  # doctest: +SKIP
    >>> onnx.save(encoder, "encoder.onnx")  # doctest: +SKIP
    """
    functions = functions_of(model, prior)
    name = choose(functions, part).name
    said = sections(described(model, prior), estimators_of(model, prior))
    converted, _ = next(_models(model, prior, {name: functions[name]}, said))
    return converted


def export_onnx(
    model: Any,
    path: str | os.PathLike[str] | None = None,
    *former: Any,
    prior: Any = None,
    parts: Sequence[str] | None = None,
) -> Path:
    """Write a folder of ONNX files and a manifest, for :func:`skvq.runtime.load` or any ONNX runtime.

    Parameters
    ----------
    model : fitted estimator
        A VQGenerator, a VQVAE, or a prior. An autoencoder gives ``encoder.onnx`` and ``decoder.onnx``, and
        ``encoder_uint8.onnx`` if it was fitted on uint8. A prior gives ``prior.onnx``, ``log_likelihood.onnx``,
        ``sampler.onnx`` and ``controlled_sampler.onnx``. Both together also give ``generator.onnx``, and with a
        ContextPrior ``tables.bin``, by which the runtime compresses and decompresses.
    path : path-like
        The folder: new, empty, or an earlier export. The folder is replaced as a whole, so it must not be the working
        directory or a mount point. ``~`` is the home folder.
    *former
        Must be empty. It only detects calls with an earlier order of arguments.
    prior : fitted prior, optional
        The prior of ``model``, if that is a VQVAE.
    parts : sequence of str, optional
        The parts to write, with the names of :func:`to_onnx`. None writes all parts named above. For codes, images and
        samples, :mod:`skvq.runtime` needs only encoder, decoder and generator.

    Returns
    -------
    Path
        The folder. Its ``manifest.json`` lists each file with its SHA-256, inputs, outputs and the comparison with the
        estimator. Its ``vectors.json`` has inputs and answers of each file, for runtimes in other languages.

    Raises
    ------
    InvalidInputError
        If ``path`` contains anything else or cannot be written, the prior has another grid than ``model``, or there is
        no such part.
    TypeError
        If ``path`` is missing or not a path.
    ExportError
        If a part cannot be converted, onnxruntime and Keras give different results, or the part needs an operator that
        :mod:`skvq.runtime` does not run.
    TypeError, NotFittedError, ImportError
        As for :func:`to_onnx`. After an error, the folder is unchanged.

    Examples
    --------
    >>> skvq.export_onnx(generator, "exports/mnist")  # doctest: +SKIP
    PosixPath('/home/me/exports/mnist')
    >>> skvq.export_onnx(vqvae, "exports/mnist", prior=prior)  # doctest: +SKIP
    PosixPath('/home/me/exports/mnist')
    """
    if former or hasattr(path, "graph_functions"):
        raise TypeError(
            "export_onnx takes the model, then the path; got more, or an estimator as path. "
            'Call export_onnx(vqvae, "exports/mnist", prior=prior).'
        )
    target = check_target(path)
    functions = functions_of(model, prior)
    if parts is None:
        chosen = {part: functions[part] for part in _FOLDER_PARTS if part in functions}
    else:
        chosen = {part: choose(functions, part) for part in check_parts(parts)}
    model_description = described(model, prior)
    said = sections(model_description, estimators_of(model, prior))
    files = {}
    models = _models(model, prior, chosen, said)
    for (part, function), (converted, report) in zip(chosen.items(), models, strict=True):
        data = serialized(converted)
        _check_runs(part, data)
        files[f"{part}.onnx"] = function, data, report
    content = {name: data for name, (_, data, _) in files.items()}
    signatures = {name: signature(function) for name, (function, _, _) in files.items()}
    vectors = make_vectors(model_description, signatures, content)
    if "coding" in said and model_description.tables is not None:
        content[TABLES] = model_description.tables
    write_folder(target, {**content, VECTORS: vectors, MANIFEST: manifest(said, files, vectors)})
    return target


def _models(
    model: Any, prior: Any, functions: Mapping[str, GraphFunction], said: Mapping[str, Any]
) -> Iterator[tuple[Any, ParityReport]]:
    """Yield the model of each part, with its parity report."""
    import keras

    require_converters()
    elsewhere = keras.backend.backend() != "tensorflow"
    converted = models_from_child(model, prior, list(functions)) if elsewhere else {}
    converter, reference, magnitude = Converter(), Reference(), magnitude_of(model)
    for part, function in functions.items():
        finished = converted[part] if elsewhere else converter.model(function)
        annotate(finished, function, said)
        check_valid(finished, part)
        yield finished, checked(function, finished, reference, magnitude)


def _check_runs(part: str, data: bytes) -> None:
    """Raise an error unless skvq.runtime can run a file, so that each written folder can be loaded."""
    try:
        check_model(data)
    except ModelFileError as error:
        raise ExportError(
            f"The part {part!r} cannot be run by skvq.runtime: {error}. Nothing was written. Write the function with "
            "other operations, or use skvq.to_onnx and another runtime."
        ) from error
