"""What does an autoencoder keep of a brain? Slices at 128 × 128, from the download to figures.

    python examples/brain_128.py --data OASIS.zip                        the 2-D OASIS slices, a zip or a folder
    python examples/brain_128.py --data OASIS.zip --manifest FILE.tsv.gz     and look first whether all are there
    python examples/brain_128.py --quick                                 ellipses in place of brains

About 8 minutes on two cores, and half a minute with ``--quick``. All that is measured is measured on patients of
whom no slice was trained on. The codebook learns by the loss, as in the paper, so that every term of it is seen.
"""

import os
import time
from pathlib import Path

# TensorFlow reports on its own work at length; the figures below should be seen.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from brains import DRAWN, find_slices
from options import new_parser
from sources import readable

from skvq import VQVAE, datasets, metrics
from skvq.plotting import CodeMapDisplay, LossCurveDisplay, ReconstructionDisplay

SIDE = 128
STEPS = 1000  # of training, at 32 slices each


def check_against(manifest: str, path: Path) -> None:
    """End the script unless all files are there and are what they were when they were published."""
    with readable(f"--manifest {manifest}"):
        report = datasets.check_oasis_manifest(path, manifest)
    print(report)
    if not report.complete:
        raise SystemExit("This is not the whole set as it was published: fetch it again, or omit --manifest.")


def open_splits(path: Path) -> dict[str, datasets.OasisSlices]:
    """Open the three splits, which are decoded when they are asked for, and look whether patients stay apart."""
    splits = {name: datasets.open_oasis(path, name, size=SIDE) for name in ("train", "validate", "test")}
    datasets.check_subjects_apart(**{name: slices.subjects for name, slices in splits.items()})
    for name, slices in splits.items():
        print(f"{name:8s} {len(slices):6d} slices of {len(np.unique(slices.subjects)):4d} patients")
    return splits


def report_quality(name: str, vqvae: VQVAE, X: np.ndarray) -> None:
    X_hat = vqvae.reconstruct(X)
    print(
        f"{name:8s} SSIM {metrics.ssim(X, X_hat, data_range=255):.4f}   "
        f"PSNR {metrics.psnr(X, X_hat, data_range=255):.2f} dB   MSE {metrics.mse(X / 255, X_hat / 255):.5f}"
    )


def report_bits(vqvae: VQVAE, X, X_test: np.ndarray) -> None:
    """Print what a pixel costs, the better the more one knows of where codes stand."""
    codes, codes_test = vqvae.transform(X), vqvae.transform(X_test)
    n_embeddings, codes_a_pixel = vqvae.grid_.n_embeddings, vqvae.grid_.n_codes / SIDE**2
    print(f"codes in use {metrics.codes_in_use(codes_test, n_embeddings)} of {n_embeddings}, ", end="")
    print(f"perplexity {metrics.perplexity(codes_test, n_embeddings):.1f}")
    print("bits per pixel, of 8 in the files' images")
    for name, bits in [
        ("each code by its number", metrics.uniform_bits(n_embeddings)),
        ("by how often it occurs", metrics.marginal_bits(codes, codes_test, n_embeddings)),
        ("and where", metrics.per_position_bits(codes, codes_test, n_embeddings)),
        ("or beside which others", metrics.context_bits(codes, codes_test, n_embeddings, vqvae.grid_.shape)),
    ]:
        print(f"  {name:24s} {bits * codes_a_pixel:.4f}")


def main() -> None:
    parser = new_parser(__doc__, output="brain_128_output", quick="few slices, two epochs, a small network")
    parser.add_argument("--data", help="a folder or a zip in the layout of the 2-D OASIS slices")
    parser.add_argument("--manifest", help="table of the files' hashes, .tsv.gz with the columns path, sha256, bytes")
    parser.add_argument("--epochs", type=int, help=f"default: as many as make {STEPS} steps")
    args = parser.parse_args()
    started = time.perf_counter()
    with find_slices(args.data, quick=args.quick) as path:
        if args.manifest:
            check_against(args.manifest, path)
        with readable(f"--data {path}"):
            splits = open_splits(path)
        args.output.mkdir(parents=True, exist_ok=True)
        if args.quick:
            splits = {name: slices[:: max(1, len(slices) // 32)] for name, slices in splits.items()}
        X, X_validate, X_test = splits["train"], np.asarray(splits["validate"]), np.asarray(splits["test"])
        epochs = args.epochs or (2 if args.quick else max(1, STEPS * 32 // len(X)))

        start = time.perf_counter()
        vqvae = VQVAE(
            n_embeddings=256,
            beta=0.25,
            quantizer="gradient",
            downsampling=4,
            hidden_channels=16 if args.quick else 64,
            n_residual_blocks=0 if args.quick else 2,
            max_iter=epochs,
            verbose=1,
            random_state=args.seed,
        ).fit(X)
        print(f"{epochs} epochs in {time.perf_counter() - start:.0f} s\n")
        report_quality("validate", vqvae, X_validate)
        report_quality("test", vqvae, X_test)
        report_bits(vqvae, X, X_test)
        figure = draw(vqvae, X_test, args.output, title=DRAWN if args.data is None else "")
    print(f"\nfigure: {figure}\nall in {time.perf_counter() - started:.0f} s")


def loss_terms(vqvae: VQVAE) -> dict[str, np.ndarray]:
    """Return every term of the loss, epoch by epoch; the VQ loss is what the two of the codebook add to the total."""
    history = {name: np.array(values) for name, values in vqvae.history_.items() if name.endswith("loss")}
    weighed = history["codebook_loss"] + vqvae.beta * history["commitment_loss"]
    return {**history, "vq_loss": vqvae.vq_weight * weighed}


def draw(vqvae: VQVAE, X_test: np.ndarray, folder: Path, title: str) -> Path:
    """Save reconstructions, maps of codes and the curves of the loss as one figure."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplot_mosaic(
        [["reconstructions", "curves"], ["codes", "curves"]],
        figsize=(12, 6.4),
        width_ratios=[1.5, 1],
        height_ratios=[1.45, 1],
        layout="constrained",
    )
    shown = X_test[np.linspace(0, len(X_test) - 1, 6).astype(int)]
    ReconstructionDisplay.from_estimator(vqvae, shown, show_difference=True, ax=axes["reconstructions"])
    CodeMapDisplay.from_estimator(vqvae, shown, ax=axes["codes"])
    # Codebook and commitment are one distance, each with a gradient of its own.
    title_of_curves = "Every term of the loss\n(codebook and commitment are equal)"
    LossCurveDisplay(loss_terms(vqvae)).plot(axes["curves"], title=title_of_curves)
    figure.suptitle(title)
    path = folder / "brain_128.png"
    figure.savefig(path, dpi=100)
    return path


if __name__ == "__main__":
    main()
