"""Parameters of estimators in files: plain values alone, checked by the estimators' own constraints."""

import math
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from skvq._contract.codes import CodeGrid, check_code_shape
from skvq._contract.errors import InvalidInputError, printable
from skvq._contract.images import check_image_shape
from skvq._files.checks import LARGEST_INT, Refused, mapping, refuse, whole
from skvq._files.entries import GRID

# A network's size grows with these, so that a file of a few bytes could ask for gigabytes.
LARGEST = {
    "n_embeddings": 2**24,
    "embedding_dim": 2**16,
    "hidden_channels": 2**16,
    "n_residual_blocks": 128,
    "n_quantizers": 32,
    "n_layers": 256,
}
# Parameters that belong to a machine: a file from anyone must not say where a later fit writes.
LOCAL = ("checkpoint",)

# Parameters that came later than the format, with their defaults. Where they have these, a file does not hold them, so
# that older files can be read.
ADDED = {"n_quantizers": 1, "quantizer_dropout": 0.5}


def write_params(estimator: BaseEstimator, where: str) -> dict:
    """Return the parameters of an estimator for JSON.

    Raises
    ------
    Refused
        If a parameter is an object, a class or a function.
    """
    params = estimator.get_params(deep=False)
    return {
        name: _write(value, f"{where}{name}")
        for name, value in params.items()
        if name not in LOCAL and (name not in ADDED or value != ADDED[name])
    }


def read_params(node: Any, estimator_class: type, where: str) -> BaseEstimator:
    """Return a new estimator with the parameters of a file.

    Raises
    ------
    Refused
        If a name or a value is not one that the class takes.
    """
    defaults = estimator_class().get_params(deep=False)
    required = tuple(name for name in defaults if name not in ADDED and name not in LOCAL)
    node = mapping(node, f"{where}params", required, tuple(name for name in ADDED if name in defaults))
    return checked(estimator_class, {name: _read(value, f"{where}{name}") for name, value in node.items()}, where)


def checked(estimator_class: type, params: dict, where: str) -> BaseEstimator:
    """Return a new estimator with these parameters, once they keep its constraints.

    Raises
    ------
    Refused
    """
    defaults = estimator_class().get_params(deep=False)
    for name, value in params.items():
        if isinstance(value, bool) and not isinstance(defaults[name], bool) and name != "verbose":
            refuse(f"{where}{name}", "not be a bool", value)
        if name in LARGEST and isinstance(value, int) and value > LARGEST[name]:
            refuse(f"{where}{name}", f"be at most {LARGEST[name]} in a file", value)
    estimator = estimator_class(**params)
    try:
        estimator._check_params()
        if params.get("code_shape") is not None:
            check_code_shape(params["code_shape"])
        if params.get("image_shape") is not None:
            check_image_shape(params["image_shape"])
    except (ValueError, TypeError) as error:
        raise Refused(f"{where or 'the parameters'}: {printable(error)}") from None
    return estimator


def _write(value: Any, where: str) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (tuple, list)):
        return {type(value).__name__: [_write(item, where) for item in value]}
    if isinstance(value, CodeGrid):
        return {"grid": GRID.write(value, where, {})}
    raise InvalidInputError(
        f"{where} must be a number, a string or another plain value to be saved; got {value!r}. Classes, functions and "
        "objects live in Python code: keep such an estimator by pickle, or set a built-in choice by set_params."
    )


def _read(node: Any, where: str) -> Any:
    if node is None or isinstance(node, (bool, str)):
        return node
    if isinstance(node, int):
        return whole(node, where, -LARGEST_INT, LARGEST_INT)
    if isinstance(node, float) and not math.isnan(node):
        return node
    if isinstance(node, dict) and list(node) in (["tuple"], ["list"]):
        (kind, sides), most = *node.items(), 3
        if not isinstance(sides, list) or not 1 <= len(sides) <= most:
            refuse(where, f"have one to {most} sides", sides)
        sides = [whole(side, where, 1, 2**31) for side in sides]
        return tuple(sides) if kind == "tuple" else sides
    if isinstance(node, dict) and list(node) == ["grid"]:
        return GRID.read(node["grid"], where, {})
    refuse(where, "be a plain value", node)
