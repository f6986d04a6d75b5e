"""Turn a file of `skvq compress` back into pictures. It needs the same model."""

import argparse

from .codec import compression
from .models import MODEL_HELP
from .progress import add_quiet, progress, say

NAME, HELP = "decompress", "turn a compressed file back into pictures"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help=MODEL_HELP)
    parser.add_argument("path", help="a file of `skvq compress`")
    parser.add_argument("-o", "--output", required=True, metavar="FOLDER", help="where the pictures go")
    add_quiet(parser)


def run(options: argparse.Namespace) -> None:
    compression().decompress_files(options.model, options.path, options.output, progress("decompressed", options.quiet))
    say(f"pictures in {options.output}", options.quiet)
