"""The training loop by itself, on a model of one weight: every row, every rate, every way in which it may end."""

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from skvq.networks import keras, ops
from skvq.training import Observer, Trainer, TrainingConfig, split_validation


class Slope(keras.Model):
    """y = weight * x, with the squared error as its loss."""

    def __init__(self):
        super().__init__()
        self.weight = self.add_weight(shape=(1,), initializer="zeros", name="weight")
        self.loss_tracker = keras.metrics.Mean(name="loss")
        self.built = True

    def call(self, x):
        return x * self.weight

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        loss = ops.mean(ops.square(y - y_pred))
        self.loss_tracker.update_state(loss)
        return loss

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        return {"loss": self.loss_tracker.result()}


class Rows:
    """Rows of a line with the slope 3; remembers which rows were asked for."""

    def __init__(self, n=20):
        self.x = np.linspace(0.5, 1, n, dtype=np.float32)[:, None]
        self.asked = []

    def rows(self, indices):
        self.asked.append(np.asarray(indices))
        return self.x[indices], 3 * self.x[indices]


class Recorder(Observer):
    """Notes rates and weights, and acts at a step: raises what it is given."""

    def __init__(self, error=None, at_step=None, stop_after=None):
        self.error, self.at_step, self.stop_after = error, at_step, stop_after
        self.weights = []
        self.steps = []

    def before_step(self, step, batch):
        self.steps.append(step)
        if step == self.at_step:
            raise self.error

    def after_epoch(self):
        self.weights.append(float(self.network.get_weights()[0][0]))
        return {"n_steps": len(self.steps)}, len(self.weights)

    def end_epoch(self, history):
        return len(history["loss"]) == self.stop_after


def trainer(observer=None, losses=None, source=None, **config):
    """Return a trainer, whose validation gives these losses."""
    observer = observer or Recorder()
    config = {"optimizer": "sgd", "learning_rate": 0.1, "batch_size": 5, "max_iter": 4, **config}
    observer.network = Slope()
    made = Trainer(
        observer.network,
        TrainingConfig("Slope", **config),
        source or Rows(),
        np.arange(20),
        np.random.default_rng(0),
        observer=observer,
        validate=None if losses is None else iter(losses).__next__,
    )
    return made, observer


def slope(made):
    return float(made.network.get_weights()[0][0])


class TestSteps:
    def test_it_learns(self):
        made, _ = trainer(max_iter=20, schedule="constant")
        result = made.run()
        assert slope(made) == pytest.approx(3, abs=0.1)
        assert result.history["loss"][-1] < 0.01 * result.history["loss"][0]

    def test_every_row_is_asked_once_an_epoch_in_batches_of_one_size(self):
        source = Rows()
        trainer(source=source, max_iter=3)[0].run()
        epochs = np.array(source.asked).reshape(3, 20)
        for epoch in epochs:
            assert sorted(epoch) == list(range(20))
        assert not np.array_equal(epochs[0], epochs[1])

    def test_the_last_batch_is_filled_up(self):
        source = Rows()
        trainer(source=source, batch_size=8, max_iter=1)[0].run()
        assert [len(rows) for rows in source.asked] == [8, 8, 8]
        assert set(np.concatenate(source.asked)) == set(range(20))

    def test_history_has_an_entry_an_epoch_and_what_the_observer_adds(self):
        made, observer = trainer()
        result = made.run()
        assert result.n_epochs == 4
        assert result.history["n_steps"] == [4, 8, 12, 16]
        assert observer.steps == list(range(16))
        assert {len(values) for values in result.history.values()} == {4}


class TestEnds:
    def test_the_best_weights_are_kept(self):
        made, observer = trainer(losses=[3.0, 1.0, 2.0, 2.0, 0.0], max_iter=9, n_iter_no_change=2)
        result = made.run()
        assert result.n_epochs == 4
        assert slope(made) == pytest.approx(observer.weights[1])
        assert len(set(observer.weights)) == 4
        assert result.statistics == 2  # those of the epoch that is kept

    def test_a_gain_below_tol_does_not_count_but_is_kept(self):
        made, observer = trainer(losses=[1.0, 0.95, 0.9, 0.5], n_iter_no_change=2, tol=0.2)
        assert made.run().n_epochs == 3
        assert slope(made) == pytest.approx(observer.weights[2])

    def test_an_observer_may_stop_it(self):
        assert trainer(Recorder(stop_after=2))[0].run().n_epochs == 2

    def test_ctrl_c_before_the_first_epoch_ends_is_raised(self):
        made, _ = trainer(Recorder(KeyboardInterrupt(), at_step=3))
        with pytest.raises(KeyboardInterrupt):
            made.run()

    def test_ctrl_c_later_keeps_the_last_whole_epoch(self):
        made, observer = trainer(Recorder(KeyboardInterrupt(), at_step=10))
        with pytest.warns(ConvergenceWarning, match="fit of Slope was interrupted after 2 of 4 epochs"):
            result = made.run()
        assert result.n_epochs == 2
        assert result.statistics == 2
        assert slope(made) == pytest.approx(observer.weights[1])

    def test_ctrl_c_later_keeps_the_best_so_far(self):
        made, observer = trainer(Recorder(KeyboardInterrupt(), at_step=10), losses=[1.0, 2.0, 3.0])
        with pytest.warns(ConvergenceWarning, match="interrupted after 2 of 4"):
            result = made.run()
        assert slope(made) == pytest.approx(observer.weights[0])
        assert result.statistics == 1

    def test_a_divergence_keeps_the_weights_from_before_the_epoch(self):
        class Breaks(Rows):
            def rows(self, indices):
                x, y = super().rows(indices)
                return x, y if len(self.asked) <= 6 else y * np.float32(np.inf)

        made, observer = trainer(source=Breaks())
        with pytest.warns(ConvergenceWarning, match=r"loss turned (inf|nan) in epoch 2 of Slope; .*Lower"):
            result = made.run()
        assert result.n_epochs == 1
        assert slope(made) == pytest.approx(observer.weights[0])
        assert made.network.optimizer is None  # its moments are NaN


class TestReports:
    def test_verbose_prints_every_epoch_and_the_early_end(self, capsys):
        trainer(losses=[1.0, 1.0, 1.0], n_iter_no_change=2, verbose=1)[0].run()
        out = capsys.readouterr().out
        assert "Slope epoch 1/4  loss" in out
        assert "Slope epoch 3/4" in out
        assert "No improvement in 2 epochs" in out

    def test_it_is_silent_unless_asked(self, capsys):
        trainer(max_iter=1)[0].run()
        assert capsys.readouterr().out == ""


class TestValidation:
    @pytest.mark.parametrize(("n", "fraction", "n_held_out"), [(100, 0.1, 10), (10, 0.01, 1), (9, 0.5, 0), (50, 0, 0)])
    def test_rows_are_divided(self, n, fraction, n_held_out):
        train, held_out = split_validation(n, fraction, np.random.default_rng(0))
        assert len(held_out) == n_held_out
        assert sorted([*train, *held_out]) == list(range(n))

    def test_rows_to_train_on_must_be_left(self):
        with pytest.raises(ValueError, match=r"validation_fraction must leave rows to train on; got 0\.999 of 10 rows"):
            split_validation(10, 0.999, np.random.default_rng(0))
