"""The prior of integer tables: fitted in seconds, and exact enough to code files with."""

from numbers import Integral, Real
from typing import Any, Self

from sklearn.utils._param_validation import Interval

from skvq._contract.codes import CodeGrid
from skvq._contract.description import ModelDescription
from skvq._contract.randomness import RandomStateLike, seed_from
from skvq._estimator import Streams, restored_on_error
from skvq._fitted import check_fitted
from skvq.compression.packing import pack
from skvq.compression.tables import CodeTables
from skvq.networks.priors.context import ContextNetwork
from skvq.priors._table_fitting import TableTrainer
from skvq.priors.base import Prior


class ContextPrior(Prior):
    """Density of codes by integer tables: of the codes around and before, the position, and the class.

    Each of about twenty neighbours, the position and the class select a row of integers. The sum of the rows, clipped
    at 0, times one more table gives the logit of each code. The tables are fitted in seconds, by gradient descent in
    NumPy, and then rounded. Integers are the same on every machine, so :meth:`skvq.VQGenerator.compress` writes files
    with this prior. A :class:`PixelCNNPrior` takes minutes and needs fewer bits, but computes with floats.

    Parameters
    ----------
    n_embeddings : int, default=None
        Number of codes K. None takes the largest code of X plus one; codes beyond it that come later have a small
        probability, see :meth:`log_prob_per_code`.
    code_shape : tuple of int, default=None
        One to three sides of the grid of codes, such as (height, width). None takes a square if a row of X makes one,
        else a single row, with a warning.
    grid : CodeGrid, default=None
        ``vqvae.grid_``, which holds both of the above.
    conditional : bool, default=False
        Whether y conditions the codes.
    n_features : int, default=64
        Integers in a row of the tables. More fit better, and take longer to fit and to decode.
    n_passes : float, default=2
        Passes over X, within 150 to 500 steps (1,000 where ``n_embeddings`` is small) of at most 4,096 codes. Of more
        data a part is taken.
    learning_rate : float, default=0.03
        Of Adam, at the start. It falls linearly to 0.
    random_state : int, RandomState instance or None, default=None
        Initial tables and order of examples.

    Attributes
    ----------
    grid_ : CodeGrid
        Shape of the grid and number of codes.
    classes_ : ndarray of shape (n_classes,) or None
        None unless ``conditional``.
    n_features_in_ : int
        Codes in a row of X.
    feature_names_in_ : ndarray of str
        Where X had column names.

    Examples
    --------
    >>> import numpy as np
    >>> from skvq import ContextPrior
    >>> codes = np.tile([0, 1, 1, 0], (64, 1))
    >>> prior = ContextPrior(random_state=0).fit(codes)
    >>> prior.sample(2, random_state=0).tolist()
    [[0, 1, 1, 0], [0, 1, 1, 0]]
    """

    _parameter_constraints = {
        "n_embeddings": [Interval(Integral, 1, None, closed="left"), None],
        "code_shape": [tuple, list, None],
        "grid": [CodeGrid, None],
        "conditional": ["boolean"],
        "n_features": [Interval(Integral, 1, 2**12, closed="both")],
        "n_passes": [Interval(Real, 0, None, closed="neither")],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "random_state": ["random_state"],
    }
    _parameter_advice = {
        "n_embeddings": "It is the number of codes; None takes the largest code of X plus one.",
        "code_shape": "Give (height, width), or None for a square.",
        "grid": "Pass the grid_ of the VQVAE.",
        "n_features": "It is the length of a row of the tables; 64 is a good start.",
        "n_passes": "It is the number of passes over X; 2 is a good start.",
        "learning_rate": "0.03 is a good start.",
    }

    def __init__(
        self,
        n_embeddings: int | None = None,
        *,
        code_shape: tuple[int, ...] | None = None,
        grid: CodeGrid | None = None,
        conditional: bool = False,
        n_features: int = 64,
        n_passes: float = 2,
        learning_rate: float = 0.03,
        random_state: RandomStateLike = None,
    ):
        self.n_embeddings = n_embeddings
        self.code_shape = code_shape
        self.grid = grid
        self.conditional = conditional
        self.n_features = n_features
        self.n_passes = n_passes
        self.learning_rate = learning_rate
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Self:
        """Fit the tables.

        Parameters
        ----------
        X : array-like of shape (n, n_codes)
            Codes, as ``VQVAE.transform`` returns them. A tenth of the rows, in runs of neighbours, is held out to
            choose between tables of several steps.
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
        source, grid, classes = self._new_source(X, y)
        n_classes = 0 if classes is None else len(classes)
        streams = Streams(seed_from(self.random_state))
        with restored_on_error(self):
            self._settle(X, source, grid, classes)
            trainer = TableTrainer(grid, n_classes, self.n_features, streams.of("tables"))
            trainer.fit(source.codes(slice(None)), source.labels, self.n_passes, self.learning_rate)
            self._network_config = {"n_features": self.n_features}
            self._begin(ContextNetwork.of(trainer.rounded()), streams.seed)
        return self

    def code_tables(self) -> CodeTables:
        """Return the integer tables, with which a codec needs no network.

        Returns
        -------
        CodeTables
        """
        check_fitted(self)
        n_classes = 0 if self.classes_ is None else len(self.classes_)
        return CodeTables(self.grid_, n_classes, *self._weights)

    def describe(self) -> ModelDescription:
        """Return what a runtime must know about this prior besides its graphs."""
        check_fitted(self)
        return ModelDescription(prior_grid=self.grid_, classes=self._classes, tables=pack(self.code_tables()))

    def _build_network(self) -> ContextNetwork:
        n_classes = 0 if self.classes_ is None else len(self.classes_)
        return ContextNetwork(self.grid_, n_classes=n_classes, **self._network_config)
