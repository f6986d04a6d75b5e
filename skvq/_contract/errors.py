"""The errors that skvq raises, and how their messages are built."""


class SkvqError(Exception):
    """Base of every error that skvq defines, so that one ``except`` clause catches them all."""


class InvalidInputError(SkvqError, ValueError):
    """A parameter or an input breaks its rule. Nothing has been changed when it is raised."""


class ExportError(SkvqError, RuntimeError):
    """A model could not be converted, or the converted model does not answer as the estimator does.

    Nothing has been written when it is raised.
    """


class ModelFileError(SkvqError, ValueError):
    """A file or folder is no model of skvq, is damaged, or holds something that skvq refuses to load."""


class DataFileError(SkvqError, ValueError):
    """A data file cannot be read, or would take more memory than allowed.

    The message names the file, the rule that it breaks, and what to do. Whatever a parser of images, archives or
    volumes raises on such a file is kept as ``__cause__``.
    """


class DivergenceError(SkvqError, ArithmeticError):
    """Training produced NaN or infinity."""


def invalid(name: str, rule: str, received: object, way_out: str) -> InvalidInputError:
    """Return the error for a value that breaks its rule.

    Parameters
    ----------
    name : str
        The parameter, as the user calls it.
    rule : str
        After "must": ``"be finite and >= 0"``.
    received : object
        Shown by ``str``; pass ``repr(value)`` where quotes matter.
    way_out : str
        What to do: one or two sentences.

    Examples
    --------
    >>> print(invalid("beta", "be finite and >= 0", -1, "It weighs the commitment term; 0.25 is a common start."))
    beta must be finite and >= 0; got -1. It weighs the commitment term; 0.25 is a common start.
    """
    return InvalidInputError(f"{name} must {rule}; got {received}. {way_out}")


LONGEST_PRINTED = 200  # characters


def printable(text: object) -> str:
    """Return text that came from a file so that it is safe to print: one line of visible characters.

    Control characters, characters that change the direction of writing, and bytes that are no text are escaped; the
    middle of text longer than 200 characters is left out.

    Examples
    --------
    >>> print(printable("a\\x1b[2J.png"))
    a\\x1b[2J.png
    """
    text = str(text)
    if len(text) > LONGEST_PRINTED:
        text = f"{text[: LONGEST_PRINTED // 2]}…{text[-LONGEST_PRINTED // 2 :]}"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
