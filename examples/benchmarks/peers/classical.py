"""What compression without a network reaches at the same number of bits, by scikit-learn."""

import math

import numpy as np
from sklearn.cluster import MiniBatchKMeans
from sklearn.decomposition import PCA

SIDE = 4  # pixels of a patch


class PatchKMeans:
    """``MiniBatchKMeans`` of 4×4 patches: as many codes an image as the VQ-VAE has, of as many bits.

    It trains for as long as the others, though it has settled long before.
    """

    images_per_step = 512

    def __init__(self, images: np.ndarray, n_embeddings: int, seed: int):
        self.images = images
        self.generator = np.random.default_rng(seed)
        self.model = MiniBatchKMeans(n_embeddings, random_state=seed)
        self.bits_per_image = images[0].size // SIDE**2 * math.log2(n_embeddings)

    def train(self, stopwatch, evaluate) -> None:
        while True:
            order = self.generator.permutation(len(self.images))
            for start in range(0, len(order), self.images_per_step):
                batch = patches_of(self.images[order[start : start + self.images_per_step]])
                if len(batch) < self.model.n_clusters:
                    continue
                self.model.partial_fit(batch)
                if not stopwatch.after_step(evaluate):
                    return

    def transform(self, images: np.ndarray) -> np.ndarray:
        return self.model.predict(patches_of(images)).reshape(len(images), -1)

    def reconstruct(self, images: np.ndarray) -> np.ndarray:
        return images_of(self.model.cluster_centers_[self.transform(images)], images.shape)


def patches_of(images: np.ndarray) -> np.ndarray:
    """Images (n, h, w) -> patches (n * h/4 * w/4, 16)."""
    n, height, width = images.shape
    tiles = images.reshape(n, height // SIDE, SIDE, width // SIDE, SIDE)
    return np.ascontiguousarray(tiles.transpose(0, 1, 3, 2, 4).reshape(-1, SIDE * SIDE))


def images_of(patches: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """Patches (n, h/4 * w/4, 16) -> images (n, h, w)."""
    n, height, width = shape
    tiles = patches.reshape(n, height // SIDE, width // SIDE, SIDE, SIDE)
    return tiles.transpose(0, 1, 3, 2, 4).reshape(shape)


class QuantizedPCA:
    """Principal components, each quantised uniformly to as many levels as its bits allow.

    Every next bit goes to the component whose squared error it lowers most, measured on training images, until the
    bits of 49 codes are spent; a component without a bit keeps its mean. The levels of a component are spread evenly
    between two of its quantiles, those of :data:`TAILS` that give the smallest error.
    """

    images_per_step = None
    MAX_BITS = 8
    TAILS = (0.0, 0.002, 0.005, 0.01, 0.02, 0.04, 0.08, 0.15)
    SAMPLE = 10_000  # images that errors are measured on

    def __init__(self, images: np.ndarray, n_embeddings: int, seed: int):
        self.images = images
        self.bits_per_image = int(images[0].size // SIDE**2 * math.log2(n_embeddings))

    def train(self, stopwatch, evaluate) -> None:
        flat = self.images.reshape(len(self.images), -1)
        n_components = min(self.bits_per_image, *flat.shape)
        self.pca = PCA(n_components, svd_solver="covariance_eigh").fit(flat)
        scores = self.pca.transform(flat[: self.SAMPLE])
        errors, ranges = self._errors(scores)
        self.bits = spend(errors, self.bits_per_image)
        self.ranges = ranges[np.arange(n_components), self.bits]
        stopwatch.after_step(evaluate)

    def _errors(self, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the error (components, bits) of each component at each number of bits, and the range that gives it."""
        n_components = scores.shape[1]
        errors = np.full((n_components, self.MAX_BITS + 1), np.inf)
        ranges = np.zeros((n_components, self.MAX_BITS + 1, 2))
        errors[:, 0] = scores.var(axis=0)
        for tail in self.TAILS:
            low, high = np.quantile(scores, (tail, 1 - tail), axis=0)
            for bits in range(1, self.MAX_BITS + 1):
                found = np.square(scores - uniform_levels(scores, low, high, bits)).mean(axis=0)
                better = found < errors[:, bits]
                errors[better, bits] = found[better]
                ranges[better, bits] = np.stack([low, high], axis=-1)[better]
        return errors, ranges

    def reconstruct(self, images: np.ndarray) -> np.ndarray:
        scores = self.pca.transform(images.reshape(len(images), -1))
        levels = uniform_levels(scores, self.ranges[:, 0], self.ranges[:, 1], self.bits)
        return self.pca.inverse_transform(np.where(self.bits > 0, levels, 0.0)).reshape(images.shape)

    def transform(self, images: np.ndarray) -> None:
        return None

    @property
    def allocation(self) -> str:
        """Say how the bits were spent."""
        spent = [f"{np.sum(self.bits == b)} of {b}" for b in range(self.MAX_BITS, 0, -1) if np.any(self.bits == b)]
        return f"{self.bits.sum()} bits over {np.count_nonzero(self.bits)} components: {', '.join(spent)} bits"


def uniform_levels(scores: np.ndarray, low: np.ndarray, high: np.ndarray, bits) -> np.ndarray:
    """Round each column to the middle of one of ``2 ** bits`` equal cells between low and high."""
    n_levels = 2.0 ** np.asarray(bits)
    width = np.maximum(high - low, 1e-12) / n_levels
    cells = np.clip(np.floor((scores - low) / width), 0, n_levels - 1)
    return low + (cells + 0.5) * width


def spend(errors: np.ndarray, n_bits: int) -> np.ndarray:
    """Return bits (components,), one at a time to where it helps most; errors are (components, bits)."""
    bits = np.zeros(len(errors), dtype=int)
    gains = errors[:, 0] - errors[:, 1]
    for _ in range(n_bits):
        chosen = int(np.argmax(gains))
        bits[chosen] += 1
        at_most = bits[chosen] + 1 >= errors.shape[1]
        gains[chosen] = -np.inf if at_most else errors[chosen, bits[chosen]] - errors[chosen, bits[chosen] + 1]
    return bits
