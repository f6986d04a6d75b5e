"""The gradient of the trainer against finite differences, and what fitting must reach."""

import numpy as np
import pytest

from skvq import CodeGrid
from skvq._contract.errors import DivergenceError
from skvq.compression.packing import flaw_of
from skvq.compression.tables import LARGEST_LOGIT, largest_sum
from skvq.priors._table_fitting import HIDDEN_STEPS, OUTPUT_STEPS, TableTrainer


def trainer(grid, n_classes=0, n_features=5):
    return TableTrainer(grid, n_classes, n_features, np.random.default_rng(0))


@pytest.mark.parametrize("grid", [CodeGrid((3, 3), 4), CodeGrid((2, 3), 3, 2)])
def test_a_step_goes_down_the_gradient(grid, monkeypatch):
    fitted = trainer(grid, 2)
    generator = np.random.default_rng(1)
    codes, labels = generator.integers(grid.n_embeddings, size=(5, grid.n_codes)), np.array([0, 1, 1, 0, 1])
    parts = {"rows": fitted.rows, "output": fitted.output, "bias": fitted.bias}
    for part in parts.values():
        part.values = part.values.astype(np.float64) + 0.3 * generator.random(part.values.shape)
    seen = []
    monkeypatch.setattr(
        "skvq.priors._table_fitting._Adam.step",
        lambda self, gradient, rate, rows=slice(None): seen.append((self.values, gradient, rows)),
    )
    places = np.arange(codes.size)
    fitted._step(codes, labels, places, 0.1)
    gradients = {name: np.zeros(part.values.shape) for name, part in parts.items()}
    for values, gradient, rows in seen:
        name = next(name for name, part in parts.items() if np.shares_memory(part.values, values))
        if name == "rows":
            gradients[name][rows] += gradient
        else:
            stage = next(s for s in range(grid.depth) if np.shares_memory(parts[name].values[s], values))
            gradients[name][stage] += gradient
    for name, part in parts.items():
        for _ in range(12):
            index = tuple(generator.integers(size) for size in part.values.shape)
            losses = []
            for sign in (1, -1):
                part.values[index] += sign * 1e-4
                losses.append(fitted._nats(codes, labels))
                part.values[index] -= sign * 1e-4
            assert (losses[0] - losses[1]) / 2e-4 == pytest.approx(gradients[name][index], abs=2e-4)


def test_rounding_keeps_the_cost():
    generator = np.random.default_rng(0)
    codes = generator.integers(6, size=(300, 1)) + np.arange(16) % 6
    fitted = trainer(CodeGrid((4, 4), 6), n_features=16)
    fitted.fit(codes % 6, None, 2, 0.01)
    floats = fitted._nats(codes % 6, None)
    tables = fitted.rounded()
    assert flaw_of(tables) is None
    fitted.rows.values = tables.rows / HIDDEN_STEPS
    fitted.output.values = tables.output / OUTPUT_STEPS
    assert fitted._nats(codes % 6, None) == pytest.approx(floats, abs=0.01)


def test_evidence_beyond_all_measure_is_weakened():
    fitted = trainer(CodeGrid((2, 2), 3), n_features=64)
    fitted.rows.values *= 1e6
    fitted.output.values *= 1e6
    fitted.bias.values[0, 0] = 1e9
    tables = fitted.rounded()
    assert flaw_of(tables) is None
    assert largest_sum(tables.output, tables.bias) <= LARGEST_LOGIT


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_divergence_is_an_error():
    with pytest.raises(DivergenceError, match=r"learning_rate must be .*; got 1e\+38\. 0\.03 is a good start"):
        trainer(CodeGrid((2, 2), 3)).fit(np.zeros((1, 4), int), None, 1, 1e38)


def test_of_very_many_codes_some_are_taken():
    fitted = trainer(CodeGrid((1, 1), 2))
    order = fitted._order(10**9, 50)
    assert len(set(order.tolist())) == 50
    assert sorted(fitted._order(4, 8).tolist()) == [0, 0, 1, 1, 2, 2, 3, 3]
