"""Draw new images, as a sheet in a PNG file or as an array."""

import argparse

from .arrays import check_output, write_images
from .models import add_model, description_of, method_of, open_model
from .progress import add_quiet, say
from .sampling import add_sampling, chosen

NAME, HELP = "sample", "draw new images"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model(parser)
    parser.add_argument("-o", "--output", required=True, metavar="FILE", help="a .png sheet or an .npy array")
    parser.add_argument("-n", "--number", type=int, default=16, metavar="N", help="how many (default: 16)")
    add_sampling(parser)
    add_quiet(parser)


def run(options: argparse.Namespace) -> None:
    output = check_output(options.output, (".png", ".npy"))
    model = open_model(options.model)
    description = description_of(model)
    images = method_of(model, "sample", "a prior and a decoder")(options.number, **chosen(options, description))
    write_images(output, images, description)
    say(f"{options.number} samples in {options.output}", options.quiet)
