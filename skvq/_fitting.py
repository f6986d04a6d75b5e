"""What both estimators share: parameters checked once, state as arrays, epochs, early stopping, progress.

A fitted estimator is its parameters and plain arrays. The Keras network is rebuilt from them when it is needed and
is cached here, outside the estimator's ``__dict__``; so pickle, copies, another Keras backend and the exporter all
start from one truth.
"""

import math
import random
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib import import_module
from numbers import Integral, Real
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import Interval, InvalidParameterError, StrOptions
from sklearn.utils.validation import check_is_fitted

from skvq._callbacks import CallbackSupportMixin, FitTasks
from skvq._contract.errors import DivergenceError as Diverged
from skvq._contract.randomness import stream
from skvq.networks import keras
from skvq.networks.inference import CompiledFunction, compile_step

OPTIMIZERS = {
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
    "nadam": keras.optimizers.Nadam,
    "rmsprop": keras.optimizers.RMSprop,
    "sgd": keras.optimizers.SGD,
}

TRAINING_CONSTRAINTS = {
    "optimizer": [StrOptions(set(OPTIMIZERS))],
    "learning_rate": [Interval(Real, 0, None, closed="neither")],
    "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
    "max_iter": [Interval(Integral, 1, None, closed="left")],
    "early_stopping": ["boolean"],
    "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
    "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
    "tol": [Interval(Real, 0, None, closed="left")],
    "warm_start": ["boolean"],
    "verbose": ["verbose"],
    "random_state": ["random_state"],
}

TRAINING_ADVICE = {
    "learning_rate": "It falls linearly to zero over max_iter epochs; 0.001 to 0.004 suits Adam and Nadam.",
    "batch_size": "'auto' suits most data, and takes fewer rows to a step where they are large.",
    "max_iter": "It is the number of passes over X; 20 is a common start.",
    "validation_fraction": "It is the part of X held out when early_stopping=True; 0.1 is a common start.",
    "n_iter_no_change": "It is the number of epochs without gain before fit stops; 5 is a common start.",
    "tol": "It is the smallest gain in the validation loss that counts; 0.0001 is a common start.",
    "random_state": "Pass an int for the same result at every call.",
}

# Where Keras draws a seed that nobody gave.
KERAS_SEEDS = import_module("keras.src.random.seed_generator")
# Where it keeps what is set for a thread.
GLOBAL_STATE = import_module("keras.src.backend.common.global_state")

# Outside the estimators, so that neither pickle nor copy ever meets a Keras object.
_NETWORKS: WeakKeyDictionary = WeakKeyDictionary()
_BUILDING = threading.RLock()


class NetworkEstimator(CallbackSupportMixin, BaseEstimator):
    """Base of the estimators: parameters, weights as arrays, and the network that they stand for."""

    _parameter_constraints: dict = {}
    _parameter_advice: dict = {}

    def _build_network(self) -> keras.Model:
        """Return the network that the fitted attributes describe, with weights of any value."""
        raise NotImplementedError

    def _check_params(self) -> None:
        try:
            self._validate_params()
        except InvalidParameterError as error:
            names = [name for name in self._parameter_advice if f"'{name}'" in str(error)]
            raise InvalidParameterError(" ".join([str(error), *(self._parameter_advice[n] for n in names)])) from None

    def _network(self) -> keras.Model:
        """Return the network with the fitted weights, built at the first call."""
        check_is_fitted(self)
        cached = _NETWORKS.get(self)
        if cached is None:
            network = self._new_network(0)
            network.set_weights(list(self.weights_))
            cached = _NETWORKS[self] = {"network": network}
        return cached["network"]

    def _new_network(self, seed: int) -> keras.Model:
        with keras_defaults(seed):
            return self._build_network()

    @contextmanager
    def _all_or_nothing(self) -> Iterator[None]:
        """Put the fitted state back as it was found if what is done here fails."""
        found = dict(self.__dict__)
        try:
            yield
        except BaseException:
            self.__dict__.clear()
            self.__dict__.update(found)
            # It may have been trained, or be another; the weights found tell how to build it again.
            _NETWORKS.pop(self, None)
            raise

    def _compiled(self, name: str, function: Callable) -> CompiledFunction:
        """Return the named function of the network, compiled at the first call."""
        network = self._network()
        cached = _NETWORKS[self]
        if name not in cached:
            cached[name] = CompiledFunction(network, function)
        return cached[name]

    def _adopt(self, network: keras.Model) -> None:
        """Take a network and its weights as the fitted state."""
        self.weights_ = [np.array(w) for w in network.get_weights()]
        if _NETWORKS.get(self, {}).get("network") is not network:
            _NETWORKS[self] = {"network": network}

    def _trained(self, network: keras.Model, history: dict[str, list]) -> dict[str, Any]:
        """Return the fitted attributes after epochs with this history, which are not yet in ``history_``."""
        n_epochs = len(history.get("loss", []))
        # What was not measured in all epochs is nan in the others, so that every list has an entry for each.
        before, after = [math.nan] * self.n_iter_, [math.nan] * n_epochs
        names = list(dict.fromkeys([*self.history_, *history]))
        return {
            "weights_": [np.array(w) for w in network.get_weights()],
            "history_": {name: [*self.history_.get(name, before), *history.get(name, after)] for name in names},
            "n_iter_": self.n_iter_ + n_epochs,
        }

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "weights_")

    def save(self, path) -> None:
        """Write the fitted estimator to one file of JSON and arrays, which :func:`skvq.load` reads.

        Parameters
        ----------
        path : str or path-like
            By custom ``*.skvq``. An existing file is replaced at the end, in one step.

        Raises
        ------
        ValueError
            If a parameter is a callable or a class, which only Python code can hold.
        """
        from skvq._files import save

        check_is_fitted(self)
        save(self, path)


@contextmanager
def keras_defaults(seed: int) -> Iterator[None]:
    """Build a network as it is built everywhere: from this seed, in float32, channels last.

    Keras takes the seeds of unseeded initialisers and dropout from Python's global generator. Seeding that one would
    not do: other threads, such as a Dask worker's own, draw from it meanwhile. So Keras is handed a generator of its
    own. And it takes precision and layout from settings that are global, too, or lie in the user's ``keras.json``,
    and under others the same weights would give other codes.
    """
    config = keras.config
    # One network at a time: in a search over threads, two would draw from each other's seeds.
    with _BUILDING, ExitStack() as restores:
        restores.callback(setattr, KERAS_SEEDS, "python_random", getattr(KERAS_SEEDS, "python_random", random))
        KERAS_SEEDS.python_random = random.Random(seed)
        restores.callback(config.set_image_data_format, config.image_data_format())
        config.set_image_data_format("channels_last")
        restores.callback(config.set_floatx, config.floatx())
        config.set_floatx("float32")
        # A policy that nobody set follows floatx. Asking for it by keras.config would set it for good.
        policy = GLOBAL_STATE.get_global_attribute("dtype_policy")
        restores.callback(GLOBAL_STATE.set_global_attribute, "dtype_policy", policy)
        config.set_dtype_policy("float32")
        yield


@dataclass(frozen=True)
class Streams:
    """The independent streams of one call of ``fit``; ``call`` tells later calls of ``partial_fit`` apart."""

    seed: int
    call: int = 0

    @property
    def weights(self) -> int:
        """Seed of the initial weights and of dropout."""
        return int(stream(self.seed, "weights").integers(2**31))

    def of(self, name: str) -> np.random.Generator:
        """Return the named stream from its beginning."""
        return stream(self.seed, f"{name}/{self.call}")


class Training:
    """One call of ``fit`` or ``partial_fit``: steps over shuffled batches until the epochs are done.

    Parameters
    ----------
    estimator : NetworkEstimator
        Its training parameters are read; it is not changed.
    network : keras.Model
        Built; compiled here unless it has been.
    rows : callable
        ``rows(indices) -> x`` or ``(x, y)``: the arrays of one batch.
    indices : ndarray
        The rows to train on.
    generator : numpy Generator
        Orders the batches.
    batch_size : int
    validate : callable or None
        ``validate() -> float``, smaller is better, after each epoch.
    falling_rate : bool
        Whether the learning rate falls linearly over the epochs.
    weight_decay : float or None
        The optimizer's; None leaves it at its own.
    tasks : FitTasks or None
        Told of every epoch.
    """

    def __init__(
        self,
        estimator: NetworkEstimator,
        network: keras.Model,
        rows: Callable,
        indices: np.ndarray,
        *,
        generator: np.random.Generator,
        batch_size: int,
        max_iter: int,
        validate: Callable[[], float] | None = None,
        falling_rate: bool = True,
        weight_decay: float | None = None,
        tasks: FitTasks | None = None,
    ):
        self.estimator = estimator
        self.network = network
        self.rows = rows
        self.indices = indices
        self.generator = generator
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.validate = validate
        self.falling_rate = falling_rate
        self.tasks = tasks
        self.steps_per_epoch = math.ceil(len(indices) / batch_size)
        self.n_steps = self.steps_per_epoch * max_iter
        self.step = 0
        self.restored = False  # whether the network ends with the weights of an earlier epoch's end
        optimizer_class = OPTIMIZERS[estimator.optimizer]
        present = getattr(network, "optimizer", None)
        if type(present) is not optimizer_class or weight_decay not in (None, present.weight_decay):
            settings = {} if weight_decay is None else {"weight_decay": weight_decay}
            # A large gradient on a rare batch must not undo an epoch's work.
            optimizer = optimizer_class(learning_rate=estimator.learning_rate, global_clipnorm=1.0, **settings)
            # With its variables made beforehand, TensorFlow traces the step once and not twice: half the time of a
            # short fit.
            optimizer.build(network.trainable_variables)
            network.compile(optimizer=optimizer, jit_compile=keras.config.backend() == "jax")
            compile_step(network)

    def run(
        self,
        before_step: Callable[[int, Any], None] = lambda step, batch: None,
        after_epoch: Callable[[], dict] = dict,
    ) -> dict[str, list]:
        """Train, and return the history: a list with one value an epoch for every named quantity.

        Parameters
        ----------
        before_step : callable
            ``before_step(step, batch)`` sees each batch before it is trained on.
        after_epoch : callable
            Returns more quantities for the history.
        """
        history: dict[str, list] = {}
        best, best_weights, epochs_without_gain = math.inf, None, 0
        last_good = self.network.get_weights()
        try:
            for epoch in range(self.max_iter):
                if self.tasks is not None:
                    self.tasks.begin_epoch()
                try:
                    logs = self._epoch(epoch, before_step)
                except Diverged as diverged:
                    self.network.set_weights(last_good)
                    self.restored = True
                    # Its moments are no numbers any more, and would spoil every later step.
                    self.network.optimizer = None
                    warnings.warn(
                        f"The {diverged} in epoch {epoch + 1} of {type(self.estimator).__name__}; fit stopped and kept "
                        "the weights from before that epoch. Lower learning_rate, or the weights of the loss.",
                        ConvergenceWarning,
                        stacklevel=4,
                    )
                    break
                last_good = self.network.get_weights()
                logs.update(after_epoch())
                if self.validate is not None:
                    logs["val_loss"] = self.validate()
                for name, value in logs.items():
                    history.setdefault(name, []).append(value)
                self._report(epoch, logs)
                stop = self.tasks is not None and self.tasks.end_epoch(
                    lambda: self.estimator._trained(self.network, history)
                )
                if self.validate is not None:
                    gained = logs["val_loss"] < best - self.estimator.tol
                    epochs_without_gain = 0 if gained else epochs_without_gain + 1
                    if logs["val_loss"] < best:
                        best, best_weights = logs["val_loss"], last_good
                    if epochs_without_gain >= self.estimator.n_iter_no_change:
                        stop = True
                        if self.estimator.verbose:
                            print(f"No gain in {epochs_without_gain} epochs: stopped, best weights restored.")
                if stop:
                    break
        except KeyboardInterrupt:
            warnings.warn(
                f"fit of {type(self.estimator).__name__} was interrupted after {len(history.get('loss', []))} of "
                f"{self.max_iter} epochs; it keeps the best weights so far and is fitted.",
                ConvergenceWarning,
                stacklevel=4,
            )
        if best_weights is not None:
            self.network.set_weights(best_weights)
            self.restored = True
        return history

    def _epoch(self, epoch: int, before_step: Callable) -> dict[str, float]:
        order = self.generator.permutation(self.indices)
        # All batches have one size, so that one compiled step serves them; the last is filled from the start.
        order = np.resize(order, self.steps_per_epoch * self.batch_size)
        progress = self._progress_bar(epoch)
        sums: dict[str, float] = {}
        for start in range(0, len(order), self.batch_size):
            batch = self.rows(np.sort(order[start : start + self.batch_size]))
            before_step(self.step, batch)
            rate = self.estimator.learning_rate
            if self.falling_rate:
                rate *= max(1.0 - self.step / self.n_steps, 0.01)
            self.network.optimizer.learning_rate = rate
            x, y = batch if isinstance(batch, tuple) else (batch, None)
            logs = self.network.train_on_batch(x, y, return_dict=True)
            self.step += 1
            if not math.isfinite(logs["loss"]):
                raise Diverged(f"loss turned {float(logs['loss'])}")
            for name, value in logs.items():
                sums[name] = sums.get(name, 0.0) + float(value)
            if progress is not None:
                progress.add(1, values=[("loss", float(logs["loss"]))])
        means = {name: total / self.steps_per_epoch for name, total in sums.items()}
        return {**means, "learning_rate": float(rate)}

    def _progress_bar(self, epoch: int) -> keras.utils.Progbar | None:
        verbose = self.estimator.verbose
        in_terminal = hasattr(sys.stdout, "isatty") and sys.stdout.isatty()
        if not verbose or (verbose < 2 and not in_terminal):
            return None
        print(f"{type(self.estimator).__name__} epoch {epoch + 1}/{self.max_iter}")
        return keras.utils.Progbar(self.steps_per_epoch, stateful_metrics=["loss"])

    def _report(self, epoch: int, logs: dict[str, float]) -> None:
        if self.estimator.verbose:
            figures = "  ".join(f"{name} {value:.4g}" for name, value in logs.items() if name != "learning_rate")
            print(f"{type(self.estimator).__name__} epoch {epoch + 1}/{self.max_iter}  {figures}", flush=True)


def split_validation(
    estimator: NetworkEstimator, n_rows: int, generator: np.random.Generator, *, streamed: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows to train on and the rows to validate on.

    None are held out of fewer than 10, nor of a part of a stream: a single pass has no epoch to stop before.

    Raises
    ------
    ValueError
        If no row would be left to train on.
    """
    every = np.arange(n_rows)
    if streamed or not estimator.early_stopping or n_rows < 10:
        return every, every[:0]
    n_held_out = max(1, round(estimator.validation_fraction * n_rows))
    if n_held_out == n_rows:
        raise ValueError(
            f"validation_fraction must leave rows to train on; got {estimator.validation_fraction} of {n_rows} rows. "
            + TRAINING_ADVICE["validation_fraction"]
        )
    order = generator.permutation(n_rows)
    return np.sort(order[n_held_out:]), np.sort(order[:n_held_out])
