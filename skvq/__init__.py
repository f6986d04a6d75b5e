"""Vector-quantised autoencoders and priors over their codes, as scikit-learn estimators and ONNX files.

Submodules load lazily (PEP 562): ``import skvq`` loads no framework. So a process that only wants ``skvq.runtime`` pays
for NumPy and onnxruntime alone, and ``KERAS_BACKEND`` can still be chosen after the import.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from skvq import datasets, export, metrics, networks, plotting, priors, runtime
    from skvq._contract.codes import CodeGrid
    from skvq._contract.errors import (
        DataFileError,
        DistributionError,
        ExportError,
        ForkedProcessError,
        InvalidInputError,
        ModelFileError,
        SkvqError,
    )
    from skvq._files import load
    from skvq._fitted import NotFittedError
    from skvq.export import export_onnx, to_onnx
    from skvq.generator import VQGenerator
    from skvq.priors.context import ContextPrior
    from skvq.priors.pixelcnn import PixelCNNPrior
    from skvq.vqvae import VQVAE

__version__ = "0.2.0"

_HOMES = {
    "VQVAE": "skvq.vqvae",
    "VQGenerator": "skvq.generator",
    "PixelCNNPrior": "skvq.priors.pixelcnn",
    "ContextPrior": "skvq.priors.context",
    "CodeGrid": "skvq._contract.codes",
    "export_onnx": "skvq.export",
    "to_onnx": "skvq.export",
    "load": "skvq._files",
    "SkvqError": "skvq._contract.errors",
    "InvalidInputError": "skvq._contract.errors",
    "NotFittedError": "skvq._fitted",
    "ModelFileError": "skvq._contract.errors",
    "DataFileError": "skvq._contract.errors",
    "DistributionError": "skvq._contract.errors",
    "ExportError": "skvq._contract.errors",
    "ForkedProcessError": "skvq._contract.errors",
}
_MODULES = ("datasets", "export", "metrics", "networks", "plotting", "priors", "runtime")

__all__ = [
    "VQVAE",
    "CodeGrid",
    "ContextPrior",
    "DataFileError",
    "DistributionError",
    "ExportError",
    "ForkedProcessError",
    "InvalidInputError",
    "ModelFileError",
    "NotFittedError",
    "PixelCNNPrior",
    "SkvqError",
    "VQGenerator",
    "__version__",
    "datasets",
    "export",
    "export_onnx",
    "load",
    "metrics",
    "networks",
    "plotting",
    "priors",
    "runtime",
    "to_onnx",
]


def _not_installed(name: str, package: str) -> ImportError:
    return ImportError(
        f"skvq.{name} needs the package {package}, which is not installed. Install the estimators with "
        '`pip install "skvq[tensorflow]"`, or with jax or torch in place of tensorflow. skvq.runtime runs exported '
        "files without them.",
        name=package,
    )


if not TYPE_CHECKING:  # type checkers know the names above, and are to refuse any other

    def __getattr__(name: str) -> Any:
        if name in _HOMES or name in _MODULES:
            try:
                module = import_module(_HOMES.get(name, f"skvq.{name}"))
            except ModuleNotFoundError as missing:
                if (missing.name or "skvq").partition(".")[0] == "skvq":
                    raise  # a file of skvq itself is gone, which no extra brings
                raise _not_installed(name, missing.name) from missing
            return getattr(module, name) if name in _HOMES else module
        raise AttributeError(f"module 'skvq' has no attribute {name!r}; it offers {', '.join(sorted(__all__))}")


def __dir__() -> list[str]:
    return sorted(__all__)
