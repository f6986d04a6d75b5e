"""Write pictures as one small file of codes, coded by the prior's probabilities."""

import argparse

from .codec import compression
from .models import MODEL_HELP
from .progress import add_quiet, progress, say

NAME, HELP = "compress", "write pictures as one small file"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help=MODEL_HELP)
    parser.add_argument("paths", nargs="+", help="pictures")
    parser.add_argument("-o", "--output", required=True, metavar="FILE", help="the compressed file")
    add_quiet(parser)


def run(options: argparse.Namespace) -> None:
    compression().compress_files(options.model, options.paths, options.output, progress("compressed", options.quiet))
    say(f"{len(options.paths)} pictures in {options.output}", options.quiet)
