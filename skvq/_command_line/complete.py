"""Keep a part of each image's codes and draw the others."""

import argparse
import math

import numpy as np

from skvq._contract.codes import CodeGrid
from skvq._contract.errors import invalid

from .arrays import IMAGES_HELP, check_output, read_array, read_images, write_images
from .models import add_model, description_of, method_of, open_model
from .progress import add_quiet, say
from .sampling import add_sampling, chosen

NAME, HELP = "complete", "keep some codes of images and draw the others"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model(parser)
    parser.add_argument("images", help=IMAGES_HELP)
    parser.add_argument("-o", "--output", required=True, metavar="FILE", help="a .png sheet or an .npy array")
    kept = parser.add_mutually_exclusive_group()
    kept.add_argument(
        "--keep", type=float, default=0.5, metavar="PART", help="part of the codes that is kept, from the top (0.5)"
    )
    kept.add_argument("--mask", metavar="FILE", help="an .npy file of the grid's shape, true where a code is kept")
    parser.add_argument("--resize", action="store_true", help="bring pictures to the size that the model takes")
    add_sampling(parser)
    add_quiet(parser)


def run(options: argparse.Namespace) -> None:
    output = check_output(options.output, (".png", ".npy"))
    model = open_model(options.model)
    description = description_of(model)
    images = read_images(options.images, description, options.resize)
    mask = upper_part(description.codes, options.keep) if options.mask is None else read_array(options.mask, "mask")
    complete = method_of(model, "complete", "a prior, an encoder and a decoder")
    # One call: the same images as complete(X, mask, random_state=seed) gives.
    result = complete(np.asarray(images), mask, **chosen(options, description))
    write_images(output, result, description)
    say(f"{len(result)} images in {options.output}", options.quiet)


def upper_part(grid: CodeGrid, part: float) -> np.ndarray:
    """Return a mask of the first codes in raster order.

    Raises
    ------
    InvalidInputError
        If ``part`` is not in [0, 1].
    """
    if not 0 <= part <= 1:
        raise invalid("--keep", "be in [0, 1]", part, "0.5 keeps the upper half.")
    return np.arange(grid.n_codes) < math.floor(part * grid.n_codes + 0.5)
