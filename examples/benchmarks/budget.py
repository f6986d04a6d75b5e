"""Wall-clock budgets, alike for all methods.

Networks that a benchmark trains step by step are stopped by a :class:`Stopwatch`. An estimator with a number of
epochs and a learning rate that falls over them must know its length beforehand: its :class:`FitCost` is measured
on short fits, and tells how many epochs of how many images fit into the budget.

Neither counts what comes once a process (imports, the first call into a library) nor evaluations; both count all that
comes once a fit: building the network, tracing and compiling it, k-means.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

# Where a curve is evaluated, in parts of the budget; the end is always one more point.
MARKS = (1 / 8, 1 / 4, 1 / 2)
LEAST_ROWS = 256  # a fit of fewer is a fit of a few steps


class Stopwatch:
    """Seconds of training, from the moment it is made.

    Parameters
    ----------
    budget : float
        Seconds.
    marks : tuple of float
        Parts of the budget after which to evaluate.
    max_steps : int or None
        Stop after so many steps: for a warm-up.

    Attributes
    ----------
    curve : list of (seconds, value)
        One point for each mark reached.
    n_steps : int
    """

    def __init__(self, budget: float, marks: tuple[float, ...] = MARKS, max_steps: int | None = None):
        self.budget = budget
        self.marks = [mark * budget for mark in marks]
        self.max_steps = max_steps
        self.curve: list[tuple[float, float]] = []
        self.n_steps = 0
        self.start = self.last = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Seconds of training so far."""
        return self.last - self.start

    def after_step(self, evaluate: Callable[[], float]) -> bool:
        """Note one more step, and return whether there is time for another.

        Where a mark has been passed, ``evaluate()`` becomes a point of the curve, and its time is not counted.
        """
        now = time.perf_counter()
        # The first step holds the tracing: it does not tell how long the next one will take.
        step_seconds = now - self.last if self.n_steps else 0.0
        self.last = now
        self.n_steps += 1
        if self.marks and self.seconds >= self.marks[0]:
            self.marks = [mark for mark in self.marks if mark > self.seconds]
            self.curve.append((self.seconds, evaluate()))
            self.start += time.perf_counter() - self.last
            self.last = time.perf_counter()
        if self.max_steps is not None and self.n_steps >= self.max_steps:
            return False
        return self.seconds + step_seconds <= self.budget


@dataclass(frozen=True)
class Fitted:
    """An estimator fitted within a budget, and what it took."""

    estimator: Any
    seconds: float
    n_rows: int
    n_epochs: int


def fit_once(fit: Callable, n_rows: int) -> Fitted:
    """Fit one epoch of a few rows, however long it takes: for quick forms, whose figures mean nothing.

    Parameters
    ----------
    fit : callable
        ``fit(rows, n_epochs) -> estimator``.
    n_rows : int
        Rows that there are.
    """
    rows = np.arange(min(n_rows, LEAST_ROWS))
    estimator, seconds = seconds_of(fit, rows, 1)
    return Fitted(estimator, seconds, len(rows), 1)


@dataclass
class FitCost:
    """What a fit costs: ``overhead`` seconds, and ``per_row`` seconds for each row of each epoch.

    Every fit planned by it tells it what a row really takes.
    """

    overhead: float
    per_row: float

    @classmethod
    def measure(cls, fit: Callable, n_rows: int, calibration_rows: int) -> "FitCost":
        """Measure it by fits of one and of five epochs of few rows.

        Parameters
        ----------
        fit : callable
            ``fit(rows, n_epochs) -> estimator``.
        n_rows : int
            Rows that there are.
        calibration_rows : int
            Rows to measure with, a few whole batches.
        """
        rows = np.arange(min(n_rows, calibration_rows))
        fit(rows, 1)  # the first call into the libraries is counted for no method
        one, five = (seconds_of(fit, rows, n_epochs)[1] for n_epochs in (1, 5))
        per_row = max(five - one, 0.2 * five) / (4 * len(rows))
        return cls(max(one - per_row * len(rows), 0.0), per_row)

    def plan(self, seconds: float, n_rows: int, *, repeats: bool) -> tuple[int, int]:
        """Return (rows, epochs) that just fit into ``seconds``.

        Less than one epoch becomes one epoch of some of the rows. Beyond that, with ``repeats``, every epoch holds
        all rows and some of them twice. Without (an estimator that holds rows out must not meet them again in
        training) it is whole epochs, or one epoch more of not quite all rows where over a fifth of the time would be
        left unspent.
        """
        affordable = max(int((seconds - self.overhead) / self.per_row), LEAST_ROWS)
        if affordable <= n_rows:
            return affordable, 1
        n_epochs = affordable // n_rows
        if repeats:
            return affordable // n_epochs, n_epochs
        unspent = 1 - n_epochs * n_rows / affordable
        return (n_rows, n_epochs) if unspent <= 0.2 else (affordable // (n_epochs + 1), n_epochs + 1)

    def fit_within(self, seconds: float, fit: Callable, n_rows: int, *, repeats: bool, seed: int) -> Fitted | None:
        """Fit for as long as the budget allows, and never longer: a fit that took longer is done again, shorter.

        Returns
        -------
        Fitted or None
            None if four fits took longer: the budget is too short for this method, or the machine is busy.
        """
        generator = np.random.default_rng(seed)
        for _ in range(4):
            n_chosen, n_epochs = self.plan(0.95 * seconds, n_rows, repeats=repeats)
            order = generator.permutation(n_rows)
            rows = np.sort(np.concatenate([order, order])[:n_chosen])
            estimator, taken = seconds_of(fit, rows, n_epochs)
            # Never by much more: a large excess was another process's doing.
            self.per_row = min((taken - self.overhead) / (len(rows) * n_epochs), 1.7 * self.per_row)
            if taken <= seconds:
                return Fitted(estimator, taken, len(rows), n_epochs)
            print(f"  took {taken:.1f} s of {seconds:.1f} s; again, with less", flush=True)
        return None


def seconds_of(function: Callable, *args: Any) -> tuple[Any, float]:
    """Return what a function answers, and the seconds it took."""
    start = time.perf_counter()
    answer = function(*args)
    return answer, time.perf_counter() - start
