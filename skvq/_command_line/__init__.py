"""``skvq`` in a shell: what the runtime and the estimators do with files.

Each command is one module with a ``NAME``, a line of help, ``add_arguments(parser)`` and ``run(options)``. All but
``fit`` work with NumPy and onnxruntime alone, on exported files. A saved estimator or a folder of pictures needs the
extra that reads it, and the message says which.
"""

import argparse
import sys
import warnings
from collections.abc import Sequence

from skvq._contract.errors import SkvqError

from . import complete, compress, decode, decompress, describe, encode, fit, sample

COMMANDS = (describe, sample, encode, decode, complete, compress, decompress, fit)
FAILED, INTERRUPTED = 1, 130


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    top = argparse.ArgumentParser(
        prog="skvq",
        description="Images to discrete codes and back, and new images.",
        epilog="`skvq COMMAND --help` explains a command. The model `digits` comes with skvq: skvq describe digits",
    )
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for command in COMMANDS:
        assert command.__doc__ is not None
        described = command.__doc__.partition("\n")[0]
        one = commands.add_parser(command.NAME, help=command.HELP, description=described)
        command.add_arguments(one)
        one.set_defaults(run=command.run)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Parameters
    ----------
    arguments : sequence of str, optional
        Without the program's name. None takes those of the process.

    Returns
    -------
    int
        Exit status: 0, 1 if the command failed, 130 after Ctrl-C. A wrong usage ends the process with 2.
    """
    options = parser().parse_args(arguments)
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning  # type: ignore[assignment]
        try:
            options.run(options)
        except (SkvqError, ImportError, OSError) as error:
            print(f"skvq {options.command}: error: {_one_line(error)}", file=sys.stderr)
            return FAILED
        except KeyboardInterrupt:
            print(f"skvq {options.command}: interrupted", file=sys.stderr)
            return INTERRUPTED
    return 0


def _show_warning(message: Warning | str, *_: object) -> None:
    print(f"skvq: warning: {_one_line(message)}", file=sys.stderr)


def _one_line(message: object) -> str:
    return " ".join(str(message).split())
