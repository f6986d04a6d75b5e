"""Priors whose network is trained by gradient: what they share beyond the base."""

from typing import Any, Self

import numpy as np
from sklearn.utils.validation import validate_data

from skvq._callbacks import FitTasks, with_callbacks
from skvq._contract.codes import CodeGrid
from skvq._contract.labels import Classes
from skvq._data import CodeSource, in_order, read_codes
from skvq._estimator import EstimatorObserver, Streams, restored_on_error
from skvq.networks import keras
from skvq.priors.base import Prior
from skvq.training import Checkpoint, Trainer, split_validation

CODES_PER_STEP, MOST_GRIDS_PER_STEP = 1600, 32  # where batch_size is "auto"


class NetworkPrior(Prior):
    """Base of the priors with a trained network.

    A subclass names in ``network_parameters`` the parameters that decide its network, and builds it in
    ``_build_network`` from ``grid_``, ``classes_`` and ``_network_config``, which holds those parameters.
    """

    network_parameters: tuple[str, ...] = ()

    @with_callbacks
    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn the density of codes.

        Parameters
        ----------
        X : array-like of shape (n, n_codes)
            Codes, as ``VQVAE.transform`` returns them.
        y : array-like of shape (n,), default=None
            Classes; ignored unless ``conditional``.

        Returns
        -------
        self

        Raises
        ------
        InvalidInputError
            If codes are fractional, negative or out of range, do not fill the grid, or y is missing for a conditional
            prior; or if a parameter is out of its range.
        """
        self._check_params()
        continues = self.warm_start and self.__sklearn_is_fitted__()
        source, grid, classes = self._continued_source(X, y) if continues else self._new_source(X, y)
        streams, checkpoint = self._start(source, new=not continues)
        tasks = FitTasks(self, X, y, self.max_iter)
        with restored_on_error(self):
            if not continues:
                self._settle(X, source, grid, classes)
                self._initialise(source, streams)
            self._train(source, streams, tasks=tasks, checkpoint=checkpoint)
        tasks.end()
        return self

    def partial_fit(self, X: Any, y: Any = None, classes: Any = None) -> Self:
        """Train for one pass over X, all of it, from the present weights, at a constant learning rate.

        Parameters
        ----------
        X : array-like of shape (n, n_codes)
            Codes. The first call's decide the grid unless the parameters do.
        y : array-like of shape (n,), default=None
            Classes, for a conditional prior.
        classes : array-like, default=None
            All classes that will come; needed in the first call where its y lacks some.

        Returns
        -------
        self
        """
        self._check_params()
        new = not self.__sklearn_is_fitted__()
        source, grid, known = self._new_source(X, y, classes) if new else self._continued_source(X, y, classes)
        streams, _ = self._start(source, new=new, streamed=True)
        with restored_on_error(self):
            if new:
                self._settle(X, source, grid, known)
                self._initialise(source, streams)
            self._train(source, streams, streamed=True)
        return self

    def _continued_source(self, X, y, classes=None) -> tuple[CodeSource, CodeGrid, Classes | None]:
        """Check codes and labels of a later fit, and that nothing asks for another network."""
        present = {**self._network_config, "grid": self.grid_}
        wanted: dict[str, Any] = {name: getattr(self, name) for name in self.network_parameters}
        if self.grid is not None:
            wanted["grid"] = self.grid
        if self.n_embeddings is not None:
            present["n_embeddings"], wanted["n_embeddings"] = self.grid_.n_embeddings, self.n_embeddings
        if self.code_shape is not None:
            present["code_shape"], wanted["code_shape"] = self.grid_.shape, tuple(self.code_shape)
        if classes is not None and self.classes_ is not None:
            present["classes"], wanted["classes"] = self.classes_.tolist(), Classes.of(classes).values.tolist()
        self._check_unchanged(present, wanted)
        validate_data(self, X, reset=False, skip_check_array=True)
        codes, largest = read_codes(X)
        self.grid_.check_extent(codes.shape[1], largest)  # a code beyond the network's cannot be trained on
        return CodeSource(codes, self._labels_to_score(y, codes.shape[0])), self.grid_, self._classes

    def _initialise(self, source: CodeSource, streams: Streams) -> None:
        """Draw new weights."""
        self._network_config = {name: getattr(self, name) for name in self.network_parameters}
        self._begin(self._new_network(streams.weights), streams.seed)

    def _train(
        self,
        source: CodeSource,
        streams: Streams,
        *,
        streamed: bool = False,
        tasks: FitTasks | None = None,
        checkpoint: Checkpoint | None = None,
    ) -> None:
        network = self._network()
        fraction = self.validation_fraction if self.early_stopping and not streamed else 0
        train, validation = split_validation(len(source), fraction, streams.of("validation"))
        size = self._inference_batch_size()

        def validation_loss() -> float:
            parts = ((source.codes(rows), source.labels_of(rows)) for rows in in_order(validation, size))
            return float(-np.concatenate([self._log_probabilities(*part) for part in parts]).mean())

        result = Trainer(
            network,
            self._training_config(self._step_size(len(train)), streamed=streamed),
            source,
            train,
            streams.of("batches"),
            observer=EstimatorObserver(self, network, tasks),
            validate=validation_loss if len(validation) else None,
            checkpoint=checkpoint,
        ).run()
        self._take(network, result)

    def _build_network(self) -> keras.Model:
        raise NotImplementedError

    def _batch_size(self) -> int:
        if self.batch_size != "auto":
            return self.batch_size
        # Every code is an example: large grids, one or two to a step, teach as much in far fewer passes.
        # With very many embeddings, memory sets the limit: a step's largest array is its logits.
        codes = min(CODES_PER_STEP, 2**24 // self.grid_.n_embeddings)
        return int(np.clip(codes // self.grid_.n_codes, 1, MOST_GRIDS_PER_STEP))
