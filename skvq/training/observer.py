"""The interface of objects that follow a training, step by step and epoch by epoch."""

from typing import Any


class Observer:
    """Is called for every batch and every epoch of a :class:`Trainer`. By default, its methods do nothing."""

    def begin_epoch(self) -> None:
        """Called before the first step of an epoch."""

    def before_step(self, step: int, batch: Any) -> None:
        """Called with each batch before the training step."""

    def after_epoch(self) -> tuple[dict[str, Any], Any]:
        """Return further values for the history, and statistics that belong to the weights of this epoch."""
        return {}, None

    def end_epoch(self, history: dict[str, list[Any]]) -> bool:
        """Return whether training should stop. ``history`` includes this epoch."""
        return False

    def state(self) -> dict[str, Any]:
        """Return what a training that goes on later must know of this observer, as JSON can hold it."""
        return {}

    def load_state(self, state: dict[str, Any]) -> None:
        """Restore the result of :meth:`state`."""
