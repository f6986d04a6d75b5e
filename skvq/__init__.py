"""Vector-quantised autoencoders and PixelCNN priors as scikit-learn estimators.

Submodules load lazily (PEP 562): ``import skvq`` loads no framework, so a process that only wants
``skvq.runtime`` pays for NumPy and onnxruntime alone, and ``KERAS_BACKEND`` can still be chosen
after the import.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "VQVAE": "skvq.vqvae",
    "VQGenerator": "skvq.generator",
    "ContextPrior": "skvq.priors.context",
    "PixelCNNPrior": "skvq.priors.pixelcnn",
    "export_onnx": "skvq.export",
    "to_onnx": "skvq.export",
    "load": "skvq._files",
    "CodeGrid": "skvq._contract.codes",
    "SkvqError": "skvq._contract.errors",
    "NotFittedError": "skvq._fitted",
}
_MODULES = ("datasets", "export", "metrics", "networks", "plotting", "priors", "runtime")

__all__ = ["__version__", *_HOMES, *_MODULES]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    if name in _MODULES:
        return import_module(f"skvq.{name}")
    raise AttributeError(f"module 'skvq' has no attribute {name!r}; it offers {', '.join(sorted(__all__))}")


def __dir__() -> list[str]:
    return sorted(__all__)
