"""Where a name leads: to a path, to a model that comes with skvq, or to a repository of a model hub."""

import os
from pathlib import Path
from typing import Any

from ._hub import SCHEME, downloaded

SHIPPED = ("digits",)


def located(origin: Any, max_bytes: int) -> Any:
    """Return what to open for the argument of ``load``: a path for a name, and anything else as it is.

    A file or folder of the same name in the working directory comes before a shipped model.

    Raises
    ------
    InvalidInputError, ImportError, OSError, ModelFileError
        For an address of a model hub, as :func:`skvq.runtime._hub.downloaded`.
    """
    if isinstance(origin, str):
        if origin.startswith(SCHEME):
            return downloaded(origin, max_bytes)
        if origin in SHIPPED and not os.path.lexists(origin):
            return shipped(origin)
    return origin


def shipped(name: str) -> Path:
    """Return the folder of a model that comes with skvq.

    An installed package has it beside this file. In a checkout of the repository, and in an editable install, it
    stands once, among the other exports.
    """
    installed = Path(__file__).parent / "models" / name
    return installed if installed.is_dir() else Path(__file__).parents[2] / "exports" / name
