"""Where does the time of a training step go, and how much of the machine does it use? About 2 minutes.

    python examples/benchmarks/training_step.py
    python examples/benchmarks/training_step.py --batches 32 128 --images 28 28 1

For each batch size, the milliseconds of

    forward     the encoder and the decoder alone, compiled, on one batch in memory
    gradients   the same with the gradients of all weights
    step        a step of ``VQVAE.fit``: also batches gathered and scaled, quantiser, losses, optimiser and Python,
                without start and restarts of the codebook

and the rate of multiply-adds of convolutions in a step, beside that of a large matrix product on the same threads. A
step's gradients need twice the products of its forward pass. TensorFlow only.
"""

import argparse
import os
import time
import warnings
from collections.abc import Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
from runs import machine, print_table
from sklearn.exceptions import ConvergenceWarning

from skvq import VQVAE
from skvq.networks import keras
from skvq.networks.architectures import conv

REPEATS = 5
FEW, MANY = 20, 120  # steps of two fits, whose difference leaves out what comes once


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, nargs=3, default=(28, 28, 1), metavar=("HEIGHT", "WIDTH", "CHANNELS"))
    parser.add_argument("--batches", type=int, nargs="+", default=(8, 32, 128))
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(args.threads)
    tf.config.threading.set_inter_op_parallelism_threads(args.threads)
    shape = tuple(args.images)
    encoder, decoder = conv(shape, embedding_dim=16, downsampling=4, hidden_channels=64, n_residual_blocks=2)
    per_image = products(encoder) + products(decoder)
    peak = matrix_product_rate()
    images = np.random.default_rng(0).random((max(args.batches) * MANY, *shape), dtype=np.float32)
    rows = []
    for batch in args.batches:
        forward, gradients = network_seconds(encoder, decoder, images[:batch])
        step = fit_seconds(images, batch)
        rate = 3 * per_image * batch / step
        rows.append(
            {
                "batch": str(batch),
                "forward ms": f"{1e3 * forward:.2f}",
                "gradients ms": f"{1e3 * gradients:.2f}",
                "step ms": f"{1e3 * step:.2f}",
                "beside the networks": f"{1 - gradients / step:.0%}",
                "images/s": f"{batch / step:.0f}",
                "10^9 products/s": f"{rate / 1e9:.1f}",
                "of a matrix product": f"{rate / peak:.0%}",
            }
        )
    print(
        f"{per_image / 1e6:.1f} million products an image; those of matrices go at {peak / 1e9:.1f} · 10^9 a second\n"
    )
    print_table(rows)
    print(machine())


def products(network: keras.Model) -> int:
    """Return the multiply-adds of a network's convolutions for one image."""
    total = 0
    for layer in network.layers:
        if isinstance(layer, (keras.layers.Conv2D, keras.layers.Conv2DTranspose)):
            grid = layer.input.shape if isinstance(layer, keras.layers.Conv2DTranspose) else layer.output.shape
            total += grid[1] * grid[2] * int(np.prod(layer.kernel.shape))
    return total


def matrix_product_rate() -> float:
    """Return the multiply-adds a second of a product of two matrices of 1024 × 1024."""
    matrix = tf.random.normal((1024, 1024), seed=0)
    product = tf.function(lambda: tf.reduce_sum(tf.matmul(matrix, matrix)))
    return 1024**3 / fastest(lambda: product().numpy(), calls=20)


def network_seconds(encoder: keras.Model, decoder: keras.Model, images: np.ndarray) -> tuple[float, float]:
    """Return the seconds of a forward pass, and of one with gradients."""
    batch = tf.constant(images)
    weights = encoder.trainable_variables + decoder.trainable_variables

    @tf.function(autograph=False)
    def forward():
        return tf.reduce_mean(tf.square(decoder(encoder(batch)) - batch))

    @tf.function(autograph=False)
    def gradients():
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(decoder(encoder(batch)) - batch))
        return tf.add_n([tf.reduce_sum(gradient) for gradient in tape.gradient(loss, [w.value for w in weights])])

    return tuple(fastest(lambda function=function: function().numpy(), calls=20) for function in (forward, gradients))


def fit_seconds(images: np.ndarray, batch: int) -> float:
    """Return the seconds of one step of ``fit``."""

    def seconds(n_steps):
        # Without what comes now and then: the start of the codebook, and restarts.
        vqvae = VQVAE(batch_size=batch, max_iter=1, codebook_init="random", restart_threshold=0, random_state=0)
        start = time.perf_counter()
        vqvae.fit(images[: n_steps * batch])
        return time.perf_counter() - start

    with warnings.catch_warnings():
        # So few steps on random images leave codes unused, which costs no time.
        warnings.simplefilter("ignore", ConvergenceWarning)
        seconds(FEW)
        return min(seconds(MANY) - seconds(FEW) for _ in range(2)) / (MANY - FEW)


def fastest(function: Callable, calls: int) -> float:
    """Return the seconds of a call, the least of several rounds."""
    function()

    def one_round():
        start = time.perf_counter()
        for _ in range(calls):
            function()
        return (time.perf_counter() - start) / calls

    return min(one_round() for _ in range(REPEATS))


if __name__ == "__main__":
    main()
