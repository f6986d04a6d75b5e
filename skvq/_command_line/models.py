"""The model that a command names: exported files, or a saved estimator."""

import argparse
import os
from typing import Any

from skvq._contract.description import ModelDescription
from skvq._contract.errors import invalid
from skvq._contract.writing import expanded
from skvq.runtime import Runtime
from skvq.runtime import load as load_export

MODEL_HELP = "an export folder, one .onnx file of it, a file of estimator.save, `digits`, or hf://user/name"


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add the argument that names the model."""
    parser.add_argument("model", help=MODEL_HELP)


def open_model(name: str) -> Any:
    """Return the model: a Runtime, or an estimator.

    Raises
    ------
    ModelFileError, OSError
        If there is no model of that name, or it is damaged.
    ImportError
        If the model is a saved estimator and Keras or scikit-learn is not installed.
    """
    path = expanded(name, "model")
    if os.path.isfile(path) and not path.endswith(".onnx"):
        import skvq

        return skvq.load(path)
    return load_export(name)


def description_of(model: Any) -> ModelDescription:
    """Return grids, layout, units and classes of a model."""
    return model.source.description if isinstance(model, Runtime) else model.describe()


def method_of(model: Any, method: str, needs: str) -> Any:
    """Return a method of a model.

    Raises
    ------
    InvalidInputError
        If the model is a single stage without it.
    """
    if not hasattr(model, method):
        raise invalid("model", f"have {needs}", type(model).__name__, "Save or export a VQGenerator, which has both.")
    return getattr(model, method)


def label_of(description: ModelDescription, text: str | None) -> Any:
    """Return the class that a text names, and the text itself if there is none: the model then says which there are."""
    for value in () if description.classes is None else description.classes.values.tolist():
        if str(value) == text:
            return value
    return text
