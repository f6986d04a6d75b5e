"""What estimators with a Keras network share: parameters, fitted state as arrays, and the network built from them.

A fitted estimator is its parameters and plain arrays. The Keras network is built from them when it is needed and is
cached here, outside the estimator's ``__dict__``; so pickle, copies, another Keras backend and the exporter all start
from the same arrays.
"""

import math
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from sklearn.utils._param_validation import InvalidParameterError

from skvq._bases import BaseEstimator
from skvq._callbacks import CallbackSupportMixin, FitTasks
from skvq._checkpoint import CheckpointFile
from skvq._contract.errors import ForkedProcessError, invalid
from skvq._contract.randomness import seed_from, stream
from skvq._fit_identity import fit_identity
from skvq._fitted import check_fitted
from skvq._keras_settings import keras_defaults
from skvq.networks import keras
from skvq.networks.distribution import Devices
from skvq.networks.inference import CompiledFunction
from skvq.training import Observer, TrainingConfig, TrainingResult, load_training_state, training_state

# Outside the estimators, so that neither pickle nor copy ever meets a Keras object.
_NETWORKS: WeakKeyDictionary = WeakKeyDictionary()
_CACHE = threading.RLock()
# The process in which the first network was built. A child that was forked from it has TensorFlow's locks, but not the
# threads that would release them.
_home: dict[str, int] = {}


@dataclass(frozen=True)
class Streams:
    """The independent random streams of one call of ``fit``; ``call`` tells later calls apart."""

    seed: int
    call: int = 0

    @property
    def weights(self) -> int:
        """Seed of the initial weights and of dropout."""
        return int(stream(self.seed, "weights").integers(2**31))

    def of(self, name: str) -> np.random.Generator:
        """Return the named stream from its beginning."""
        return stream(self.seed, f"{name}/{self.call}")


class SkvqEstimator(BaseEstimator):
    """What every estimator shares: parameters checked with advice in the message, and a file of its own."""

    _parameter_constraints: dict[str, Any] = {}
    _parameter_advice: dict[str, Any] = {}

    def _check_params(self) -> None:
        try:
            self._validate_params()
        except InvalidParameterError as error:
            names = [name for name in self._parameter_advice if f"'{name}'" in str(error)]
            raise InvalidParameterError(" ".join([str(error), *(self._parameter_advice[n] for n in names)])) from None

    def save(self, path: Any) -> None:
        """Write the fitted estimator to one file, which :func:`skvq.load` reads.

        Parameters
        ----------
        path : str, path-like or binary stream
            By custom ``*.skvq``. An existing file is replaced at the end, in one step; ``~`` is the home folder.

        Raises
        ------
        InvalidInputError
            If :func:`skvq.load` would refuse the file: for a class of one's own, or a parameter that is a callable or
            an object, which only Python code can hold.
        """
        from skvq._files import save

        check_fitted(self)
        save(self, path)


def check_not_forked() -> None:
    """Raise in a child that was forked after a network was built: under TensorFlow and JAX it would hang.

    Raises
    ------
    ForkedProcessError
    """
    if keras.config.backend() == "torch" or _home.setdefault("pid", os.getpid()) == os.getpid():
        return
    raise ForkedProcessError(
        f"Networks cannot be used in a forked process: {keras.config.backend()} has run in the process that it was "
        "forked from, and would hang here. Start workers by multiprocessing.get_context('spawn') or by joblib's loky, "
        "or run an exported model by skvq.runtime, which works in forked processes, too."
    )


@contextmanager
def restored_on_error(estimator: Any) -> Iterator[None]:
    """Put the state of an estimator back as it was found if anything fails here."""
    found = dict(estimator.__dict__)
    try:
        yield
    except BaseException:
        estimator.__dict__.clear()
        estimator.__dict__.update(found)
        # The cached network may have been trained; the arrays found tell how to build it again.
        with _CACHE:
            _NETWORKS.pop(estimator, None)
        raise


class NetworkEstimator(CallbackSupportMixin, SkvqEstimator):
    """Base of the estimators that train a network."""

    history_: dict[str, list[Any]]
    n_iter_: int

    def _build_network(self) -> keras.Model:
        """Return the network that the fitted attributes describe, with weights of any value."""
        raise NotImplementedError

    def _training_config(self, batch_size: int, *, streamed: bool = False) -> TrainingConfig:
        """Return the training that the parameters describe; a stream is one pass at a constant learning rate."""
        return TrainingConfig(
            name=type(self).__name__,
            batch_size=batch_size,
            max_iter=1 if streamed else self.max_iter,
            optimizer=self.optimizer,
            learning_rate=self.learning_rate,
            schedule="constant" if streamed else self.schedule,
            warmup_steps=0 if streamed else self.warmup_steps,
            clip_norm=self.clip_norm,
            weight_decay=getattr(self, "weight_decay", None),
            n_iter_no_change=self.n_iter_no_change,
            tol=self.tol,
            verbose=self.verbose if Devices.present().is_first else 0,
        )

    def _start(self, source: Any, *, new: bool, streamed: bool = False) -> tuple[Streams, CheckpointFile | None]:
        """Return the random streams of a training and its checkpoint, once all processes are seen to train the same.

        A fit that its checkpoint holds goes on with the seed that it began with. A stream has no checkpoint.
        """
        devices, folder = Devices.present(), None if streamed else getattr(self, "checkpoint", None)
        drawn = seed_from(self.random_state) if new or not streamed else self._fit_seed
        seed = devices.shared_seed(drawn)
        checkpoint = None
        if devices.n_processes > 1 or folder is not None:
            kept = {} if new else self._training_state or {}
            start = None if new else [*self._weights, *kept.get("optimizer", ()), *kept.get("seeds", ())]
            identity = fit_identity(self, source, seed=None if self.random_state is None else drawn, start=start)
            devices.require_equal(identity)
            if folder is not None:
                checkpoint = CheckpointFile(folder, identity, seed, devices)
                seed = checkpoint.seed
        return Streams(seed, 0 if new else self.n_iter_), checkpoint

    def _step_size(self, n_rows: int) -> int:
        """Return the rows of a training step."""
        is_automatic = self.batch_size == "auto"
        return Devices.present().step_size(self._batch_size(), n_rows, is_automatic=is_automatic)

    def _batch_size(self) -> int:
        """Return ``batch_size``, or what it stands for where it is "auto"."""
        raise NotImplementedError

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_weights")

    def _network(self) -> keras.Model:
        """Return the network with the fitted weights, built at the first call."""
        check_fitted(self)
        check_not_forked()
        with _CACHE:
            cached, distribution = _NETWORKS.get(self), keras.distribution.distribution()
            # A network belongs to the devices that it was built on.
            if cached is None or cached["distribution"] is not distribution:
                network = self._new_network(0)
                network.set_weights(list(self._weights))
                cached = _NETWORKS[self] = {"network": network, "distribution": distribution}
                if self._training_state is not None:
                    load_training_state(network, self._training_config(1), self._training_state)
        return cached["network"]

    def _new_network(self, seed: int) -> keras.Model:
        check_not_forked()
        with keras_defaults(seed):
            return self._build_network()

    def _compiled(self, name: str, function: Callable[..., Any]) -> CompiledFunction:
        """Return the named function of the network, compiled at the first call."""
        with _CACHE:
            network = self._network()
            cached = _NETWORKS[self]
            if name not in cached:
                cached[name] = CompiledFunction(network, function)
            return cached[name]

    def _begin(self, network: keras.Model, seed: int) -> None:
        """Take a new network as the state before the first epoch."""
        self._fit_seed = seed
        self._weights = [np.array(w) for w in network.get_weights()]
        self._training_state: dict[str, Any] | None = None
        self.history_ = {}
        self.n_iter_ = 0
        with _CACHE:
            _NETWORKS[self] = {"network": network, "distribution": keras.distribution.distribution()}

    def _attributes_after(self, network: keras.Model, history: dict[str, list[Any]]) -> dict[str, Any]:
        """Return the fitted attributes after epochs with this history, which are not yet in ``history_``."""
        n_epochs = len(history.get("loss", []))
        # A quantity that was not measured in some epochs is nan there, so that every list has an entry for each.
        before, after = [math.nan] * self.n_iter_, [math.nan] * n_epochs
        names = list(dict.fromkeys([*self.history_, *history]))
        return {
            "_weights": [np.array(w) for w in network.get_weights()],
            "history_": {name: [*self.history_.get(name, before), *history.get(name, after)] for name in names},
            "n_iter_": self.n_iter_ + n_epochs,
        }

    def _take(self, network: keras.Model, result: TrainingResult) -> None:
        """Take a trained network as the fitted state."""
        self.__dict__.update(self._attributes_after(network, result.history))
        self._training_state = training_state(network)

    def _check_unchanged(self, present: dict[str, Any], wanted: dict[str, Any]) -> None:
        """Raise if a parameter no longer describes the network that training would continue."""
        for name, value in wanted.items():
            if value != present[name]:
                raise invalid(
                    name,
                    f"stay {present[name]!r} for training to continue",
                    repr(value),
                    "To begin anew with it, call fit with warm_start=False.",
                )


class EstimatorObserver(Observer):
    """Reports a training to scikit-learn's callbacks.

    Parameters
    ----------
    estimator : NetworkEstimator
        Its fitted attributes are those from before this training.
    network : keras.Model
    tasks : FitTasks or None
    """

    def __init__(self, estimator: NetworkEstimator, network: keras.Model, tasks: FitTasks | None):
        self.estimator = estimator
        self.network = network
        self.tasks = tasks

    def begin_epoch(self) -> None:
        if self.tasks is not None:
            self.tasks.begin_epoch()

    def attributes(self, history: dict[str, list[Any]]) -> dict[str, Any]:
        """Return the fitted attributes that the estimator would have if fit ended now."""
        return self.estimator._attributes_after(self.network, history)

    def end_epoch(self, history: dict[str, list[Any]]) -> bool:
        return self.tasks is not None and self.tasks.end_epoch(lambda: self.attributes(history))
