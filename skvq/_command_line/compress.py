"""Write each picture as a small file of codes, coded by the prior's probabilities."""

import argparse
from typing import Any

from .codec import add_codec, run_codec

NAME, HELP = "compress", "write pictures as small files of codes"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_codec(parser, "pictures, or folders of pictures", "where the compressed files go")
    parser.add_argument("--label", help="class of all pictures, for a conditional prior")


def run(options: argparse.Namespace) -> None:
    from skvq.compression.files import compress_files

    label: Any = options.label
    if label is not None and label.lstrip("-").isdigit():
        label = int(label)
    run_codec(compress_files, "compressed", options, y=label)
