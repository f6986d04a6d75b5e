"""What users pass to a runtime, checked before a session runs."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnxruntime

from skvq._contract.images import Layout

Providers = Sequence[str | tuple[str, Mapping[str, Any]]] | None


def check_images(X: Any, layout: Layout, as_bytes: bool = False) -> np.ndarray:
    """Return X as float32 images, in its own unit; ``as_bytes`` leaves uint8 as it is.

    Raises
    ------
    ValueError
        If X is not numeric, of another shape, or holds NaN or infinity.
    """
    X = np.asarray(X)
    if X.dtype.kind not in "buif":
        raise ValueError(f"X must be numeric; got dtype {X.dtype}. Convert it with np.asarray(X, dtype=float).")
    if X.ndim < 2 or not layout.accepts(X.shape[1:]):
        raise ValueError(
            f"X must hold rows of shape {layout.row_shape}, or of the image shape {layout.image_shape}; got an "
            f"array of shape {X.shape}. Resize the images; for a single one pass image[None]."
        )
    if as_bytes:
        return X.reshape(len(X), *layout.image_shape)
    return layout.to_images(X)


def check_codes(codes: Any, code_shape: tuple[int, ...], n_embeddings: int) -> np.ndarray:
    """Return codes as int64 (n, positions).

    Raises
    ------
    ValueError
        If codes are fractional, not in [0, n_embeddings), or not one for each position.
    """
    n_positions = int(np.prod(code_shape))
    codes = np.asarray(codes)
    if codes.ndim != 2 or codes.shape[1] != n_positions:
        raise ValueError(
            f"codes must be of shape (n, {n_positions}), one for each position of {code_shape}; "
            f"got {codes.shape}. Use what transform answers."
        )
    if codes.dtype.kind not in "bui" and not (codes.dtype.kind == "f" and np.array_equal(np.rint(codes), codes)):
        raise ValueError(
            f"codes must be whole numbers; got fractions, NaN or text, as {codes.dtype}. Use what transform answers."
        )
    if codes.size and not (codes.min() >= 0 and codes.max() < n_embeddings):
        raise ValueError(
            f"codes must lie in [0, {n_embeddings}); got {codes.min()} to {codes.max()}. "
            "Use what this export's own encoder or sampler answers."
        )
    return codes.astype(np.int64)


def labels_of(y: Any, classes: tuple | None, n_rows: int) -> tuple[np.ndarray, ...]:
    """Return class values as labels (n_rows,) int64, the only item; no item for a prior without classes.

    Raises
    ------
    ValueError
        If y is missing for a conditional prior, given for another, of a wrong length, or holds an unknown class.
    """
    if classes is None:
        if y is not None:
            raise ValueError("y must be None: this prior was fitted without classes. Leave y out.")
        return ()
    if y is None:
        raise ValueError(
            f"y must be given: this prior is conditional. Pass one class, or one a row, of {_listed(classes)}."
        )
    values = np.asarray(y)
    if values.ndim == 0:
        values = np.repeat(values, n_rows)
    if values.shape != (n_rows,):
        raise ValueError(
            f"y must be one class, or one a row; got shape {values.shape} for {n_rows} rows. "
            "Pass [label] * n_samples for the same class everywhere."
        )
    if isinstance(y, (list, tuple)):
        # One by one: NumPy would turn the numbers of a list with text into text.
        values = np.array([np.asarray(value).item() for value in y], dtype=object)
    index = {value: label for label, value in enumerate(classes)}
    unknown = [value for value in values.tolist() if value not in index]
    if unknown:
        raise ValueError(
            f"y must hold classes that the prior was fitted with; got {unknown[0]!r}. Choose of {_listed(classes)}."
        )
    return (np.array([index[value] for value in values.tolist()], np.int64),)


def check_temperature(temperature: Any) -> np.ndarray:
    """Return the temperature as a float32 scalar, the shape that the graph takes.

    Raises
    ------
    ValueError
        If it is no finite number above 0, or one that float32 cannot divide logits by.
    """
    is_real = np.ndim(temperature) == 0 and isinstance(temperature, (int, float, np.integer, np.floating))
    if not is_real or not 0 < temperature < np.inf:
        raise ValueError(
            f"temperature must be a finite number above 0; got {temperature!r}. 1 samples the prior itself."
        )
    if not 1e-30 <= temperature <= 1e30:
        raise ValueError(
            "temperature must lie between 1e-30 and 1e30, so that logits can be divided by it in float32; "
            f"got {temperature!r}. For very low ones, top_k=1 draws the likeliest code."
        )
    return np.array(temperature, np.float32)


def check_top_k(top_k: Any) -> np.ndarray:
    """Return how many codes to draw from as an int64 scalar, the shape that the graph takes; 0 for all.

    Raises
    ------
    ValueError
        If it is neither None nor a whole number above 0.
    """
    if top_k is None:
        return np.array(0, np.int64)
    # More than there are is all.
    return np.array(min(check_count("top_k", top_k, "Leave it None to draw from all codes."), 2**31 - 1), np.int64)


def check_top_p(top_p: Any) -> np.ndarray:
    """Return the probability to be reached as a float32 scalar, the shape that the graph takes; 1 for all codes.

    Raises
    ------
    ValueError
        If it is neither None nor in (0, 1].
    """
    if top_p is None:
        return np.array(1, np.float32)
    if np.ndim(top_p) == 0 and isinstance(top_p, (int, float, np.number)) and 0 < top_p <= 1:
        return np.array(top_p, np.float32)
    raise ValueError(f"top_p must be in (0, 1], or None; got {top_p!r}. Leave it None to draw from all codes.")


def check_known(known: Any, codes: np.ndarray) -> np.ndarray:
    """Return the codes (n, n_positions) with -1 where they are not known.

    Raises
    ------
    ValueError
        If ``known`` is no array of bool, one for each position or for each code.
    """
    mask = np.asarray(known)
    if mask.dtype != bool or mask.shape not in (codes.shape, codes.shape[1:]):
        raise ValueError(
            f"known must be an array of bool of shape {codes.shape[1:]} or {codes.shape}; got {mask.dtype}, "
            f"shape {mask.shape}. True keeps the code at that position."
        )
    return np.where(mask, codes, -1)


def check_count(name: str, value: Any, advice: str = "Pass 1 or more.") -> int:
    """Return a whole number above 0.

    Raises
    ------
    ValueError
        If it is anything else.
    """
    if isinstance(value, (int, np.integer)) and not isinstance(value, (bool, np.bool_)) and value >= 1:
        return int(value)
    raise ValueError(f"{name} must be a whole number above 0; got {value!r}. {advice}")


def check_providers(providers: Providers) -> list:
    """Return onnxruntime providers to use; None is the CPU, on which exports are compared.

    Raises
    ------
    ValueError
        If they are no list, or this onnxruntime has no such provider.
    """
    if isinstance(providers, str):  # a sequence too, of letters
        raise ValueError(
            "providers must be a list of some that this onnxruntime has, "
            f"{', '.join(onnxruntime.get_available_providers())}; got the str {providers!r}. "
            f"Put it in a list: [{providers!r}]."
        )
    providers = ["CPUExecutionProvider"] if providers is None else list(providers)
    available = onnxruntime.get_available_providers()
    names = [provider if isinstance(provider, str) else provider[0] for provider in providers]
    if not names or not set(names) <= set(available):
        raise ValueError(
            f"providers must be a list of some that this onnxruntime has, {', '.join(available)}; "
            f"got {', '.join(names) or 'none'}. Install another build, such as onnxruntime-gpu, for more."
        )
    return providers


def _listed(classes: tuple) -> str:
    shown = ", ".join(map(repr, classes[:20]))
    return f"{shown}, … ({len(classes)} in all)" if len(classes) > 20 else shown
