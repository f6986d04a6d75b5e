"""What a fitted estimator offers to an exporter: named functions with typed inputs and outputs.

This is the whole contract between the estimators and :mod:`skvq.export`. An estimator returns
``{part: GraphFunction}`` from ``graph_functions()``; the exporter needs nothing else, and never
touches a network class or a private attribute.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class TensorSpec:
    """A named tensor at the rim of a graph.

    Parameters
    ----------
    name : str
        As it will stand in the ONNX file: ``images``, ``codes``, ``uniforms``, …
    shape : tuple of (int or None)
        None stands for the one dynamic dimension, ``batch``. ``()`` is a scalar.
    dtype : str
        NumPy name: ``float32`` or ``int64`` or ``uint8``.
    description : str
        Meaning, unit and range, for the manifest.
    """

    name: str
    shape: tuple
    dtype: str
    description: str


@dataclass(frozen=True)
class GraphFunction:
    """A pure function of Keras tensors that can be traced, converted and checked.

    Parameters
    ----------
    name : str
        The part: ``encoder``, ``decoder``, ``prior``, ``sampler``, ….
    function : callable
        Keras tensors in the order of ``inputs`` -> tuple of Keras tensors in the order of ``outputs``. Its docstring
        draws the graph, and is written into the exported file.
    inputs, outputs : tuple of TensorSpec
    example : callable
        ``example(n, generator) -> tuple`` of NumPy inputs for ``n`` rows, typical of use.
    margin : callable or None
        For parts whose output is codes: ``margin(inputs, codes) -> ndarray`` like ``codes``, >= 0: how far each
        code (n, positions) is from flipping, in units of what float32 can blur. A margin above 1 means that no
        rounding explains a difference there. Given the codes that another runtime answered, position ``j`` is
        judged under the codes before ``j`` in that answer. None for parts whose outputs are floats.
    """

    name: str
    function: Callable
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    example: Callable[[int, np.random.Generator], tuple]
    margin: Callable[[tuple, np.ndarray], np.ndarray] | None = None
