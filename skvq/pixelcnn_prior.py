"""The PixelCNN prior as a scikit-learn density estimator over codes."""

import math
from numbers import Integral, Real

import numpy as np
from sklearn.base import DensityMixin, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils import check_array
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data

from skvq._callbacks import FitTasks, with_callbacks
from skvq._contract import randomness as _random
from skvq._contract.codes import CodeGrid, check_codes, check_known, guess_grid
from skvq._contract.counts import check_n_samples
from skvq._contract.graph import GraphFunction
from skvq._contract.labels import Classes, check_labels, indices_of_labels
from skvq._contract.sampling import SamplingOptions
from skvq._fitting import (
    TRAINING_ADVICE,
    TRAINING_CONSTRAINTS,
    NetworkEstimator,
    Streams,
    Training,
    split_validation,
)
from skvq._graph_functions import prior_graphs
from skvq.networks.priors.pixelcnn import PixelCNN
from skvq.networks.sampling import sample

MOST_DROPOUT = 0.1  # where dropout is "auto"
CODES_PER_STEP, MOST_GRIDS_PER_STEP = 1600, 32  # where batch_size is "auto"


class PixelCNNPrior(OneToOneFeatureMixin, DensityMixin, TransformerMixin, NetworkEstimator):
    """Autoregressive density of codes, with exact sampling.

    The probability of an image's codes is the product, in row-major order, of each code's probability given those
    before it, which a gated PixelCNN estimates.

    Parameters
    ----------
    n_embeddings : int, default=None
        Number of codes K. None takes the largest code of X plus one.
    code_shape : tuple of int, default=None
        (height, width) of the grid of codes, or (length,). None takes a square if a row of X makes one, else a
        single row.
    conditional : bool, default=False
        Whether y conditions the codes.
    hidden_channels : int, default=64
        Channels of each of the two stacks.
    n_layers : int, default=6
        Six see all columns of grids up to 64 wide, as layers skip columns where the grid asks for it. All rows above
        are told to each layer by their mean.
    kernel_size : {1, 3, 5, 7}, default=3
        Width of a layer's view of the rows above, half of it in height.
    dropout : float or "auto", default="auto"
        Part of each layer's features left out in training, in [0, 1). ``"auto"`` is 0.1, and less where there is
        little to overfit: 0.02 for each of ``max_iter`` after the first, and in proportion where X has more codes
        than the network has weights.
    optimizer : {"adam", "adamw", "nadam", "rmsprop", "sgd"}, default="nadam"
    learning_rate : float, default=0.004
        Rate of the first step; it falls linearly over the epochs.
    weight_decay : float, default=0.1
        Every step multiplies all weights by 1 - rate * ``weight_decay``. Without it they grow in long training, until
        the gates no longer respond to what they are told.
    batch_size : int or "auto", default="auto"
        Grids to a step. ``"auto"`` is as many as make 1,600 codes, at least one and at most 32.
    max_iter : int, default=20
        Epochs.
    early_stopping : bool, default=True
        Whether ``fit`` holds out ``validation_fraction`` of X, stops after ``n_iter_no_change`` epochs in which its
        loss fell by less than ``tol``, and restores the best epoch's weights. Priors overfit: it is on by default.
        Nothing is held out of fewer than 10 rows, and ``partial_fit`` trains on all.
    validation_fraction : float, default=0.1
    n_iter_no_change : int, default=5
    tol : float, default=1e-4
    warm_start : bool, default=False
        Whether ``fit`` continues from the weights of the last call.
    verbose : int, default=0
        1 reports every epoch, with a progress bar in a terminal; 2 draws the bar everywhere.
    random_state : int, RandomState instance or None, default=None

    Attributes
    ----------
    n_embeddings_ : int
    code_shape_ : tuple of int
        (height, width) of the grid.
    classes_ : ndarray of shape (n_classes,) or None
        None unless ``conditional``.
    history_ : dict of list
        Per epoch: ``loss`` (nats a code), ``learning_rate``, and ``val_loss`` with early stopping.
    n_iter_ : int
        Epochs run.
    n_features_in_ : int
        Codes in a row of X.
    feature_names_in_ : ndarray of str
        Where X had column names.
    weights_ : list of ndarray
        The network's weights.

    References
    ----------
    van den Oord et al., "Conditional Image Generation with PixelCNN Decoders", NeurIPS 2016, arXiv:1606.05328.

    Examples
    --------
    >>> import numpy as np
    >>> from skvq import PixelCNNPrior
    >>> codes = np.tile([0, 1, 1, 0], (64, 1))
    >>> prior = PixelCNNPrior(hidden_channels=8, n_layers=1, max_iter=30, random_state=0).fit(codes)
    >>> prior.code_shape_
    (2, 2)
    >>> prior.sample(3, random_state=0).shape
    (3, 4)
    """

    _parameter_constraints = {
        "n_embeddings": [Interval(Integral, 1, None, closed="left"), None],
        "code_shape": [tuple, list, None],
        "conditional": ["boolean"],
        "hidden_channels": [Interval(Integral, 1, None, closed="left")],
        "n_layers": [Interval(Integral, 1, None, closed="left")],
        "kernel_size": [Options(Integral, {1, 3, 5, 7})],
        "dropout": [StrOptions({"auto"}), Interval(Real, 0, 1, closed="left")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        **TRAINING_CONSTRAINTS,
    }
    _parameter_advice = {
        "n_embeddings": "It is the number of codes; None takes the largest code of X plus one.",
        "code_shape": "Give (height, width), or None for a square.",
        "dropout": "It is the part of features left out in training; 'auto' goes by max_iter and the size of X.",
        "weight_decay": "Each step multiplies the weights by 1 - rate * weight_decay; 0 turns it off.",
        **TRAINING_ADVICE,
    }

    def __init__(
        self,
        n_embeddings: int | None = None,
        *,
        code_shape: tuple[int, ...] | None = None,
        conditional: bool = False,
        hidden_channels: int = 64,
        n_layers: int = 6,
        kernel_size: int = 3,
        dropout: float | str = "auto",
        optimizer: str = "nadam",
        learning_rate: float = 0.004,
        weight_decay: float = 0.1,
        batch_size: int | str = "auto",
        max_iter: int = 20,
        early_stopping: bool = True,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 5,
        tol: float = 1e-4,
        warm_start: bool = False,
        verbose: int = 0,
        random_state=None,
    ):
        self.n_embeddings = n_embeddings
        self.code_shape = code_shape
        self.conditional = conditional
        self.hidden_channels = hidden_channels
        self.n_layers = n_layers
        self.kernel_size = kernel_size
        self.dropout = dropout
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.warm_start = warm_start
        self.verbose = verbose
        self.random_state = random_state

    @with_callbacks
    def fit(self, X, y=None):
        """Learn the density of codes.

        Parameters
        ----------
        X : array-like of shape (n, n_positions)
            Codes, as ``VQVAE.transform`` answers them.
        y : array-like of shape (n,), default=None
            Classes; ignored unless ``conditional``.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If codes are fractional, negative or out of range, do not fill ``code_shape``, or y is missing for a
            conditional prior; or if a parameter is out of its range.
        """
        self._check_params()
        tasks = FitTasks(self, X, y, self.max_iter)
        continues = self.warm_start and self.__sklearn_is_fitted__()
        codes, labels, start = self._check_continuing(X, y) if continues else self._check_new(X, y)
        streams = Streams(_random.seed_from(self.random_state))
        with self._all_or_nothing():
            if not continues:
                validate_data(self, X, reset=True, skip_check_array=True)
            start(streams)
            self._train(codes, labels, streams, streamed=False, tasks=tasks)
        tasks.end()
        return self

    def partial_fit(self, X, y=None, classes=None):
        """Train for one pass over X, all of it, from the present weights, at a constant learning rate.

        Parameters
        ----------
        X : array-like of shape (n, n_positions)
            Codes. The first call's decide ``n_embeddings_`` unless the parameter is given.
        y : array-like of shape (n,), default=None
            Classes, for a conditional prior.
        classes : array-like, default=None
            All classes that will come; needed in the first call where its y lacks some.

        Returns
        -------
        self
        """
        self._check_params()
        continues = self.__sklearn_is_fitted__()
        codes, labels, start = (self._check_continuing if continues else self._check_new)(X, y, classes)
        with self._all_or_nothing():
            if not continues:
                validate_data(self, X, reset=True, skip_check_array=True)
                start(Streams(_random.seed_from(self.random_state)))
            self._train(codes, labels, Streams(self.seed_, self.n_iter_), streamed=True)
        return self

    def _check_new(self, X, y, classes=None) -> tuple:
        """Return codes, indices of labels or None, and a function that begins a new network for them."""
        codes = check_codes(check_array(X, dtype="numeric", input_name="X"))
        grid, _ = guess_grid(codes.shape[1], self.n_embeddings or int(codes.max()) + 1)
        if self.code_shape is not None:
            grid = CodeGrid(self.code_shape, grid.n_embeddings)
        codes = grid.check(codes)
        known = None
        if self.conditional:
            known = Classes.of(
                check_labels(y, len(codes)) if classes is None else classes, "y" if classes is None else "classes"
            )
        labels = None if known is None else known.indices(y, len(codes))

        def start(streams: Streams) -> None:
            self.seed_ = streams.seed
            self.grid_ = grid
            self.n_embeddings_ = grid.n_embeddings
            self.code_shape_ = grid.plane
            self.classes_ = None if known is None else known.values
            self.network_config_ = {**self._network_params(), "n_codes": codes.size}
            self.history_: dict[str, list] = {}
            self.n_iter_ = 0
            self._adopt(self._new_network(streams.weights))

        return codes, labels, start

    def _check_continuing(self, X, y, classes=None) -> tuple:
        """Return the same for the network that there is, which then goes on as it is."""
        present = {"n_embeddings": self.n_embeddings_, "code_shape": self.code_shape_, **self.network_config_}
        wanted = self._network_params()
        if self.n_embeddings is not None:
            wanted["n_embeddings"] = self.n_embeddings
        if self.code_shape is not None:
            wanted["code_shape"] = CodeGrid(self.code_shape, self.n_embeddings_).plane
        if classes is not None and self.classes_ is not None:
            present["classes"] = self.classes_.tolist()
            wanted["classes"] = Classes.of(classes).values.tolist()
        for name, value in wanted.items():
            if value != present[name]:
                raise ValueError(
                    f"{name} must stay {present[name]!r} for training to continue; got {value!r}. "
                    "To begin anew with it, call fit with warm_start=False."
                )
        codes = self._check_X(X)
        labels = self._check_y(y, len(codes))
        return codes, labels, lambda streams: None

    def _network_params(self) -> dict:
        names = ("conditional", "hidden_channels", "n_layers", "kernel_size", "dropout")
        return {name: getattr(self, name) for name in names}

    def _build_network(self) -> PixelCNN:
        config = self.network_config_
        automatic = config["dropout"] == "auto"
        network = PixelCNN(
            self.n_embeddings_,
            self.code_shape_,
            n_classes=0 if self.classes_ is None else len(self.classes_),
            dropout=MOST_DROPOUT if automatic else config["dropout"],
            **{name: config[name] for name in ("hidden_channels", "n_layers", "kernel_size")},
        )
        if automatic:
            # Only a built network tells how many weights there are.
            by_passes = min(0.02 * (self.max_iter - 1), MOST_DROPOUT)
            network.dropout.rate = by_passes * min(network.count_params() / config["n_codes"], 1.0)
        return network

    def _train(self, codes, labels, streams: Streams, *, streamed: bool, tasks: FitTasks | None = None) -> None:
        network = self._network()
        train, validation = split_validation(self, len(codes), streams.of("validation"), streamed=streamed)

        def rows(indices):
            x = codes[indices]
            return (x, x) if labels is None else ((x, labels[indices]), x)

        def validate():
            held_out = None if labels is None else labels[validation]
            return float(-self._log_probabilities(codes[validation], held_out).mean())

        training = Training(
            self,
            network,
            rows,
            train,
            generator=streams.of("batches"),
            batch_size=min(self._batch_size(), len(train)),
            max_iter=1 if streamed else self.max_iter,
            validate=validate if len(validation) else None,
            falling_rate=not streamed,
            weight_decay=self.weight_decay,
            tasks=tasks,
        )
        history = training.run()
        for name, value in self._trained(network, history).items():
            setattr(self, name, value)

    def transform(self, X) -> np.ndarray:
        """Return the codes unchanged, so that a pipeline that ends in a prior transforms images to codes.

        Returns
        -------
        ndarray of shape (n, n_positions), int64
        """
        return self._check_X(X).astype(np.int64)

    def inverse_transform(self, X) -> np.ndarray:
        """Return the codes unchanged, so that a pipeline that ends in a prior turns codes into images."""
        check_is_fitted(self)
        # Samples have no column names, whatever the training data had.
        return self.grid_.check(check_array(X, dtype="numeric", input_name="X")).astype(np.int64)

    def log_prob_per_code(self, X, y=None) -> np.ndarray:
        """Return the log-probability of each code given the codes before it.

        Parameters
        ----------
        X : array-like of shape (n, n_positions)
        y : array-like of shape (n,), default=None
            Classes, for a conditional prior.

        Returns
        -------
        ndarray of shape (n, n_positions), float64, in nats
        """
        codes = self._check_X(X)
        return self._log_probabilities(codes, self._check_y(y, len(codes))).astype(np.float64)

    def score_samples(self, X, y=None) -> np.ndarray:
        """Return the log-likelihood of each row.

        Returns
        -------
        ndarray of shape (n,), float64, in nats
        """
        return self.log_prob_per_code(X, y).sum(axis=1)

    def score(self, X, y=None) -> float:
        """Return the mean log-likelihood of a row, in nats."""
        return float(self.score_samples(X, y).mean())

    def bits_per_code(self, X, y=None) -> float:
        """Return the mean cost of a code of X, in bits: the fewer, the better the prior."""
        return float(-self.log_prob_per_code(X, y).mean() / math.log(2))

    def sample(
        self,
        n_samples: int = 1,
        y=None,
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        random_state=None,
    ) -> np.ndarray:
        """Draw codes from the density, exactly.

        Parameters
        ----------
        n_samples : int, default=1
            Rows to draw. The first rows do not depend on it.
        y : array-like of shape (n_samples,) or one class, default=None
            Class of each row, for a conditional prior.
        temperature : float, default=1.0
            Below 1 the likely codes become likelier; 1 is the density itself.
        top_k : int, default=None
            Draw only the ``top_k`` likeliest codes at each position.
        top_p : float, default=None
            Draw only the likeliest codes that together reach this probability, after ``top_k``; in (0, 1].
        random_state : int, RandomState instance or None, default=None

        Returns
        -------
        ndarray of shape (n_samples, n_positions), int64

        Raises
        ------
        ValueError
            If classes are missing, unknown, not ``n_samples``, or given for a prior without; or if a number is out of
            its range.
        """
        check_is_fitted(self)
        n_samples = check_n_samples(n_samples)
        return self._draw(n_samples, y, (temperature, top_k, top_p), random_state)

    def complete(
        self,
        X,
        known,
        y=None,
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        random_state=None,
    ) -> np.ndarray:
        """Keep the known codes of each row and draw the others.

        Each code is drawn given all codes before it, known or drawn. Known codes further on have no say in it, so
        what is known should come first: the top of a picture.

        Parameters
        ----------
        X : array-like of shape (n, n_positions)
            Codes; those at unknown positions may be any in range.
        known : array-like of bool, of shape (n_positions,) or (n, n_positions)
        y : array-like of shape (n,), default=None
            Classes, for a conditional prior.
        temperature, top_k, top_p, random_state
            As for :meth:`sample`.

        Returns
        -------
        ndarray of shape (n, n_positions), int64
        """
        codes = self._check_X(X)
        known_codes = check_known(known, codes, "known")
        return self._draw(len(codes), y, (temperature, top_k, top_p), random_state, known_codes)

    def _draw(self, n_samples: int, y, choice: tuple, random_state, known_codes=None) -> np.ndarray:
        network = self._network()
        choice = SamplingOptions.checked(*choice)
        labels = indices_of_labels(None if self.classes_ is None else Classes(self.classes_), y, n_samples)
        uniforms = _random.uniforms(random_state, n_samples, network.n_positions)
        columns = [None if c is None else np.full((n_samples, 1), c) for c in choice]
        columns[0] = columns[0].astype(np.float32)
        if columns[2] is not None:
            columns[2] = columns[2].astype(np.float32)
        inputs = [uniforms, *columns, labels, known_codes]
        present = [x is not None for x in inputs]

        def draw(*arrays):
            rest = iter(arrays)
            uniforms, temperature, top_k, top_p, labels, known = [next(rest) if p else None for p in present]
            return sample(network, uniforms, SamplingOptions(temperature, top_k, top_p), labels, known)

        compiled = self._compiled(f"sample {present}", draw)
        # The smallest power of two that holds the rows, so that one image does not cost a whole batch.
        size = min(self._inference_batch_size(), 1 << (n_samples - 1).bit_length())
        return compiled.in_batches(*(x for x in inputs if x is not None), batch_size=size).astype(np.int64)

    def graph_functions(self) -> dict[str, GraphFunction]:
        """Return what an exporter may trace: ``prior``, ``log_likelihood``, ``sampler`` and ``controlled_sampler``.

        Returns
        -------
        dict of GraphFunction
        """
        check_is_fitted(self)
        n_classes = 0 if self.classes_ is None else len(self.classes_)
        return prior_graphs(self._network(), n_classes, self._logits)

    def _logits(self, codes: np.ndarray, labels: np.ndarray | None = None) -> np.ndarray:
        network = self._network()
        inputs = [np.asarray(codes, np.int32)] if labels is None else [np.asarray(codes, np.int32), labels]
        logits = self._compiled("logits", network.logits)
        return logits.in_batches(*inputs, batch_size=self._inference_batch_size())

    def _log_probabilities(self, codes: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
        network = self._network()
        inputs = [codes] if labels is None else [codes, labels]
        log_probabilities = self._compiled("log_probabilities", network.log_probabilities)
        return log_probabilities.in_batches(*inputs, batch_size=self._inference_batch_size())

    def _check_X(self, X) -> np.ndarray:
        check_is_fitted(self)
        return self.grid_.check(validate_data(self, X, reset=False, dtype="numeric"))

    def _check_y(self, y, n_rows: int) -> np.ndarray | None:
        """Return indices of labels for a conditional prior, None for another."""
        if self.classes_ is None:
            return None
        return Classes(self.classes_).indices(y, n_rows)

    def _batch_size(self) -> int:
        if self.batch_size != "auto":
            return self.batch_size
        # Every code is a lesson: large grids, one or two to a step, teach as much in far fewer passes.
        # Where there are very many codes to choose from, memory sets the limit: a step's largest array is its logits.
        codes = min(CODES_PER_STEP, 2**24 // self.n_embeddings_)
        return int(np.clip(codes // math.prod(self.code_shape_), 1, MOST_GRIDS_PER_STEP))

    def _inference_batch_size(self) -> int:
        n_positions = math.prod(self.code_shape_)
        return int(np.clip(min(2**15 // n_positions, 2**25 // (n_positions * self.n_embeddings_)), 1, 256))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        tags.input_tags.categorical = True
        tags.input_tags.positive_only = True
        tags.target_tags.required = bool(self.conditional)
        tags.transformer_tags.preserves_dtype = []
        return tags
