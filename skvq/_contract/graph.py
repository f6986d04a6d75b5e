"""What a fitted estimator offers to an exporter: named functions with typed inputs and outputs.

This is the whole contract between the estimators and :mod:`skvq.export`. An estimator returns
``{part: GraphFunction}`` from ``graph_functions()``; the exporter needs nothing else, and never
touches a network class or a private attribute. What a function does is said by its ``kind``, and what a tensor means by
its ``role``; names are for people, and nothing may be decided by them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

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
        As it will stand in the ONNX file: ``images``, ``codes``, ``uniforms``, …
    role : TensorRole
        What the tensor means.
    shape : tuple of (int or None)
        None stands for the one dynamic dimension, ``batch``. ``()`` is a scalar.
    dtype : str
        NumPy name: ``float32`` or ``int64`` or ``uint8``.
    description : str
        Meaning, unit and range, for the manifest.

    Raises
    ------
    ValueError
        If there is no such role.
    """

    name: str
    role: TensorRole
    shape: tuple
    dtype: str
    description: str

    def __post_init__(self) -> None:
        _check_choice("role", self.role, get_args(TensorRole))


@dataclass(frozen=True)
class GraphFunction:
    """A pure function of Keras tensors that can be traced, converted and checked.

    Parameters
    ----------
    name : str
        The part: ``encoder``, ``encoder_uint8``, ``controlled_sampler``, …
    kind : GraphKind
        What the function does. Several parts may be of one kind.
    function : callable
        Keras tensors in the order of ``inputs`` -> tuple of Keras tensors in the order of ``outputs``. Its docstring
        draws the graph, and is written into the exported file.
    inputs, outputs : tuple of TensorSpec
    example : callable
        ``example(n, generator) -> tuple`` of NumPy inputs for ``n`` rows, typical of use.
    margin : callable or None
        For parts whose output is codes: ``margin(inputs, codes) -> ndarray`` like ``codes``, >= 0: how far each
        code (n, positions) is from flipping, in multiples of the float32 rounding tolerance. A margin above 1 means
        that rounding does not explain a difference there. Given the codes that another runtime answered, position
        ``j`` is judged under the codes before ``j`` in that answer. None for parts whose outputs are floats.

    Raises
    ------
    ValueError
        If there is no such kind.
    """

    name: str
    kind: GraphKind
    function: Callable
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    example: Callable[[int, np.random.Generator], tuple]
    margin: Callable[[tuple, np.ndarray], np.ndarray] | None = None

    def __post_init__(self) -> None:
        _check_choice("kind", self.kind, get_args(GraphKind))


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}; got {value!r}.")
