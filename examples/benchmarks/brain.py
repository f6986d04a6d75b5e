"""How good are brain slices of unseen patients, rebuilt from few bits? About 30 minutes with the defaults.

    python examples/benchmarks/brain.py --data brain_t1_256.npz
    python examples/benchmarks/brain.py --data keras_png_slices_data            the 2-D OASIS set, or its layout
    python examples/benchmarks/brain.py --data FILE --configurations codes-32x32 --seconds 240
    python examples/benchmarks/brain.py --quick                                     every configuration for one epoch

The file has ``x_train``, ``x_test`` (n, 256, 256) uint8, and the patient of each slice in ``subject_train`` and
``subject_test``: nobody may be in both.

    published-256    256 × 256, 64 × 64 codes of 32, embeddings of 128 numbers
    codes-32x32      256 × 256, 32 × 32 codes of 512
    128x128          area averages of 128 × 128, 32 × 32 codes of 512
    80x80x3-ssim     area averages of 80 × 80, the grey repeated to three channels, 20 × 20 codes of 512; loss 1 - SSIM,
                     10 epochs

The loss of the others is 1 - SSIM and ten times the squared error. Each trains for its seconds, or its epochs; the
seconds are kept by :mod:`budget`. Beside it stand still-image codecs (``peers/codecs.py``) at the bits that the codes
take when each is written down as a number of equal length. JPEG and WebP spend their bits where the image has something
to tell. What the codes would take if each were coded by how often it stands at its place in training images is in the
column "coded": the least that a prior would save.

SSIM, over the whole image and over the brain, is that of ``slices.py``. Means are over patients; ± is the half width of
their 95 % confidence interval, by Student's t.

``brain_output/`` gets the table (``brain.csv``) and for each configuration a figure.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from peers.codecs import CODECS, at_bits
from runs import (
    add_run_arguments,
    new_parser,
    parse,
    print_table,
    result_path,
    run_interleaved,
    save_result,
    save_table,
)
from slices import (
    DEFAULT_DATA,
    extent,
    fit_slices,
    load_slices,
    middle_slices,
    quality,
    similarities,
    structure_and_error,
)

from skvq import metrics

N_SHOWN = 3  # patients in a figure
SHOWN_CODECS = ("JPEG", "WebP", "thumbnail")


@dataclass(frozen=True)
class Configuration:
    """One question: images of which size, how many codes, how long a training.

    Parameters
    ----------
    side, channels : int
        Of the images.
    seconds : float or None
        Of training; None for ``n_epochs``.
    target : float or None
        SSIM of the whole image to be reached.
    params : dict
        Parameters of ``VQVAE``.
    """

    side: int
    channels: int = 1
    seconds: float | None = None
    n_epochs: int | None = None
    target: float | None = None
    params: dict = field(default_factory=dict)


TUNED = {"reconstruction_loss": structure_and_error}
CONFIGURATIONS = {
    "published-256": Configuration(
        side=256,
        seconds=480.0,
        params={"n_embeddings": 32, "embedding_dim": 128, "downsampling": 4, **TUNED},
    ),
    "codes-32x32": Configuration(
        side=256,
        seconds=480.0,
        target=0.93,
        params={"n_embeddings": 512, "downsampling": 8, **TUNED},
    ),
    "128x128": Configuration(
        side=128,
        seconds=240.0,
        params={"n_embeddings": 512, "downsampling": 4, "batch_size": 8, **TUNED},
    ),
    "80x80x3-ssim": Configuration(
        side=80,
        channels=3,
        n_epochs=10,
        target=0.90,
        params={"n_embeddings": 512, "downsampling": 4, "reconstruction_loss": "ssim", "batch_size": 8},
    ),
}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = new_parser(
        __doc__,
        output="brain_output",
        quick="12 slices, or ellipses, one epoch, small networks",
    )
    parser.add_argument(
        "--data",
        help="an .npz file, or a folder or zip in the layout of the 2-D OASIS set; also looked for in the folder that "
        f"SKVQ_DATA names (default: {DEFAULT_DATA}, or drawn ellipses with --quick)",
    )
    parser.add_argument(
        "--configurations", nargs="+", default=list(CONFIGURATIONS), choices=CONFIGURATIONS, metavar="NAME"
    )
    parser.add_argument("--seconds", type=float, help="of training, in place of each configuration's own")
    parser.add_argument("--epochs", type=int, help="in place of the 10 of 80x80x3-ssim")
    parser.add_argument("--slices", type=int, help="at most so many to train on and to test on")
    add_run_arguments(parser, seeds=1)
    args = parse(parser, arguments, epochs=1, slices=12)
    settings = {name: getattr(args, name) for name in ("data", "seconds", "epochs", "slices", "threads", "quick")}
    if args.run:
        one_run(args, settings)
        return
    args.output.mkdir(parents=True, exist_ok=True)
    results = run_interleaved(
        main, __file__, args.configurations, args.seeds, settings, args.output, resume=args.resume
    )
    if not results:
        raise SystemExit("No run succeeded.")
    report(results, args)


def one_run(args: argparse.Namespace, settings: dict) -> None:
    """Train one configuration with one seed, and save what it and its peers reached."""
    configuration = CONFIGURATIONS[args.run]
    (X_train, subject_train), (X_test, subject_test) = load_slices(
        args.data, configuration.side, n_slices=args.slices, quick=args.quick
    )
    fitted = fit_slices(
        configuration.params,
        in_channels(X_train, configuration),
        seconds=args.seconds or configuration.seconds,
        n_epochs=None if configuration.n_epochs is None else args.epochs or configuration.n_epochs,
        seed=args.seed,
        quick=args.quick,
    )
    vqvae = fitted.estimator
    codes = vqvae.transform(in_channels(X_test, configuration))
    X_hat = vqvae.inverse_transform(codes)
    grey_hat = X_hat if configuration.channels == 1 else np.rint(X_hat.mean(axis=-1)).astype(np.uint8)

    n_embeddings = vqvae.n_embeddings
    bits = codes.shape[1] * np.log2(n_embeddings)
    coded_bits = codes.shape[1] * metrics.per_position_bits(
        vqvae.transform(in_channels(X_train, configuration)), codes, n_embeddings
    )
    # What was asked of the codes is judged on all their channels, and so with no help from their mean.
    rows = [{"method": "VQVAE", **quality(X_test, X_hat, subject_test), "bits": bits, "coded_bits": coded_bits}]
    shown = {"original": X_test, "VQVAE": grey_hat}
    sample = np.linspace(0, len(X_test) - 1, min(len(X_test), 64)).astype(int)
    for name in CODECS:
        coded = at_bits(name, X_test, bits, lambda a, b: similarities(a[sample], b[sample])[0].mean())
        rows.append({"method": name, **quality(X_test, coded.images, subject_test), "bits": coded.mean_bits})
        shown[name] = coded.images
    n_pixels = configuration.side**2
    for row in rows:
        row["bits_per_pixel"] = row.pop("bits") / n_pixels
        row["coded_bits_per_pixel"] = row.pop("coded_bits") / n_pixels if "coded_bits" in row else None
    result = {
        "rows": rows,
        "perplexity": metrics.perplexity(codes, n_embeddings),
        "codes_in_use": metrics.codes_in_use(codes, n_embeddings),
        "seconds": fitted.seconds,
        "note": f"{fitted.n_epochs} epochs of {fitted.n_rows} slices of {len(set(subject_train))} patients; "
        f"{len(X_test)} test slices of {len(set(subject_test))} patients",
    }
    save_result(args.output, args.run, args.seed, settings, result)
    chosen = middle_slices(subject_test)[:N_SHOWN]
    np.savez_compressed(
        result_path(args.output, args.run, args.seed).with_suffix(".npz"),
        subjects=subject_test[chosen],
        **{name: images[chosen] for name, images in shown.items()},
    )


def in_channels(images: np.ndarray, configuration: Configuration) -> np.ndarray:
    """Repeat the grey in as many channels as the configuration has."""
    if configuration.channels == 1:
        return images
    return np.repeat(images[..., None], configuration.channels, axis=-1)


def report(results: list[dict], args: argparse.Namespace) -> None:
    """Print a table for each configuration; save all rows and the figures."""
    table_rows = []
    for name in dict.fromkeys(result["method"] for result in results):
        runs = [result for result in results if result["method"] == name]
        configuration = CONFIGURATIONS[name]
        print(f"\n{name}: {configuration.side} × {configuration.side} × {configuration.channels}")
        rows = [{**row, "seed": run["seed"]} for run in runs for row in run["rows"] if row["method"] == "VQVAE"]
        rows += [{**row, "seed": None} for row in runs[0]["rows"] if row["method"] != "VQVAE"]
        several = len(runs) > 1
        print_table(
            [
                {
                    "method": row["method"] + (f", seed {row['seed']}" if several and row["method"] == "VQVAE" else ""),
                    "bits/pixel": f"{row['bits_per_pixel']:.3f}",
                    "coded": f"{row['coded_bits_per_pixel']:.3f}" if row["coded_bits_per_pixel"] else "–",
                    "SSIM": f"{row['ssim']:.4f} ± {row['ssim_half_width']:.4f}",
                    "of the brain": f"{row['brain_ssim']:.4f} ± {row['brain_ssim_half_width']:.4f}",
                    "PSNR dB": f"{row['psnr']:.2f}",
                }
                for row in rows
            ]
        )
        for run in runs:
            print(
                f"{run['note']}; {run['seconds']:.0f} s; "
                f"{run['codes_in_use']} codes in use, perplexity {run['perplexity']:.1f}"
            )
        if configuration.target is not None:
            reached = np.mean([row["ssim"] for row in rows if row["method"] == "VQVAE"])
            verdict = "reached" if reached >= configuration.target else "missed"
            print(f"SSIM of at least {configuration.target:.2f}: {verdict}, {reached:.4f}")
        print(f"figure: {draw(name, runs[0], args)}")
        table_rows += [{"configuration": name, **row} for row in rows]
    table = args.output / "brain.csv"
    columns = list(dict.fromkeys(column for row in table_rows for column in row))
    save_table([{column: row.get(column) for column in columns} for row in table_rows], table)
    print(f"\ntable: {table}\n{results[0]['machine']}")


def draw(name: str, run: dict, args: argparse.Namespace) -> Path:
    """Save originals of some patients beside what each method makes of them."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    with np.load(result_path(args.output, name, run["seed"]).with_suffix(".npz")) as arrays:
        shown = {method: arrays[method] for method in ("original", "VQVAE", *SHOWN_CODECS)}
        subjects = arrays["subjects"]
    rates = {row["method"]: row["bits_per_pixel"] for row in run["rows"]}
    originals = shown["original"]
    top, bottom, left, right = extent(originals)
    figure, axes = plt.subplots(
        len(originals),
        len(shown),
        figsize=(2.6 * len(shown), (2.6 * (bottom - top) / (right - left) + 0.25) * len(originals) + 0.5),
        layout="constrained",
        squeeze=False,
    )
    for column, (method, images) in zip(axes.T, shown.items(), strict=True):
        whole, brain = similarities(originals, images)
        for i, ax in enumerate(column):
            ax.imshow(images[i, top:bottom, left:right], cmap="gray", vmin=0, vmax=255, interpolation="nearest")
            ax.set_xticks([])
            ax.set_yticks([])
            ax.spines[:].set_visible(False)
            if method == "original":
                ax.set_ylabel(f"patient {subjects[i]}", fontsize="small")
            else:
                ax.set_xlabel(f"SSIM {whole[i]:.3f}, brain {brain[i]:.3f}", fontsize="small")
        rate = "8 bits a pixel" if method == "original" else f"{rates[method]:.3f} bits a pixel"
        column[0].set_title(f"{method}\n{rate}", fontsize="medium", fontweight="bold" if method == "VQVAE" else None)
    path = args.output / f"brain-{name}.png"
    figure.savefig(path, dpi=110)
    return path


if __name__ == "__main__":
    main()
