"""Fit integer tables to codes: gradient descent on floats in NumPy, then rounding.

In floats, the tables are a network with one hidden layer, whose inputs are the rows that a code's neighbours, position
and class select. A step changes only the rows that its batch selects.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse
from threadpoolctl import threadpool_limits

from skvq._context_tables import held_out_rows
from skvq._contract.codes import CodeGrid
from skvq._contract.errors import DivergenceError
from skvq.compression.tables import (
    LARGEST_HIDDEN,
    LARGEST_LOGIT,
    LARGEST_ROW,
    LOGITS_PER_NAT,
    CodeTables,
    ContextLayout,
    largest_sum,
)

HIDDEN_STEPS = 64  # integers to one unit of a hidden value
OUTPUT_STEPS = LOGITS_PER_NAT // HIDDEN_STEPS
CEILING = LARGEST_HIDDEN / HIDDEN_STEPS
BATCH_CODES, BATCH_LOGITS = 4096, 2**21
FIRST_MOMENT, SECOND_MOMENT = 0.9, 0.99
CHECKS = 12  # of the held-out rows
CHECKED = 2**15  # codes of them
MIN_STEPS, MAX_STEPS = 150, (500, 1000)  # the most where codes are few, as a step is cheaper
MAX_LOGITS = 2**30  # in all steps


@dataclass
class _Adam:
    """Adam on some rows of an array at a time; rows that a batch does not touch stay as they are."""

    values: np.ndarray
    first: np.ndarray
    second: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray) -> "_Adam":
        return cls(values, np.zeros_like(values), np.zeros_like(values))

    def step(self, gradient: np.ndarray, rate: float, rows: Any = slice(None)) -> None:
        first = FIRST_MOMENT * self.first[rows] + (1 - FIRST_MOMENT) * gradient
        second = SECOND_MOMENT * self.second[rows] + (1 - SECOND_MOMENT) * np.square(gradient)
        self.first[rows], self.second[rows] = first, second
        self.values[rows] -= rate * first / (np.sqrt(second) + 1e-8)


class TableTrainer:
    """Float tables that are fitted to codes.

    Parameters
    ----------
    grid : CodeGrid
    n_classes : int
    n_features : int
        Length of a row.
    generator : numpy.random.Generator
    """

    def __init__(self, grid: CodeGrid, n_classes: int, n_features: int, generator: np.random.Generator):
        self.grid, self.layout, self.generator = grid, ContextLayout(grid, n_classes), generator
        rows = generator.standard_normal((self.layout.n_rows, n_features), np.float32) * np.float32(0.05)
        rows[self.layout.position_rows : self.layout.class_rows] += np.float32(0.1)  # so that features start above 0
        shape = (grid.depth, n_features, grid.n_embeddings)
        output = generator.standard_normal(shape, np.float32) * np.float32(0.05)
        self.rows, self.output = _Adam.of(rows), _Adam.of(output)
        self.bias = _Adam.of(np.zeros((grid.depth, grid.n_embeddings), np.float32))
        self.n_steps = 0

    def fit(self, codes: np.ndarray, labels: np.ndarray | None, n_passes: float, learning_rate: float) -> None:
        """Fit to codes (n, n_codes), and keep what was best on the held-out rows.

        In one thread: products are so small that several threads mostly wait for each other.
        """
        with threadpool_limits(1, "blas"):
            self._fit(codes, labels, n_passes, learning_rate)

    def _fit(self, codes: np.ndarray, labels: np.ndarray | None, n_passes: float, learning_rate: float) -> None:
        held_out = held_out_rows(len(codes))
        train, check = codes[~held_out], codes[held_out]
        of_train, of_check = (None if labels is None else labels[chosen] for chosen in (~held_out, held_out))
        self._start_from_frequencies(train)
        size = int(np.clip(BATCH_LOGITS // self.grid.n_embeddings, 32, BATCH_CODES))
        size = min(size, train.size)
        most = np.clip(MAX_LOGITS // (size * self.grid.n_embeddings), *MAX_STEPS)
        n_steps = int(np.clip(n_passes * train.size / size, MIN_STEPS, most))
        order, best = self._order(train.size, n_steps * size), None
        checks = {n_steps * i // CHECKS for i in range(1, CHECKS + 1)} if len(check) else set()
        for step in range(n_steps):
            rate = learning_rate * min((step + 1) / 20, 1 - step / n_steps)
            self._step(train, of_train, order[step * size : (step + 1) * size], rate)
            if step + 1 in checks:
                found = self._nats(check, of_check)
                if best is None or found < best[0] or math.isnan(best[0]):
                    best = found, [part.values.copy() for part in (self.rows, self.output, self.bias)]
        if best is not None:
            self.rows.values, self.output.values, self.bias.values = best[1]
        if not all(np.isfinite(part.values).all() for part in (self.rows, self.output, self.bias)):
            raise DivergenceError(
                f"learning_rate must be so small that tables stay finite; got {learning_rate:g}. 0.03 is a good start."
            )

    def rounded(self) -> CodeTables:
        """Return the tables in integers."""
        rows = np.clip(np.rint(self.rows.values * HIDDEN_STEPS), -LARGEST_ROW, LARGEST_ROW)
        bias = np.rint((self.bias.values - self.bias.values.max(axis=1, keepdims=True)) * LOGITS_PER_NAT)
        bias = np.maximum(bias, -LARGEST_LOGIT // 4)
        output = np.clip(np.rint(self.output.values * OUTPUT_STEPS), -LARGEST_ROW, LARGEST_ROW)
        while largest_sum(output, bias) > LARGEST_LOGIT:  # weaker evidence, only where it was beyond all measure
            output = np.trunc(output * np.float32(0.9))
        return CodeTables(self.grid, self.layout.n_classes, rows, output, bias)

    def _start_from_frequencies(self, codes: np.ndarray) -> None:
        by_stage = codes.reshape(-1, self.grid.depth)
        for stage in range(self.grid.depth):
            counts = np.bincount(by_stage[:, stage], minlength=self.grid.n_embeddings) + 0.5
            self.bias.values[stage] = np.log(counts / counts.sum())

    def _order(self, n: int, n_wanted: int) -> np.ndarray:
        """Return the order of examples: random passes, one after the other; a part of one of very many."""
        if n_wanted <= n:
            return self.generator.choice(n, n_wanted, replace=False)
        passes = [self.generator.permutation(n) for _ in range(-(-n_wanted // n))]
        return np.concatenate(passes)[:n_wanted]

    def _step(self, codes: np.ndarray, labels: np.ndarray | None, places: np.ndarray, rate: float) -> None:
        selected = self.layout.selected(codes, places, labels)  # (m, rows of each)
        stages = places % self.grid.depth
        targets = codes.ravel()[places]
        touched, inner = _touched(selected, self.layout.n_rows)
        n, width = selected.shape
        members = sparse.csr_matrix((np.ones(n * width, np.float32), inner, np.arange(0, n * width + 1, width)))
        values = self.rows.values[touched]
        total = members @ values  # (m, features)
        hidden = np.clip(total, 0, CEILING)
        self.n_steps += 1
        rate *= math.sqrt(1 - SECOND_MOMENT**self.n_steps) / (1 - FIRST_MOMENT**self.n_steps)
        back = np.empty_like(hidden)
        for stage in range(self.grid.depth):
            of = slice(None) if self.grid.depth == 1 else np.flatnonzero(stages == stage)
            output = self.output.values[stage]
            errors = _softmax(hidden[of] @ output + self.bias.values[stage])
            errors[np.arange(len(errors)), targets[of]] -= 1
            errors /= n
            back[of] = errors @ output.T
            _of_stage(self.output, stage).step(hidden[of].T @ errors, rate)
            _of_stage(self.bias, stage).step(errors.sum(axis=0), rate)
        back[(total <= 0) | (total >= CEILING)] = 0
        self.rows.step(members.T @ back, rate, touched)

    def _nats(self, codes: np.ndarray, labels: np.ndarray | None) -> float:
        """Return the mean cost of a code, on at most CHECKED of them."""
        places = np.arange(codes.size)
        if codes.size > CHECKED:  # the same ones at every check
            places = np.random.default_rng(0).choice(codes.size, CHECKED, replace=False)
        total = 0.0
        for start in range(0, len(places), BATCH_CODES):
            some = places[start : start + BATCH_CODES]
            selected = self.layout.selected(codes, some, labels)
            hidden = np.clip(self.rows.values[selected].sum(axis=1), 0, CEILING)
            for stage in range(self.grid.depth):
                of = np.flatnonzero(some % self.grid.depth == stage)
                shares = _softmax(hidden[of] @ self.output.values[stage] + self.bias.values[stage])
                total -= np.log(shares[np.arange(len(of)), codes.ravel()[some[of]]] + 1e-30).sum()
        return total / len(places)


def _of_stage(array: _Adam, stage: int) -> _Adam:
    return _Adam(array.values[stage], array.first[stage], array.second[stage])


def _touched(selected: np.ndarray, n_rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows that are selected, sorted, and for each selection its place among them, flat."""
    flat = selected.ravel()
    is_touched = np.zeros(n_rows, bool)
    is_touched[flat] = True
    touched = np.flatnonzero(is_touched)
    numbers = np.zeros(n_rows, np.int32)
    numbers[touched] = np.arange(len(touched), dtype=np.int32)
    return touched, numbers[flat]


def _softmax(logits: np.ndarray) -> np.ndarray:
    """Return probabilities; the logits are overwritten."""
    logits -= logits.max(axis=1, keepdims=True)
    np.exp(logits, out=logits)
    logits /= logits.sum(axis=1, keepdims=True)
    return logits
