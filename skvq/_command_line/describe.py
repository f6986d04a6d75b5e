"""Say what a model takes and gives: shapes, units, codes, classes and files."""

import argparse

from skvq.runtime import Runtime
from skvq.runtime._text import describe, describe_model

from .models import add_model, open_model

NAME, HELP = "describe", "say what a model takes and gives"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model(parser)


def run(options: argparse.Namespace) -> None:
    model = open_model(options.model)
    print(describe(model) if isinstance(model, Runtime) else describe_model(repr(model), model.describe()))
