"""Convert in another process, if Keras runs on PyTorch or JAX.

tf2onnx reads only TensorFlow graphs, and Keras has one backend for each process. Estimators are pickled as plain
arrays, so the child process reads them from its standard input and rebuilds the networks on TensorFlow.
"""

import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from skvq._contract.errors import ExportError

from ._model import Converter, serialized
from ._parts import functions_of

_LAST_LINES = 8


def models_from_child(model: Any, prior: Any, parts: Sequence[str]) -> dict[str, Any]:
    """Return the converted models by part.

    Raises
    ------
    ExportError
        If the estimators cannot be pickled, or the child process fails. The message then contains the end of its log.
    """
    import onnx

    try:
        order = pickle.dumps({"model": model, "prior": prior, "parts": list(parts)})
    except Exception as error:  # pickle raises any error of the objects
        raise ExportError(
            f"Under another Keras backend than TensorFlow, conversion runs in a process of its own, and the "
            f"estimator must pickle: {error}. Define functions given as parameters in a module, or fit and export "
            "with KERAS_BACKEND=tensorflow."
        ) from error
    with tempfile.TemporaryDirectory() as folder:
        child = subprocess.run(
            [sys.executable, "-m", __name__, folder],
            input=order,
            capture_output=True,
            env=_environment(),
            check=False,
        )
        if child.returncode != 0:
            lines = child.stderr.decode(errors="replace").strip().splitlines()[-_LAST_LINES:]
            raise ExportError(
                f"The process that converts on TensorFlow failed with exit status {child.returncode}; its last words:\n"
                + "\n".join(lines)
            )
        return {part: onnx.load(Path(folder) / f"{part}.onnx") for part in parts}


def _environment() -> dict[str, str]:
    """Return the environment of this process with the TensorFlow backend, without GPU, and with its ``sys.path``."""
    return {
        **os.environ,
        "KERAS_BACKEND": "tensorflow",
        "CUDA_VISIBLE_DEVICES": "-1",  # tracing needs no GPU, and the parent may use all its memory
        "PYTHONPATH": os.pathsep.join(entry or os.getcwd() for entry in sys.path),
    }


def main() -> None:
    """Read an order from standard input, and write one ONNX file for each part into the folder in ``argv[1]``."""
    order = pickle.load(sys.stdin.buffer)
    functions, converter = functions_of(order["model"], order["prior"]), Converter()
    for part in order["parts"]:
        Path(sys.argv[1], f"{part}.onnx").write_bytes(serialized(converter.model(functions[part])))


if __name__ == "__main__":
    main()
