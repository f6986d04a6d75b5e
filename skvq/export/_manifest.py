"""What an exported file says about itself, as JSON: shapes, units, parameters, versions.

The same sections stand in a folder's ``manifest.json`` and in the metadata of each ONNX file, so a file that
has left its folder can still be used. Nothing here depends on when or where it was written.
"""

import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

import skvq
from skvq._contract.description import ModelDescription
from skvq._contract.errors import ExportError
from skvq._contract.graph import GraphFunction, TensorSpec
from skvq._contract.labels import Classes
from skvq.runtime._description import FORMAT, FORMAT_VERSION, TABLES, VECTORS

from ._convert import OPSET
from ._naming import BATCH
from ._parity import ParityReport

EMPTY_BATCHES_FROM = "1.31"  # older ones end the process where TopK gets no rows


def sections(described: ModelDescription, estimators: Mapping[str, Any]) -> dict:
    """Describe a model: what a runtime must know, then where the weights came from.

    Parameters
    ----------
    described : ModelDescription
    estimators : mapping of str to estimator
        Fitted, by what they are in the model: ``vqvae``, ``prior``.
    """
    said: dict[str, Any] = {"format": FORMAT, "format_version": FORMAT_VERSION}
    layout, limits = described.layout, described.data_range
    if described.grid is not None and layout is not None and limits is not None:
        said["grid"] = described.grid.as_json()
        said["data_range"] = [float(limit) for limit in limits]
        said["layout"] = jsonable(
            {"row_shape": layout.row_shape, "image_shape": layout.image_shape, "dtype": layout.dtype}
        )
    if described.prior_grid is not None:
        said["prior"] = {"grid": described.prior_grid.as_json(), "classes": _classes(described.classes)}
    if described.tables is not None and described.decoder_digest is not None:
        said["coding"] = {
            "file": TABLES,
            "sha256": hashlib.sha256(described.tables).hexdigest(),
            "bytes": len(described.tables),
            "decoder_sha256": described.decoder_digest.hex(),
        }
    said["estimators"] = {
        role: {"class": type(estimator).__name__, "parameters": jsonable(estimator.get_params(deep=False))}
        for role, estimator in estimators.items()
    }
    said["versions"] = {"skvq": skvq.__version__, **_versions()}
    said["empty_batches"] = {"onnxruntime": EMPTY_BATCHES_FROM}
    return said


def signature(function: GraphFunction) -> dict:
    """Describe one part's inputs and outputs."""
    return {
        "part": function.name,
        "kind": function.kind,
        "opset": OPSET,
        "inputs": [_tensor(spec) for spec in function.inputs],
        "outputs": [_tensor(spec) for spec in function.outputs],
    }


def annotate(model: Any, function: GraphFunction, described: Mapping) -> None:
    """Write both descriptions into the model's metadata, each entry a JSON text under ``skvq.<name>``."""
    del model.metadata_props[:]
    for key, value in sorted({**described, **signature(function)}.items()):
        model.metadata_props.add(key=f"skvq.{key}", value=_text(value))


def manifest(
    described: Mapping, files: Mapping[str, tuple[GraphFunction, bytes, ParityReport]], vectors: bytes
) -> bytes:
    """Return the content of ``manifest.json``.

    Parameters
    ----------
    described : mapping
        From :func:`sections`.
    files : mapping of str to (GraphFunction, bytes, ParityReport)
        File name -> the part, the content, and how it compared.
    vectors : bytes
        The content of ``vectors.json``.
    """
    entries = {
        name: {**signature(function), **_content(content), "parity": report.as_json()}
        for name, (function, content, report) in files.items()
    }
    return readable_json({**described, "vectors": {"file": VECTORS, **_content(vectors)}, "files": entries})


def with_companions(content: bytes, names: Sequence[str]) -> bytes:
    """Return a manifest that also names the files beside the models, such as a model card and its picture.

    Parameters
    ----------
    content : bytes
        Of ``manifest.json``.
    names : sequence of str
        Of :data:`skvq.runtime._description.COMPANIONS`. A later export may replace these files, and no others.
    """
    return readable_json({**json.loads(content), "companions": list(names)})


def readable_json(value: Mapping) -> bytes:
    """Return a JSON text with an entry to a line, and flat lists on one line."""
    return (_FLAT_LIST.sub(_on_one_line, _text(value, indent=2)) + "\n").encode()


def _content(data: bytes) -> dict:
    return {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}


# Shapes and classes read better on one line. Within a text, JSON has no line breaks.
_FLAT_LIST = re.compile(r"\[\n\s*([^\[\]{}]*?)\n\s*\]")


def _on_one_line(found: re.Match) -> str:
    return "[" + re.sub(r",\n\s*", ", ", found[1]) + "]"


def jsonable(value: Any) -> Any:
    """Reduce a parameter to what JSON can say; functions and classes to their names.

    An object's own text is never used: it may hold an address, and differ at each run.
    """
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, np.generic):
        return jsonable(value.item())
    if isinstance(value, np.ndarray):
        return jsonable(value.tolist())
    if isinstance(value, Mapping):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [jsonable(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted(map(jsonable, value), key=repr)
    named = value if hasattr(value, "__qualname__") else type(value)
    return f"{named.__module__}.{named.__qualname__}"


def _text(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False)


def _tensor(spec: TensorSpec) -> dict:
    shape = [BATCH if size is None else int(size) for size in spec.shape]
    return {
        "name": spec.name,
        "role": spec.role,
        "shape": shape,
        "dtype": spec.dtype,
        "description": spec.description,
    }


def _classes(classes: Classes | None) -> list | None:
    values = None if classes is None else classes.values.tolist()
    for value in values or ():
        if not isinstance(value, (str, int, float)) or (isinstance(value, float) and not math.isfinite(value)):
            raise ExportError(
                f"The prior's classes must be finite numbers or texts to stand in an exported file; got {value!r}. "
                "Fit the prior to y of such values."
            )
    return values


def _versions() -> dict[str, str]:
    found = {}
    for name in ("keras", "numpy", "onnx", "onnxruntime", "tensorflow", "tf2onnx"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # a nightly build goes under another name
            found[name] = "unknown"
    return found
