"""scikit-learn's callbacks, from version 1.9 on: fit is a task, and each epoch is a task within it.

They are set by ``estimator.set_callbacks(...)``, or come down from a pipeline or a search, and see the estimator as it
would be if fit ended with the present epoch. Under an older scikit-learn nothing here does anything.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

Method = TypeVar("Method", bound=Callable[..., Any])


class CallbackSupportMixin:
    """Callbacks need scikit-learn 1.9."""


def with_callbacks(method: Method) -> Method:
    """Return the method as it is."""
    return method


if not TYPE_CHECKING:
    with suppress(ImportError):
        from sklearn.callback import CallbackSupportMixin, with_callbacks


__all__ = ["CallbackSupportMixin", "FitTasks", "with_callbacks"]


class FitTasks:
    """The tasks of one call of ``fit``, as the estimator's callbacks are told of them.

    Parameters
    ----------
    estimator : estimator
    X, y
        As the user gave them.
    max_iter : int
        Most epochs that there will be.
    """

    def __init__(self, estimator: Any, X: Any, y: Any, max_iter: int):
        self.callback_kwargs = {"estimator": estimator, "X": X, "y": y}
        self.fit: Any = None
        self.epoch: Any = None
        if hasattr(estimator, "_init_callback_context"):
            self.fit = estimator._init_callback_context(max_subtasks=max_iter)
            self.fit.call_on_fit_task_begin(**self.callback_kwargs)

    def begin_epoch(self) -> None:
        """Tell that an epoch begins."""
        if self.fit is not None:
            self.epoch = self.fit.subcontext(task_name="epoch")
            self.epoch.call_on_fit_task_begin(**self.callback_kwargs)

    def end_epoch(self, fitted: Callable[[], dict] | None = None) -> bool:
        """Tell that it ended, and return whether a callback wants fit to stop.

        Parameters
        ----------
        fitted : callable, default=None
            ``fitted() -> dict`` of the fitted attributes at this point; called only if a callback asks for them.
        """
        if self.fit is None:
            return False
        return bool(self.epoch.call_on_fit_task_end(**self.callback_kwargs, reconstruction_attributes=fitted))

    @contextmanager
    def stage(self, name: str, estimator: Any) -> Iterator[None]:
        """Hand the callbacks on to the estimator of one stage, whose own ``fit`` tells that it begins and ends."""
        if self.fit is None:
            yield
            return
        task = self.fit.subcontext(task_name=name)
        with task.propagate_callback_context(estimator):
            yield

    def end(self) -> None:
        """Tell that fit ended; the estimator is fitted."""
        if self.fit is not None:
            self.fit.call_on_fit_task_end(**self.callback_kwargs, reconstruction_attributes=dict)
