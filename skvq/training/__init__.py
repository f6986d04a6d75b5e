"""Training of Keras networks over checked sources: steps, learning rate, early stopping, codebook maintenance.

This package does not know estimators. An estimator passes a network, a source of rows, a :class:`TrainingConfig` and
an :class:`Observer` to the :class:`Trainer`, and gets a :class:`TrainingResult`.
"""

from skvq.training.config import TRAINING_ADVICE, TRAINING_CONSTRAINTS, TrainingConfig
from skvq.training.observer import Observer
from skvq.training.optimizers import OPTIMIZERS, load_training_state, training_state
from skvq.training.state import Checkpoint
from skvq.training.trainer import Trainer, TrainingResult
from skvq.training.validation import split_validation

__all__ = [
    "OPTIMIZERS",
    "TRAINING_ADVICE",
    "TRAINING_CONSTRAINTS",
    "Checkpoint",
    "Observer",
    "Trainer",
    "TrainingConfig",
    "TrainingResult",
    "load_training_state",
    "split_validation",
    "training_state",
]
