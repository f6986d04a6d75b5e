"""The smallest export: scikit-learn's digits of 8 × 8 pixels, which need no download. About a minute on two cores.

python exports/digits.py
"""

import argparse
import os

# TensorFlow reports on its own work at length; the figures below should be seen.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from publish import Recipe, parse, publish
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from skvq import VQVAE, PixelCNNPrior, VQGenerator

RECIPE = Recipe(
    name="digits",
    title="Digits of 8 × 8 pixels",
    about="Handwritten digits as 16 codes, back, and anew by label: all three files together are under 0.8 MB.",
    dataset="optdigits",
    data="scikit-learn's `load_digits`: the test set of the UCI ML hand-written digits (E. Alpaydin, C. Kaynak, 1998, "
    "CC BY 4.0), values 0 to 16. A fifth of its 1,797 images, stratified by label, was held out.",
    test_data="the held-out fifth",
    limits="Images are small and training is short: it shows the form of an export, and is of no other use.",
    command="python exports/digits.py",
    label=3,
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args = parse(parser)
    X, y = load_digits(return_X_y=True)
    X = X.reshape(-1, 8, 8).astype("float32")
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2, stratify=y, random_state=0)
    common = {"hidden_channels": 32, "max_iter": 1 if args.quick else 60, "verbose": 1, "random_state": args.seed}
    vqvae = VQVAE(n_embeddings=64, downsampling=2, **common)
    prior = PixelCNNPrior(conditional=True, n_layers=4, **common)
    publish(RECIPE, VQGenerator(vqvae, prior).fit(X_train, y_train), X_test, y_test, args)


if __name__ == "__main__":
    main()
