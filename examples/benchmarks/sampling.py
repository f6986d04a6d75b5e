"""How much faster is drawing codes one by one than running the whole grid for each? About 10 minutes.

    python examples/benchmarks/sampling.py
    python examples/benchmarks/sampling.py --grids 7 --batches 1 64 --repeats 3      a first look
    python examples/benchmarks/sampling.py --quick          to see it run: half a minute

Four ways to draw from the same ``PixelCNNPrior`` with the same uniforms:

    whole grid, Keras          the network's full pass, compiled, once for every position; NumPy inverts the
                               cumulative distribution there
    whole grid, onnxruntime    the same loop over the exported part ``prior``
    incremental, Keras         ``prior.sample``
    incremental, onnxruntime   the exported part ``sampler``: one call of one graph

Each grid has a prior of its own with the estimator's default network, after one epoch on random codes: how long a
draw takes does not depend on the weights. Times leave out what comes once: fit, export, sessions, compilation, and a
first call of each way. Then the ways take turns, and the median of their turns stands in the table.

Every position's full pass costs the same. Where whole grids take longer than ``--case-seconds``, only some positions
are drawn and the time is scaled up to all; the table tells how many were timed.

The limit is the arithmetic's: the whole-grid loop computes each feature height × width times, the incremental sampler
once. Agreement is the share of codes equal to those of the exported sampler from equal uniforms, over the positions
drawn (for ``incremental, Keras`` by the function that ``prior.sample`` runs, as that draws its uniforms itself). A row
that differs is explained if each of its codes is the right one for its uniform, up to float32's rounding, under the
codes before it: then a uniform lay on a boundary between two codes, and the row went the other way.

``sampling_output/`` gets the table (``sampling.csv``), the figure and the exported files.
"""

import argparse
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from runs import environment, machine, new_parser, parse, print_table, save_table

SEED = 0
TEMPERATURE = np.array(1.0, np.float32)
WAYS = ("whole grid, Keras", "whole grid, onnxruntime", "incremental, Keras", "incremental, onnxruntime")
REFERENCE = "whole grid, onnxruntime"


def main() -> None:
    parser = new_parser(__doc__, output="sampling_output", quick="one small grid, one turn, a small network")
    parser.add_argument("--grids", type=int, nargs="+", default=[7, 16, 32], help="sides of square grids")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 16, 64, 256])
    parser.add_argument("--n-embeddings", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=5, help="turns of every way")
    parser.add_argument("--case-seconds", type=float, default=4.0, help="of whole-grid passes in one turn, at most")
    args = parse(parser, grids=[4], batches=[1, 16], repeats=1, case_seconds=0.1)
    # TensorFlow reads these when it is loaded, which the imports below do.
    os.environ.update(environment(args.threads))
    args.output.mkdir(parents=True, exist_ok=True)
    print(machine(), flush=True)
    results = []
    for side in args.grids:
        samplers = Samplers(side, args)
        print(f"\n{side} × {side} codes of {args.n_embeddings}: fitted and exported", flush=True)
        for batch in args.batches:
            results += measure(samplers, batch, args)
            print(f"  batch {batch} done", flush=True)
    report(results, args)


@dataclass
class Drawn:
    """Codes (n, positions drawn) and the seconds that all positions would take."""

    codes: np.ndarray
    seconds: float


class Samplers:
    """One prior, and the four ways to draw from it."""

    def __init__(self, side: int, args: argparse.Namespace):
        import onnxruntime
        import tensorflow as tf

        import skvq

        # Each batch size is compiled for itself, on purpose: no warnings of that.
        tf.get_logger().setLevel("ERROR")
        self.side = side
        self.n_positions = side * side
        random_codes = np.random.default_rng(SEED).integers(0, args.n_embeddings, (64, self.n_positions))
        small = {"hidden_channels": 8, "n_layers": 1} if args.quick else {}
        self.prior = skvq.PixelCNNPrior(
            n_embeddings=args.n_embeddings, code_shape=(side, side), max_iter=1, random_state=SEED, **small
        ).fit(random_codes)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = args.threads
        self.sessions = {}
        for part in ("prior", "sampler"):
            path = args.output / f"{part}_{side}.onnx"
            path.write_bytes(skvq.to_onnx(self.prior, part).SerializeToString())
            self.sessions[part] = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        functions = self.prior.graph_functions()
        self.logits_in_keras = tf.function(functions["prior"].function, autograph=False)
        self.draw_in_keras = tf.function(functions["sampler"].function, autograph=False)
        self.margin = functions["sampler"].margin

    def draw(self, way: str, uniforms: np.ndarray, n_timed: int) -> Drawn:
        """Draw once; whole-grid loops stop after ``n_timed`` positions."""
        start = time.perf_counter()
        if way == "whole grid, Keras":
            codes = self._whole_grid(uniforms, n_timed, lambda x: self.logits_in_keras(x)[0].numpy())
        elif way == "whole grid, onnxruntime":
            codes = self._whole_grid(uniforms, n_timed, lambda x: self.sessions["prior"].run(None, {"codes": x})[0])
        elif way == "incremental, Keras":
            # It draws its own uniforms; that takes no time worth mentioning.
            codes = self.prior.sample(len(uniforms), random_state=SEED)
        else:
            codes = self.draw_by_sampler(uniforms)
        seconds = time.perf_counter() - start
        return Drawn(codes, seconds * self.n_positions / n_timed if way.startswith("whole") else seconds)

    def draw_by_sampler(self, uniforms: np.ndarray) -> np.ndarray:
        """Draw with the exported graph."""
        return self.sessions["sampler"].run(None, {"uniforms": uniforms, "temperature": TEMPERATURE})[0]

    def explained(self, uniforms: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """Return of each row (n,) whether all its codes drawn (n, positions drawn) are right up to rounding."""
        whole = np.zeros((len(codes), self.n_positions), np.int64)
        whole[:, : codes.shape[1]] = codes  # what follows does not touch what came before
        margin = self.margin((uniforms, TEMPERATURE), whole)[:, : codes.shape[1]]
        return (margin <= 1).all(axis=1)

    def _whole_grid(self, uniforms: np.ndarray, n_timed: int, logits_of: Callable) -> np.ndarray:
        codes = np.zeros((len(uniforms), self.n_positions), np.int64)
        for position in range(n_timed):
            codes[:, position] = invert(logits_of(codes)[:, position], uniforms[:, position])
        return codes[:, :n_timed]


def invert(logits: np.ndarray, uniforms: np.ndarray) -> np.ndarray:
    """Codes (n,) at whose interval of the cumulative distribution of logits (n, K) the uniforms (n,) lie."""
    cumulative = np.cumsum(np.exp(logits - logits.max(axis=1, keepdims=True)), axis=1)
    passed = (cumulative <= uniforms[:, None] * cumulative[:, -1:]).sum(axis=1)
    return np.minimum(passed, logits.shape[1] - 1)


def measure(samplers: Samplers, batch: int, args: argparse.Namespace) -> list[dict]:
    """Return a line for each way: median milliseconds, positions timed, and agreement with the exported sampler."""
    uniforms = np.random.default_rng(SEED).random((batch, samplers.n_positions), dtype=np.float32)
    n_timed = {}
    for way in WAYS:
        if way.startswith("whole"):
            samplers.draw(way, uniforms, 1)
            one_pass = samplers.draw(way, uniforms, 1).seconds / samplers.n_positions
            n_timed[way] = int(np.clip(args.case_seconds / one_pass, 2, samplers.n_positions))
        else:
            n_timed[way] = samplers.n_positions
            samplers.draw(way, uniforms, samplers.n_positions)
    times: dict[str, list[float]] = {way: [] for way in WAYS}
    codes = {}
    for turn in range(args.repeats):
        # Another way goes first in every turn, so that none always follows the same neighbour.
        for way in np.roll(WAYS, -turn):
            time.sleep(0.02)  # the last way's threads may still be spinning
            drawn = samplers.draw(str(way), uniforms, n_timed[way])
            times[way].append(1000 * drawn.seconds)
            codes[way] = drawn.codes
    expected = samplers.draw_by_sampler(uniforms)
    codes["incremental, Keras"] = samplers.draw_in_keras(uniforms, TEMPERATURE)[0].numpy()
    reference = float(np.median(times[REFERENCE]))
    lines = []
    for way in WAYS:
        n_drawn = codes[way].shape[1]
        differs = (codes[way] != expected[:, :n_drawn]).any(axis=1)
        explained = samplers.explained(uniforms[differs], codes[way][differs]) if differs.any() else differs[:0]
        lines.append(
            {
                "grid": f"{samplers.side} × {samplers.side}",
                "batch": batch,
                "way": way,
                "ms": float(np.median(times[way])),
                "fastest_ms": min(times[way]),
                "slowest_ms": max(times[way]),
                "speedup": reference / float(np.median(times[way])),
                "limit": samplers.n_positions,
                "positions_timed": n_timed[way],
                "agreement": float((codes[way] == expected[:, :n_drawn]).mean()),
                "rows_differing": int(differs.sum()),
                "rows_explained": int(explained.sum()),
            }
        )
    return lines


def report(results: list[dict], args: argparse.Namespace) -> None:
    """Print the table; save it and the figure."""
    rows = []
    for line in results:
        whole = line["positions_timed"] == line["limit"]
        rows.append(
            {
                "grid": line["grid"],
                "batch": str(line["batch"]),
                "way": line["way"],
                "ms": milliseconds(line["ms"]),
                "fastest–slowest": f"{milliseconds(line['fastest_ms'])}–{milliseconds(line['slowest_ms'])}",
                "speed-up": f"{line['speedup']:.1f}",
                "limit": str(line["limit"]) if line["way"].startswith("incremental") else "1",
                "positions timed": "all" if whole else f"{line['positions_timed']}, scaled",
                "agreement": f"{line['agreement']:.5f}",
                "explained": f"{line['rows_explained']} of {line['rows_differing']}" if line["rows_differing"] else "–",
            }
        )
    print(f"\nmilliseconds a call, median of {args.repeats}; speed-up over {REFERENCE}; {args.threads} threads\n")
    print_table(rows)
    table = args.output / "sampling.csv"
    save_table(results, table)
    print(f"table: {table}\nfigure: {draw(results, args)}")


def milliseconds(ms: float) -> str:
    return f"{ms:.2f}" if ms < 10 else f"{ms:.1f}" if ms < 100 else f"{ms:,.0f}"


def draw(results: list[dict], args: argparse.Namespace) -> Path:
    """Save milliseconds over batch, one panel a grid."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    grids = list(dict.fromkeys(line["grid"] for line in results))
    figure, axes = plt.subplots(1, len(grids), figsize=(1 + 4 * len(grids), 4.6), sharey=True, squeeze=False)
    figure.set_layout_engine("constrained")
    for ax, grid in zip(axes[0], grids, strict=True):
        for way in WAYS:
            lines = [line for line in results if line["grid"] == grid and line["way"] == way]
            ax.plot(
                [line["batch"] for line in lines],
                [line["ms"] for line in lines],
                color="C0" if way.startswith("whole") else "C3",
                linestyle="-" if "onnx" in way else "--",
                marker="o",
                markersize=4,
                label=way,
            )
            if way == "incremental, onnxruntime":
                for line in lines:
                    ax.annotate(f"{line['speedup']:.0f}×", (line["batch"], line["ms"]), (0, -7), color="C3",
                                textcoords="offset points", ha="center", va="top", fontsize="small")  # fmt: skip
        batches = [line["batch"] for line in lines]
        ax.set(xscale="log", yscale="log", xlabel="rows drawn at once")
        ax.set_title(f"{grid} codes: at most {lines[0]['limit']}×")
        ax.set_xticks(batches, labels=[str(batch) for batch in batches])
        ax.set_xticks([], minor=True)
        ax.margins(x=0.08, y=0.12)
        ax.grid(alpha=0.25)
        ax.spines[["top", "right"]].set_visible(False)
    axes[0][0].set_ylabel("milliseconds a call")
    axes[0][0].yaxis.set_major_formatter("{x:,.0f}")
    figure.legend(*axes[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
    path = args.output / "sampling.png"
    figure.savefig(path, dpi=130)
    return path


if __name__ == "__main__":
    main()
