"""What the benchmarks share: their options, runs each in a process of its own, and the tables made of them."""

import argparse
import csv
import importlib.metadata
import importlib.util
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev


def new_parser(description: str, *, output: str | None, quick: str) -> argparse.ArgumentParser:
    """Return a parser that knows ``--threads``, ``--output`` and ``--quick``.

    Parameters
    ----------
    description : str
        The docstring of the benchmark.
    output : str or None
        Default folder for what the benchmark writes; None if it only prints.
    quick : str
        What ``--quick`` makes smaller.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    if output is not None:
        parser.add_argument("--output", type=Path, default=output, help="folder to write to (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help=f"to see it run: {quick}")
    return parser


def add_run_arguments(parser: argparse.ArgumentParser, *, seeds: int) -> None:
    """Add the options of a benchmark that runs every method in a process of its own, see :func:`run_interleaved`."""
    parser.add_argument("--seeds", type=int, default=seeds)
    parser.add_argument("--resume", action="store_true", help="keep the runs there that had the same settings")
    parser.add_argument("--run", metavar="NAME", help="do one run, in this process")
    parser.add_argument("--seed", type=int, default=0, help="of the one run")


def parse(
    parser: argparse.ArgumentParser, arguments: Sequence[str] | None = None, **quick_defaults
) -> argparse.Namespace:
    """Parse the arguments; with ``--quick``, ``quick_defaults`` take the place of the options' defaults."""
    args = parser.parse_args(arguments)
    if args.quick:
        parser.set_defaults(**quick_defaults)
        args = parser.parse_args(arguments)
    return args


def environment(n_threads: int) -> dict[str, str]:
    """Return the variables that give every library the same number of threads."""
    n = str(n_threads)
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    tensorflow = {"TF_NUM_INTRAOP_THREADS": n, "TF_NUM_INTEROP_THREADS": n, "TF_CPP_MIN_LOG_LEVEL": "3"}
    return {**os.environ, **dict.fromkeys(names, n), **tensorflow}


def available(methods: Iterable[str], requirements: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Return the methods whose modules are installed, and say of each other one what it lacks.

    Parameters
    ----------
    methods : iterable of str
    requirements : mapping
        Method to {module: name on PyPI}.
    """
    usable = []
    for method in methods:
        needed = requirements.get(method, {})
        missing = [package for module, package in needed.items() if importlib.util.find_spec(module) is None]
        if missing:
            print(f"{method}: skipped, not installed: {', '.join(missing)}")
        else:
            usable.append(method)
    return usable


def options_of(settings: Mapping) -> list[str]:
    """Return settings as arguments: ``--name value``, or ``--name`` for True; None and False are left out."""
    arguments = []
    for name, value in settings.items():
        if value is True:
            arguments.append(f"--{name}")
        elif value is not None and value is not False:
            arguments += [f"--{name}", str(value)]
    return arguments


def run_interleaved(
    main: Callable, script: str, methods: Sequence[str], seeds: int, settings: dict, folder: Path, *, resume: bool
) -> list[dict]:
    """Run every method with every seed, one at a time, method after method, so that a slow hour hits all alike.

    Parameters
    ----------
    main : callable
        The script's function, called with the arguments in this process if ``settings["quick"]``: to start a process
        would take longer than the run. An error then ends the script.
    script : str
        Called as ``script --run METHOD --seed SEED --output FOLDER`` and with each of the settings as an option.
    settings : dict
        Options by name, ``threads`` and ``quick`` among them.
    folder : Path
        Results go to ``runs/METHOD-SEED.json`` in it.
    resume : bool
        Whether results already there that were made with the same settings stand.

    Returns
    -------
    list of dict
        The results of the runs that succeeded; of each other one a line says so.
    """
    results = []
    for seed in range(seeds):
        for method in methods:
            path = result_path(folder, method, seed)
            kept = json.loads(path.read_text()) if resume and path.exists() else {}
            if kept.get("settings") == settings:
                print(f"{method}, seed {seed}: kept from an earlier run", flush=True)
                results.append(kept)
                continue
            print(f"{method}, seed {seed}: running", flush=True)
            path.unlink(missing_ok=True)
            arguments = options_of({"run": method, "seed": seed, "output": folder, **settings})
            if settings["quick"]:
                main(arguments)
                results.append(json.loads(path.read_text()))
                continue
            command = [sys.executable, script, *arguments]
            process = subprocess.run(command, env=environment(settings["threads"]), stderr=subprocess.PIPE, text=True)
            if process.returncode or not path.exists():
                lines = [line for line in process.stderr.splitlines() if line.strip()]
                print(f"{method}, seed {seed}: FAILED, {lines[-1] if lines else 'without a word'}", flush=True)
                continue
            results.append(json.loads(path.read_text()))
    return results


def save_result(folder: Path, method: str, seed: int, settings: dict, result: dict) -> None:
    """Write one run's result."""
    path = result_path(folder, method, seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"method": method, "seed": seed, "settings": settings, **result, "machine": machine()}
    path.write_text(json.dumps(content, indent=1) + "\n")


def result_path(folder: Path, method: str, seed: int) -> Path:
    return folder / "runs" / f"{method}-{seed}.json"


def machine() -> str:
    """Return the processor, cores and versions that figures depend on."""
    packages = ("keras", "tensorflow", "torch", "scikit-learn", "onnxruntime", "vector-quantize-pytorch", "pythae")
    versions = []
    for package in packages:
        try:
            versions.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{cores} cores of {processor()}, Python {platform.python_version()}, {', '.join(versions)}"


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def spread(values: Sequence[float | None], digits: int) -> str:
    """Return ``mean ± standard deviation`` of runs, the mean alone of one run, and a dash of none."""
    known = [value for value in values if value is not None]
    if not known:
        return "–"
    text = f"{mean(known):.{digits}f}"
    return text if len(known) == 1 else f"{text} ± {stdev(known):.{digits}f}"


def print_table(rows: Sequence[Mapping[str, str]]) -> None:
    """Print rows of equal keys as a table, the first column to the left and the others to the right."""
    names = list(rows[0])
    widths = {name: max(len(name), *(len(row[name]) for row in rows)) for name in names}
    for row in [{name: name for name in names}, {name: "-" * widths[name] for name in names}, *rows]:
        cells = [row[name].ljust(widths[name]) if name == names[0] else row[name].rjust(widths[name]) for name in names]
        print("  ".join(cells).rstrip())


def save_table(rows: Sequence[Mapping], path: Path) -> None:
    """Write rows of equal keys as CSV."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
