"""Which codes make new brains? Grey slices at 256 × 256: 32 codes of 128 numbers, and another choice beside them.

    python examples/oasis_256.py --data OASIS.zip             the 2-D OASIS slices, a zip or a folder
    python examples/oasis_256.py --data SLICES.npz            arrays x_train, x_test, subject_train, subject_test
    python examples/oasis_256.py --quick                      ellipses in place of brains

About half an hour on two cores, and half a minute with ``--quick``. Both autoencoders get equally many slices, and both
priors equally many codes to learn from, so that one takes about as long as the other.

- "32 codes" stands on 64 × 64 positions: 32 embeddings of dimension 128, squared error, and a prior that is told
  nothing. It has 4,096 codes to draw.
- "512 codes" stands on 32 × 32 positions, so that each code says more, and the prior has a quarter to draw. The loss
  weighs structure (SSIM) beside absolute error, and the prior is told how high in the head the slice lies.
"""

import argparse
import os
import time
from pathlib import Path
from typing import NamedTuple

# TensorFlow reports on its own work at length; the figures below should be seen.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from brains import DRAWN, find_slices
from options import new_parser
from sources import readable

from skvq import VQVAE, PixelCNNPrior, VQGenerator, datasets, metrics
from skvq.networks import losses
from skvq.plotting import CodeMapDisplay, ReconstructionDisplay, SampleDisplay

SIDE = 256
LEVELS = 8  # of height in the head
N_NEW = 16
# In training, the same ones several times where there are fewer.
SLICES_SEEN = 9600
CODES_SEEN = SLICES_SEEN * 32 * 32


class Choice(NamedTuple):
    """Settings of an autoencoder and of its prior."""

    vqvae: dict
    prior: dict

    def labels(self, levels: np.ndarray) -> np.ndarray | None:
        """Return the levels for a conditional prior, and None for one that is not."""
        return levels if self.prior.get("conditional") else None


def structure_and_error(images, reconstructions):
    return 0.5 * losses.ssim(images, reconstructions) + 0.5 * losses.mae(images, reconstructions)


CHOICES = {
    "32 codes": Choice(
        {"n_embeddings": 32, "embedding_dim": 128, "downsampling": 4, "reconstruction_loss": "mse"},
        {},
    ),
    "512 codes": Choice(
        {"n_embeddings": 512, "embedding_dim": 32, "downsampling": 8, "reconstruction_loss": structure_and_error},
        {"conditional": True},
    ),
}


def load_slices(path: Path) -> tuple:
    """Return X_train, levels_train, X_test, levels_test; slices of files are decoded when they are asked for."""
    if path.suffix == ".npz":
        with np.load(path) as arrays:
            X, subjects = arrays["x_train"], arrays["subject_train"]
            X_test, subjects_test = arrays["x_test"], arrays["subject_test"]
    else:
        X, X_test = (datasets.open_oasis(path, split, size=SIDE) for split in ("train", "test"))
        subjects, subjects_test = X.subjects, X_test.subjects
    datasets.check_subjects_apart(train=subjects, test=subjects_test)
    print(f"{len(X)} slices of {len(np.unique(subjects))} patients to train on, ", end="")
    print(f"{len(X_test)} of {len(np.unique(subjects_test))} to test on")
    return X, heights(subjects), np.asarray(X_test), heights(subjects_test)


def heights(subjects: np.ndarray) -> np.ndarray:
    """Return the level of each slice, 0 to LEVELS - 1, by its place among its patient's slices, which ascend."""
    levels = np.empty(len(subjects), np.int64)
    for patient in np.unique(subjects):
        rows = np.flatnonzero(subjects == patient)
        levels[rows] = np.arange(len(rows)) * LEVELS // len(rows)
    return levels


def fit(choice: Choice, X, levels: np.ndarray, args: argparse.Namespace) -> VQGenerator:
    """Fit the autoencoder, then the prior on its codes."""
    small_network = {"hidden_channels": 8, "n_residual_blocks": 0} if args.quick else {}
    small_prior = {"hidden_channels": 8, "n_layers": 1} if args.quick else {}
    n_codes = (SIDE // choice.vqvae["downsampling"]) ** 2  # of a slice
    epochs, prior_epochs = (max(1, round(seen / len(X))) for seen in (SLICES_SEEN, CODES_SEEN / n_codes))
    if args.quick:
        epochs = prior_epochs = 1
    common = {"verbose": 1, "random_state": args.seed}
    vqvae = VQVAE(**choice.vqvae, **small_network, max_iter=args.epochs or epochs, **common)
    prior = PixelCNNPrior(
        **choice.prior, **small_prior, early_stopping=False, max_iter=args.prior_epochs or prior_epochs, **common
    )
    start = time.perf_counter()
    model = VQGenerator(vqvae, prior).fit(X, choice.labels(levels))
    print(f"{model.vqvae_.n_iter_} epochs of the autoencoder and {model.prior_.n_iter_} of the prior ", end="")
    print(f"in {time.perf_counter() - start:.0f} s", flush=True)
    return model


def report(model: VQGenerator, X, X_test: np.ndarray, labels: np.ndarray | None) -> str:
    """Print what is lost, and what is left to guess; return it in a line."""
    X_hat, codes, codes_test = model.reconstruct(X_test), model.transform(X), model.transform(X_test)
    n_embeddings, n_codes = model.grid_.n_embeddings, model.grid_.n_codes
    ssim = metrics.ssim(X_test, X_hat, data_range=255)
    psnr = metrics.psnr(X_test, X_hat, data_range=255)
    bits = model.prior_.bits_per_code(codes_test, labels)
    print(f"test SSIM        {ssim:.4f}")
    print(f"test PSNR        {psnr:.2f} dB")
    print(f"perplexity       {metrics.perplexity(codes_test, n_embeddings):.1f} of {n_embeddings}")
    print(f"bits per code    {bits:.3f}, and {metrics.per_position_bits(codes, codes_test, n_embeddings):.3f} ", end="")
    print(f"without a prior, at {n_codes} positions")
    print(f"bits per pixel   {bits * n_codes / SIDE**2:.4f}")
    return f"SSIM {ssim:.3f}, {psnr:.1f} dB, {bits * n_codes / SIDE**2:.3f} bits a pixel"


def main() -> None:
    parser = new_parser(__doc__, output="oasis_256_output", quick="few slices, one epoch, small networks")
    parser.add_argument("--data", help="a folder or a zip in the layout of the 2-D OASIS slices, or an .npz file")
    parser.add_argument("--choices", nargs="+", choices=list(CHOICES), default=list(CHOICES))
    parser.add_argument("--epochs", type=int, help=f"of an autoencoder; default: until it has seen {SLICES_SEEN}")
    parser.add_argument("--prior-epochs", type=int, help=f"of a prior; default: until it has seen {CODES_SEEN} codes")
    args = parser.parse_args()
    started = time.perf_counter()
    columns = []
    with find_slices(args.data, quick=args.quick) as path:
        with readable(f"--data {path}"):
            X, levels, X_test, levels_test = load_slices(path)
        args.output.mkdir(parents=True, exist_ok=True)
        if args.quick:
            thin = slice(None, None, max(1, len(X) // 32))
            X, levels, X_test, levels_test = X[thin], levels[thin], X_test[:8], levels_test[:8]
        for name in args.choices:
            print(f"\n{name}\n{'-' * len(name)}", flush=True)
            choice = CHOICES[name]
            model = fit(choice, X, levels, args)
            line = report(model, X, X_test, choice.labels(levels_test))
            start = time.perf_counter()
            n_new = 4 if args.quick else N_NEW
            at_levels = np.sort(np.resize(np.unique(levels), n_new))
            new = model.sample(n_new, choice.labels(at_levels), random_state=args.seed)
            print(f"{n_new} new slices in {time.perf_counter() - start:.1f} s")
            new_title = "New slices" if model.classes_ is None else "New slices, from low in the head to high"
            columns.append((name, line, model, new, new_title))
    shown = X_test[np.linspace(0, len(X_test) - 1, 4).astype(int)]
    figure = draw(columns, shown, args.output, title=DRAWN if args.data is None else "")
    print(f"\nfigure: {figure}\nall in {time.perf_counter() - started:.0f} s")


def draw(columns: list[tuple], shown: np.ndarray, folder: Path, title: str) -> Path:
    """Save, for each choice in a column, reconstructions, maps of codes and new slices."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    size = (5.2 * len(columns), 9.6)
    shape = {"height_ratios": [2.6, 2.0, 4.2], "squeeze": False, "layout": "constrained"}
    figure, axes = plt.subplots(3, len(columns), figsize=size, **shape)
    for (reconstructions, codes, samples), (name, line, model, new, new_title) in zip(axes.T, columns, strict=True):
        ReconstructionDisplay.from_estimator(model, shown, ax=reconstructions, title=f"{name}\n{line}")
        CodeMapDisplay.from_estimator(model, shown, ax=codes)
        images = np.asarray(new).reshape(-1, SIDE, SIDE)
        SampleDisplay(images, data_range=(0, 255)).plot(samples, n_columns=4, title=new_title)
    figure.suptitle(title)
    path = folder / "oasis_256.png"
    figure.savefig(path, dpi=90, bbox_inches="tight", pad_inches=0.05)
    return path


if __name__ == "__main__":
    main()
