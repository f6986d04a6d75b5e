"""Must images fit in memory? Slices at 80 × 80 × 3, read from their files batch by batch, with SSIM as the loss.

    python examples/oasis_80x80x3.py --data OASIS.zip         the 2-D OASIS slices, a zip or a folder
    python examples/oasis_80x80x3.py --quick                  ellipses in place of brains

About 3 minutes on two cores for 1,500 slices, and half a minute with ``--quick``. ``fit`` takes anything with a shape
that can be sliced: what ``open_oasis`` returns decodes a batch when it is asked for. So the images may be of any size
and number. Where the folder has the segmented slices too, they are learned by a second autoencoder with the same
settings.
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
from skvq.plotting import CodebookDisplay, CodeMapDisplay, LossCurveDisplay, ReconstructionDisplay

SIZE = (80, 80)
ROWS_AT_ONCE = 64
QUICK_ROWS = 32


def open_kinds(path: Path) -> dict[str, tuple[datasets.OasisSlices, datasets.OasisSlices]]:
    """Open the training and the test slices of each kind that there is; nothing is decoded yet."""
    kinds = {}
    for kind, segmented in (("slices", False), ("segmented slices", True)):
        try:
            train, test = (
                datasets.open_oasis(path, split, segmented=segmented, size=SIZE, mode="rgb")
                for split in ("train", "test")
            )
        except FileNotFoundError:
            if not segmented:
                raise
            print(f"no {kind} in {path}")
            continue
        datasets.check_subjects_apart(train=train.subjects, test=test.subjects)
        kinds[kind] = (train, test)
    return kinds


def similarity(vqvae: VQVAE, X) -> float:
    """Return the mean SSIM of the reconstructions, of images read a few at a time."""
    batches = (X[i : i + ROWS_AT_ONCE] for i in range(0, len(X), ROWS_AT_ONCE))
    each = [metrics.ssim(batch, vqvae.reconstruct(batch), data_range=255, per_image=True) for batch in batches]
    return float(np.concatenate(each).mean())


def main() -> None:
    parser = new_parser(__doc__, output="oasis_80x80x3_output", quick="few slices, two epochs, a small network")
    parser.add_argument("--data", help="a folder or a zip in the layout of the 2-D OASIS slices")
    parser.add_argument("--epochs", type=int, help="default: 10")
    args = parser.parse_args()
    started = time.perf_counter()
    fitted = {}
    with find_slices(args.data, quick=args.quick) as path:
        with readable(f"--data {path}"):
            kinds = open_kinds(path)
        args.output.mkdir(parents=True, exist_ok=True)
        for kind, (X, X_test) in kinds.items():
            print(f"\n{kind}: {len(X)} of {len(np.unique(X.subjects))} patients to train on, ", end="")
            print(f"{len(X_test)} of {len(np.unique(X_test.subjects))} to test on")
            print(f"{X.size / 2**20:.0f} MiB of pixels, decoded batch by batch")
            if args.quick and len(X) > QUICK_ROWS:
                X, X_test = X[:: len(X) // QUICK_ROWS], X_test[:: max(1, len(X_test) // QUICK_ROWS)]
            vqvae = VQVAE(
                n_embeddings=256,
                reconstruction_loss="ssim",
                hidden_channels=16 if args.quick else 64,
                n_residual_blocks=0 if args.quick else 2,
                max_iter=args.epochs or (2 if args.quick else 10),
                verbose=1,
                random_state=args.seed,
            )
            start = time.perf_counter()
            vqvae.fit(X)
            print(f"fitted in {time.perf_counter() - start:.0f} s")
            ssim = similarity(vqvae, X_test)
            print(f"SSIM of test patients after {vqvae.n_iter_} epochs   {ssim:.4f}")
            codes = vqvae.transform(X_test)
            print(f"perplexity {metrics.perplexity(codes, 256):.1f} of 256 codes, {codes.shape[1]} to an image")
            fitted[kind] = (vqvae, np.asarray(X_test[:: max(1, len(X_test) // 6)][:6]), ssim)
        figure = draw(fitted, args.output, title=DRAWN if args.data is None else "")
    print(f"\nfigure: {figure}\nall in {time.perf_counter() - started:.0f} s")


def draw(fitted: dict[str, tuple], folder: Path, title: str) -> Path:
    """Save, for each kind, reconstructions, pictures of codes, the codebook and the curves of the loss."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure = plt.figure(figsize=(12, 6.2 * len(fitted)), layout="constrained")
    figure.suptitle(title)
    for part, (kind, (vqvae, shown, ssim)) in zip(
        figure.subfigures(len(fitted), squeeze=False)[:, 0], fitted.items(), strict=True
    ):
        axes = part.subplot_mosaic(
            [["reconstructions", "curves"], ["codes", "codebook"]], width_ratios=[1.25, 1], height_ratios=[1.2, 1]
        )
        ReconstructionDisplay.from_estimator(
            vqvae, shown, ax=axes["reconstructions"], title=f"{kind.capitalize()}: SSIM {ssim:.3f} on test patients"
        )
        CodeMapDisplay.from_estimator(vqvae, shown, ax=axes["codes"])
        LossCurveDisplay.from_estimator(vqvae, ax=axes["curves"], terms=["loss", "reconstruction_loss", "perplexity"])
        CodebookDisplay.from_estimator(vqvae, ax=axes["codebook"], n_codes=64)
    path = folder / "oasis_80x80x3.png"
    figure.savefig(path, dpi=90, bbox_inches="tight", pad_inches=0.05)
    return path


if __name__ == "__main__":
    main()
