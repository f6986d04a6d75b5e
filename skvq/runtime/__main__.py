"""``python -m skvq.runtime FOLDER``: say what an export holds, draw samples into a PNG, encode images into a file."""

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
    parser.add_argument(
        "--transform", metavar="IMAGES", help="encode a folder, zip, .npy, zarr or HDF5 file of images; needs --out"
    )
    parser.add_argument("--out", metavar="FILE", help="where the codes go: .npy, .zarr or .parquet")
    parser.add_argument("--threads", type=int, metavar="N", help="threads of the model; all processors without it")
    parser.add_argument("--batch-size", type=int, default=32, metavar="N", help="images to a run (default: 32)")
    options = parser.parse_args(arguments)
    if (options.sample is None) != (options.png is None):
        parser.error("--sample and --png go together: --sample 16 --png samples.png")
    if (options.transform is None) != (options.out is None):
        parser.error("--transform and --out go together: --transform images/ --out codes.npy")
    try:
        runtime = load(options.path, threads=options.threads, batch_size=options.batch_size)
        if options.transform is not None:
            return _transform(runtime, options)
        if options.sample is None:
            print(describe(runtime))
        else:
            write_png(options.png, _sheet(runtime, options))
            print(f"{options.sample} samples in {options.png}")
    except (ValueError, OSError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _transform(runtime: Runtime, options: argparse.Namespace) -> int:
    from ._images import open_input
    from ._transform import Progress, transform_file

    if runtime.source.description.layout is None:
        raise invalid("--transform", "have an export with an encoder", ", ".join(runtime.parts), "Export a VQVAE.")
    images = open_input(options.transform, runtime.source.description.layout)
    try:
        begun = transform_file(runtime, images, options.out, Progress())
    except KeyboardInterrupt:
        print("\nstopped; the same command goes on from here", file=sys.stderr)
        return 130
    again = f", {begun:,} of them by an earlier run" if begun else ""
    print(f"codes of {images.rows.shape[0]:,} images{again} in {options.out}")
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
