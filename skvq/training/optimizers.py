"""Optimizers by name, and the state that training keeps between calls, as arrays.

Training that continues after a pickle must give the same weights as training that continues in memory. So the
fitted state includes the optimizer's moments and the random seeds of dropout.
"""

from typing import Any

import numpy as np

from skvq.networks import keras
from skvq.networks.inference import compile_step

OPTIMIZERS = {
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
    "nadam": keras.optimizers.Nadam,
    "rmsprop": keras.optimizers.RMSprop,
    "sgd": keras.optimizers.SGD,
}


def make_optimizer(config: Any) -> keras.optimizers.Optimizer:
    """Return a new optimizer with the settings of a :class:`TrainingConfig`."""
    if isinstance(config.optimizer, keras.optimizers.Optimizer):
        return type(config.optimizer).from_config(config.optimizer.get_config())
    settings = {} if config.weight_decay is None else {"weight_decay": config.weight_decay}
    # Without clipping, one large gradient of a rare batch can destroy the progress of an epoch.
    return OPTIMIZERS[config.optimizer](
        learning_rate=config.learning_rate, global_clipnorm=config.clip_norm, **settings
    )


def signature(config: Any) -> dict[str, Any]:
    """Return the settings that must be equal for a training to continue with earlier moments."""
    if isinstance(config.optimizer, keras.optimizers.Optimizer):
        settings = {
            name: value
            for name, value in config.optimizer.get_config().items()
            if isinstance(value, (bool, int, float, str, type(None)))
        }
        return {"optimizer": type(config.optimizer).__name__, **settings}
    return {"optimizer": config.optimizer, "clip_norm": config.clip_norm, "weight_decay": config.weight_decay}


def compile_network(network: keras.Model, config: Any) -> None:
    """Give a network the optimizer of a config, unless it already has an optimizer with these settings."""
    wanted = signature(config)
    if getattr(network, "optimizer", None) is not None and network.optimizer_signature == wanted:
        return
    optimizer = make_optimizer(config)
    # If its variables exist before the first step, TensorFlow traces the step once instead of twice. That halves the
    # time of a short fit.
    optimizer.build(network.trainable_variables)
    network.compile(optimizer=optimizer, jit_compile=keras.config.backend() == "jax")
    network.optimizer_signature = wanted
    compile_step(network)


def training_state(network: keras.Model) -> dict[str, Any] | None:
    """Return the optimizer's variables and the random seeds of a trained network, or None without an optimizer."""
    if getattr(network, "optimizer", None) is None:
        return None
    return {
        "signature": dict(network.optimizer_signature),
        "optimizer": [np.array(keras.ops.convert_to_numpy(v)) for v in network.optimizer.variables],
        "seeds": [np.array(keras.ops.convert_to_numpy(v)) for v in _seeds(network)],
    }


def load_training_state(network: keras.Model, config: Any, state: dict[str, Any] | None) -> None:
    """Restore the result of :func:`training_state` in a new network. Moments need an optimizer with equal settings."""
    if state is None:
        return
    for variable, value in zip(_seeds(network), state["seeds"], strict=True):
        variable.assign(value)
    if state["signature"] == signature(config):
        compile_network(network, config)
        for variable, value in zip(network.optimizer.variables, state["optimizer"], strict=True):
            variable.assign(value)


def _seeds(network: keras.Model) -> list[Any]:
    """Return the states of seed generators: the variables that are neither weights nor metrics."""
    others = {id(v) for v in (*network.weights, *network.metrics_variables)}
    optimizer = getattr(network, "optimizer", None)
    if optimizer is not None:
        others |= {id(v) for v in optimizer.variables}
    return [v for v in network.variables if id(v) not in others]
