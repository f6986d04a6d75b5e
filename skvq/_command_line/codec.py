"""What ``compress`` and ``decompress`` share: their arguments, and a report of files that failed."""

import argparse
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from skvq._contract.errors import DataFileError

from .models import add_model, open_model
from .progress import add_quiet, progress, say

if TYPE_CHECKING:
    from skvq.compression.files import FileResult


def add_codec(parser: argparse.ArgumentParser, paths: str, out: str) -> None:
    """Add the arguments."""
    add_model(parser)
    parser.add_argument("paths", nargs="+", help=paths)
    parser.add_argument("-o", "--output", required=True, metavar="FOLDER", help=out)
    parser.add_argument("--overwrite", action="store_true", help="replace files that exist")
    add_quiet(parser)


def run_codec(
    function: Callable[..., "Sequence[FileResult]"], verb: str, options: argparse.Namespace, **choice: Any
) -> None:
    """Run one of the functions of :mod:`skvq.compression.files`, and say what became of the files.

    Raises
    ------
    DataFileError
        If a file could not be written. All others are written first.
    """
    report = progress(verb, options.quiet)
    results = function(
        open_model(options.model),
        options.paths,
        options.output,
        lambda done, total, _: report(done, total),
        overwrite=options.overwrite,
        **choice,
    )
    written = [result for result in results if result.error is None]
    n_read = sum(result.n_bytes_read for result in written)
    n_written = sum(result.n_bytes_written for result in written)
    say(f"{len(written)} files, {n_read:,} bytes, {verb} to {n_written:,} bytes in {options.output}", options.quiet)
    failed = [f"{result.source}: {result.error}" for result in results if result.error is not None]
    if failed:
        raise DataFileError(f"{len(failed)} of {len(results)} files are not {verb}: {'; '.join(failed[:5])}")
