"""Tables of counts with back-off: the density of codes given simple contexts, in NumPy.

A chain of tables goes from a broad context to a narrow one. The table of a context ``c`` gives code ``k`` the
probability ::

    p(k | c) = (count(c, k) + a p_broader(k)) / (count(c) + a)

with the table before it as ``p_broader``, and 1/n_embeddings before the first. So a context seen often trusts its own
counts, one never seen takes the broader probabilities, and the probabilities of all codes add up to one. The weight
``a`` of each table is the one of 2**-5, 2**-4, …, 2**12 that costs least on a tenth of the rows, held out in five runs
of neighbouring rows, so that rows of one class or one patient do not vouch for each other. The tables are then counted
again on all rows. (A single row leaves nothing to hold out: there ``a`` is ``n_embeddings``.)

The baselines of :mod:`skvq.metrics` and the network of :mod:`skvq.networks.priors.context` both count here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

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
        max_contexts: int | None = None,
    ) -> CountTable:
        """Count the codes (any shape) of each context (same shape, integers >= 0).

        Of more than ``max_contexts`` contexts the most frequent are kept; the others count as never seen.
        """
        keys, counts = np.unique(contexts.ravel(), return_counts=True)
        pairs = (contexts * n_embeddings + codes).ravel()
        if max_contexts is not None and len(keys) > max_contexts:
            kept = np.sort(np.argsort(-counts, kind="stable")[:max_contexts])
            keys, counts = keys[kept], counts[kept]
            pairs = pairs[np.isin(pairs // n_embeddings, keys)]
        return cls(keys, counts, *np.unique(pairs, return_counts=True), n_embeddings, weight)

    def look_up(self, contexts: np.ndarray, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return how often each code was seen with its context, and its context with any code."""
        pairs = contexts * self.n_embeddings + codes
        return _counts_of(pairs, self.pair_keys, self.pair_counts), _counts_of(contexts, self.keys, self.counts)

    def dense(self, n_contexts: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the table for look-ups by index, so that ``p(k | c) = shares[i[c], k] + broader[i[c]] p_broader(k)``.

        Parameters
        ----------
        n_contexts : int
            Contexts that there can be, seen or not.

        Returns
        -------
        index : ndarray of shape (n_contexts,), int32
            The row ``i[c]`` of each context, 0 for those never seen.
        shares : ndarray of shape (1 + len(keys), n_embeddings), float32
        broader : ndarray of shape (1 + len(keys),), float32
            Weight of the broader probabilities, 1 in row 0.
        """
        index = np.zeros(n_contexts, np.int32)
        index[self.keys] = np.arange(1, len(self.keys) + 1)
        totals = np.concatenate([[self.weight], self.counts + self.weight])
        shares = np.zeros((len(totals), self.n_embeddings), np.float32)
        contexts, codes = np.divmod(self.pair_keys, self.n_embeddings)
        rows = index[contexts]
        shares[rows, codes] = self.pair_counts / totals[rows]
        return index, shares, (self.weight / totals).astype(np.float32)


def _counts_of(asked: np.ndarray, keys: np.ndarray, counts: np.ndarray) -> np.ndarray:
    if not len(keys):
        return np.zeros(asked.shape, np.int64)
    places = np.minimum(np.searchsorted(keys, asked), len(keys) - 1)
    return np.where(keys[places] == asked, counts[places], 0)


def fit_tables(
    contexts: list[np.ndarray], codes: np.ndarray, n_embeddings: int, max_contexts: int | None = None
) -> list[CountTable]:
    """Count a chain of tables, from the broadest to the narrowest, and choose their weights.

    Parameters
    ----------
    contexts : list of ndarray of shape (n, positions), int64
        Of each table, the context of each code.
    codes : ndarray of shape (n, positions), int64
    n_embeddings : int
    max_contexts : int, default=None
        Contexts that each table keeps at most; None keeps all.
    """
    held_out = held_out_rows(len(codes))
    if held_out.any():
        weights = _best_weights(contexts, codes, n_embeddings, max_contexts, held_out)
    else:
        # A single row leaves nothing to choose by; this is Laplace's rule, one more of every code.
        weights = [float(n_embeddings)] * len(contexts)
    return [
        CountTable.count(context, codes, n_embeddings, weight=weight, max_contexts=max_contexts)
        for context, weight in zip(contexts, weights, strict=True)
    ]


def _best_weights(
    contexts: list[np.ndarray], codes: np.ndarray, n_embeddings: int, max_contexts: int | None, held_out: np.ndarray
) -> list[float]:
    """Return the best weight of each table in turn: a broader table does not depend on a narrower one's."""
    probabilities = np.full(codes[held_out].shape, 1.0 / n_embeddings)
    chosen = []
    for context in contexts:
        table = CountTable.count(
            context[~held_out], codes[~held_out], n_embeddings, weight=1.0, max_contexts=max_contexts
        )
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


def context_number(parts: tuple[str, ...], values: dict, sizes: dict[str, int]) -> Any:
    """Number the contexts that some parts make together, in [0, product of their sizes).

    Parameters
    ----------
    parts : tuple of str
    values : dict
        The value of each part, arrays or tensors of integers that broadcast against each other.
    sizes : dict of int
        Values that each part can take.
    """
    number = 0
    for part in parts:
        number = number * sizes[part] + values[part]
    return number


@dataclass(frozen=True)
class ContextTables:
    """A density of grids of codes: the chain of tables that a prior uses.

    From the broadest to the narrowest: everywhere, the position, (class, position), the left code, (left, upper),
    (position, left), (class, position, left). Without classes the two that name them are left out.

    On 20,000 digits (7 × 7 codes of 128) and on 48 subjects' slices (32 × 32 codes of 512) this chain costs 4.11 and
    2.42 bits a code; left and upper code alone cost 4.21 and 2.44. With classes the digits cost 3.84; with
    (class, left, upper) in place of the last two tables, 3.98.

    Parameters
    ----------
    plane : tuple of int
        (rows, columns) of the grid.
    n_embeddings : int
    n_classes : int
        0 for none.
    contexts : tuple of tuple of str
        Of each table, what it is given: ``"class"``, ``"position"``, ``"left"``, ``"up"``.
    tables : list of CountTable
    """

    plane: tuple[int, int]
    n_embeddings: int
    n_classes: int
    contexts: tuple[tuple[str, ...], ...]
    tables: list[CountTable]

    @classmethod
    def fit(
        cls,
        codes: np.ndarray,
        plane: tuple[int, int],
        n_embeddings: int,
        labels: np.ndarray | None = None,
        n_classes: int = 0,
        max_table_size: int = 2**23,
    ) -> ContextTables:
        """Count codes.

        Parameters
        ----------
        codes : ndarray of shape (n, rows * columns), integers in [0, n_embeddings)
        plane : tuple of int
        n_embeddings : int
        labels : ndarray of shape (n,), integers in [0, n_classes), or None
        n_classes : int
        max_table_size : int
            Entries of one dense table, each 4 bytes. Of contexts times codes, the most frequent contexts are kept; a
            table with more possible contexts than this is left out.
        """
        sizes = context_sizes(plane, n_embeddings, n_classes)
        chain = tuple(
            parts
            for parts in CONTEXTS
            if (n_classes or "class" not in parts) and n_contexts(parts, sizes) <= max(max_table_size, 1)
        )
        codes = codes.astype(np.int64)
        numbers = _context_numbers(codes, labels, chain, plane, n_embeddings, sizes)
        tables = fit_tables(numbers, codes, n_embeddings, max_contexts=max(1, max_table_size // n_embeddings))
        return cls((plane[0], plane[1]), n_embeddings, n_classes, chain, tables)

    def log_probabilities(self, codes: np.ndarray, labels: np.ndarray | None = None) -> np.ndarray:
        """Return the log-probability of each code (n, positions), in nats, float64."""
        codes = codes.astype(np.int64)
        sizes = context_sizes(self.plane, self.n_embeddings, self.n_classes)
        numbers = _context_numbers(codes, labels, self.contexts, self.plane, self.n_embeddings, sizes)
        return np.log(probabilities(self.tables, numbers, codes))

    @property
    def n_rows(self) -> tuple[int, ...]:
        """Contexts that each table kept."""
        return tuple(len(table.keys) for table in self.tables)

    def arrays(self) -> list[np.ndarray]:
        """Return the three arrays of :meth:`CountTable.dense` for each table, in order: the network's weights."""
        sizes = context_sizes(self.plane, self.n_embeddings, self.n_classes)
        return [
            array
            for parts, table in zip(self.contexts, self.tables, strict=True)
            for array in table.dense(n_contexts(parts, sizes))
        ]


CONTEXTS = (
    (),
    ("position",),
    ("class", "position"),
    ("left",),
    ("left", "up"),
    ("position", "left"),
    ("class", "position", "left"),
)


def context_sizes(plane: tuple[int, int], n_embeddings: int, n_classes: int) -> dict[str, int]:
    """Return how many values each part of a context can take; beyond the border is one code more."""
    return {
        "position": plane[0] * plane[1],
        "class": n_classes,
        "left": n_embeddings + 1,
        "up": n_embeddings + 1,
    }


def n_contexts(parts: tuple[str, ...], sizes: dict[str, int]) -> int:
    """Return how many contexts there can be."""
    return math.prod(sizes[part] for part in parts)


def _context_numbers(
    codes: np.ndarray,
    labels: np.ndarray | None,
    contexts: tuple[tuple[str, ...], ...],
    plane: tuple[int, int],
    n_embeddings: int,
    sizes: dict[str, int],
) -> list[np.ndarray]:
    """Number the context of each code (n, positions) in each table."""
    left, up = neighbours(codes, plane, n_embeddings)
    values = {"left": left, "up": up, "position": np.arange(codes.shape[1])}
    if labels is not None:
        values["class"] = np.asarray(labels, np.int64)[:, None]
    numbers = [context_number(parts, values, sizes) for parts in contexts]
    return [np.broadcast_to(number, codes.shape).astype(np.int64) for number in numbers]
