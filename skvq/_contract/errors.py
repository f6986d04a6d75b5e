"""The errors that skvq raises, and the form of their messages."""


class SkvqError(Exception):
    """Base class of all errors that skvq defines. One ``except`` clause catches them all."""


class InvalidInputError(SkvqError, ValueError):
    """A parameter or an input breaks its rule. It is raised before anything is changed."""


class ExportError(SkvqError, RuntimeError):
    """A model could not be converted, or the converted model and the estimator give different results.

    It is raised before anything is written.
    """


class ModelFileError(SkvqError, ValueError):
    """A file or folder is not a model of skvq, is damaged, or holds objects that skvq refuses to load."""


class DataFileError(SkvqError, ValueError):
    """A data file cannot be read, or would take more memory than allowed.

    The message names the file, the rule that it breaks, and what to do. Whatever a parser of images, archives or
    volumes raises on such a file is kept as ``__cause__``.
    """


class CompressedDataError(SkvqError, ValueError):
    """A compressed image cannot be read: it is damaged, of a later version, of another model, or no such data."""


class ForkedProcessError(SkvqError, RuntimeError):
    """A network is used in a process that was forked after Keras had run in its parent."""


class DistributionError(SkvqError, RuntimeError):
    """Devices or processes cannot train together: a scope that would be ignored, unequal data, or a lost process."""


class DivergenceError(SkvqError, ArithmeticError):
    """Training produced NaN or infinity."""


def invalid(name: str, rule: str, received: object, way_out: str) -> InvalidInputError:
    """Return the error for a value that breaks a rule.

    Parameters
    ----------
    name : str
        The parameter's name, as users write it.
    rule : str
        The words after "must": ``"be finite and >= 0"``.
    received : object
        The value, written with ``str``. Pass ``repr(value)`` to show quotes.
    way_out : str
        One or two sentences of advice.

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
