"""What every prior over codes shares: checks of codes and labels, likelihoods, exact sampling, completion, export."""

import math
import warnings
from typing import Any

import numpy as np
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data

from skvq._bases import DensityMixin, OneToOneFeatureMixin, TransformerMixin
from skvq._contract.codes import CodeGrid, check_codes, guess_grid
from skvq._contract.counts import check_n_samples
from skvq._contract.description import ModelDescription
from skvq._contract.errors import invalid
from skvq._contract.graph import GraphFunction
from skvq._contract.labels import Classes, check_labels, indices_of_labels
from skvq._contract.masks import check_unmasked
from skvq._contract.randomness import RandomStateLike, uniforms
from skvq._contract.sampling import SamplingOptions
from skvq._contract.selection import check_select, draw_selected
from skvq._data import CodeSource, read_codes
from skvq._estimator import NetworkEstimator
from skvq._fitted import check_fitted
from skvq._graph_functions import prior_graphs
from skvq.networks.sampling import sample


class Prior(OneToOneFeatureMixin, DensityMixin, TransformerMixin, NetworkEstimator):
    """Base of the priors: a density of rows of codes, one code after the other in row-major order.

    A subclass has the parameters ``n_embeddings``, ``code_shape``, ``grid`` and ``conditional``, a ``fit`` that calls
    :meth:`_new_source` and sets ``grid_`` and ``classes_``, and ``_build_network``, which returns a
    :class:`skvq.networks.priors.PriorNetwork`.

    Attributes
    ----------
    grid_ : CodeGrid
    classes_ : ndarray of shape (n_classes,) or None
    """

    grid_: CodeGrid
    classes_: np.ndarray | None
    n_features_in_: int

    def _new_source(self, X, y, classes=None) -> tuple[CodeSource, CodeGrid, Classes | None]:
        """Check codes and labels of a first fit, and settle their grid and classes."""
        check_unmasked("X", X)
        codes, largest = read_codes(X)
        grid = self._settle_grid(codes.shape[1], largest)
        grid.check_extent(codes.shape[1], largest)
        if not self.conditional:
            return CodeSource(codes), grid, None
        y = check_labels(y, codes.shape[0])
        known = Classes.of(y, "y") if classes is None else Classes.of(classes)
        return CodeSource(codes, known.indices(y, codes.shape[0])), grid, known

    def _settle_grid(self, n_codes: int, largest: int) -> CodeGrid:
        """Return the grid that the parameters give, or the likeliest for rows of so many codes up to the largest."""
        if self.grid is not None:
            for name, given in (("code_shape", self.code_shape), ("n_embeddings", self.n_embeddings)):
                held = self.grid.shape if name == "code_shape" else self.grid.n_embeddings
                if given is not None and (tuple(given) if name == "code_shape" else given) != held:
                    raise invalid(
                        name, f"agree with grid, {self.grid}", repr(given), f"Leave {name} out: grid holds it."
                    )
            return self.grid
        n_embeddings = self.n_embeddings or largest + 1
        if self.code_shape is not None:
            return CodeGrid(self.code_shape, n_embeddings)
        grid, is_certain = guess_grid(n_codes, n_embeddings)
        if not is_certain:
            warnings.warn(
                f"{type(self).__name__} takes rows of {n_codes} codes for a grid of {grid}. Pass "
                "grid=vqvae.grid_, or code_shape and n_embeddings, or fit both stages with VQGenerator.",
                UserWarning,
                stacklevel=5,
            )
        return grid

    def _settle(self, X, source: CodeSource, grid: CodeGrid, classes: Classes | None) -> None:
        """Take the grid and classes of a first fit into the fitted state."""
        validate_data(self, X, reset=True, skip_check_array=True)
        self.grid_ = grid
        self.classes_ = None if classes is None else classes.values
        # With the number of codes guessed, data may later hold codes that none of the training rows had.
        self._unseen: dict[str, Any] | None = None
        if self.grid is None and self.n_embeddings is None:
            self._unseen = {
                "stand_in": source.commonest(),
                "log_probability": -math.log(source.size + 1),
            }

    @property
    def _classes(self) -> Classes | None:
        return None if self.classes_ is None else Classes(self.classes_)

    def transform(self, X: Any) -> np.ndarray:
        """Return the codes unchanged, so that a pipeline that ends in a prior transforms images to codes.

        Returns
        -------
        ndarray of shape (n, n_codes), int64
        """
        codes, _ = self._known_codes(X)
        return codes.astype(np.int64)

    def inverse_transform(self, X: Any) -> np.ndarray:
        """Return the codes unchanged, so that a pipeline that ends in a prior turns codes into images."""
        check_fitted(self)
        check_unmasked("X", X)
        # Samples have no column names, whatever the training data had.
        return self.grid_.check(check_array(X, dtype="numeric", input_name="X")).astype(np.int64)

    def log_prob_per_code(self, X: Any, y: Any = None) -> np.ndarray:
        """Return the log-probability of each code given the codes before it.

        Where the prior guessed ``n_embeddings``, X may hold codes that no training row had. Such a code has the
        probability 1 / (N + 1) after N codes of training, and stands for the commonest code in the context of others.

        Parameters
        ----------
        X : array-like of shape (n, n_codes)
        y : array-like of shape (n,) or one class, default=None
            Classes, for a conditional prior.

        Returns
        -------
        ndarray of shape (n, n_codes), float64, in nats
        """
        codes, unseen = self._known_codes(X)
        labels = self._labels_to_score(y, len(codes))
        if unseen is None or self._unseen is None:
            return self._log_probabilities(codes, labels).astype(np.float64)
        log_probabilities = self._log_probabilities(np.where(unseen, self._unseen["stand_in"], codes), labels)
        return np.where(unseen, self._unseen["log_probability"], log_probabilities.astype(np.float64))

    def score_samples(self, X: Any, y: Any = None) -> np.ndarray:
        """Return the log-likelihood of each row.

        Returns
        -------
        ndarray of shape (n,), float64, in nats
        """
        return self.log_prob_per_code(X, y).sum(axis=1)

    def score(self, X: Any, y: Any = None) -> float:
        """Return the mean log-likelihood of a row, in nats."""
        return float(self.score_samples(X, y).mean())

    def bits_per_code(self, X: Any, y: Any = None) -> float:
        """Return the mean cost of a code of X, in bits: the fewer, the better the prior."""
        return float(-self.log_prob_per_code(X, y).mean() / math.log(2))

    def sample(
        self,
        n_samples: int = 1,
        y: Any = None,
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        select: float | None = None,
        random_state: RandomStateLike = None,
    ) -> np.ndarray:
        """Draw codes from the density, exactly.

        Parameters
        ----------
        n_samples : int, default=1
            Rows to draw. The first rows do not depend on it, unless ``select`` is given.
        y : array-like of shape (n_samples,) or one class, default=None
            Class of each row, for a conditional prior.
        temperature : float, default=1.0
            Below 1 the likely codes become likelier; 1 is the density itself.
        top_k : int, default=None
            Draw only the ``top_k`` likeliest codes at each position.
        top_p : float, default=None
            Draw only the likeliest codes that together reach this probability, after ``top_k``; in (0, 1].
        select : float, default=None
            Part of the rows drawn that is kept, in (0, 1], for a conditional prior: ``n_samples / select`` rows are
            drawn, and of each class those with the highest probability of the class given the codes are returned. The
            rows are then clearer examples of their classes, and no longer draws from the density itself.
        random_state : int, RandomState instance or None, default=None

        Returns
        -------
        ndarray of shape (n_samples, n_codes), int64

        Raises
        ------
        InvalidInputError
            If classes are missing, unknown, not ``n_samples``, or given for a prior without; or if a number is out of
            its range.
        """
        check_fitted(self)
        options = SamplingOptions.checked(temperature, top_k, top_p)
        n_samples = check_n_samples(n_samples)
        select = check_select(select, 0 if self.classes_ is None else len(self.classes_))
        classes = self._classes
        if select is None or classes is None:
            return self._draw(n_samples, y, options, random_state)
        return draw_selected(
            classes.indices(y, n_samples),
            len(classes),
            select,
            lambda labels: self._draw(len(labels), classes.values[labels], options, random_state),
            lambda codes, index: self.score_samples(codes, classes.values[index]),
        )

    def complete(
        self,
        X: Any,
        mask: Any,
        y: Any = None,
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        random_state: RandomStateLike = None,
    ) -> np.ndarray:
        """Keep the known codes of each row and draw the others.

        Each code is drawn given all codes before it, known or drawn. Known codes later in raster order are ignored, so
        the known part should come first: the top of a picture.

        Parameters
        ----------
        X : array-like of shape (n, n_codes)
            Codes; those at unknown positions may be any in range.
        mask : array-like of bool, of shape (n_codes,), (n, n_codes), grid_.shape or (n, *grid_.shape)
            True where the code is kept.
        y : array-like of shape (n,) or one class, default=None
            Classes, for a conditional prior.
        temperature, top_k, top_p, random_state
            As for :meth:`sample`.

        Returns
        -------
        ndarray of shape (n, n_codes), int64
        """
        check_fitted(self)
        check_unmasked("X", X)
        codes = self.grid_.check(validate_data(self, X, reset=False, dtype="numeric"))
        options = SamplingOptions.checked(temperature, top_k, top_p)
        known = np.where(self.grid_.check_mask(mask, len(codes)), codes, -1)
        return self._draw(len(codes), y, options, random_state, known)

    def _draw(self, n_samples: int, y, options: SamplingOptions, random_state, known_codes=None) -> np.ndarray:
        network = self._network()
        labels = indices_of_labels(self._classes, y, n_samples)
        drawn = uniforms(random_state, n_samples, self.grid_.n_codes)
        dtypes = np.float32, None, np.float32
        columns = [
            None if option is None else np.full((n_samples, 1), option, dtype)
            for option, dtype in zip(options, dtypes, strict=True)
        ]
        inputs = [drawn, *columns, labels, known_codes]
        present = [x is not None for x in inputs]

        def draw(*arrays):
            rest = iter(arrays)
            drawn, temperature, top_k, top_p, labels, known = [next(rest) if p else None for p in present]
            return sample(network, drawn, SamplingOptions(temperature, top_k, top_p), labels, known)

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
        check_fitted(self)
        n_classes = 0 if self.classes_ is None else len(self.classes_)
        return prior_graphs(self._network(), n_classes, self._logits)

    def describe(self) -> ModelDescription:
        """Return what a runtime must know about this prior besides its graphs."""
        check_fitted(self)
        return ModelDescription(prior_grid=self.grid_, classes=self._classes)

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

    def _known_codes(self, X) -> tuple[np.ndarray, np.ndarray | None]:
        """Return the codes of X, and a mask of those that are beyond the number that was guessed; None without any."""
        check_fitted(self)
        check_unmasked("X", X)
        codes = check_codes(validate_data(self, X, reset=False, dtype="numeric"))
        unseen = codes >= self.grid_.n_embeddings
        if self._unseen is not None and unseen.any():
            return codes, unseen
        return self.grid_.check(codes), None

    def _labels_to_score(self, y, n_rows: int) -> np.ndarray | None:
        """Return indices of labels for a conditional prior; another ignores y, which pipelines pass on."""
        return None if self._classes is None else self._classes.indices(y, n_rows)

    def _inference_batch_size(self) -> int:
        n_codes = self.grid_.n_codes
        return int(np.clip(min(2**15 // n_codes, 2**25 // (n_codes * self.grid_.n_embeddings)), 1, 256))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        tags.input_tags.categorical = True
        tags.input_tags.positive_only = True
        tags.target_tags.required = bool(self.conditional)
        tags.transformer_tags.preserves_dtype = []
        return tags
