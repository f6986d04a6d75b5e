"""Turn codes back into images."""

import argparse

from .arrays import check_output, in_batches, read_array, write_images
from .models import add_model, description_of, method_of, open_model
from .progress import add_quiet, progress, say

NAME, HELP = "decode", "turn codes into images"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model(parser)
    parser.add_argument("codes", help="an .npy file of codes, as `skvq encode` writes it")
    parser.add_argument("-o", "--output", required=True, metavar="FILE", help="a .png sheet or an .npy array")
    add_quiet(parser)


def run(options: argparse.Namespace) -> None:
    output = check_output(options.output, (".png", ".npy"))
    model = open_model(options.model)
    codes = read_array(options.codes, "codes")
    images = in_batches(method_of(model, "inverse_transform", "a decoder"), codes, progress("decoded", options.quiet))
    write_images(output, images, description_of(model))
    say(f"{len(images)} images in {options.output}", options.quiet)
