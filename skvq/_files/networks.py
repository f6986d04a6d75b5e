"""The arrays of an estimator from a file, held against the network that its entries describe."""

import threading
from types import SimpleNamespace
from typing import Any

import numpy as np

from skvq._contract.errors import printable
from skvq._files.checks import Refused, refuse
from skvq.networks import keras
from skvq.training import load_training_state
from skvq.training.optimizers import compile_network


def check_network(estimator: Any, training_state: dict | None, where: str) -> None:
    """Build the network of an estimator, and check all that only the network can tell.

    The estimator has all its attributes but ``_training_state``, which is None. Afterwards it has that, too.

    Raises
    ------
    Refused
        If the arrays are not those of the network.
    """
    planned = _planned_weights(estimator, where)
    found = [(w.shape, w.dtype.kind) for w in estimator._weights]
    if found != planned["weights"]:
        wanted = [shape for shape, _ in planned["weights"]]
        refuse(f"{where}_weights", f"have the shapes of the network, {wanted}", [shape for shape, _ in found])
    if hasattr(estimator, "codebook_") and planned["code_shape"] != estimator.grid_.shape:
        refuse(f"{where}grid_", f"have the network's shape {planned['code_shape']}", estimator.grid_.shape)
    # From here on the network takes no more memory than its arrays in the file.
    network = estimator._network()
    if hasattr(estimator, "codebook_"):
        _check_codebook(estimator, network, where)
    if training_state is not None:
        _check_training_state(network, training_state, where)
        estimator._training_state = training_state
        load_training_state(network, estimator._training_config(1), training_state)


def _planned_weights(estimator: Any, where: str) -> dict:
    """Return the shapes and kinds of the weights, and the shape of the codes, without making any weight."""
    planned: dict = {}

    def plan() -> None:
        try:
            with keras.StatelessScope(initialize_variables=False):
                network = estimator._new_network(0)
                planned["weights"] = [(tuple(w.shape), np.dtype(w.dtype).kind) for w in network.weights]
                planned["code_shape"] = tuple(network.code_shape)
        except Exception as error:
            planned["error"] = error

    # Keras would make weights that were only planned as soon as another scope ends. It keeps them by thread.
    thread = threading.Thread(target=plan)
    thread.start()
    thread.join()
    if "error" in planned:
        error = planned["error"]
        raise Refused(f"{where}_network_config describes no network ({printable(error)})") from error
    return planned


def _check_codebook(estimator: Any, network: keras.Model, where: str) -> None:
    codebook = network.quantizer.codebook_array()
    if not np.allclose(codebook, estimator.codebook_, rtol=1e-4, atol=1e-4):
        refuse(f"{where}codebook_", "be the codebook of the weights", "another one")
    counts = estimator._region_counts
    if counts.shape != (network.code_counts.n_regions, estimator.grid_.n_embeddings):
        wanted = (network.code_counts.n_regions, estimator.grid_.n_embeddings)
        refuse(f"{where}_region_counts", f"have shape {wanted}", counts.shape)


def _check_training_state(network: keras.Model, state: dict, where: str) -> None:
    """Raise unless an optimizer of this signature has such variables on this network."""
    others = {id(v) for v in (*network.weights, *network.metrics_variables)}
    seeds = [v for v in network.variables if id(v) not in others]
    # The optimizer that training goes on with, unless a parameter of it was changed after fit.
    compile_network(network, SimpleNamespace(**state["signature"], learning_rate=1.0))
    for name, variables in (("optimizer", network.optimizer.variables), ("seeds", seeds)):
        # Kinds and not dtypes: backends count steps in integers of different widths.
        wanted = [(tuple(v.shape), np.dtype(v.dtype).kind in "iu") for v in variables]
        found = [(array.shape, array.dtype.kind in "iu") for array in state[name]]
        if found != wanted:
            shapes = [shape for shape, _ in wanted]
            refuse(f"{where}_training_state/{name}", f"have the shapes {shapes}", [shape for shape, _ in found])
