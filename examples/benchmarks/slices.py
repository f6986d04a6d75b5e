"""What the benchmarks of brain slices share: the data, the loss, a training of some seconds, and the figures of merit.

SSIM is scikit-image's with the settings of the original paper (Gaussian window of sigma 1.5, population covariance),
on grey values in [0, 1]: over the whole image, most of which is black here, and over the brain, which is what is not
black, holes filled. Means are over patients; half widths are of their 95 % confidence interval, by Student's t.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from budget import FitCost, Fitted, fit_once, seconds_of
from data import draw_slices, find
from PIL import Image
from scipy import ndimage, stats
from skimage.metrics import structural_similarity

from skvq import VQVAE, datasets, metrics
from skvq.networks import losses

DEFAULT_DATA = "brain_t1/brain_t1_256.npz"
BORDER = 5  # pixels where SSIM's window leaves the image


def structure_and_error(images, reconstructions, weights=None):
    """What SSIM calls the structure, held to the right grey values by the squared error."""
    return losses.ssim(images, reconstructions, weights) + 10.0 * losses.mse(images, reconstructions, weights)


def load_slices(
    source: str | None, side: int, *, n_slices: int | None = None, quick: bool = False
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return (images, patients) to train on and to test on; images uint8 (n, side, side).

    Parameters
    ----------
    source : str or None
        An .npz file, or a folder or zip in the layout of the 2-D OASIS set. None is the usual file; ellipses if quick.
    side : int
        Of the images, which are made smaller if they are larger.
    n_slices : int or None
        At most so many of each split, evenly chosen.
    quick : bool
    """
    path = None if quick and source is None else find(source or DEFAULT_DATA)
    splits = []
    for split in ("train", "test"):
        if path is None:
            images, subjects = draw_slices(split)
        elif path.suffix == ".npz":
            with np.load(path) as arrays:
                images, subjects = arrays[f"x_{split}"], arrays[f"subject_{split}"]
        else:
            slices = datasets.open_oasis(path, split)
            images, subjects = np.asarray(slices)[..., 0], slices.subjects
        if n_slices is not None and n_slices < len(images):
            rows = np.linspace(0, len(images) - 1, n_slices).astype(int)
            images, subjects = images[rows], subjects[rows]
        splits.append((area_averages(images, side), subjects))
    (_, train), (_, test) = splits
    datasets.check_subjects_apart(train=train, test=test)
    return splits


def area_averages(images: np.ndarray, side: int) -> np.ndarray:
    """Make uint8 images (n, height, width) smaller, each new pixel the mean of the area that it covers."""
    if images.shape[1:] == (side, side):
        return images
    small = [Image.fromarray(image).resize((side, side), Image.Resampling.BOX) for image in images]
    return np.stack([np.asarray(image) for image in small])


def fit_slices(
    params: Mapping[str, Any],
    X: np.ndarray,
    *,
    seconds: float | None,
    n_epochs: int | None = None,
    seed: int = 0,
    quick: bool = False,
    pixel_weight: np.ndarray | None = None,
) -> Fitted:
    """Train a VQVAE for so many seconds, or epochs.

    Parameters
    ----------
    params : mapping
        Of ``VQVAE``.
    X : ndarray of uint8, (n, height, width) or (n, height, width, channels)
    seconds : float or None
        None for ``n_epochs``.
    quick : bool
        One epoch of a small network in place of seconds.
    pixel_weight : ndarray of shape (n, height, width) or None
    """
    small = {"hidden_channels": 8, "n_residual_blocks": 0} if quick else {}

    def fit(rows, n_epochs):
        vqvae = VQVAE(**params, **small, max_iter=n_epochs, random_state=seed)
        return vqvae.fit(X[rows]) if pixel_weight is None else vqvae.fit(X[rows], pixel_weight=pixel_weight[rows])

    if n_epochs is not None:
        vqvae, taken = seconds_of(fit, np.arange(len(X)), n_epochs)
        return Fitted(vqvae, taken, len(X), n_epochs)
    if quick:
        return fit_once(fit, len(X))
    cost = FitCost.measure(fit, len(X), calibration_rows=64)
    fitted = cost.fit_within(seconds, fit, len(X), repeats=True, seed=seed)
    if fitted is None:
        raise SystemExit(f"{seconds:g} s are too short for {dict(params)} here.")
    return fitted


def quality(X: np.ndarray, X_hat: np.ndarray, subjects: np.ndarray) -> dict[str, float]:
    """Return SSIM of the image and of the brain, and PSNR, of one reconstruction; X is (n, height, width)."""
    whole, brain = similarities(X, X_hat)
    repeated = X if X_hat.ndim == 3 else np.broadcast_to(X[..., None], X_hat.shape)
    answer = {"psnr": metrics.psnr(repeated, X_hat, data_range=255)}
    for name, values in (("ssim", whole), ("brain_ssim", brain)):
        answer[name], answer[f"{name}_half_width"] = over_patients(values, subjects)
    return answer


def similarities(X: np.ndarray, X_hat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return each image's SSIM, and that over its brain alone, NaN where there is none.

    Parameters
    ----------
    X : ndarray of uint8, (n, height, width)
    X_hat : ndarray of uint8, (n, height, width) or (n, height, width, channels)
        Each channel is compared with X; the mean over channels counts.
    """
    whole, brain = [], []
    inner = np.s_[BORDER:-BORDER, BORDER:-BORDER]
    for image, image_hat in zip(X, X_hat, strict=True):
        channels = image_hat[..., None] if image_hat.ndim == 2 else image_hat
        maps = [
            structural_similarity(
                image / 255,
                channel / 255,
                gaussian_weights=True,
                sigma=1.5,
                use_sample_covariance=False,
                data_range=1,
                full=True,
            )[1][inner]
            for channel in np.moveaxis(channels, -1, 0)
        ]
        similarity = np.mean(maps, axis=0)
        mask = ndimage.binary_fill_holes(image > 0)[inner]
        whole.append(similarity.mean())
        brain.append(similarity[mask].mean() if mask.any() else np.nan)
    return np.array(whole), np.array(brain)


def over_patients(values: np.ndarray, subjects: np.ndarray) -> tuple[float, float]:
    """Return the mean of the patients' means, and half the width of its 95 % confidence interval."""
    known = np.isfinite(values)
    means = [values[known & (subjects == subject)].mean() for subject in np.unique(subjects[known])]
    if len(means) < 2:
        return float(np.mean(means)), float("nan")
    return float(np.mean(means)), float(stats.t.ppf(0.975, len(means) - 1) * stats.sem(means))


def middle_slices(subjects: np.ndarray) -> np.ndarray:
    """Return the row in the middle of each patient's."""
    return np.array([np.median(np.flatnonzero(subjects == s)).astype(int) for s in np.unique(subjects)])


def extent(images: np.ndarray) -> tuple[int, int, int, int]:
    """Return top, bottom, left and right of what is not black in any of the images, with a little room."""
    answer = []
    for axes, size in (((0, 2), images.shape[1]), ((0, 1), images.shape[2])):
        inked = np.flatnonzero((images > 0).any(axis=axes))
        room = size // 32
        answer += [max(inked[0] - room, 0), min(inked[-1] + 1 + room, size)]
    return tuple(answer)
