"""Optimizers by name, and what a training carries from one call to the next, as arrays.

An estimator that is continued after a pickle must take the very steps of one that never left memory. So the
optimizer's moments and the state of dropout's random seeds belong to the fitted state.
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
    """Return a new optimizer as a :class:`TrainingConfig` asks for it."""
    if isinstance(config.optimizer, keras.optimizers.Optimizer):
        return type(config.optimizer).from_config(config.optimizer.get_config())
    settings = {} if config.weight_decay is None else {"weight_decay": config.weight_decay}
    # Clipping keeps a large gradient on a rare batch from undoing an epoch's work.
    return OPTIMIZERS[config.optimizer](
        learning_rate=config.learning_rate, global_clipnorm=config.clip_norm, **settings
    )


def signature(config: Any) -> dict:
    """Return what decides whether earlier moments may be continued."""
    if isinstance(config.optimizer, keras.optimizers.Optimizer):
        settings = {
            name: value
            for name, value in config.optimizer.get_config().items()
            if isinstance(value, (bool, int, float, str, type(None)))
        }
        return {"optimizer": type(config.optimizer).__name__, **settings}
    return {"optimizer": config.optimizer, "clip_norm": config.clip_norm, "weight_decay": config.weight_decay}


def compile_network(network: keras.Model, config: Any) -> None:
    """Give a network the optimizer of a config, unless it already has that one."""
    wanted = signature(config)
    if getattr(network, "optimizer", None) is not None and network.optimizer_signature == wanted:
        return
    optimizer = make_optimizer(config)
    # With its variables made beforehand, TensorFlow traces the step once and not twice: half the time of a short fit.
    optimizer.build(network.trainable_variables)
    network.compile(optimizer=optimizer, jit_compile=keras.config.backend() == "jax")
    network.optimizer_signature = wanted
    compile_step(network)


def training_state(network: keras.Model) -> dict | None:
    """Return the optimizer's variables and the random seeds of a trained network; None without an optimizer."""
    if getattr(network, "optimizer", None) is None:
        return None
    return {
        "signature": dict(network.optimizer_signature),
        "optimizer": [np.array(keras.ops.convert_to_numpy(v)) for v in network.optimizer.variables],
        "seeds": [np.array(keras.ops.convert_to_numpy(v)) for v in _seeds(network)],
    }


def load_training_state(network: keras.Model, config: Any, state: dict | None) -> None:
    """Give a network that was built anew what :func:`training_state` kept, where the optimizer is still the same."""
    if state is None:
        return
    for variable, value in zip(_seeds(network), state["seeds"], strict=True):
        variable.assign(value)
    if state["signature"] == signature(config):
        compile_network(network, config)
        for variable, value in zip(network.optimizer.variables, state["optimizer"], strict=True):
            variable.assign(value)


def _seeds(network: keras.Model) -> list:
    """Return the variables that are neither weights nor metrics: the states of seed generators."""
    others = {id(v) for v in (*network.weights, *network.metrics_variables)}
    optimizer = getattr(network, "optimizer", None)
    if optimizer is not None:
        others |= {id(v) for v in optimizer.variables}
    return [v for v in network.variables if id(v) not in others]
