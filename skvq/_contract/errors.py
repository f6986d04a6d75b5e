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
    """A file of images cannot be read, or exceeds a limit."""


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


def printable(text: object) -> str:
    """Return text that comes from a file with its control characters escaped, so that it cannot steer a terminal.

    Examples
    --------
    >>> printable("a\\x1b[2Jb")
    'a\\\\x1b[2Jb'
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in str(text))
