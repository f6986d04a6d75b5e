"""The learning rate over a training."""

import numpy as np
import pytest

from skvq import VQVAE, PixelCNNPrior
from skvq.training import TRAINING_ADVICE, TRAINING_CONSTRAINTS, TrainingConfig
from skvq.training.config import LOWEST_RATE


def rates(n_steps=40, **config):
    config = TrainingConfig("test", 1, 1, learning_rate=2.0, **config)
    return np.array([config.rate(step, n_steps) for step in range(n_steps)]) / 2.0


@pytest.mark.parametrize(
    ("schedule", "formula"),
    [
        ("linear", lambda t: 1 - t),
        ("cosine", lambda t: (1 + np.cos(np.pi * t)) / 2),
        ("constant", np.ones_like),
    ],
)
def test_schedules_are_their_formulas_down_to_a_floor(schedule, formula):
    expected = np.maximum(formula(np.arange(200) / 200), LOWEST_RATE)
    np.testing.assert_allclose(rates(200, schedule=schedule), expected)


@pytest.mark.parametrize("schedule", ["linear", "cosine", "constant"])
def test_warm_up_rises_in_equal_steps_to_the_schedule(schedule):
    plain, warmed = rates(schedule=schedule), rates(schedule=schedule, warmup_steps=8)
    np.testing.assert_allclose(warmed[:8] / plain[:8], np.arange(1, 9) / 8)
    np.testing.assert_array_equal(warmed[8:], plain[8:])


@pytest.mark.parametrize("estimator", [VQVAE(), PixelCNNPrior()], ids=["vqvae", "prior"])
def test_every_training_parameter_is_an_estimators_parameter(estimator):
    assert set(TRAINING_CONSTRAINTS) <= set(estimator.get_params())
    assert set(TRAINING_ADVICE) <= set(TRAINING_CONSTRAINTS)
    for name in TRAINING_CONSTRAINTS:
        assert f"    {name} : " in type(estimator).__doc__ or f"{name}, " in type(estimator).__doc__
