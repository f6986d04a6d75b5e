"""Turn images into codes, row-major over the grid, as an array (n, n_codes)."""

import argparse

import numpy as np

from .arrays import IMAGES_HELP, check_output, in_batches, read_images, write_array
from .models import add_model, description_of, method_of, open_model
from .progress import add_quiet, progress, say

NAME, HELP = "encode", "turn images into codes"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model(parser)
    parser.add_argument("images", help=IMAGES_HELP)
    parser.add_argument("-o", "--output", required=True, metavar="FILE", help="an .npy file")
    parser.add_argument("--resize", action="store_true", help="bring pictures to the size that the model takes")
    add_quiet(parser)


def run(options: argparse.Namespace) -> None:
    output = check_output(options.output, (".npy",))
    model = open_model(options.model)
    description = description_of(model)
    images = read_images(options.images, description, options.resize)
    # VQVAE.transform answers in the form that its parameter `output` names; encode always gives codes.
    encode = model.encode if hasattr(model, "encode") else method_of(model, "transform", "an encoder")
    codes = in_batches(encode, images, progress("encoded", options.quiet))
    smallest = np.min_scalar_type(description.codes.n_embeddings - 1)
    write_array(output, codes.astype(smallest))
    say(f"{len(codes)} rows of {description.codes} in {options.output}", options.quiet)
