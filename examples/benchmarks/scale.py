"""What do more images cost? Seconds and memory of ``fit`` and ``transform`` on arrays on disk: about 4 minutes.

    python examples/benchmarks/scale.py                    up to 2 GB
    python examples/benchmarks/scale.py --rows 4096 131072 up to 8 GB; a sparse file, it needs a sixteenth of that
    python examples/benchmarks/scale.py --quick            8 MB, to see it run: half a minute

The images are 256 × 256 and lie in a file that NumPy maps into memory. Seconds should grow as the rows do, and memory
should not: batches are read when their turn comes. A small network is fitted for one epoch, so that what the rows
themselves cost is seen.

Every size is fitted in a process of its own, but with ``--quick``. ``growth`` is how far the process's resident set,
looked at every 10 ms, went beyond what it was before ``fit``, and before ``transform``; a small fit before that loads
the libraries. It holds everything: also the file's own pages as long as they are mapped, and the codes that
``transform`` answers. Linux only.

``scale_output/`` gets the table (``scale.csv``) and a figure.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
from runs import environment, machine, new_parser, parse, print_table, save_table

SIDE = 256
WRITTEN = 16  # one row in so many holds a picture, and takes space on disk; the others are black
LIMIT = 600  # MB that the process may grow


def main() -> None:
    parser = new_parser(__doc__, output="scale_output", quick="two small arrays, fitted in this process")
    parser.add_argument("--rows", type=int, nargs="+", default=[2048, 8192, 32768], help="sizes of the array")
    parser.add_argument("--run", metavar="FILE", help="fit on one file, in this process")
    args = parse(parser, rows=[64, 128])
    if args.run:
        print(json.dumps(measured(np.load(args.run, mmap_mode="r"))))
        return
    sizes = sorted(args.rows)
    args.output.mkdir(parents=True, exist_ok=True)
    results = []
    with tempfile.TemporaryDirectory(prefix="scale") as folder:
        for n_rows in sizes:
            path = Path(folder, "images.npy")
            write_sparse(path, n_rows)
            answer = measured(np.load(path, mmap_mode="r")) if args.quick else measured_alone(path, args.threads)
            path.unlink()
            results.append({"rows": n_rows, "file_mb": n_rows * SIDE**2 / 1e6, **answer})
            print(f"{n_rows} rows: done", flush=True)
    report(results, args)


def write_sparse(path: Path, n_rows: int) -> None:
    """Write images with a bright disc each, uint8 (n_rows, 256, 256), most of them left out of the file."""
    array = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=(n_rows, SIDE, SIDE))
    generator = np.random.default_rng(0)
    y, x = np.mgrid[:SIDE, :SIDE]
    for row in range(0, n_rows, WRITTEN):
        centre_y, centre_x, radius = generator.uniform((60, 60, 20), (196, 196, 60))
        array[row] = np.where((y - centre_y) ** 2 + (x - centre_x) ** 2 < radius**2, generator.integers(100, 256), 0)


def measured_alone(path: Path, n_threads: int) -> dict[str, float]:
    """Return what :func:`measured` does, of a file's images, in a process of its own."""
    command = [sys.executable, __file__, "--run", str(path)]
    answer = subprocess.run(command, env=environment(n_threads), capture_output=True, text=True)
    if answer.returncode:
        raise SystemExit(f"{path.name}: {answer.stderr.strip().splitlines()[-1]}")
    return json.loads(answer.stdout.splitlines()[-1])


def measured(X: np.ndarray) -> dict[str, float]:
    """Fit and transform, and return what both took."""
    from skvq import VQVAE

    vqvae = VQVAE(
        n_embeddings=32, embedding_dim=4, downsampling=16, hidden_channels=4, n_residual_blocks=0, random_state=0
    )
    vqvae.set_params(max_iter=1).fit(np.array(X[:256]))
    vqvae.transform(np.array(X[:64]))
    answer = {}
    for name, call in (("fit", vqvae.fit), ("transform", vqvae.transform)):
        with ResidentSet() as resident:
            start = time.perf_counter()
            call(X)
            answer[f"{name}_seconds"] = time.perf_counter() - start
        answer[f"{name}_growth_mb"] = resident.growth / 1e6
        answer[f"{name}_growth_anonymous_mb"] = resident.anonymous_growth / 1e6
    return answer


class ResidentSet:
    """How far the process's resident set grows while a ``with`` block runs, in bytes.

    Attributes
    ----------
    growth : int
        All of it.
    anonymous_growth : int
        Without the pages of files.
    """

    def __enter__(self):
        self.before = resident_bytes()
        self.most = dict(self.before)
        self.done = threading.Event()
        self.thread = threading.Thread(target=self._watch)
        self.thread.start()
        return self

    def __exit__(self, *error):
        self.done.set()
        self.thread.join()

    def _watch(self):
        while not self.done.wait(0.01):
            self.most = {name: max(size, self.most[name]) for name, size in resident_bytes().items()}

    @property
    def growth(self) -> int:
        return self.most["VmRSS"] - self.before["VmRSS"]

    @property
    def anonymous_growth(self) -> int:
        return self.most["RssAnon"] - self.before["RssAnon"]


def resident_bytes() -> dict[str, int]:
    """Return the resident set of this process, whole and without pages of files."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return {name: 1024 * int(lines[name].split()[0]) for name in ("VmRSS", "RssAnon")}


def report(results: list[dict], args: argparse.Namespace) -> None:
    """Print the table; save it and the figure."""
    print()
    print_table(
        [
            {
                "rows": f"{r['rows']}",
                "file MB": f"{r['file_mb']:.0f}",
                **{
                    f"{name}: {column}": text
                    for name in ("fit", "transform")
                    for column, text in (
                        ("seconds", f"{r[f'{name}_seconds']:.1f}"),
                        ("per 1000 rows", f"{1000 * r[f'{name}_seconds'] / r['rows']:.2f}"),
                        ("growth MB", f"{r[f'{name}_growth_mb']:.0f}"),
                        ("without files", f"{r[f'{name}_growth_anonymous_mb']:.0f}"),
                    )
                },
            }
            for r in results
        ]
    )
    first, last = results[0], results[-1]
    if last is not first:
        more = last["rows"] - first["rows"]
        for name in ("fit", "transform"):
            slope = (last[f"{name}_seconds"] - first[f"{name}_seconds"]) / more
            growth = (last[f"{name}_growth_mb"] - first[f"{name}_growth_mb"]) / (more * SIDE**2 / 1e6)
            print(f"{name}: {1000 * slope:.2f} s and {growth:.3f} of the file's size for 1000 rows more")
    most = max(r[f"{name}_growth_mb"] for r in results for name in ("fit", "transform"))
    print(f"at most {LIMIT} MB: {'kept' if most < LIMIT else 'exceeded'}, {most:.0f} MB\n{machine()}")
    save_table(results, args.output / "scale.csv")
    print(f"table: {args.output / 'scale.csv'}\nfigure: {draw(results, args)}")


def draw(results: list[dict], args: argparse.Namespace) -> Path:
    """Save seconds and growth over the number of rows."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    rows = np.array([r["rows"] for r in results])
    for color, name in zip(("C0", "C1"), ("fit", "transform"), strict=True):
        style = {"color": color, "marker": "o", "label": "fit, one epoch" if name == "fit" else name}
        left.plot(rows, [r[f"{name}_seconds"] for r in results], **style)
        right.plot(rows, [r[f"{name}_growth_mb"] for r in results], **style)
    right.plot(rows, [r["file_mb"] for r in results], color="grey", linestyle=":", label="the file")
    right.axhline(LIMIT, color="black", linewidth=0.8)
    right.annotate(f"{LIMIT} MB", (rows[-1], LIMIT), xytext=(0, 3), textcoords="offset points", ha="right")
    left.set(xlabel="images of 256 × 256", ylabel="seconds", title="Time")
    right.set(xlabel="images of 256 × 256", ylabel="MB", title="Growth of the process")
    for ax in (left, right):
        ax.set_ylim(bottom=0)
        ax.set_xlim(left=0)
        ax.grid(alpha=0.25)
        ax.legend(frameon=False)
        ax.spines[["top", "right"]].set_visible(False)
    path = args.output / "scale.png"
    figure.savefig(path, dpi=120)
    return path


if __name__ == "__main__":
    main()
