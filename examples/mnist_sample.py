"""What does a saved generator need, and what does its temperature do? New digits by label from one file.

    python examples/mnist_sample.py                             every label, from what mnist_generator.py has saved
    python examples/mnist_sample.py --label 3 8 --n 20          twenty threes, twenty eights
    python examples/mnist_sample.py --models FOLDER             from another folder
    python examples/mnist_sample.py --quick                     a small generator, fitted first if none is saved

A few seconds on two cores. No images are read and nothing is fitted, except with ``--quick``. Below 1, the temperature
makes likely codes likelier: digits become cleaner and more alike. The log-likelihood under the prior itself tells how
typical they are.
"""

import os
import time
from pathlib import Path

# TensorFlow reports on its own work at length; the figures below should be seen.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import mnist_generator
import numpy as np
from options import new_parser
from sources import load_digits

import skvq
from skvq import metrics
from skvq.plotting import SampleDisplay


def load(folder: Path, *, quick: bool, seed: int) -> skvq.VQGenerator:
    """Read the generator that mnist_generator.py has saved; if quick and there is none, fit a small one."""
    file = folder / "generator.skvq"
    if file.exists():
        return skvq.load(file)
    if quick:
        print(f"no saved generator in {folder}: a small one is fitted now, and figures below say nothing")
        X, y, _, _ = load_digits(None)
        return mnist_generator.fit(X[:300], y[:300], quick=True, seed=seed)
    raise SystemExit(
        f"--models {folder}: there is no {file.name}. Run examples/mnist_generator.py first, or name the folder that "
        "it wrote to."
    )


def main() -> None:
    parser = new_parser(__doc__, output=None, quick="fit a small generator if none is saved")
    parser.add_argument("--models", type=Path, default=Path("mnist_output"), help="where mnist_generator.py wrote to")
    parser.add_argument("--label", type=int, nargs="+", help="default: every label")
    parser.add_argument("--n", type=int, default=10, help="digits of each label")
    parser.add_argument("--temperature", type=float, nargs="+", default=[0.5, 0.8, 1.0])
    args = parser.parse_args()
    start = time.perf_counter()
    model = load(args.models, quick=args.quick, seed=args.seed)
    print(f"loaded in {time.perf_counter() - start:.1f} s")
    labels = np.repeat(args.label or model.classes_, args.n)
    drawn = {}
    print("temperature   bits per image")
    for temperature in args.temperature:
        codes = model.prior_.sample(len(labels), labels, temperature=temperature, random_state=args.seed)
        drawn[temperature] = model.inverse_transform(codes)
        bits = metrics.bits_per_image(model.prior_.score_samples(codes, labels))
        print(f"{temperature:11.2f}   {bits:14.1f}")
    folder = args.output or args.models
    folder.mkdir(parents=True, exist_ok=True)
    print(
        f"\nfigure: {draw(drawn, labels, model.vqvae_.data_range_, folder)}\nall in {time.perf_counter() - start:.1f} s"
    )


def draw(drawn: dict[float, np.ndarray], labels: np.ndarray, data_range: tuple[float, float], folder: Path) -> Path:
    """Save the digits drawn at each temperature side by side."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    height = 0.5 + 4.0 * len(np.unique(labels)) / 10
    figure, axes = plt.subplots(1, len(drawn), figsize=(4.2 * len(drawn), height), squeeze=False, layout="constrained")
    for ax, (temperature, digits) in zip(axes[0], drawn.items(), strict=True):
        SampleDisplay(digits, labels, data_range=data_range).plot(ax, title=f"temperature {temperature:g}")
    path = folder / "mnist_sample.png"
    figure.savefig(path, dpi=100, bbox_inches="tight", pad_inches=0.05)
    return path


if __name__ == "__main__":
    main()
