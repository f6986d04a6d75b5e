"""How many bytes does a brain slice need, and how good is it then? Ours beside five still-image codecs. Two hours.

    python examples/benchmarks/rate_distortion.py --data brain_t1_256.npz
    python examples/benchmarks/rate_distortion.py --data FILE --configurations 64x64-K256-weighted codecs --seconds 120
    python examples/benchmarks/rate_distortion.py --quick                   some of each kind, for one epoch

The slices are those of ``brain.py``: 256 × 256, training and test patients apart. A configuration's name says its grid
of codes, the number of embeddings (with several quantisers, how many times that), and what else is special:

    weighted    the loss counts what is near the brain: pixels above 0.03, and those up to four pixels away. The others
                have a small weight
    beta=1.5    in place of 0.25

The loss is 1 - SSIM and ten times the squared error. Each trains for ``--seconds``, kept by :mod:`budget`.

Rates are bytes a slice. "file" is the mean length of whole files: those of a codec at its best settings
(``peers/image_files.py``), and ours from ``VQGenerator.compress``, where skvq has it, with a ``ContextPrior`` of the
training codes. "payload" leaves out what every file repeats. "computed" is no file's length: it is the log-likelihood
of the test codes under the ContextPrior, also of the first quantisers alone where there are several. "fixed" is log2(K)
bits a code. The decoder's size, as an ONNX file, is shared by all slices, as a codec's is, and stands below the table.

Means are over patients, each of whom has as many test slices; ± is the half width of their 95 % confidence interval, by
Student's t. SSIM is that of ``slices.py``.

``rate_distortion_output/`` gets the table (``rate_distortion.csv``) and the figure of curves.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from peers.image_files import IMAGE_FILES, coded, installed
from runs import add_run_arguments, new_parser, parse, print_table, run_interleaved, save_result, save_table
from scipy import ndimage
from slices import DEFAULT_DATA, fit_slices, load_slices, quality, structure_and_error

from skvq import VQVAE, CodeGrid, ContextPrior, VQGenerator, to_onnx

SIDE = 256
FOREGROUND, REACH = 0.03, 9  # of the largest value; side of the window, in pixels
BACKGROUND_WEIGHT = 0.02  # above 0, because the background is to stay black


@dataclass(frozen=True)
class Configuration:
    """Parameters of a VQVAE, and whether its loss counts the foreground."""

    params: dict = field(default_factory=dict)
    weighted: bool = False


def grid(side: int, n_embeddings: int, n_quantizers: int = 1, *, weighted: bool = False, **params: Any):
    """Return the configuration of a grid of ``side`` × ``side`` codes."""
    given = {"downsampling": SIDE // side, "n_embeddings": n_embeddings, "n_quantizers": n_quantizers}
    return Configuration({**given, "reconstruction_loss": structure_and_error, **params}, weighted)


CONFIGURATIONS = {
    "64x64-K32-weighted": grid(64, 32, weighted=True),
    "64x64-K64-weighted": grid(64, 64, weighted=True),
    "64x64-K128-weighted": grid(64, 128, weighted=True),
    "64x64-K256-weighted": grid(64, 256, weighted=True),
    "64x64-K512-weighted": grid(64, 512, weighted=True),
    "64x64-K256-weighted-beta=1.5": grid(64, 256, weighted=True, beta=1.5),
    "64x64-K256": grid(64, 256),
    "64x64-2xK32-weighted": grid(64, 32, 2, weighted=True),
    "32x32-K512": grid(32, 512),
    "32x32-K512-weighted": grid(32, 512, weighted=True),
    "32x32-4xK128-weighted": grid(32, 128, 4, weighted=True),
}
QUICK = ("32x32-4xK128-weighted", "codecs")
GOALS = (0.05, 0.10, 0.14)  # bits a pixel at which ours is held against each codec


def main(arguments: Sequence[str] | None = None) -> None:
    parser = new_parser(
        __doc__,
        output="rate_distortion_output",
        quick="6 slices, or ellipses, one epoch, a small network, two settings of a codec",
    )
    parser.add_argument(
        "--data",
        help="an .npz file, or a folder or zip in the layout of the 2-D OASIS set; also looked for in the folder that "
        f"SKVQ_DATA names (default: {DEFAULT_DATA}, or drawn ellipses with --quick)",
    )
    known = [*CONFIGURATIONS, "codecs"]
    parser.add_argument("--configurations", nargs="+", default=known, choices=known, metavar="NAME")
    parser.add_argument("--seconds", type=float, default=480.0, help="of training (default: %(default)s)")
    parser.add_argument("--slices", type=int, help="at most so many to train on and to test on")
    add_run_arguments(parser, seeds=1)
    args = parse(parser, arguments, slices=6, configurations=list(QUICK))
    settings = {name: getattr(args, name) for name in ("data", "seconds", "slices", "threads", "quick")}
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
    """Measure one configuration, or all codecs, and save the rows."""
    train, test = load_slices(args.data, SIDE, n_slices=args.slices, quick=args.quick)
    if args.run == "codecs":
        result = {"rows": rows_of_codecs(*test, quick=args.quick), "note": f"{len(test[0])} test slices"}
    else:
        result = rows_of_configuration(args, train, test)
    save_result(args.output, args.run, args.seed, settings, result)


def rows_of_codecs(X: np.ndarray, subjects: np.ndarray, *, quick: bool) -> list[dict]:
    """Return what each codec reaches at each of its settings."""
    rows = []
    for name in installed():
        settings = IMAGE_FILES[name].settings
        for setting in (settings[0], settings[-1]) if quick else settings:
            answer = coded(name, X, setting)
            rates = {"file": answer.file_bytes.mean(), "payload": answer.payload_bytes.mean()}
            rows.append({"method": name, "setting": setting, **rates, **quality(X, answer.images, subjects)})
    return rows


def rows_of_configuration(args: argparse.Namespace, train: tuple, test: tuple) -> dict:
    """Train one configuration, and return what it reaches with each number of its quantisers."""
    configuration = CONFIGURATIONS[args.run]
    (X_train, subject_train), (X_test, subject_test) = train, test
    fitted = fit_slices(
        configuration.params,
        X_train,
        seconds=args.seconds,
        seed=args.seed,
        quick=args.quick,
        pixel_weight=foreground_weights(X_train) if configuration.weighted else None,
    )
    vqvae, depth = fitted.estimator, fitted.estimator.grid_.depth
    train_codes, codes = vqvae.encode(X_train), vqvae.encode(X_test)
    rows = []
    for k in range(1, depth + 1):
        X_hat = vqvae.inverse_transform(codes, n_quantizers=k)
        row = {"method": "VQVAE", "setting": k, **rates(vqvae, train_codes, codes, X_test, k)}
        rows.append({**row, **quality(X_test, X_hat, subject_test)})
    return {
        "rows": rows,
        "seconds": fitted.seconds,
        "decoder_bytes": len(to_onnx(vqvae, "decoder").SerializeToString()),
        "note": f"{fitted.n_epochs} epochs of {fitted.n_rows} slices of {len(set(subject_train))} patients in "
        f"{fitted.seconds:.0f} s; {len(X_test)} test slices of {len(set(subject_test))} patients",
    }


def rates(vqvae: VQVAE, train_codes: np.ndarray, codes: np.ndarray, X: np.ndarray, k: int) -> dict[str, float]:
    """Return the mean bytes of a slice: those of files where there are any, else computed ones, and fixed ones."""
    whole = vqvae.grid_
    first = CodeGrid(whole.shape, whole.n_embeddings, k)
    prior = ContextPrior(grid=first).fit(of_first(train_codes, whole, k))
    computed = -prior.score_samples(of_first(codes, whole, k)).mean() / np.log(2) / 8
    found = {"computed": float(computed), "fixed": first.max_bits / 8}
    if k == whole.depth and hasattr(VQGenerator, "compress"):
        from skvq.compression import sizes

        found["payload"], found["file"] = sizes(VQGenerator.from_fitted(vqvae, prior).compress(X))
    return found


def of_first(codes: np.ndarray, whole: CodeGrid, k: int) -> np.ndarray:
    """Return the codes of the first ``k`` quantisers alone."""
    return codes.reshape(len(codes), whole.n_positions, whole.depth)[..., :k].reshape(len(codes), -1)


def foreground_weights(X: np.ndarray) -> np.ndarray:
    """Return 1 near what is not black, and a small weight elsewhere, float32 of the shape (n, height, width) of X."""
    near = ndimage.maximum_filter(X > FOREGROUND * 255, size=(1, REACH, REACH))
    return np.where(near, 1.0, BACKGROUND_WEIGHT).astype(np.float32)


def rate_of(row: dict) -> float:
    """Return the bytes that stand for a row: of the file, or computed ones."""
    return row.get("file") or row["computed"]


def report(results: list[dict], args: argparse.Namespace) -> None:
    """Print the table, hold ours against the codecs, and save all rows and the figure."""
    rows = [{"configuration": run["method"], "seed": run["seed"], **row} for run in results for row in run["rows"]]
    print_table(
        [
            {
                "method": row["method"] if row["configuration"] == "codecs" else row["configuration"],
                "setting": str(row["setting"]),
                **{
                    name: f"{row[name]:.0f}" if name in row else "–"
                    for name in ("file", "payload", "computed", "fixed")
                },
                "bits/pixel": f"{8 * rate_of(row) / SIDE**2:.3f}",
                "SSIM": f"{row['ssim']:.4f} ± {row['ssim_half_width']:.4f}",
                "of the brain": f"{row['brain_ssim']:.4f} ± {row['brain_ssim_half_width']:.4f}",
                "PSNR dB": f"{row['psnr']:.2f}",
            }
            for row in rows
        ]
    )
    for run in results:
        size = f"; decoder {run['decoder_bytes'] / 1000:.0f} kB, shared" if "decoder_bytes" in run else ""
        print(f"{run['method']}, seed {run['seed']}: {run['note']}{size}")
    if not any("file" in row for row in rows if row["method"] == "VQVAE"):
        print("Rates of VQVAE are computed, not those of files.")
    compare(rows)
    columns = list(dict.fromkeys(column for row in rows for column in row))
    table = args.output / "rate_distortion.csv"
    save_table([{column: row.get(column) for column in columns} for row in rows], table)
    print(f"table: {table}\nfigure: {draw(rows, args.output / 'rate_distortion.png')}\n{results[0]['machine']}")


def compare(rows: list[dict]) -> None:
    """Print the best of ours and of each codec that fits into so many bits a pixel."""
    for bits in GOALS:
        room = bits * SIDE**2 / 8
        for merit, name in (("ssim", "SSIM"), ("brain_ssim", "SSIM of the brain")):
            best: dict[str, float] = {}
            for row in rows:
                if rate_of(row) <= room:
                    best[row["method"]] = max(best.get(row["method"], -1.0), row[merit])
            words = ", ".join(f"{method} {value:.4f}" for method, value in sorted(best.items(), key=lambda b: -b[1]))
            print(f"at most {room:.0f} bytes ({bits:.2f} bits a pixel), {name}: {words or 'none'}")


def draw(rows: list[dict], path: Path) -> Path:
    """Save the curves: figures of merit over bytes, lines for codecs and for the quantisers of one model."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib import ticker

    panels = (("brain_ssim", "SSIM of the brain"), ("ssim", "SSIM of the image"), ("psnr", "PSNR (dB)"))
    figure, axes = plt.subplots(1, len(panels), figsize=(15, 4.6), layout="constrained")
    codecs = list(dict.fromkeys(row["method"] for row in rows if row["configuration"] == "codecs"))
    ours = list(dict.fromkeys(row["configuration"] for row in rows if row["configuration"] != "codecs"))
    for ax, (merit, label) in zip(axes, panels, strict=True):
        for i, name in enumerate(codecs):
            curve = [row for row in rows if row["method"] == name]
            ax.plot([rate_of(row) for row in curve], [row[merit] for row in curve], "--", color=f"C{i}", label=name)
        for i, name in enumerate(ours):
            curve = [row for row in rows if row["configuration"] == name and row["seed"] == 0]
            style = {"marker": "osD^vPX*<>p"[i % 11], "color": "black", "linewidth": 0.8, "markersize": 5}
            ax.plot([rate_of(row) for row in curve], [row[merit] for row in curve], **style, label=name)
        ax.set_xscale("log")
        ax.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
        ax.xaxis.set_major_formatter(ticker.FormatStrFormatter("%d"))
        ax.xaxis.set_minor_formatter(ticker.NullFormatter())
        ax.set_xlabel("bytes a slice")
        ax.set_ylabel(label)
        ax.grid(alpha=0.25, which="both")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=5, fontsize="small", frameon=False)
    figure.savefig(path, dpi=110)
    plt.close(figure)
    return path


if __name__ == "__main__":
    main()
