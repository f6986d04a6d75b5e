"""Draw the figures of the guide that no example leaves: ``python docs/make_figures.py``, about 5 minutes on two cores.

They are stored in ``docs/figures/``, so that the site is built without training anything.
"""

import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from skvq import VQVAE, datasets, metrics
from skvq.plotting import CodebookDisplay, CodeMapDisplay

FOLDER = Path(__file__).parent / "figures"
DOWNSAMPLINGS, SIZES = (2, 4, 8), (32, 128, 512)
N_TRAIN, N_EPOCHS = 2000, 10


def draw_codes(vqvae: VQVAE, image: np.ndarray) -> None:
    """Draw an image, its codes as numbers on their colours, and its reconstruction."""
    codes = vqvae.grid_.to_grid(vqvae.transform(image[None]))
    colors = CodeMapDisplay(image[None], codes, vqvae.codebook_, counts=vqvae.code_counts_).colors
    figure, axes = plt.subplots(1, 3, figsize=(9, 3.3), layout="constrained")
    titles = (
        "28 × 28 pixels, 6,272 bits",
        f"{vqvae.grid_}, {vqvae.grid_.max_bits:.0f} bits",
        "decoded from the codes",
    )
    shown = (image, colors[codes[0]], vqvae.reconstruct(image[None])[0])
    for ax, title, picture in zip(axes, titles, shown, strict=True):
        ax.imshow(picture, cmap="gray", vmin=0, vmax=255)
        ax.set_title(title, fontsize="medium")
        ax.set_xticks([])
        ax.set_yticks([])
    lines = np.arange(4, 28, 4) - 0.5
    axes[0].vlines(lines, -0.5, 27.5, color="C1", linewidth=0.5)
    axes[0].hlines(lines, -0.5, 27.5, color="C1", linewidth=0.5)
    for (row, column), code in np.ndenumerate(codes[0]):
        dark = colors[code].mean() < 0.5
        axes[1].text(column, row, code, ha="center", va="center", fontsize=8, color="white" if dark else "black")
    figure.savefig(FOLDER / "codes.png", dpi=130)


def draw_codebook(vqvae: VQVAE, images: np.ndarray) -> None:
    """Draw the codebook beside images and their code maps."""
    figure, (upper, lower) = plt.subplots(2, 1, figsize=(10, 6.5), height_ratios=[2.2, 1], layout="constrained")
    CodebookDisplay.from_estimator(vqvae, ax=upper)
    CodeMapDisplay.from_estimator(vqvae, images, ax=lower)
    figure.savefig(FOLDER / "codebook.png", dpi=110, bbox_inches="tight")


def draw_choice(X_train: np.ndarray, X_test: np.ndarray) -> None:
    """Draw error against bits for several sizes of the codebook and several downsamplings, and print both."""
    figure, ax = plt.subplots(figsize=(7, 4), layout="constrained")
    for downsampling in DOWNSAMPLINGS:
        bits, errors = [], []
        for n_embeddings in SIZES:
            vqvae = VQVAE(n_embeddings, downsampling=downsampling, max_iter=N_EPOCHS, random_state=0).fit(X_train)
            bits.append(vqvae.grid_.max_bits)
            errors.append(vqvae.reconstruction_errors(X_test).mean() / 255**2)
            perplexity = metrics.perplexity(vqvae.transform(X_test), n_embeddings)
            print(f"{vqvae.grid_}: {bits[-1]:.0f} bits, MSE {errors[-1]:.4f}, perplexity {perplexity:.0f}", flush=True)
        (line,) = ax.plot(
            bits,
            errors,
            "o-",
            label=f"downsampling {downsampling}: {vqvae.grid_.plane[0]} × {vqvae.grid_.plane[1]} codes",
        )
        for n_embeddings, x, y in zip(SIZES, bits, errors, strict=True):
            ax.annotate(f"K={n_embeddings}", (x, y), xytext=(4, 5), textcoords="offset points", color=line.get_color())
    ax.set(xscale="log", yscale="log", xlabel="bits an image, log2(K) a code", ylabel="MSE of unseen digits, on [0, 1]")
    ax.margins(0.15)
    ax.grid(alpha=0.3, which="both")
    ax.legend(frameon=False)
    figure.savefig(FOLDER / "choosing.png", dpi=110)


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    X, y = datasets.load_mnist_sample()
    vqvae = VQVAE(random_state=0).fit(X[:4500])
    draw_codes(vqvae, X[4500:][y[4500:] == 3][0])
    draw_codebook(vqvae, X[4500:4510])
    draw_choice(X[:N_TRAIN], X[4500:])


if __name__ == "__main__":
    main()
