"""Tables of counts with back-off: the density of codes given simple contexts, in NumPy.

A chain of tables goes from a broad context to a narrow one. The table of a context ``c`` gives code ``k`` the
probability ::

    p(k | c) = (count(c, k) + a p_broader(k)) / (count(c) + a)

with the table before it as ``p_broader``, and 1/n_embeddings before the first. So a context seen often trusts its own
counts, one never seen takes the broader probabilities, and the probabilities of all codes add up to one. The weight
``a`` of each table is the one of 2**-5, 2**-4, …, 2**12 that costs least on a tenth of the rows, held out in five runs
of neighbouring rows, so that rows of one class or one patient do not vouch for each other. The tables are then counted
again on all rows. (A single row leaves nothing to hold out: there ``a`` is ``n_embeddings``.)

The baselines of :mod:`skvq.metrics` count here, and :mod:`skvq.priors.context` holds out the same rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

WEIGHTS = 2.0 ** np.arange(-5, 13)


@dataclass(frozen=True)
class CountTable:
    """How often each code was seen in each context.

    Sorted keys of what was seen: a dense table of two neighbours would need K**3 cells.

    Parameters
    ----------
    keys, counts : ndarray of shape (n_contexts,), int64
        Contexts, sorted, and how often each was seen.
    pair_keys, pair_counts : ndarray of shape (n_pairs,), int64
        ``context * n_embeddings + code``, sorted, and how often each pair was seen.
    n_embeddings : int
    weight : float
        The ``a`` of the broader probabilities.
    """

    keys: np.ndarray
    counts: np.ndarray
    pair_keys: np.ndarray
    pair_counts: np.ndarray
    n_embeddings: int
    weight: float

    @classmethod
    def count(
        cls,
        contexts: np.ndarray,
        codes: np.ndarray,
        n_embeddings: int,
        *,
        weight: float,
    ) -> CountTable:
        """Count the codes (any shape) of each context (same shape, integers >= 0)."""
        keys, counts = np.unique(contexts.ravel(), return_counts=True)
        pairs = (contexts * n_embeddings + codes).ravel()
        return cls(keys, counts, *np.unique(pairs, return_counts=True), n_embeddings, weight)

    def look_up(self, contexts: np.ndarray, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return how often each code was seen with its context, and its context with any code."""
        pairs = contexts * self.n_embeddings + codes
        return _counts_of(pairs, self.pair_keys, self.pair_counts), _counts_of(contexts, self.keys, self.counts)


def _counts_of(asked: np.ndarray, keys: np.ndarray, counts: np.ndarray) -> np.ndarray:
    if not len(keys):
        return np.zeros(asked.shape, np.int64)
    places = np.minimum(np.searchsorted(keys, asked), len(keys) - 1)
    return np.where(keys[places] == asked, counts[places], 0)


def fit_tables(contexts: list[np.ndarray], codes: np.ndarray, n_embeddings: int) -> list[CountTable]:
    """Count a chain of tables, from the broadest to the narrowest, and choose their weights.

    Parameters
    ----------
    contexts : list of ndarray of shape (n, positions), int64
        Of each table, the context of each code.
    codes : ndarray of shape (n, positions), int64
    n_embeddings : int
    """
    held_out = held_out_rows(len(codes))
    if held_out.any():
        weights = _best_weights(contexts, codes, n_embeddings, held_out)
    else:
        # A single row leaves nothing to choose by; this is Laplace's rule, one more of every code.
        weights = [float(n_embeddings)] * len(contexts)
    return [
        CountTable.count(context, codes, n_embeddings, weight=weight)
        for context, weight in zip(contexts, weights, strict=True)
    ]


def _best_weights(
    contexts: list[np.ndarray], codes: np.ndarray, n_embeddings: int, held_out: np.ndarray
) -> list[float]:
    """Return the best weight of each table in turn: a broader table does not depend on a narrower one's."""
    probabilities = np.full(codes[held_out].shape, 1.0 / n_embeddings)
    chosen = []
    for context in contexts:
        table = CountTable.count(context[~held_out], codes[~held_out], n_embeddings, weight=1.0)
        together, alone = table.look_up(context[held_out], codes[held_out])
        costs = [-np.log2((together + w * probabilities) / (alone + w)).mean() for w in WEIGHTS]
        chosen.append(float(WEIGHTS[int(np.argmin(costs))]))
        probabilities = (together + chosen[-1] * probabilities) / (alone + chosen[-1])
    return chosen


def held_out_rows(n_rows: int) -> np.ndarray:
    """Return a mask of a tenth of the rows, in five runs of neighbours; the last row alone when there are few."""
    if n_rows < 10:
        return np.arange(n_rows) == max(n_rows - 1, 1)
    return (np.arange(n_rows) // max(1, n_rows // 50)) % 10 == 9


def probabilities(tables: list[CountTable], contexts: list[np.ndarray], codes: np.ndarray) -> np.ndarray:
    """Return the probability of each code (n, positions) under a chain of tables, float64."""
    answer = np.full(codes.shape, 1.0 / tables[0].n_embeddings)
    for table, context in zip(tables, contexts, strict=True):
        together, alone = table.look_up(context, codes)
        answer = (together + table.weight * answer) / (alone + table.weight)
    return answer


def neighbours(codes: np.ndarray, plane: tuple[int, int], n_embeddings: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the left and the upper neighbour of each code (n, positions); beyond the border stands ``n_embeddings``.

    Parameters
    ----------
    codes : ndarray of shape (n, rows * columns), int64
    plane : tuple of int
        (rows, columns).
    n_embeddings : int
    """
    rows, columns = plane
    maps = np.full((len(codes), rows + 1, columns + 1), n_embeddings)
    maps[:, 1:, 1:] = codes.reshape(-1, rows, columns)
    return maps[:, 1:, :-1].reshape(codes.shape), maps[:, :-1, 1:].reshape(codes.shape)
