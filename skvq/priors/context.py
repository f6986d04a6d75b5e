"""The prior of counts: tables by position, left and upper code and class, as a scikit-learn density estimator."""

from numbers import Integral
from typing import Any, Self

from sklearn.utils._param_validation import Interval

from skvq._context_tables import ContextTables
from skvq._contract.codes import CodeGrid
from skvq._estimator import restored_on_error
from skvq.networks.priors.context import ContextNetwork
from skvq.priors.base import Prior


class ContextPrior(Prior):
    """Density of codes by counts of what followed the same position, left and upper code, and class.

    Nothing is trained: rare contexts are blended with broader ones by weights that held-out rows choose. It is fitted
    in seconds and needs no setting, which makes it the baseline for any trained prior.

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
    max_table_size : int, default=2**23
        Entries of each table, at 4 bytes, at most: contexts times codes. The most frequent contexts are kept.

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
    >>> prior = ContextPrior().fit(codes)
    >>> prior.sample(2, random_state=0).tolist()
    [[0, 1, 1, 0], [0, 1, 1, 0]]
    """

    _parameter_constraints = {
        "n_embeddings": [Interval(Integral, 1, None, closed="left"), None],
        "code_shape": [tuple, list, None],
        "grid": [CodeGrid, None],
        "conditional": ["boolean"],
        "max_table_size": [Interval(Integral, 1, 2**31 - 1, closed="both")],
    }
    _parameter_advice = {
        "n_embeddings": "It is the number of codes; None takes the largest code of X plus one.",
        "code_shape": "Give (height, width), or None for a square.",
        "grid": "Pass the grid_ of the VQVAE.",
        "max_table_size": "It is the entries of each table, of 4 bytes; 2**23 makes 34 MB.",
    }

    def __init__(
        self,
        n_embeddings: int | None = None,
        *,
        code_shape: tuple[int, ...] | None = None,
        grid: CodeGrid | None = None,
        conditional: bool = False,
        max_table_size: int = 2**23,
    ):
        self.n_embeddings = n_embeddings
        self.code_shape = code_shape
        self.grid = grid
        self.conditional = conditional
        self.max_table_size = max_table_size

    def fit(self, X: Any, y: Any = None) -> Self:
        """Count codes.

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
        source, grid, classes = self._new_source(X, y)
        n_classes = 0 if classes is None else len(classes)
        with restored_on_error(self):
            self._settle(X, source, grid, classes)
            tables = ContextTables.fit(
                source.codes, grid.plane, grid.n_embeddings, source.labels, n_classes, self.max_table_size
            )
            self._network_config = {"contexts": tables.contexts, "n_rows": tables.n_rows}
            self._begin(ContextNetwork.of(tables), seed=0)
        return self

    def _build_network(self) -> ContextNetwork:
        n_classes = 0 if self.classes_ is None else len(self.classes_)
        return ContextNetwork(self.grid_.n_embeddings, self.grid_.plane, n_classes=n_classes, **self._network_config)
