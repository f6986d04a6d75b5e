"""What is each pass over an exported graph worth? Nodes and milliseconds with it and without it. About 10 minutes.

    python examples/benchmarks/graph_passes.py
    python examples/benchmarks/graph_passes.py --quick              one part of the small network, once

Each part is finished by all passes of ``skvq.export``, by all but one for each pass, and by none, and runs in
onnxruntime at its default optimisation level. All variants take turns in one process, so that a slow second hits all of
them alike. The table has the median over turns of (time without the pass) / (time with all): above 1 the pass saves
time. A graph that a pass leaves as it was is not run.

The networks are ``VQVAE()`` and ``PixelCNNPrior()`` after one step on random pixels: time does not depend on weights.

    digits    28 × 28 pixels, 7 × 7 codes of 128
    brains    64 × 64 pixels, 16 × 16 codes of 256

``graph_passes_output/graph_passes.csv`` gets the table.
"""

import argparse
import copy
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from runs import environment, machine, print_table, save_table

NETWORKS = {"digits": (28, 128), "brains": (64, 256)}
PARTS = ("encoder", "decoder", "prior", "sampler", "controlled_sampler")
ALL, NONE = "all passes", "no pass"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 16, 64])
    parser.add_argument("--turns", type=int, default=15)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="digits, one part, batch 1, one turn")
    parser.add_argument("--output", type=Path, default=Path("graph_passes_output"))
    args = parser.parse_args()
    if args.quick:
        args.networks, args.parts, args.batches, args.turns = ["digits"], ["sampler"], [1], 1
    # TensorFlow reads these when it is loaded, which the imports below do.
    os.environ.update(environment(args.threads))
    args.output.mkdir(parents=True, exist_ok=True)
    print(machine(), flush=True)
    lines = []
    for network in args.networks:
        functions = functions_of(*NETWORKS[network])
        for part in args.parts:
            measured = measure(functions[part], args)
            rows = [{"network": network, "part": part, **line} for line in measured]
            lines += rows
            print(f"\n{network}, {part}\n", flush=True)
            print_table([{name: row[name] for name in row if name not in ("network", "part")} for row in rows])
    save_table(lines, args.output / "graph_passes.csv")
    print(f"\ntable: {args.output / 'graph_passes.csv'}")


def functions_of(side: int, n_embeddings: int) -> Mapping:
    """Return the parts of an autoencoder and of its prior, both with nearly random weights."""
    from skvq import VQVAE, PixelCNNPrior

    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (2, side, side)).astype(np.uint8)
    vqvae = VQVAE(n_embeddings=n_embeddings, max_iter=1, random_state=0).fit(images)
    codes = generator.integers(0, n_embeddings, (2, (side // 4) ** 2))
    prior = PixelCNNPrior(n_embeddings, conditional=True, max_iter=1, random_state=0).fit(codes, [0, 1])
    return {**vqvae.graph_functions(), **prior.graph_functions()}


def measure(function, args: argparse.Namespace) -> list[dict]:
    """Return a line for each variant of a part's graph."""
    models = variants(function)
    whole = models[ALL].SerializeToString(deterministic=True)
    runs = {
        name: model
        for name, model in models.items()
        if name == ALL or model.SerializeToString(deterministic=True) != whole
    }
    ratios = {batch: take_turns(function, runs, batch, args) for batch in args.batches}
    lines = []
    for name, model in models.items():
        line = {"without": name if name in (ALL, NONE) else f"- {name}", "nodes": str(n_nodes(model.graph))}
        for batch in args.batches:
            ms, ratio = ratios[batch].get(name, (None, None))
            line[f"batch {batch}"] = "same graph" if ms is None else f"{ms:.3g} ms" if name == ALL else f"× {ratio:.2f}"
        lines.append(line)
    return lines


def variants(function) -> dict:
    """Return a part's model by all passes, by all but each, and by none; the part is converted once."""
    from skvq.export._convert import convert
    from skvq.export._passes import PASSES

    raw = convert(function)
    without = {name: {key: PASSES[key] for key in PASSES if key != name} for name in PASSES}
    return {name: finished(function, raw, passes) for name, passes in {ALL: PASSES, **without, NONE: {}}.items()}


def finished(function, raw, passes: Mapping[str, Callable]):
    """Return a part's model by some passes over its raw graph."""
    from unittest import mock

    from skvq.export import _model

    with mock.patch.multiple(_model, PASSES=passes, convert=lambda _: copy.deepcopy(raw)):
        return _model.Converter().model(function)


def n_nodes(graph) -> int:
    """Return the number of a graph's nodes, those inside of loops included."""
    inner = [attribute.g for node in graph.node for attribute in node.attribute if attribute.HasField("g")]
    return len(graph.node) + sum(map(n_nodes, inner))


def take_turns(function, models: Mapping, batch: int, args: argparse.Namespace) -> dict[str, tuple[float, float]]:
    """Return (median milliseconds, median ratio to all passes in the same turn) of each model."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = args.threads
    options.log_severity_level = 3
    inputs = function.example(batch, np.random.default_rng(0))
    feed = {spec.name: np.asarray(x, spec.dtype) for spec, x in zip(function.inputs, inputs, strict=True)}
    sessions = {
        name: onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        for name, model in models.items()
    }
    for session in sessions.values():
        session.run(None, feed)
    times: dict[str, list[float]] = {name: [] for name in sessions}
    for turn in range(args.turns):
        for name in np.roll(list(sessions), -turn):
            times[name].append(fastest_ms(lambda session=sessions[name]: session.run(None, feed)))
    base = np.array(times[ALL])
    return {name: (float(np.median(ms)), float(np.median(np.array(ms) / base))) for name, ms in times.items()}


def fastest_ms(call: Callable, n_repeats: int = 3) -> float:
    """Return the least milliseconds of a few calls."""
    times = []
    for _ in range(n_repeats):
        start = time.perf_counter()
        call()
        times.append(1000 * (time.perf_counter() - start))
    return min(times)


if __name__ == "__main__":
    main()
