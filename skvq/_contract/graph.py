"""The interface between estimators and :mod:`skvq.export`: named functions with typed inputs and outputs.

An estimator returns ``{part: GraphFunction}`` from ``graph_functions()``. The exporter uses these functions alone, and
no network class or private attribute. A function's ``kind`` says what it does, a tensor's ``role`` says what it means.
Names are for people; no code decides by them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

GraphKind = Literal["encoder", "decoder", "autoencoder", "prior", "likelihood", "sampler", "generator"]
TensorRole = Literal[
    "images",  # in the units of the training data
    "codes",
    "latents",
    "labels",
    "uniforms",
    "temperature",
    "top_k",
    "top_p",
    "known_codes",
    "logits",
    "log_likelihood",
    "features",  # columns of a scikit-learn pipeline
]


@dataclass(frozen=True)
class TensorSpec:
    """An input or output of a graph.

    Parameters
    ----------
    name : str
        Its name in the ONNX file: ``images``, ``codes``, ``uniforms``, …
    role : TensorRole
        What the tensor means.
    shape : tuple of (int or None)
        None is the dynamic dimension ``batch``. ``()`` is a scalar.
    dtype : str
        NumPy name: ``float32``, ``int64`` or ``uint8``.
    description : str
        Meaning, unit and range, for the manifest.

    Raises
    ------
    ValueError
        If there is no such role.
    """

    name: str
    role: TensorRole
    shape: tuple[Any, ...]
    dtype: str
    description: str

    def __post_init__(self) -> None:
        _check_choice("role", self.role, get_args(TensorRole))


@dataclass(frozen=True)
class GraphFunction:
    """A pure function of Keras tensors that can be traced, converted and verified.

    Parameters
    ----------
    name : str
        The part: ``encoder``, ``encoder_uint8``, ``controlled_sampler``, …
    kind : GraphKind
        What the function does. Several parts may be of one kind.
    function : callable
        Takes Keras tensors in the order of ``inputs`` and returns a tuple of Keras tensors in the order of
        ``outputs``. Its docstring describes the graph, and is written into the exported file.
    inputs, outputs : tuple of TensorSpec
    example : callable
        ``example(n, generator) -> tuple`` of typical NumPy inputs for ``n`` rows.
    margin : callable or None
        For parts that return codes: ``margin(inputs, codes) -> ndarray`` of the shape of ``codes``, >= 0. It is the
        distance of each code from the next best code, in multiples of the float32 rounding tolerance. Where it is
        above 1, rounding cannot explain a different code. ``codes`` may come from another runtime: the margin at
        position ``j`` is computed given the codes before ``j``. None for parts that return floats.

    Raises
    ------
    ValueError
        If there is no such kind.
    """

    name: str
    kind: GraphKind
    function: Callable[..., Any]
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    example: Callable[[int, np.random.Generator], tuple[Any, ...]]
    margin: Callable[[tuple[Any, ...], np.ndarray], np.ndarray] | None = None

    def __post_init__(self) -> None:
        _check_choice("kind", self.kind, get_args(GraphKind))


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}; got {value!r}.")
