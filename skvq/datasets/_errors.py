"""The error of data files that cannot be read, and how text from files is printed in it."""

from collections.abc import Iterator
from contextlib import contextmanager

_LONGEST = 200


class DataFileError(ValueError):
    """A data file that cannot be read, or that would take more memory than allowed.

    The message names the file, the rule that it breaks, and what to do. Whatever a parser of images, archives or
    volumes raises on such a file is kept as ``__cause__``.
    """


def printable(text: object) -> str:
    """Return text that came from a file so that it is safe to print: one line of visible characters.

    Control characters, characters that change the direction of writing, and bytes that are no text are escaped;
    the middle of text longer than 200 characters is left out.

    Examples
    --------
    >>> print(printable("a\\x1b[2J.png"))
    a\\x1b[2J.png
    """
    text = str(text)
    if len(text) > _LONGEST:
        text = f"{text[: _LONGEST // 2]}…{text[-_LONGEST // 2 :]}"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


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
