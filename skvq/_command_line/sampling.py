"""The options of commands that draw codes."""

import argparse
from typing import Any

from skvq._contract.description import ModelDescription
from skvq._contract.errors import invalid

from .models import label_of


def add_sampling(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--label", help="class of the images, for a conditional prior")
    parser.add_argument("--seed", type=int, help="for the same images at every call")
    parser.add_argument("--temperature", type=float, default=1.0, help="above 0; below 1 for likelier images")
    parser.add_argument("--top-k", type=int, metavar="K", help="draw from the K likeliest codes at each position")
    parser.add_argument("--top-p", type=float, metavar="P", help="draw from the likeliest codes that reach P")


def chosen(options: argparse.Namespace, description: ModelDescription) -> dict[str, Any]:
    """Return the options as keyword arguments of ``sample`` and ``complete``.

    Raises
    ------
    InvalidInputError
        If the prior is conditional and no class is named.
    """
    if description.classes is not None and options.label is None:
        raise invalid(
            "--label",
            f"name a class, of {description.classes.listed()}",
            "none",
            f"For example: --label {description.classes.values[0]}",
        )
    return {
        "y": label_of(description, options.label),
        "temperature": options.temperature,
        "top_k": options.top_k,
        "top_p": options.top_p,
        "random_state": options.seed,
    }
