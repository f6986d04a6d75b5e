"""``python -m skvq.runtime FOLDER``: say what an export holds, and draw samples into a PNG.

The program ``skvq`` has more commands.
"""

import argparse
import sys
from collections.abc import Sequence

import numpy as np

from skvq._contract.errors import invalid

from . import load
from ._png import mosaic, write_png
from ._runtime import Runtime
from ._text import describe


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m skvq.runtime", description=__doc__)
    parser.add_argument("path", help="a folder that skvq.export_onnx wrote, or one ONNX file of it")
    parser.add_argument("--sample", type=int, metavar="N", help="draw N images; needs --png")
    parser.add_argument("--label", help="class of the samples, for a conditional prior")
    parser.add_argument("--seed", type=int, help="for the same samples at every call")
    parser.add_argument("--temperature", type=float, default=1.0, help="above 0; below 1 for likelier samples")
    parser.add_argument("--top-k", type=int, metavar="K", help="draw from the K likeliest codes at each position")
    parser.add_argument("--top-p", type=float, metavar="P", help="draw from the likeliest codes that reach P")
    parser.add_argument("--png", metavar="FILE", help="where the samples go")
    options = parser.parse_args(arguments)
    if (options.sample is None) != (options.png is None):
        parser.error("--sample and --png go together: --sample 16 --png samples.png")
    try:
        runtime = load(options.path)
        if options.sample is None:
            print(describe(runtime))
        else:
            write_png(options.png, _sheet(runtime, options))
            print(f"{options.sample} samples in {options.png}")
    except (ValueError, OSError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _sheet(runtime: Runtime, options: argparse.Namespace) -> np.ndarray:
    model = runtime.source.description
    if model.layout is None or model.data_range is None or model.layout.is_vector:
        vectors = "codes" if model.layout is None else f"vectors of {model.layout.n_features} values"
        raise invalid("--png", "be left out unless the export makes images", vectors, "Use skvq.runtime.load.")
    label = options.label
    for value in runtime.classes or ():
        if str(value) == label:
            label = value
    choice = {"temperature": options.temperature, "top_k": options.top_k, "top_p": options.top_p}
    samples = runtime.sample(options.sample, label, **choice, random_state=options.seed)
    return mosaic(model.layout.to_images(samples), *model.data_range)


if __name__ == "__main__":
    sys.exit(main())
