"""The PixelCNN prior as a scikit-learn density estimator over codes."""

import os
from numbers import Integral, Real
from typing import Any

from sklearn.utils._param_validation import Interval, Options, StrOptions

from skvq._contract.codes import CodeGrid
from skvq._contract.randomness import RandomStateLike
from skvq._data import CodeSource
from skvq._estimator import Streams
from skvq.networks.priors import PixelCNN, ResidualPixelCNN
from skvq.priors.network import NetworkPrior
from skvq.training import TRAINING_ADVICE, TRAINING_CONSTRAINTS

MOST_DROPOUT = 0.1  # where dropout is "auto"


class PixelCNNPrior(NetworkPrior):
    """Autoregressive density of codes, with exact sampling.

    The probability of an image's codes is the product, in row-major order, of each code's probability given those
    before it, which a gated PixelCNN estimates. With several codes at each position (``grid.depth``), a code also
    depends on the earlier ones there.

    Parameters
    ----------
    n_embeddings : int, default=None
        Number of codes K. None takes the largest code of X plus one; codes beyond it that come later have a small
        probability, see :meth:`log_prob_per_code`.
    code_shape : tuple of int, default=None
        One to three sides of the grid of codes, such as (height, width). None takes a square if a row of X makes one,
        else a single row, with a warning.
    grid : CodeGrid, default=None
        ``vqvae.grid_``, which holds both of the above. Needed where it has several codes at each position.
    conditional : bool, default=False
        Whether y conditions the codes.
    hidden_channels : int, default=64
        Channels of each of the two stacks.
    n_layers : int, default=6
        Six see all columns of grids up to 64 wide: on wide grids, layers skip columns. Each layer also receives the
        mean of all rows above.
    kernel_size : {1, 3, 5, 7}, default=3
        Width of a layer's view of the rows above, half of it in height.
    dropout : float or "auto", default="auto"
        Fraction of each layer's features dropped in training, in [0, 1). ``"auto"`` is 0.1, and less where there is
        little to overfit: 0.02 for each of ``max_iter`` after the first, and in proportion where X has more codes than
        the network has weights. It is settled once, in the first fit.
    optimizer : {"adam", "adamw", "nadam", "rmsprop", "sgd"} or keras.optimizers.Optimizer, default="nadam"
        An instance is copied. It keeps its own learning rate, clipping and weight decay, and ``learning_rate``,
        ``schedule``, ``warmup_steps``, ``clip_norm`` and ``weight_decay`` are ignored.
    learning_rate : float, default=0.004
        Learning rate at the start of the schedule.
    schedule : {"linear", "cosine", "constant"}, default="linear"
        How the learning rate falls over ``max_iter`` epochs.
    warmup_steps : int, default=0
        Steps over which the learning rate rises to its value.
    clip_norm : float or None, default=1.0
        Gradient clipping: gradients with a larger global norm are scaled down to it. None turns it off.
    weight_decay : float, default=0.1
        Every step multiplies all weights by 1 - rate * ``weight_decay``. Without it the weights grow in long training
        until the gates saturate.
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
    checkpoint : str or path-like, default=None
        Folder in which ``fit`` keeps its state after each epoch. The same fit, started again, goes on from there.
    random_state : int, RandomState instance or None, default=None

    Attributes
    ----------
    grid_ : CodeGrid
        Shape of the grid and number of codes.
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

    References
    ----------
    van den Oord et al., "Conditional Image Generation with PixelCNN Decoders", NeurIPS 2016, arXiv:1606.05328.

    Examples
    --------
    >>> import numpy as np
    >>> from skvq import PixelCNNPrior
    >>> codes = np.tile([0, 1, 1, 0], (64, 1))
    >>> prior = PixelCNNPrior(hidden_channels=8, n_layers=1, max_iter=30, random_state=0).fit(codes)
    >>> str(prior.grid_)
    '2 × 2 codes of 2'
    >>> prior.sample(3, random_state=0).shape
    (3, 4)
    """

    _parameter_constraints = {
        "n_embeddings": [Interval(Integral, 1, None, closed="left"), None],
        "code_shape": [tuple, list, None],
        "grid": [CodeGrid, None],
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
        "grid": "Pass the grid_ of the VQVAE.",
        "dropout": "It is the fraction of features dropped in training; 'auto' goes by max_iter and the size of X.",
        "weight_decay": "Each step multiplies the weights by 1 - rate * weight_decay; 0 turns it off.",
        **TRAINING_ADVICE,
    }

    def __init__(
        self,
        n_embeddings: int | None = None,
        *,
        code_shape: tuple[int, ...] | None = None,
        grid: CodeGrid | None = None,
        conditional: bool = False,
        hidden_channels: int = 64,
        n_layers: int = 6,
        kernel_size: int = 3,
        dropout: float | str = "auto",
        optimizer: Any = "nadam",
        learning_rate: float = 0.004,
        schedule: str = "linear",
        warmup_steps: int = 0,
        clip_norm: float | None = 1.0,
        weight_decay: float = 0.1,
        batch_size: int | str = "auto",
        max_iter: int = 20,
        early_stopping: bool = True,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 5,
        tol: float = 1e-4,
        warm_start: bool = False,
        verbose: int = 0,
        checkpoint: str | os.PathLike[str] | None = None,
        random_state: RandomStateLike = None,
    ):
        self.n_embeddings = n_embeddings
        self.code_shape = code_shape
        self.grid = grid
        self.conditional = conditional
        self.hidden_channels = hidden_channels
        self.n_layers = n_layers
        self.kernel_size = kernel_size
        self.dropout = dropout
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.warmup_steps = warmup_steps
        self.clip_norm = clip_norm
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.warm_start = warm_start
        self.verbose = verbose
        self.checkpoint = checkpoint
        self.random_state = random_state

    network_parameters: Any = ("conditional", "hidden_channels", "n_layers", "kernel_size", "dropout")

    def _initialise(self, source: CodeSource, streams: Streams) -> None:
        super()._initialise(source, streams)
        if self.dropout == "auto":
            # Only a built network tells how many weights there are.
            network = self._network()
            by_passes = min(0.02 * (self.max_iter - 1), MOST_DROPOUT)
            rate = by_passes * min(network.count_params() / source.size, 1.0)
            self._network_config["dropout_rate"] = network.dropout.rate = rate

    def _build_network(self) -> PixelCNN | ResidualPixelCNN:
        config, grid = self._network_config, self.grid_
        automatic = config["dropout"] == "auto"
        options = {name: config[name] for name in ("hidden_channels", "n_layers", "kernel_size")}
        options["n_classes"] = 0 if self.classes_ is None else len(self.classes_)
        options["dropout"] = MOST_DROPOUT if automatic else config["dropout"]
        if grid.depth == 1:
            network = PixelCNN(grid.n_embeddings, grid.plane, **options)
        else:
            rows, columns = grid.plane
            network = ResidualPixelCNN(grid.n_embeddings, (rows, columns // grid.depth), grid.depth, **options)
        if automatic:
            network.dropout.rate = config.get("dropout_rate", MOST_DROPOUT)
        return network
