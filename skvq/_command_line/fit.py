"""Fit an autoencoder and a prior to images, and save or export them. Needs Keras."""

import argparse
import ast
from typing import Any

import numpy as np

from skvq._contract.description import ModelDescription
from skvq._contract.errors import invalid
from skvq._contract.writing import check_file_target

from .arrays import IMAGES_HELP, read_array, read_images
from .progress import add_quiet, say

NAME, HELP = "fit", "fit a model to images"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("images", help=IMAGES_HELP)
    parser.add_argument("-o", "--output", required=True, metavar="FILE", help="where the model is saved")
    parser.add_argument("--labels", metavar="FILE", help="an .npy file of one class for each image")
    parser.add_argument("--export", metavar="FOLDER", help="also write ONNX files there")
    parser.add_argument("--prior", choices=("pixelcnn", "context"), default="pixelcnn", help="default: pixelcnn")
    parser.add_argument("--seed", type=int, help="for the same model at every call")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        type=_setting,
        metavar="NAME=VALUE",
        help="a parameter of VQGenerator, such as vqvae__n_embeddings=256 or prior__max_iter=5; may be repeated",
    )
    add_quiet(parser)


def run(options: argparse.Namespace) -> None:
    import skvq

    output = check_file_target(options.output)
    images = read_images(options.images, ModelDescription())
    labels = None if options.labels is None else np.asarray(read_array(options.labels, "y"))
    verbose = {"verbose": 0 if options.quiet else 1, "random_state": options.seed}
    prior: Any = (
        skvq.ContextPrior(conditional=labels is not None)
        if options.prior == "context"
        else skvq.PixelCNNPrior(conditional=labels is not None, **verbose)
    )
    model = skvq.VQGenerator(skvq.VQVAE(**verbose), prior)
    settings = dict(options.set)
    unknown = sorted(set(settings) - set(model.get_params()))
    if unknown:
        raise invalid(
            "--set",
            "name parameters of VQGenerator, vqvae__NAME or prior__NAME",
            ", ".join(unknown),
            f"There are {', '.join(name for name in sorted(model.get_params()) if '__' in name)}.",
        )
    model.set_params(**settings).fit(images, labels)
    model.save(output)
    say(f"{model.grid_} in {options.output}", options.quiet)
    if options.export is not None:
        say(f"ONNX files in {skvq.export_onnx(model, options.export)}", options.quiet)


def _setting(text: str) -> tuple[str, Any]:
    name, is_there, value = text.partition("=")
    if not is_there:
        raise argparse.ArgumentTypeError(f"must be NAME=VALUE; got {text!r}")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value
