"""The training loop: shuffled batches, learning rate, history, early stopping, divergence, interruption."""

import math
import sys
import time
import warnings
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from skvq._contract.ahead import read_ahead
from skvq._contract.errors import DivergenceError, invalid
from skvq._data import Batch, Rows, shuffled_batches
from skvq.networks import keras
from skvq.networks.distribution import Devices
from skvq.training.config import TrainingConfig
from skvq.training.observer import Observer
from skvq.training.optimizers import compile_network
from skvq.training.state import Checkpoint, Snapshot, TrainingState, read_state, write_state


@dataclass
class TrainingResult:
    """The result of a training.

    Attributes
    ----------
    history : dict of list
        For each quantity, one value for each epoch.
    statistics : object
        What the observer returned for the epoch whose weights the network now has. None if no epoch was completed.
    """

    history: dict[str, list[Any]]
    statistics: Any = None

    @property
    def n_epochs(self) -> int:
        """Number of completed epochs."""
        return len(self.history.get("loss", []))


class Trainer:
    """Trains a network on shuffled batches, for a number of epochs.

    Parameters
    ----------
    network : keras.Model
        It must be built. It is compiled here, unless it already has the optimizer of ``config``.
    config : TrainingConfig
    source : RowSource or object
        ``rows(indices)`` returns ``x`` or ``(x, y)``. Without the attributes ``blocks`` and ``depth``, rows are
        shuffled as a whole and read in this thread.
    indices : ndarray, sorted, or RowSubset
        The rows to train on.
    generator : numpy Generator
        Shuffles the rows.
    observer : Observer
    validate : callable or None
        ``validate() -> float``, called after each epoch. Smaller is better.
    checkpoint : Checkpoint or None
        Where the training is saved after each epoch, and goes on from.
    """

    def __init__(
        self,
        network: keras.Model,
        config: TrainingConfig,
        source: Any,
        indices: Rows,
        generator: np.random.Generator,
        *,
        observer: Observer | None = None,
        validate: Callable[[], float] | None = None,
        checkpoint: Checkpoint | None = None,
    ):
        self.network = network
        self.config = config
        self.source = source
        self.indices = indices
        self.generator = generator
        self.observer: Any = observer or Observer()
        self.validate = validate
        self.checkpoint = checkpoint
        self.devices: Any = Devices.present()
        self.step = 0
        self.seconds_waiting = 0.0
        compile_network(network, config)

    @property
    def steps_per_epoch(self) -> int:
        """Number of batches in one pass over the rows."""
        return math.ceil(len(self.indices) / self.config.batch_size)

    @property
    def n_steps(self) -> int:
        """Number of steps in all epochs."""
        return self.steps_per_epoch * self.config.max_iter

    def run(self) -> TrainingResult:
        """Train. The network then has the best weights if there is validation, and the last weights otherwise.

        Raises
        ------
        KeyboardInterrupt
            If it comes before the end of the first epoch, or with several processes, which could not go on without
            each other. Any other interruption ends training with a warning.
        DistributionError
            If another process was lost.
        """
        try:
            with self.devices.named_losses():
                state = self._run()
        finally:
            if self.checkpoint is not None:
                self.checkpoint.close()
        kept = state.best or state.last
        if kept is not state.last:
            self.network.set_weights(kept.weights)
        return TrainingResult(state.history, kept.statistics)

    def _run(self) -> TrainingState:
        state = self._begin()
        try:
            while not state.finished and self._add_epoch(state):
                if self.checkpoint is not None:
                    self._save(state)
        except KeyboardInterrupt:
            if not state.n_epochs or self.devices.n_processes > 1:
                raise
            self.network.set_weights(state.last.weights)
            warnings.warn(
                f"fit of {self.config.name} was interrupted after {state.n_epochs} of {self.config.max_iter} epochs; "
                "it keeps the best weights so far and is fitted.",
                ConvergenceWarning,
                stacklevel=5,
            )
        return state

    def _begin(self) -> TrainingState:
        """Return the training as it was saved, or before its first epoch."""
        saved = None if self.checkpoint is None else self.checkpoint.load()
        if saved is None:
            return TrainingState(Snapshot(self.network.get_weights()))
        document, arrays = saved
        if document["batch_size"] != self.config.batch_size:
            raise invalid(
                "batch_size",
                f"stay {document['batch_size']} for the fit in checkpoint to go on",
                f"{self.config.batch_size}, for {self.devices.n_devices} devices",
                "Use a number of devices that divides it, or another folder to begin anew.",
            )
        state = read_state(document, arrays, self.network, self.config)
        self.step = document["step"]
        self.generator.bit_generator.state = document["batches"]
        self.observer.load_state(document["observer"])
        return state

    def _save(self, state: TrainingState) -> None:
        document, arrays = write_state(state, self.network)
        document |= {"step": self.step, "batch_size": self.config.batch_size}
        document |= {"batches": self.generator.bit_generator.state, "observer": self.observer.state()}
        assert self.checkpoint is not None  # else nothing calls this
        self.checkpoint.save(document, arrays)

    def _add_epoch(self, state: TrainingState) -> bool:
        """Train for one epoch, and return False if it diverged and was undone."""
        config, epoch = self.config, state.n_epochs
        self.observer.begin_epoch()
        try:
            logs = self._epoch(epoch)
        except DivergenceError as error:
            self._undo(state.last, error, epoch)
            return False
        quantities, statistics = self.observer.after_epoch()
        logs.update(quantities)
        if self.validate is not None:
            logs["val_loss"] = self.validate()
        state.add(logs, Snapshot(self.network.get_weights(), statistics, logs.get("val_loss", math.inf)))
        self._report(epoch, logs)
        stop = self.devices.any(self.observer.end_epoch(state.history))
        if self.validate is not None:
            state.compare(config.tol)
            if state.epochs_without_gain >= config.n_iter_no_change:
                stop = True
                if config.verbose:
                    print(f"No improvement in {state.epochs_without_gain} epochs: stopped, best weights restored.")
        state.finished = stop or state.n_epochs == config.max_iter
        return True

    def _epoch(self, epoch: int) -> dict[str, float]:
        progress = self._progress_bar(epoch)
        has_own_rate = isinstance(self.config.optimizer, keras.optimizers.Optimizer)
        sums: dict[str, float] = {}
        with closing(self._batches()) as batches:
            for batch in batches:
                self.observer.before_step(self.step, batch)
                if not has_own_rate:
                    self.network.optimizer.learning_rate = self.config.rate(self.step, self.n_steps)
                x, y = batch if isinstance(batch, tuple) else (batch, None)
                logs = self.network.train_on_batch(x, y, return_dict=True)
                self.step += 1
                if not math.isfinite(logs["loss"]):
                    raise DivergenceError(f"loss turned {float(logs['loss'])}")
                for name, value in logs.items():
                    sums[name] = sums.get(name, 0.0) + float(value)
                if progress is not None:
                    progress.add(1, values=[("loss", float(logs["loss"]))])
        means = {name: total / self.steps_per_epoch for name, total in sums.items()}
        rate = keras.ops.convert_to_numpy(self.network.optimizer.learning_rate)
        return {
            **means,
            "learning_rate": float(rate) if has_own_rate else self.config.rate(self.step - 1, self.n_steps),
        }

    def _batches(self) -> Generator[Any, None, None]:
        """Yield the batches of an epoch, read ahead by a thread that ends with them."""
        blocks, depth = getattr(self.source, "blocks", None), getattr(self.source, "depth", 0)
        order = shuffled_batches(self.indices, self.config.batch_size, self.generator, blocks)
        with closing(read_ahead(self._read, order, depth)) as answers:
            while True:
                start = time.perf_counter()
                found = next(answers, None)
                self.seconds_waiting += time.perf_counter() - start
                if found is None:
                    return
                yield found[1]

    def _read(self, batch: Batch) -> Any:
        rows = self.source.rows(self.devices.own_part(batch.rows))
        if batch.blocks_ahead:
            self.source.keep(batch.blocks_ahead)
        return rows

    def _undo(self, last: Snapshot, error: DivergenceError, epoch: int) -> None:
        self.network.set_weights(last.weights)
        # The optimizer's moments are NaN; discard it.
        self.network.optimizer = None
        warnings.warn(
            f"The {error} in epoch {epoch + 1} of {self.config.name}; fit stopped and kept the weights from before "
            "that epoch. Lower learning_rate, or the weights of the loss.",
            ConvergenceWarning,
            stacklevel=7,
        )

    def _progress_bar(self, epoch: int) -> keras.utils.Progbar | None:
        verbose = self.config.verbose
        in_terminal = hasattr(sys.stdout, "isatty") and sys.stdout.isatty()
        if not verbose or (verbose < 2 and not in_terminal):
            return None
        print(f"{self.config.name} epoch {epoch + 1}/{self.config.max_iter}")
        return keras.utils.Progbar(self.steps_per_epoch, stateful_metrics=["loss"])

    def _report(self, epoch: int, logs: dict[str, float]) -> None:
        if self.config.verbose:
            figures = "  ".join(f"{name} {value:.4g}" for name, value in logs.items() if name != "learning_rate")
            print(f"{self.config.name} epoch {epoch + 1}/{self.config.max_iter}  {figures}", flush=True)
