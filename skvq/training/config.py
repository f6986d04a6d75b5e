"""The training parameters of estimators: their values, their ranges, and the advice in error messages."""

import math
import os
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

from sklearn.utils._param_validation import Interval, StrOptions

from skvq.networks import keras
from skvq.training.optimizers import OPTIMIZERS

SCHEDULES = ("linear", "cosine", "constant")
LOWEST_RATE = 0.01  # smallest fraction of the learning rate in a falling schedule

TRAINING_CONSTRAINTS: dict[str, list[Any]] = {
    "optimizer": [StrOptions(set(OPTIMIZERS)), keras.optimizers.Optimizer],
    "learning_rate": [Interval(Real, 0, None, closed="neither")],
    "schedule": [StrOptions(set(SCHEDULES))],
    "warmup_steps": [Interval(Integral, 0, None, closed="left")],
    "clip_norm": [Interval(Real, 0, None, closed="neither"), None],
    "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
    "max_iter": [Interval(Integral, 1, None, closed="left")],
    "early_stopping": ["boolean"],
    "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
    "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
    "tol": [Interval(Real, 0, None, closed="left")],
    "warm_start": ["boolean"],
    "verbose": ["verbose"],
    "checkpoint": [str, os.PathLike, None],
    "random_state": ["random_state"],
}

TRAINING_ADVICE = {
    "optimizer": "A keras.optimizers.Optimizer uses its own learning rate, clipping and weight decay.",
    "learning_rate": "It is the rate of the first step; 0.001 to 0.004 suits Adam and Nadam.",
    "schedule": "'linear' falls to zero over max_iter epochs.",
    "warmup_steps": "It is the number of steps over which the learning rate rises to its value; 0 is common.",
    "clip_norm": "Gradients with a larger norm are scaled down to it; 1 is a common start, None turns it off.",
    "batch_size": "'auto' suits most data. It uses fewer rows in each step if the rows are large.",
    "max_iter": "It is the number of passes over X; 20 is a common start.",
    "validation_fraction": "It is the part of X that is held out when early_stopping=True; 0.1 is a common start.",
    "n_iter_no_change": "It is the number of epochs without improvement before fit stops; 5 is a common start.",
    "tol": "It is the smallest decrease of the validation loss that counts as improvement; 0.0001 is a common start.",
    "checkpoint": "It is a folder, in which fit keeps its state after each epoch; None keeps nothing.",
    "random_state": "Pass an int for the same result at every call.",
}


@dataclass(frozen=True)
class TrainingConfig:
    """The settings of one training.

    Parameters
    ----------
    name : str
        Name of the estimator, for reports and warnings.
    batch_size, max_iter : int
    optimizer : str or keras.optimizers.Optimizer
        An instance is copied, and uses its own learning rate, clipping and weight decay.
    learning_rate : float
    schedule : {"linear", "cosine", "constant"}
        How the learning rate changes over all epochs.
    warmup_steps : int
    clip_norm : float or None
    weight_decay : float or None
        None uses the default of the optimizer.
    n_iter_no_change : int
    tol : float
    verbose : int
    """

    name: str
    batch_size: int
    max_iter: int
    optimizer: Any = "adam"
    learning_rate: float = 0.001
    schedule: str = "linear"
    warmup_steps: int = 0
    clip_norm: float | None = 1.0
    weight_decay: float | None = None
    n_iter_no_change: int = 5
    tol: float = 1e-4
    verbose: int = 0

    def rate(self, step: int, n_steps: int) -> float:
        """Return the learning rate of step number ``step`` of ``n_steps``."""
        part = step / n_steps
        falling = {
            "linear": max(1.0 - part, LOWEST_RATE),
            "cosine": max(0.5 * (1.0 + math.cos(math.pi * part)), LOWEST_RATE),
            "constant": 1.0,
        }[self.schedule]
        rising = min(1.0, (step + 1) / self.warmup_steps) if self.warmup_steps else 1.0
        return self.learning_rate * falling * rising
