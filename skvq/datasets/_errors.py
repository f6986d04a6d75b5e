"""Convert the errors of parsers of data files to one documented error."""

from collections.abc import Iterator
from contextlib import contextmanager

from skvq._contract.errors import DataFileError, printable

__all__ = ["DataFileError", "parsing", "printable", "reason"]


def reason(error: BaseException) -> str:
    """Return a printable message of an error, with its type unless it is a ValueError or OSError."""
    if isinstance(error, MemoryError):
        return "not enough memory"
    text = printable(error)
    plain = isinstance(error, (ValueError, OSError)) and text
    return text if plain else f"{type(error).__name__}: {text}".removesuffix(": ")


@contextmanager
def parsing(file: object, rule: str, way_out: str, *, name: str = "") -> Iterator[None]:
    """Convert any error of a parser to a DataFileError that names the file.

    ``name`` is the parameter with which the user gave the file, if there is one.

    Open the file before this block: an OSError from opening it (no permission, a disk error) must stay as it is.
    """
    try:
        yield
    except DataFileError:
        raise
    except Exception as error:  # parsers raise almost any error on broken bytes
        got = f"{printable(file)}, which cannot be read" if name else "an error"
        raise DataFileError(f"{name or printable(file)} must {rule}; got {got}: {reason(error)}. {way_out}") from error
