"""One line on the terminal that counts what is done; nothing where nobody looks."""

import argparse
import sys
from collections.abc import Callable


def add_quiet(parser: argparse.ArgumentParser) -> None:
    """Add the option that turns the line off."""
    parser.add_argument("-q", "--quiet", action="store_true", help="print errors only")


def progress(verb: str, is_quiet: bool) -> Callable[[int, int], None]:
    """Return a function ``report(done, total)`` that rewrites a line on stderr, if that is a terminal."""
    if is_quiet or not sys.stderr.isatty():
        return lambda done, total: None

    def report(done: int, total: int) -> None:
        end = "\n" if done >= total else ""
        print(f"\r{verb} {done:,} of {total:,}", end=end, file=sys.stderr, flush=True)

    return report


def say(text: str, is_quiet: bool) -> None:
    """Print what was done."""
    if not is_quiet:
        print(text)
