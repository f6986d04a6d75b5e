"""The interface between estimators and :mod:`skvq.export`: named functions with typed inputs and outputs.

An estimator returns ``{part: GraphFunction}`` from ``graph_functions()``. The exporter uses these functions alone, and
no network class or private attribute.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class TensorSpec:
    """A named input or output tensor of a graph.

    Parameters
    ----------
    name : str
        Its name in the ONNX file: ``images``, ``codes``, ``uniforms``, …
    shape : tuple of (int or None)
        None is the dynamic dimension ``batch``. ``()`` is a scalar.
    dtype : str
        NumPy name: ``float32``, ``int64`` or ``uint8``.
    description : str
        Meaning, unit and range, for the manifest.
    """

    name: str
    shape: tuple
    dtype: str
    description: str


@dataclass(frozen=True)
class GraphFunction:
    """A pure function of Keras tensors that can be traced, converted and verified.

    Parameters
    ----------
    name : str
        The part: ``encoder``, ``decoder``, ``prior``, ``sampler``, ….
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
    """

    name: str
    function: Callable
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    example: Callable[[int, np.random.Generator], tuple]
    margin: Callable[[tuple, np.ndarray], np.ndarray] | None = None
