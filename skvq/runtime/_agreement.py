"""What is said three times must be the same: in the manifest, in a file's metadata, and by the graph itself.

The role of a tensor says what it holds, and so which type and shape it must have for this model's grid and layout, and
which values an answer may have.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from skvq._contract.description import ModelDescription
from skvq._contract.errors import ModelFileError, printable

from ._description import BATCH, damaged

# Kind of a part, as in skvq._contract.graph -> the roles that its inputs may have, and the role of its one output.
KINDS = {
    "encoder": ({"images"}, "codes"),
    "decoder": ({"codes"}, "images"),
    "autoencoder": ({"images"}, "images"),
    "prior": ({"codes", "labels"}, "logits"),
    "likelihood": ({"codes", "labels"}, "log_likelihood"),
    "sampler": ({"uniforms", "temperature", "top_k", "top_p", "known_codes", "labels"}, "codes"),
    "generator": ({"uniforms", "temperature", "top_k", "top_p", "known_codes", "labels"}, "images"),
}
_OPTIONAL = {"labels", "top_k", "top_p", "known_codes"}
_NEEDS_AUTOENCODER = {"encoder", "decoder", "autoencoder", "generator"}
_NEEDS_PRIOR = {"prior", "likelihood", "sampler", "generator"}
_OF_FILE = ("part", "kind", "opset", "inputs", "outputs")
_OF_MANIFEST_ALONE, _OF_METADATA_ALONE = ("files", "vectors", "companions"), ("quantization",)
_LARGEST_LOG = 1e-3  # rounding may lift the logarithm of a probability above 0


def check_metadata(manifest: Mapping, entry: Mapping, metadata: Mapping, name: str) -> None:
    """Raise unless a file says of itself what the manifest says of it.

    Parameters
    ----------
    manifest, entry : mapping
        The whole manifest, and what it says of this file.
    metadata : mapping
        Of the file, parsed.
    name : str
        Of the file.

    Raises
    ------
    ModelFileError
        Naming the file and the entry.
    """
    shared = {key: value for key, value in manifest.items() if key not in _OF_MANIFEST_ALONE}
    said = shared | {key: entry[key] for key in _OF_FILE}
    found = {key: value for key, value in metadata.items() if key not in _OF_METADATA_ALONE}
    for key in sorted(said.keys() | found.keys()):
        if key not in said or key not in found or said[key] != found[key]:
            raise ModelFileError(
                f"{name} and the manifest beside it differ in what they say of {printable(key)!r}. "
                "The folder was put together from several exports, or changed: copy it again, or export again."
            )


def check_roles(entry: Mapping, model: ModelDescription, name: str) -> None:
    """Raise unless a part's inputs and outputs are what its kind needs, in the types and shapes of this model.

    Raises
    ------
    ModelFileError
        Naming the file and the entry.
    """
    kind, shown = entry["kind"], f"{printable(entry['part'])}"
    if kind not in KINDS:
        raise damaged(name, f"{shown}/kind", f"one of {', '.join(KINDS)}", kind)
    if kind in _NEEDS_AUTOENCODER and model.grid is None:
        raise damaged(name, "grid", f"there for a part of the kind {kind!r}", None)
    if kind in _NEEDS_PRIOR and model.prior_grid is None:
        raise damaged(name, "prior", f"there for a part of the kind {kind!r}", None)
    allowed, output = KINDS[kind]
    needed = {role for role in allowed if role not in _OPTIONAL or (role == "labels" and model.classes is not None)}
    if model.classes is None:
        allowed = allowed - {"labels"}
    roles = [tensor["role"] for tensor in entry["inputs"]]
    if len(set(roles)) < len(roles) or not needed <= set(roles) <= allowed:
        raise damaged(name, f"{shown}/inputs", f"of the roles {', '.join(sorted(needed))}", roles)
    if [tensor["role"] for tensor in entry["outputs"]] != [output]:
        raise damaged(name, f"{shown}/outputs", f"one of the role {output!r}", entry["outputs"])
    for side in ("inputs", "outputs"):
        for index, tensor in enumerate(entry[side]):
            dtypes, shape = _expected(tensor["role"], model)
            if tensor["dtype"] not in dtypes or tensor["shape"] != shape:
                words = f"{' or '.join(dtypes)} of shape {shape}"
                raise damaged(name, f"{shown}/{side}/{index}", words, [tensor["dtype"], tensor["shape"]])


def check_session(entry: Mapping, inputs: Sequence[Any], outputs: Sequence[Any], name: str) -> None:
    """Raise unless a graph has the inputs and outputs that its description names, in this order.

    Parameters
    ----------
    entry : mapping
        What the file says of itself.
    inputs, outputs : sequence of onnxruntime.NodeArg
    name : str
        Of the file.

    Raises
    ------
    ModelFileError
        Naming the file and what differs.
    """
    for side, tensors in (("inputs", inputs), ("outputs", outputs)):
        said = [(tensor["name"], _TYPES.get(tensor["dtype"]), tensor["shape"]) for tensor in entry[side]]
        found = [(tensor.name, tensor.type, list(tensor.shape)) for tensor in tensors]
        if said != found:
            raise ModelFileError(
                f"{name} describes {side} that its graph does not have: {printable(said)}; the graph has "
                f"{printable(found)}. Do not trust the file, or export the model again."
            )


def check_answer(kind: str, answer: np.ndarray, n_rows: int, model: ModelDescription, name: str) -> None:
    """Raise unless the answer of a part has the type, the shape and the values that its kind allows.

    Raises
    ------
    ModelFileError
        Naming the file and what is wrong.
    """
    role = KINDS[kind][1]
    dtypes, described = _expected(role, model)
    shape = (n_rows, *described[1:])
    if answer.dtype.name not in dtypes or answer.shape != shape:
        wrong = f"{answer.dtype} of shape {answer.shape}, not {' or '.join(dtypes)} of shape {shape}"
    elif role == "codes":
        grid = (model.prior_grid if kind == "sampler" else model.grid) or model.codes
        n_embeddings = grid.n_embeddings
        is_right = answer.min() >= 0 and answer.max() < n_embeddings
        wrong = "" if is_right else f"codes from {answer.min()} to {answer.max()}, not in [0, {n_embeddings})"
    elif role == "images":
        wrong = "" if np.isfinite(answer).all() else "pixels that are NaN or infinite"
    else:
        largest = _LARGEST_LOG if role == "log_likelihood" else np.finfo(np.float32).max
        # Minus infinity is the logarithm of a probability of 0.
        wrong = "" if (answer <= largest).all() else "log-probabilities that are NaN or too large"
    if wrong:
        raise ModelFileError(
            f"{name} answers {wrong}. Its graph does not do what its description says: do not trust the file."
        )


def _expected(role: str, model: ModelDescription) -> tuple[tuple[str, ...], list]:
    """Return the dtypes and the shape that a tensor of a role may have."""
    n_codes = model.codes.n_codes
    if role == "images":
        assert model.layout is not None  # see _NEEDS_AUTOENCODER
        return ("float32", "uint8"), [BATCH, *model.layout.image_shape]
    if role in ("codes", "known_codes"):
        return ("int64",), [BATCH, n_codes]
    if role == "uniforms":
        return ("float32",), [BATCH, n_codes]
    if role == "labels":
        return ("int64",), [BATCH]
    if role == "top_k":
        return ("int64",), []
    if role in ("temperature", "top_p"):
        return ("float32",), []
    if role == "logits":
        return ("float32",), [BATCH, n_codes, (model.prior_grid or model.codes).n_embeddings]
    return ("float32",), [BATCH]  # log_likelihood


_TYPES = {"float32": "tensor(float)", "int64": "tensor(int64)", "uint8": "tensor(uint8)"}
