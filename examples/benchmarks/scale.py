"""What do more images cost, in memory, in files and in chunks? About 40 minutes.

    python examples/benchmarks/scale.py                       up to 2,000,000 of 28 × 28 and 20,000 of 256 × 256
    python examples/benchmarks/scale.py --kinds memmap zarr   some kinds of X alone
    python examples/benchmarks/scale.py --quick               a few thousand images, to see it run: a minute

Images are drawn, stored in each kind of file, and read as ``fit`` reads them. Every measurement has a process of its
own, but with ``--quick``. Columns, for each kind of X and number of images:

- ``door``: the pass over all values before training, in seconds for a million images,
- ``read``: an epoch's shuffled batches without training, in seconds for a million images; where an epoch is longer than
  250,000 images, of its first ones,
- ``codes``: ``transform`` by a small network, likewise,
- ``growth``: how far the process grew in all that, in MB, beyond the codes that it returned,
- ``waiting``: the share of ``VQVAE().fit`` that training waited for data, for one epoch of ``--fit-rows`` images.

Costs an image should not depend on the number of images, and growth should not either, but for X in memory. A PNG zip
is measured up to 100,000 images. Linux only. ``scale_output/`` gets the table (``scale.csv``) and a figure.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from runs import available, environment, machine, new_parser, parse, print_table, save_table

BATCH_SIZES = {28: 32, 256: 4}  # those of VQVAE()
CHUNK_ROWS = {28: 1024, 256: 32}
MOST_READ = 250_000  # images
MOST_IN_ZIP = 100_000
KINDS = ("memory", "memmap", "hdf5", "hdf5 gzip", "zarr", "dask", "zip")
REQUIREMENTS = {
    "hdf5": {"h5py": "h5py"},
    "hdf5 gzip": {"h5py": "h5py"},
    "zarr": {"zarr": "zarr"},
    "dask": {"zarr": "zarr", "dask": "dask[array]"},
    "zip": {"PIL": "pillow"},
}


def main() -> None:
    parser = new_parser(__doc__, output="scale_output", quick="a few thousand images, in this process")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--rows-28", type=int, nargs="*", default=[100_000, 500_000, 2_000_000])
    parser.add_argument("--rows-256", type=int, nargs="*", default=[5_000, 20_000])
    parser.add_argument("--fit-rows", type=int, default=100_000, help="images of 28 × 28; a twentieth of 256 × 256")
    parser.add_argument("--run", nargs=3, metavar=("KIND", "SIDE", "ROWS"), help="one measurement, in this process")
    args = parse(parser, rows_28=[2000], rows_256=[64], fit_rows=2000)
    if args.run:
        kind, side, n_rows = args.run[0], int(args.run[1]), int(args.run[2])
        print(json.dumps(measured(kind, side, n_rows, args.fit_rows)))
        return
    sizes = [(28, n) for n in sorted(args.rows_28)] + [(256, n) for n in sorted(args.rows_256)]
    results = []
    for kind in available(args.kinds, REQUIREMENTS):
        for side, n_rows in sizes:
            n_rows = min(n_rows, MOST_IN_ZIP) if kind == "zip" else n_rows
            if any((r["kind"], r["side"], r["rows"]) == (kind, side, n_rows) for r in results):
                continue
            answer = measured(kind, side, n_rows, args.fit_rows) if args.quick else alone(kind, side, n_rows, args)
            results.append({"kind": kind, "side": side, "rows": n_rows, **answer})
            print(f"{kind}, {n_rows} of {side} × {side}: done", flush=True)
    report(results, args)


def alone(kind: str, side: int, n_rows: int, args: argparse.Namespace) -> dict[str, float]:
    """Return what :func:`measured` does, in a process of its own."""
    command = [sys.executable, __file__, "--run", kind, str(side), str(n_rows), "--fit-rows", str(args.fit_rows)]
    answer = subprocess.run(command, env=environment(args.threads), capture_output=True, text=True)
    if answer.returncode:
        raise SystemExit(f"{kind}: {answer.stderr.strip().splitlines()[-1]}")
    return json.loads(answer.stdout.splitlines()[-1])


def drawn(side: int, n_rows: int) -> Iterator[np.ndarray]:
    """Yield images of a bright disc each, uint8, a chunk of rows at a time; the same 4,096 discs again and again."""
    generator = np.random.default_rng(0)
    y, x = np.mgrid[:side, :side] / side
    parameters = generator.uniform((0.25, 0.25, 0.1, 100), (0.75, 0.75, 0.25, 256), (min(4096, n_rows), 4))
    step = CHUNK_ROWS[side]
    for start in range(0, n_rows, step):
        rows = parameters[np.arange(start, min(start + step, n_rows)) % len(parameters)].T[..., None, None]
        yield np.where((y - rows[0]) ** 2 + (x - rows[1]) ** 2 < rows[2] ** 2, rows[3], 0).astype(np.uint8)


def stored(kind: str, side: int, n_rows: int, folder: Path):
    """Return X of a kind."""
    shape, chunks = (n_rows, side, side), (CHUNK_ROWS[side], side, side)
    if kind == "zip":
        from PIL import Image

        from skvq.datasets import open_images

        with zipfile.ZipFile(folder / "x.zip", "w") as archive:
            for number, image in enumerate(image for chunk in drawn(side, n_rows) for image in chunk):
                Image.fromarray(image).save(folder / "x.png")
                archive.write(folder / "x.png", f"{number}.png")
        return open_images(folder / "x.zip")
    if kind == "memory":
        X = np.empty(shape, np.uint8)
    elif kind == "memmap":
        X = np.lib.format.open_memmap(folder / "x.npy", mode="w+", dtype=np.uint8, shape=shape)
    elif kind.startswith("hdf5"):
        import h5py

        settings = {"chunks": chunks, "compression": "gzip"} if kind.endswith("gzip") else {}
        X = h5py.File(folder / "x.h5", "w").create_dataset("x", shape, np.uint8, **settings)
    else:
        import zarr

        X = zarr.create_array(str(folder / "x.zarr"), shape=shape, chunks=chunks, dtype="uint8")
    start = 0
    for images in drawn(side, n_rows):
        X[start : start + len(images)] = images
        start += len(images)
    if kind == "memmap":
        X.flush()
        return np.load(folder / "x.npy", mmap_mode="r")
    if kind == "dask":
        import dask.array

        return dask.array.from_zarr(str(folder / "x.zarr"))
    return X


def measured(kind: str, side: int, n_rows: int, fit_rows: int) -> dict[str, float]:
    """Read, encode and fit images of one kind, and return what it took."""
    from skvq import VQVAE
    from skvq._data import ImageSource, shuffled_batches
    from skvq._data.order import divided

    fit_rows = fit_rows if side == 28 else fit_rows // 20
    small = VQVAE(
        32, 4, downsampling=4 if side == 28 else 16, hidden_channels=4, n_residual_blocks=0, max_iter=1, random_state=0
    )
    small.fit(next(drawn(side, 64)))
    with tempfile.TemporaryDirectory(prefix="scale") as folder:
        X = stored(kind, side, n_rows, Path(folder))
        n_read, size = min(n_rows, MOST_READ), BATCH_SIZES[side]
        with ResidentSet() as resident:
            source = ImageSource(X)
            start = time.perf_counter()
            source.values()
            door = time.perf_counter()
            training, _ = divided(n_rows, 0, np.random.default_rng(0))
            batches = shuffled_batches(training, size, np.random.default_rng(0), source.blocks)
            for batch in islice(batches, n_read // size):
                source.rows(batch.rows)
                source.keep(batch.blocks_ahead)
            read = time.perf_counter()
            codes = small.transform(X[:n_read] if isinstance(X, np.ndarray) else First(X, n_read))
            end = time.perf_counter()
        answer = {
            "door": (door - start) / n_rows,
            "read": (read - door) / n_read,
            "codes": (end - read) / n_read,
            "growth_mb": (resident.growth - codes.nbytes) / 1e6,
        }
        answer["waiting"] = share_of_waiting(X) if n_rows == fit_rows else float("nan")
        return answer


class First:
    """The first rows of what slices, without reading them."""

    def __init__(self, X, n_rows: int):
        self.X, self.shape, self.dtype, self.ndim = X, (n_rows, *X.shape[1:]), X.dtype, len(X.shape)
        self.chunks = getattr(X, "chunks", None)
        if self.chunks is not None and isinstance(self.chunks[0], tuple):
            self.chunks = tuple(sizes[0] for sizes in self.chunks)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows):
        return self.X[rows]


def share_of_waiting(X) -> float:
    """Return the part of an epoch's time that training waited for data."""
    from skvq import VQVAE
    from skvq.training import Trainer

    trainers, run = [], Trainer.run

    def noted(trainer):
        trainers.append(trainer)
        return run(trainer)

    Trainer.run = noted
    try:
        start = time.perf_counter()
        VQVAE(max_iter=1, random_state=0).fit(X)
        return trainers[0].seconds_waiting / (time.perf_counter() - start)
    finally:
        Trainer.run = run


class ResidentSet:
    """How far the process's resident set grows while a ``with`` block runs, in bytes.

    Attributes
    ----------
    growth : int
    """

    def __enter__(self):
        self.before = self.most = resident_bytes()
        self.done = threading.Event()
        self.thread = threading.Thread(target=self._watch)
        self.thread.start()
        return self

    def __exit__(self, *error):
        self.done.set()
        self.thread.join()

    def _watch(self):
        while not self.done.wait(0.01):
            self.most = max(self.most, resident_bytes())

    @property
    def growth(self) -> int:
        return self.most - self.before


def resident_bytes() -> int:
    """Return the resident set of this process."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return 1024 * int(lines["VmRSS"].split()[0])


def report(results: list[dict], args: argparse.Namespace) -> None:
    """Print and save the table."""
    print()
    print_table(
        [
            {
                "X": r["kind"],
                "images": f"{r['rows']:,}",
                "side": f"{r['side']}",
                **{f"{name}, s a million": f"{1e6 * r[name]:.1f}" for name in ("door", "read", "codes")},
                "growth, MB": f"{r['growth_mb']:.0f}",
                "waiting": "–" if np.isnan(r["waiting"]) else f"{r['waiting']:.1%}",
            }
            for r in results
        ]
    )
    print(machine())
    args.output.mkdir(parents=True, exist_ok=True)
    save_table(results, args.output / "scale.csv")
    print(f"table: {args.output / 'scale.csv'}\nfigure: {draw(results, args)}")


def draw(results: list[dict], args: argparse.Namespace) -> Path:
    """Save the cost of an image over the number of images, for each kind of X."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    sides = list(dict.fromkeys(r["side"] for r in results))
    figure, grid = plt.subplots(len(sides), 3, figsize=(12, 3.4 * len(sides)), squeeze=False, layout="constrained")
    for row, side in zip(grid, sides, strict=True):
        for ax, name in zip(row, ("door", "read", "codes"), strict=True):
            for kind in dict.fromkeys(r["kind"] for r in results):
                lines = [r for r in results if (r["kind"], r["side"]) == (kind, side)]
                ax.plot([r["rows"] for r in lines], [1e6 * r[name] for r in lines], marker="o", label=kind)
            ax.set(xscale="log", yscale="log", xlabel=f"images of {side} × {side}", title=name)
            ax.grid(alpha=0.25)
            ax.spines[["top", "right"]].set_visible(False)
        row[0].set_ylabel("seconds a million images")
    grid[0, 0].legend(frameon=False, fontsize="small")
    path = args.output / "scale.png"
    figure.savefig(path, dpi=130)
    return path


if __name__ == "__main__":
    main()
