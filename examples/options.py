"""The options that every example takes.

Not an example in itself. The examples share it, so that each of them is about its own question.
"""

import argparse
from pathlib import Path


def new_parser(description: str, *, output: str | None, quick: str) -> argparse.ArgumentParser:
    """Return a parser that knows ``--output``, ``--quick`` and ``--seed``.

    Parameters
    ----------
    description : str
        The docstring of the example.
    output : str or None
        Default folder for what the example writes; None if the example chooses it later.
    quick : str
        What ``--quick`` makes smaller.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = "the folder of the models" if output is None else output
    parser.add_argument("--output", type=Path, default=output, help=f"folder to write to (default: {default})")
    parser.add_argument("--quick", action="store_true", help=quick)
    parser.add_argument("--seed", type=int, default=0)
    return parser
