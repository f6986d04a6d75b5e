"""A training between two epochs: as an object, and as a JSON document with arrays, from which it goes on bit by bit."""

import math
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from skvq.networks import keras
from skvq.training.optimizers import load_training_state, training_state

Arrays = dict[str, np.ndarray]


class Checkpoint(Protocol):
    """Where a training is kept after each epoch."""

    def load(self) -> tuple[dict[str, Any], Arrays] | None:
        """Return what was saved last, or None before the first epoch."""

    def save(self, document: dict[str, Any], arrays: Arrays) -> None:
        """Replace what was saved."""

    def close(self) -> None:
        """Let go of it: the training ended, or failed."""


@dataclass
class Snapshot:
    """The weights at the end of an epoch, with their statistics and validation loss."""

    weights: list[np.ndarray]
    statistics: Any = None
    loss: float = math.inf


@dataclass
class TrainingState:
    """What a training has reached after some epochs.

    Attributes
    ----------
    last : Snapshot
        Of the last epoch, or the weights before the first.
    best : Snapshot or None
        Of the epoch with the smallest validation loss; it may be ``last``. None without validation.
    history : dict of list
        For each quantity, one value for each epoch.
    epochs_without_gain : int
    finished : bool
        Whether there will be no further epoch.
    """

    last: Snapshot
    best: Snapshot | None = None
    history: dict[str, list[Any]] = field(default_factory=dict)
    epochs_without_gain: int = 0
    finished: bool = False

    @property
    def n_epochs(self) -> int:
        """Number of completed epochs."""
        return len(self.history.get("loss", []))

    def add(self, quantities: dict[str, float], snapshot: Snapshot) -> None:
        """Add an epoch."""
        self.last = snapshot
        for name, value in quantities.items():
            self.history.setdefault(name, []).append(value)

    def compare(self, tol: float) -> None:
        """Compare the validation loss of the last epoch with the best one."""
        gained = self.best is None or self.last.loss < self.best.loss - tol
        self.epochs_without_gain = 0 if gained else self.epochs_without_gain + 1
        if self.best is None or self.last.loss < self.best.loss:
            self.best = self.last


def write_state(state: TrainingState, network: keras.Model) -> tuple[dict[str, Any], Arrays]:
    """Return a training as a JSON document and arrays.

    Parameters
    ----------
    state : TrainingState
        ``state.last`` has the present weights of the network.
    network : keras.Model
        With its optimizer.
    """
    kept = training_state(network)
    assert kept is not None  # the network has trained
    arrays = {f"history/{name}": np.array(values) for name, values in state.history.items()}
    document: dict[str, Any] = {
        "n_epochs": state.n_epochs,
        "epochs_without_gain": state.epochs_without_gain,
        "finished": state.finished,
        "history": list(state.history),
    }
    for name in ("optimizer", "seeds"):
        document[name] = len(kept[name])
        arrays |= {f"{name}/{i}": value for i, value in enumerate(kept[name])}
    for name, snapshot in (("last", state.last), ("best", state.best)):
        document[name] = "last" if snapshot is state.last and name == "best" else None
        if snapshot is not None and document[name] is None:
            document[name] = {"weights": len(snapshot.weights), "statistics": snapshot.statistics is not None}
            arrays |= {f"{name}/{i}": value for i, value in enumerate(snapshot.weights)}
            arrays[f"{name}/loss"] = np.array([snapshot.loss])
            if snapshot.statistics is not None:
                arrays[f"{name}/statistics"] = snapshot.statistics
    return document, arrays


def read_state(document: dict[str, Any], arrays: Arrays, network: keras.Model, config: Any) -> TrainingState:
    """Return the training of a document and its arrays, and give the network its weights, optimizer and seeds.

    Raises
    ------
    ValueError, KeyError
        If they belong to another network.
    """

    def listed(name: str, n: int) -> list[np.ndarray]:
        return [arrays[f"{name}/{i}"] for i in range(n)]

    def snapshot(name: str) -> Snapshot:
        entry = document[name]
        statistics = arrays[f"{name}/statistics"] if entry["statistics"] else None
        return Snapshot(listed(name, entry["weights"]), statistics, float(arrays[f"{name}/loss"][0]))

    last = snapshot("last")
    best = last if document["best"] == "last" else document["best"] and snapshot("best")
    network.set_weights(last.weights)
    kept = {name: listed(name, document[name]) for name in ("optimizer", "seeds")}
    load_training_state(network, config, {"signature": network.optimizer_signature, **kept})
    history = {name: arrays[f"history/{name}"].tolist() for name in document["history"]}
    return TrainingState(last, best, history, document["epochs_without_gain"], document["finished"])
