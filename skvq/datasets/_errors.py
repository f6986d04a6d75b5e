"""How whatever a parser raises on a data file becomes one documented error."""

from collections.abc import Iterator
from contextlib import contextmanager

from skvq._contract.errors import DataFileError, printable

__all__ = ["DataFileError", "parsing", "printable", "reason"]


def reason(error: BaseException) -> str:
    """Return the message of an error for print, or its type where it has none or the type says more."""
    if isinstance(error, MemoryError):
        return "not enough memory"
    text = printable(error)
    plain = isinstance(error, (ValueError, OSError)) and text
    return text if plain else f"{type(error).__name__}: {text}".removesuffix(": ")


@contextmanager
def parsing(file: object, rule: str, way_out: str, *, name: str = "") -> Iterator[None]:
    """Turn whatever a parser raises on broken content into a DataFileError that names the file.

    ``name`` is the parameter by which the file was given, if it was given and not found.

    Open the file before: an OSError of opening (no permission, a disk error) is not about the content.
    """
    try:
        yield
    except DataFileError:
        raise
    except Exception as error:  # parsers raise almost any kind on broken bytes
        got = f"{printable(file)}, which cannot be read" if name else "an error"
        raise DataFileError(f"{name or printable(file)} must {rule}; got {got}: {reason(error)}. {way_out}") from error
