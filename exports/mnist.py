"""MNIST as 7 × 7 codes of 128, and new digits by label. About 15 minutes on two cores.

python exports/mnist.py                   60,000 digits, downloaded once from OpenML
python exports/mnist.py --data FOLDER     the same, from the four idx.gz files
"""

import argparse
import os

# TensorFlow reports on its own work at length; the figures below should be seen.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from publish import Recipe, parse, publish

from skvq import VQVAE, PixelCNNPrior, VQGenerator, datasets

RECIPE = Recipe(
    name="mnist",
    title="MNIST digits of 28 × 28 pixels",
    about="Handwritten digits as 49 codes, back, and anew by label.",
    dataset="ylecun/mnist",
    data="MNIST (Y. LeCun, C. Cortes, CC BY-SA 3.0): fitted to its 60,000 training images, values 0 to 255.",
    test_data="all test images",
    limits="Of the digits that it draws, some read as another digit than the one asked for, or as none; a temperature "
    "below 1 makes these rarer, and the digits more alike.",
    command="python exports/mnist.py",
    label=3,
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="a folder with the four idx.gz files; default: OpenML")
    args = parse(parser)
    X, y, X_test, y_test = datasets.fetch_mnist() if args.data is None else datasets.load_idx(args.data)
    if args.quick:
        X, y, X_test, y_test = X[:1000], y[:1000], X_test[:200], y_test[:200]
    epochs, prior_epochs = (1, 1) if args.quick else (3, 8)
    common = {"verbose": 1, "random_state": args.seed}
    vqvae = VQVAE(n_embeddings=128, max_iter=epochs, **common)
    prior = PixelCNNPrior(conditional=True, hidden_channels=44, max_iter=prior_epochs, **common)
    publish(RECIPE, VQGenerator(vqvae, prior).fit(X, y), X_test, y_test, args)


if __name__ == "__main__":
    main()
