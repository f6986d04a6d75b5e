"""The codec behind ``compress`` and ``decompress``, which is loaded only when one of them runs."""

from importlib import import_module
from typing import Any

from skvq._contract.errors import SkvqError


def compression() -> Any:
    """Return the module of ``compress_files`` and ``decompress_files``.

    Raises
    ------
    SkvqError
        If this build of skvq has none.
    ImportError
        If a package that it needs is not installed.
    """
    try:
        return import_module("skvq.compression.files")
    except ModuleNotFoundError as missing:
        if missing.name is None or not missing.name.startswith("skvq."):
            raise ImportError(
                f"compress and decompress need the package {missing.name}, which is not installed. Install it with "
                '`pip install "skvq[tensorflow]"`.'
            ) from missing
        raise SkvqError(
            "compress and decompress need skvq.compression, which this version lacks. Upgrade skvq."
        ) from missing
