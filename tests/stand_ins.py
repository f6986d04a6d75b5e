"""Tiny fitted estimators with random weights, so that exporter and runtime are tested without training.

They keep to the contract of ``skvq._contract.graph`` and hold nothing but arrays, so they pickle. The networks have
what makes real ones hard to convert: strided and transposed convolutions, an arg-max over a codebook, and a
sampler of two nested loops that keeps a cache.
"""

from dataclasses import dataclass, field

import numpy as np

from skvq._contract.codes import CodeGrid
from skvq._contract.description import ModelDescription
from skvq._contract.graph import GraphFunction, TensorSpec
from skvq._contract.images import Layout
from skvq._contract.labels import Classes

FOLDER_PARTS = ("encoder", "decoder", "prior", "log_likelihood", "sampler", "generator")


@dataclass
class StandInVQ:
    """A convolutional autoencoder over 8×8 images in [0, 255], 4×4 codes."""

    n_embeddings: int = 7
    seed: int = 0
    dtype: str = "uint8"
    loss: object = field(default=np.square)

    def __post_init__(self):
        self.image_shape_ = (8, 8, 1)
        self.grid_ = CodeGrid((4, 4), self.n_embeddings)
        self.data_range_ = (0.0, 255.0)
        self._layout = Layout((8, 8), self.image_shape_, self.dtype)
        draw = np.random.default_rng(self.seed).standard_normal
        self.weights_ = {
            "down": draw((3, 3, 1, 6), np.float32) / 2,
            "down_bias": draw(6, np.float32) / 3,
            "same": draw((3, 3, 6, 5), np.float32) / 4,
            "up": draw((4, 4, 1, 5), np.float32) / 4,
        }
        self.codebook_ = draw((self.n_embeddings, 5), np.float32)

    def describe(self):
        return ModelDescription(self.grid_, self._layout, self.data_range_)

    def get_params(self, deep=True):
        return {"n_embeddings": self.n_embeddings, "seed": self.seed, "dtype": self.dtype, "loss": self.loss}

    def scores(self, images):
        from keras import ops

        w = self.weights_
        x = images * np.float32(1 / 255) - np.float32(0.5)
        x = ops.relu(ops.conv(x, w["down"], strides=2, padding="same") + w["down_bias"])
        x = ops.reshape(ops.conv(x, w["same"], padding="same"), (-1, 16, 5))
        return 2 * ops.matmul(x, self.codebook_.T) - np.square(self.codebook_).sum(1)

    def encode(self, images):
        from keras import ops

        return (ops.cast(ops.squeeze(ops.top_k(self.scores(images), 1)[1], -1), "int64"),)

    def decode(self, codes):
        from keras import ops

        x = ops.matmul(ops.one_hot(codes, self.n_embeddings, dtype="float32"), self.codebook_)
        x = ops.conv_transpose(ops.reshape(x, (-1, 4, 4, 5)), self.weights_["up"], strides=2, padding="same")
        return (ops.clip((x + 0.5) * 255, 0, 255),)

    def margin(self, inputs, codes):
        from keras import ops

        scores = ops.convert_to_numpy(self.scores(ops.convert_to_tensor(inputs[0])))
        lead = scores.max(-1) - np.take_along_axis(scores, codes[..., None], -1)[..., 0]
        return lead / (1e-5 * np.abs(scores).max(-1))

    def graph_functions(self):
        images = TensorSpec("images", "images", (None, 8, 8, 1), "float32", "images in the units of X")
        codes = TensorSpec("codes", "codes", (None, 16), "int64", f"codes in [0, {self.n_embeddings}), row-major")

        def some_images(n, generator):
            return (generator.integers(0, 256, (n, 8, 8, 1)).astype(np.float32),)

        def some_codes(n, generator):
            return (generator.integers(0, self.n_embeddings, (n, 16)),)

        return {
            "encoder": GraphFunction("encoder", "encoder", self.encode, (images,), (codes,), some_images, self.margin),
            "decoder": GraphFunction("decoder", "decoder", self.decode, (codes,), (images,), some_codes),
            "reconstruct": GraphFunction(
                "reconstruct", "autoencoder", lambda x: self.decode(*self.encode(x)), (images,), (images,), some_images
            ),
        }


@dataclass
class StandInPrior:
    """A linear autoregressive model: logits at j are a sum over the codes before j."""

    n_embeddings: int = 7
    code_shape: tuple = (4, 4)
    classes: tuple | None = (3, 5, 9)
    seed: int = 0

    def __post_init__(self):
        draw = np.random.default_rng(self.seed).standard_normal
        self.grid_ = CodeGrid(self.code_shape, self.n_embeddings)
        n, k = self.grid_.n_codes, self.n_embeddings
        self.classes_ = None if self.classes is None else np.array(self.classes)
        self.past_ = draw((n, k, n, k), np.float32) * np.triu(np.ones((n, n), np.float32), 1)[:, None, :, None]
        self.bias_ = draw((1 if self.classes is None else len(self.classes), n, k), np.float32)

    def describe(self):
        classes = None if self.classes is None else Classes.of(self.classes)
        return ModelDescription(prior_grid=self.grid_, classes=classes)

    def get_params(self, deep=True):
        return {"n_embeddings": None, "seed": self.seed}

    def logits(self, codes, labels=None):
        from keras import ops

        n, k = self.grid_.n_codes, self.n_embeddings
        past = ops.reshape(ops.one_hot(codes, k, dtype="float32"), (-1, n * k))
        logits = ops.reshape(ops.matmul(past, self.past_.reshape(n * k, n * k)), (-1, n, k))
        if labels is None:
            return (logits + self.bias_,)
        n_classes = len(self.bias_)
        bias = ops.matmul(ops.one_hot(labels, n_classes, dtype="float32"), self.bias_.reshape(n_classes, -1))
        return (logits + ops.reshape(bias, (-1, n, k)),)

    def log_likelihood(self, codes, labels=None):
        from keras import ops

        log_p = ops.log_softmax(self.logits(codes, labels)[0], axis=-1)
        chosen = ops.one_hot(codes, self.n_embeddings, dtype="float32")
        return (ops.sum(log_p * chosen, axis=(1, 2)),)

    def sample(self, uniforms, temperature, labels=None):
        """Row by row, column by column; the sums so far are the cache."""
        from keras import ops

        n, k = self.grid_.n_codes, self.n_embeddings
        height, width = self.code_shape
        zeros = ops.zeros_like(uniforms)
        sums = ops.repeat(zeros, k, axis=1)
        if labels is None:
            sums = sums + self.bias_.reshape(-1)
        else:
            chosen = ops.one_hot(labels, len(self.bias_), dtype="float32")
            sums = sums + ops.matmul(chosen, self.bias_.reshape(len(self.bias_), -1))
        table = ops.convert_to_tensor(self.past_.reshape(n, k, n * k))

        def pixel(row, column, sums, codes):
            j = row * width + column
            here = ops.one_hot(j, n, dtype="float32")
            logits = ops.matmul(here, ops.reshape(sums, (-1, n, k)))
            cumulated = ops.cumsum(ops.softmax(logits / temperature, axis=-1), axis=-1)
            u = ops.sum(uniforms * here, axis=1, keepdims=True)
            code = ops.sum(ops.cast(cumulated[..., :-1] <= u, "int32"), axis=1)
            sums = sums + ops.matmul(
                ops.one_hot(code, k, dtype="float32"), ops.squeeze(ops.take(table, [j], axis=0), 0)
            )
            return row, column + 1, sums, codes + ops.cast(code, "float32")[:, None] * here

        def line(row, sums, codes):
            _, _, sums, codes = ops.while_loop(
                lambda row, column, sums, codes: column < width,
                pixel,
                (row, ops.zeros_like(row), sums, codes),
            )
            return row + 1, sums, codes

        start = ops.zeros((), "int32")
        _, _, codes = ops.while_loop(lambda row, sums, codes: row < height, line, (start, sums, zeros))
        return (ops.cast(codes, "int64"),)

    def margin(self, inputs, codes):
        from keras import ops

        uniforms, temperature, *labels = inputs
        logits = ops.convert_to_numpy(self.logits(*map(ops.convert_to_tensor, (codes, *labels)))[0])
        scaled = (logits / temperature).astype(np.float64)
        p = np.exp(scaled - scaled.max(-1, keepdims=True))
        edges = np.cumsum(p / p.sum(-1, keepdims=True), -1)
        edges = np.concatenate([np.full_like(edges[..., :1], -np.inf), edges], -1)
        edges[..., -1] = np.inf
        below = np.take_along_axis(edges, codes[..., None], -1)[..., 0]
        above = np.take_along_axis(edges, codes[..., None] + 1, -1)[..., 0]
        return np.maximum(np.maximum(below - uniforms, uniforms - above), 0) / 1e-6

    def graph_functions(self):
        n, k = self.grid_.n_codes, self.n_embeddings
        codes = TensorSpec("codes", "codes", (None, n), "int64", f"codes in [0, {k}), row-major")
        uniforms = TensorSpec("uniforms", "uniforms", (None, n), "float32", "random numbers in [0, 1)")
        temperature = TensorSpec("temperature", "temperature", (), "float32", "> 0; 1 samples the prior itself")
        logits = TensorSpec("logits", "logits", (None, n, k), "float32", "unnormalised log-probabilities")
        log_likelihood = TensorSpec("log_likelihood", "log_likelihood", (None,), "float32", "log p(codes) in nats")
        labels = (TensorSpec("labels", "labels", (None,), "int64", "index into classes"),) if self.classes else ()

        def some_labels(size, generator):
            return (generator.integers(0, len(self.classes), size),) if self.classes else ()

        def some_codes(size, generator):
            return (generator.integers(0, k, (size, n)), *some_labels(size, generator))

        def some_uniforms(size, generator):
            u = generator.random((size, n), dtype=np.float32)
            return (u, np.array(0.9, np.float32), *some_labels(size, generator))

        return {
            "prior": GraphFunction("prior", "prior", self.logits, (codes, *labels), (logits,), some_codes),
            "log_likelihood": GraphFunction(
                "log_likelihood", "likelihood", self.log_likelihood, (codes, *labels), (log_likelihood,), some_codes
            ),
            "sampler": GraphFunction(
                "sampler",
                "sampler",
                self.sample,
                (uniforms, temperature, *labels),
                (codes,),
                some_uniforms,
                self.margin,
            ),
        }
