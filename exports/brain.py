"""Brain slices of 64 × 64 pixels as 16 × 16 codes of 256, and new ones. About 8 minutes on two cores.

python exports/brain.py --data SLICES.npz     arrays x_train, x_test, subject_train, subject_test
python exports/brain.py --data OASIS.zip      a zip or a folder in the layout of the 2-D OASIS slices
"""

import argparse
import os
from pathlib import Path

# TensorFlow reports on its own work at length; the figures below should be seen.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from publish import Recipe, parse, publish

from skvq import VQVAE, PixelCNNPrior, VQGenerator, datasets

SIDE = 64
RECIPE = Recipe(
    name="brain",
    title="Axial brain slices of 64 × 64 pixels",
    about="Skull-stripped, T1-weighted magnetic resonance images as 256 codes, back, and anew.",
    dataset="openneuro-ds002748",
    data="OpenNeuro ds002748 v1.0.5 (CC0): 32 axial slices for each of 64 subjects, 48 of them to train on and 8 to "
    "test on; nobody is in both. Values 0 to 255.",
    test_data="all slices of the test subjects",
    limits="Not for diagnosis, nor as a stand-in for scans of patients: 48 people, one protocol, small images.",
    command="python exports/brain.py --data SLICES.npz",
)


def load_slices(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return X_train and X_test, uint8 (n, 64, 64), of different patients."""
    if path.suffix == ".npz":
        with np.load(path) as arrays:
            X, X_test = arrays["x_train"], arrays["x_test"]
            subjects, subjects_test = arrays["subject_train"], arrays["subject_test"]
    else:
        slices = [datasets.open_oasis(path, split, size=SIDE) for split in ("train", "test")]
        X, X_test = (np.asarray(split)[..., 0] for split in slices)
        subjects, subjects_test = (split.subjects for split in slices)
    datasets.check_subjects_apart(train=subjects, test=subjects_test)
    if X.shape[1:] != (SIDE, SIDE):
        raise SystemExit(f"--data must hold slices of {SIDE} × {SIDE} pixels; got {X.shape[1:]}. Resize them first.")
    return X, X_test


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="an .npz file, or slices in the layout of OASIS")
    args = parse(parser)
    X, X_test = load_slices(args.data)
    if args.quick:
        X, X_test = X[:64], X_test[:16]
    common = {"max_iter": 1 if args.quick else 30, "verbose": 1, "random_state": args.seed}
    model = VQGenerator(VQVAE(n_embeddings=256, **common), PixelCNNPrior(hidden_channels=40, **common)).fit(X)
    publish(RECIPE, model, X_test, None, args)


if __name__ == "__main__":
    main()
