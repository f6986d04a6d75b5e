"""Small fitted estimators in NumPy with the public API that displays read, and what displays of them must show.

The expected pixels are computed here independently of ``skvq.plotting``.
"""

from types import SimpleNamespace

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from skvq import CodeGrid


class BlockVQ:
    """Each code is a block of pixels. Encoding finds the nearest block, and decoding puts blocks side by side.

    With ``depth`` above 1, the first code at each position is its block. The next ones are 1, 2, … higher, modulo
    ``n_embeddings``, and decoding ignores them. All stages have the same codebook.
    """

    def __init__(self, row_shape=(8, 12), image_shape=(8, 12, 1), dtype="float32", low=0, high=1, depth=1):
        n_codes, block = 12, 4
        height, width, channels = image_shape
        self.row_shape, self.dtype, self.block = row_shape, dtype, block
        self.image_shape_ = image_shape
        self.grid_ = CodeGrid((height // block, width // block), n_codes, depth)
        self.data_range_ = (float(low), float(high))
        generator = np.random.default_rng(7)
        codebook = generator.uniform(low, high, (n_codes, block * block * channels))
        self.blocks = np.rint(codebook) if np.dtype(dtype).kind == "u" else codebook
        counts = np.arange(n_codes)[::-1] ** 2
        self.codebook_ = self.blocks if depth == 1 else np.stack([self.blocks] * depth)
        self.code_counts_ = counts if depth == 1 else np.stack([counts] * depth)
        epochs = np.arange(1, 6)
        self.history_ = {
            "loss": list(2.0**-epochs + 0.01),
            "reconstruction_loss": list(2.0**-epochs),
            "val_loss": list(2.0**-epochs + 0.02),
            "perplexity": list(1.0 + epochs),
            "learning_rate": [0.1] * 5,
        }

    def encode(self, X):
        blocks = self._split(np.asarray(X, dtype=np.float64).reshape(-1, *self.image_shape_))
        first = np.square(blocks[:, :, None] - self.blocks).sum(axis=-1).argmin(axis=-1)
        codes = (first[..., None] + np.arange(self.grid_.depth)) % self.grid_.n_embeddings  # (n, positions, depth)
        return codes.reshape(len(codes), self.grid_.n_codes)

    def inverse_transform(self, codes, n_quantizers=None):
        (h, w), (height, width, channels) = self.grid_.shape, self.image_shape_
        first = np.asarray(codes)[:, :: n_quantizers or self.grid_.depth]
        blocks = self.blocks[first].reshape(-1, h, w, self.block, self.block, channels)
        images = blocks.transpose(0, 1, 3, 2, 4, 5).reshape(-1, height, width, channels)
        return images.astype(self.dtype).reshape(-1, *self.row_shape)

    def reconstruct(self, X):
        return self.inverse_transform(self.encode(X))

    def _split(self, images):
        (h, w), channels = self.grid_.shape, self.image_shape_[2]
        blocks = images.reshape(-1, h, self.block, w, self.block, channels).transpose(0, 1, 3, 2, 4, 5)
        return blocks.reshape(len(images), h * w, -1)


LAYOUTS = {
    "float": {},
    "flat": {"row_shape": (96,), "low": -2, "high": 3, "dtype": "float64"},
    "uint8 with channel": {"row_shape": (8, 12, 1), "dtype": "uint8", "high": 255},
    "colour": {"row_shape": (8, 8, 3), "image_shape": (8, 8, 3), "dtype": "uint8", "high": 255},
}


def stand_in(layout):
    """Return an autoencoder of images in one of the ``LAYOUTS``."""
    return BlockVQ(**LAYOUTS[layout])


class CountingPrior:
    """A prior whose results are known: each method is simple arithmetic on codes, and notes its arguments in ``calls``.

    Samples count upwards from the index of the class. Unknown codes become the number of their row. Code k costs k
    bits.
    """

    def __init__(self, vqvae, classes=None):
        self.grid_ = vqvae.grid_
        self.classes_ = None if classes is None else np.asarray(classes)
        self.history_ = {"loss": [2.5, 2.0], "val_loss": [2.6, 2.2], "learning_rate": [0.1, 0.05]}
        self.calls = []

    def sample(self, n_samples=1, y=None, *, temperature=1.0, random_state=None):
        self.calls.append({"y": y, "temperature": temperature, "random_state": random_state})
        first = np.zeros(n_samples, int) if y is None else np.searchsorted(self.classes_, y)
        codes = first[:, None] + np.arange(n_samples)[:, None] + np.arange(self.grid_.n_codes)
        return codes % self.grid_.n_embeddings

    def complete(self, X, mask, y=None, *, random_state=None):
        self.calls.append({"mask": mask, "y": y, "random_state": random_state})
        return np.where(mask, X, np.arange(len(X))[:, None] % self.grid_.n_embeddings)

    def log_prob_per_code(self, X, y=None):
        self.calls.append({"y": y})
        return -np.log(2) * np.asarray(X)


def generator_of(vqvae, prior):
    """Return a stand-in for a fitted VQGenerator. Displays read its two parts only."""
    return SimpleNamespace(vqvae_=vqvae, prior_=prior)


def blocky_images(n, vqvae, seed=0):
    """Return n images of blocks of ``vqvae``, in its layout. They have noise that does not change their codes."""
    generator = np.random.default_rng(seed)
    codes = generator.integers(vqvae.grid_.n_embeddings, size=(n, vqvae.grid_.n_codes))
    images = vqvae.inverse_transform(codes).astype(np.float64)
    low, high = vqvae.data_range_
    noisy = images + generator.uniform(-0.05, 0.05, images.shape) * (high - low)
    return np.clip(noisy, low, high).astype(vqvae.dtype)


def laid_out(rows, gap):
    """Return rows of tiles as one array with NaN between them. It must equal a mosaic, but is computed differently."""

    def joined(parts, axis):
        shape = list(parts[0].shape)
        shape[axis] = gap
        strip = np.full(shape, np.nan, dtype=np.float32)
        pieces = [piece for part in parts for piece in (strip, part)][1:]
        return np.concatenate(pieces, axis=axis)

    return joined([joined([np.asarray(tile, dtype=np.float32) for tile in row], 1) for row in rows], 0)


def unit(images, vqvae):
    """Return rows as float32 images in [0, 1] by the range of ``vqvae``, grey without a channel axis."""
    low, high = vqvae.data_range_
    images = np.asarray(images, dtype=np.float32).reshape(-1, *vqvae.image_shape_)
    images = np.clip((images - np.float32(low)) / np.float32(high - low), 0, 1)
    return images[..., 0] if images.shape[3] == 1 else images


def agg_figure(**kwargs):
    """Return a figure that pyplot does not manage and that needs no screen."""
    figure = Figure(**kwargs)
    FigureCanvasAgg(figure)
    return figure


def rendered(figure):
    """Draw a figure and return its pixels, RGBA."""
    figure.canvas.draw()
    return np.array(figure.canvas.buffer_rgba())


def new_axes():
    """Return the only Axes of a small figure."""
    return agg_figure(figsize=(6, 4), dpi=80).subplots()


def shown(image):
    """Return the drawn values without alpha, with NaN where nothing is drawn."""
    canvas = np.ma.filled(image.get_array().astype(np.float32), np.nan)
    if canvas.ndim == 3:
        assert set(np.unique(canvas[..., 3])) <= {0, 1}
        canvas = np.where(canvas[..., 3:] == 1, canvas[..., :3], np.nan)
    return canvas


def row_labels(display):
    return [label.get_text() for label in display.ax_.get_yticklabels()]


def column_labels(display):
    return [label.get_text() for label in display.ax_.get_xticklabels()]
