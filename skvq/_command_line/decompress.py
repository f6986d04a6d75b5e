"""Turn files of `skvq compress` back into pictures. It needs the same model."""

import argparse

from .codec import add_codec, run_codec

NAME, HELP = "decompress", "turn compressed files back into pictures"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_codec(parser, "files of `skvq compress`, or folders of them", "where the pictures go")


def run(options: argparse.Namespace) -> None:
    from skvq.compression.files import decompress_files

    run_codec(decompress_files, "decompressed", options)
