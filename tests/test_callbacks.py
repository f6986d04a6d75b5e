"""scikit-learn's callbacks see fit and every epoch, and the estimator as it stands after each."""

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from skvq import VQVAE, PixelCNNPrior
from skvq.metrics import psnr_scorer

callback = pytest.importorskip("sklearn.callback", reason="callbacks came with scikit-learn 1.9")


class Recorder:
    """Notes what it is told; asks fit to stop after ``stop_after`` epochs."""

    def __init__(self, stop_after=None):
        self.events = []
        self.errors = []
        self.iterations = []
        self.stop_after = stop_after

    def setup(self, estimator, context):
        self.events.append("setup")

    def on_fit_task_begin(self, estimator, context):
        self.events.append(f"begin {context.task_name}")

    def on_fit_task_end(self, estimator, context, *, X=None, fitted_estimator=None):
        self.events.append(f"end {context.task_name}")
        if context.task_name == "epoch":
            self.errors.append(fitted_estimator.score(X))
            self.iterations.append(fitted_estimator.n_iter_)
            return len(self.errors) == self.stop_after
        return False

    def teardown(self, estimator, context):
        self.events.append("teardown")


def vqvae(**params):
    return VQVAE(4, 2, hidden_channels=4, n_residual_blocks=0, optimizer="sgd", batch_size=16, random_state=0, **params)


def prior(**params):
    return PixelCNNPrior(12, hidden_channels=4, n_layers=1, optimizer="sgd", random_state=0, **params)


@pytest.mark.parametrize("estimator", [vqvae(max_iter=3), prior(max_iter=3)], ids=["vqvae", "prior"])
def test_every_epoch_is_seen_with_the_estimator_as_it_stands(estimator, images, codes):
    X = images if isinstance(estimator, VQVAE) else codes
    recorder = Recorder()
    estimator.set_callbacks(recorder).fit(X)
    assert recorder.events == ["setup", "begin fit", *["begin epoch", "end epoch"] * 3, "end fit", "teardown"]
    assert recorder.iterations == [1, 2, 3]
    assert len(set(recorder.errors)) == 3
    assert estimator.score(X) in recorder.errors  # the prior keeps its best epoch, the VQVAE its last


def test_looking_on_changes_nothing(images):
    alone = vqvae(max_iter=3).fit(images)
    watched = vqvae(max_iter=3).set_callbacks(Recorder()).fit(images)
    for a, b in zip(alone._weights, watched._weights, strict=True):
        np.testing.assert_array_equal(a, b)
    assert alone.history_ == watched.history_


def test_a_callback_stops_fit(images):
    stopped = vqvae(max_iter=9).set_callbacks(Recorder(stop_after=2)).fit(images)
    assert stopped.n_iter_ == 2
    assert len(stopped.history_["loss"]) == 2
    assert stopped.transform(images).shape == (96, 4)


def test_a_stop_in_a_fit_with_early_stopping_still_restores_the_best_epoch(codes):
    recorder = Recorder(stop_after=3)
    stopped = prior(max_iter=9).set_callbacks(recorder).fit(codes)
    assert stopped.n_iter_ == 3
    best = int(np.argmin(stopped.history_["val_loss"]))
    assert stopped.score(codes) == pytest.approx(recorder.errors[best])


def test_the_scoring_monitor_follows_the_epochs(images, labels):
    monitor = callback.ScoringMonitor(scoring={"psnr": psnr_scorer})
    fitted = vqvae(max_iter=3).set_callbacks(monitor).fit(images, labels)
    rows = [row for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    assert len(rows) == 3
    assert rows[-1]["psnr"] == pytest.approx(psnr_scorer(fitted, images))
    assert len({row["psnr"] for row in rows}) == 3


def test_the_progress_bar_reaches_its_end(images, capsys):
    pytest.importorskip("rich", reason="scikit-learn draws its progress bar with it")
    vqvae(max_iter=3).set_callbacks(callback.ProgressBar()).fit(images)
    shown = capsys.readouterr().out
    assert "VQVAE - fit" in shown
    assert "100%" in shown


def test_callbacks_come_down_from_a_pipeline_and_a_search(images):
    class Counter(Recorder):
        max_propagation_depth = None

        def on_fit_task_end(self, estimator, context):
            self.events.append(f"end {context.task_name}")

    counter = Counter()
    make_pipeline(
        vqvae(max_iter=2), PixelCNNPrior(4, hidden_channels=4, n_layers=1, optimizer="sgd", max_iter=3)
    ).set_callbacks(counter).fit(images)
    assert counter.events.count("end epoch") == 2 + 3
    counter = Counter()
    GridSearchCV(vqvae(max_iter=2), {"beta": [0.1, 1.0]}, cv=2).set_callbacks(counter).fit(images)
    assert counter.events.count("end epoch") == 2 * (2 * 2 + 1)
