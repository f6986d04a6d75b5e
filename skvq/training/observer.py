"""What may watch a training, step by step and epoch by epoch."""

from typing import Any


class Observer:
    """Sees every batch and every epoch of a :class:`Trainer`. Methods do nothing unless overridden."""

    def begin_epoch(self) -> None:
        """Called before the first step of an epoch."""

    def before_step(self, step: int, batch: Any) -> None:
        """Called with each batch before it is trained on."""

    def after_epoch(self) -> tuple[dict, Any]:
        """Return more quantities for the history, and statistics that belong to the weights of this epoch."""
        return {}, None

    def end_epoch(self, history: dict[str, list]) -> bool:
        """Return whether training should stop, knowing the history with this epoch."""
        return False
