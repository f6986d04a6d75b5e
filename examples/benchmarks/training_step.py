"""Where does the time of a training step go, and how much of the machine does it use? About 2 minutes.

    python examples/benchmarks/training_step.py
    python examples/benchmarks/training_step.py --batches 32 128 --images 28 28 1
    python examples/benchmarks/training_step.py --quick     to see it run: half a minute

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
from typing import TYPE_CHECKING

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from runs import environment, machine, new_parser, parse, print_table
from sklearn.exceptions import ConvergenceWarning

if TYPE_CHECKING:
    from skvq.networks import keras


def main() -> None:
    parser = new_parser(__doc__, output=None, quick="one small batch, few steps, a small network")
    parser.add_argument("--images", type=int, nargs=3, default=(28, 28, 1), metavar=("HEIGHT", "WIDTH", "CHANNELS"))
    parser.add_argument("--batches", type=int, nargs="+", default=(8, 32, 128))
    parser.add_argument("--rounds", type=int, default=5, help="of calls, of which the fastest counts")
    parser.add_argument(
        "--steps",
        type=int,
        nargs=2,
        default=(20, 120),
        metavar=("FEW", "MANY"),
        help="of two fits, whose difference leaves out what comes once",
    )
    args = parse(parser, batches=[8], rounds=1, steps=(2, 6))
    # TensorFlow reads these when it is loaded, which the imports below do.
    os.environ.update(environment(args.threads))
    from skvq.networks.architectures import conv

    shape = tuple(args.images)
    sizes = (
        {"hidden_channels": 8, "n_residual_blocks": 0}
        if args.quick
        else {"hidden_channels": 64, "n_residual_blocks": 2}
    )
    encoder, decoder = conv(shape, embedding_dim=16, downsampling=4, **sizes)
    per_image = products(encoder) + products(decoder)
    peak = matrix_product_rate(args.rounds)
    images = np.random.default_rng(0).random((max(args.batches) * max(args.steps), *shape), dtype=np.float32)
    rows = []
    for batch in args.batches:
        forward, gradients = network_seconds(encoder, decoder, images[:batch], args.rounds)
        step = fit_seconds(images, batch, sizes, args)
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


def products(network: "keras.Model") -> int:
    """Return the multiply-adds of a network's convolutions for one image."""
    from skvq.networks import keras

    total = 0
    for layer in network.layers:
        if isinstance(layer, (keras.layers.Conv2D, keras.layers.Conv2DTranspose)):
            grid = layer.input.shape if isinstance(layer, keras.layers.Conv2DTranspose) else layer.output.shape
            total += grid[1] * grid[2] * int(np.prod(layer.kernel.shape))
    return total


def matrix_product_rate(rounds: int) -> float:
    """Return the multiply-adds a second of a product of two matrices of 1024 × 1024."""
    import tensorflow as tf

    matrix = tf.random.normal((1024, 1024), seed=0)
    product = tf.function(lambda: tf.reduce_sum(tf.matmul(matrix, matrix)))
    return 1024**3 / fastest(lambda: product().numpy(), rounds)


def network_seconds(
    encoder: "keras.Model", decoder: "keras.Model", images: np.ndarray, rounds: int
) -> tuple[float, float]:
    """Return the seconds of a forward pass, and of one with gradients."""
    import tensorflow as tf

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

    return tuple(fastest(lambda function=function: function().numpy(), rounds) for function in (forward, gradients))


def fit_seconds(images: np.ndarray, batch: int, sizes: dict, args: argparse.Namespace) -> float:
    """Return the seconds of one step of ``fit``, from fits of few and of many steps."""
    from skvq import VQVAE

    few, many = args.steps

    def seconds(n_steps):
        # Without what comes now and then: the start of the codebook, and restarts.
        vqvae = VQVAE(
            batch_size=batch, max_iter=1, codebook_init="random", restart_threshold=0, random_state=0, **sizes
        )
        start = time.perf_counter()
        vqvae.fit(images[: n_steps * batch])
        return time.perf_counter() - start

    with warnings.catch_warnings():
        # So few steps on random images leave codes unused, which costs no time.
        warnings.simplefilter("ignore", ConvergenceWarning)
        seconds(few)
        return min(seconds(many) - seconds(few) for _ in range(min(args.rounds, 2))) / (many - few)


def fastest(function: Callable, rounds: int, calls: int = 20) -> float:
    """Return the seconds of a call, the least of several rounds."""
    function()

    def one_round():
        start = time.perf_counter()
        for _ in range(calls):
            function()
        return (time.perf_counter() - start) / calls

    return min(one_round() for _ in range(rounds))


if __name__ == "__main__":
    main()
