"""Where the examples' brain slices come from: your own copy, or ellipses drawn in the same layout to try a script.

Not an example in itself. The brain examples share it, so that each of them is about its own question.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

WHERE_TO_GET_SLICES = """\
This example needs slices of brains: --data FOLDER or --data FILE.zip, with the files
  keras_png_slices_data/keras_png_slices_{train,validate,test}/case_XXX_slice_N.nii.png
This is the layout of the 2-D OASIS slices, made of the OASIS-1 scans that https://www.oasis-brains.org gives to all
who accept its terms. Any slices in that layout will do: skvq.datasets.slices_from_nifti cuts them from NIfTI volumes,
such as those of https://openneuro.org.
To see the script run without them, on drawn ellipses, add --quick."""

DRAWN = "Drawn ellipses in place of brains"
_SIDE = 256
_PATIENTS = {"train": range(1, 9), "validate": range(9, 10), "test": range(10, 13)}
_SLICES = 4


@contextmanager
def find_slices(data: str | None, *, quick: bool) -> Iterator[Path]:
    """Yield the path that ``--data`` names; without one, if quick, that of a folder of drawn slices.

    Raises
    ------
    SystemExit
        If there is nothing at the path, or no path and no leave to draw; it says where slices are to be had.
    """
    if data is not None:
        if not Path(data).exists():
            raise SystemExit(f"--data {data}: there is nothing.\n{WHERE_TO_GET_SLICES}")
        yield Path(data)
    elif quick:
        print(f"{DRAWN}: figures below say that the script runs, and nothing about brains.")
        with tempfile.TemporaryDirectory() as folder:
            draw_tree(Path(folder))
            yield Path(folder)
    else:
        raise SystemExit(WHERE_TO_GET_SLICES)


def draw_tree(folder: Path) -> None:
    """Write slices of made-up patients, and masks of their parts, in the layout of the 2-D OASIS set."""
    for split, patients in _PATIENTS.items():
        images = folder / f"keras_png_slices_data/keras_png_slices_{split}"
        masks = folder / f"keras_png_slices_data/keras_png_slices_seg_{split}"
        images.mkdir(parents=True)
        masks.mkdir()
        for patient in patients:
            for number in range(_SLICES):
                image, mask = draw_slice(patient, number / _SLICES)
                Image.fromarray(image).save(images / f"case_{patient:03d}_slice_{number}.nii.png")
                Image.fromarray(mask).save(masks / f"seg_{patient:03d}_slice_{number}.nii.png")


def draw_slice(patient: int, height: float) -> tuple[np.ndarray, np.ndarray]:
    """Return a slice and the mask of its parts, both uint8 (256, 256): ellipses in ellipses, and noise.

    Parameters
    ----------
    patient : int
        Decides their proportions.
    height : float
        In [0, 1): slices grow smaller, and their hollows vanish, towards the top.
    """
    generator = np.random.default_rng(patient)
    half_height, half_width = generator.normal([0.8, 0.64], 0.03) * np.sqrt(1 - 0.6 * height**2)
    rim, hollow = generator.normal([0.78, 0.3], 0.03)
    y, x = np.mgrid[-1 : 1 : 1j * _SIDE, -1 : 1 : 1j * _SIDE]
    folds = 1 + 0.05 * np.sin(14 * np.arctan2(y, x) + patient)
    radius = np.hypot(y / half_height, x / half_width)
    to_hollow = np.hypot(y / half_height, (np.abs(x) - 0.12) / (0.3 * half_width))
    parts = (radius < 1).astype(np.uint8) + (radius * folds < rim)  # 0 outside, 1 the rim, 2 within it
    parts[to_hollow < hollow * (1 - height)] = 3
    noise = generator.normal(0, 6, parts.shape) * (parts > 0)
    image = np.clip(np.array([0.0, 120.0, 190.0, 50.0])[parts] + noise, 0, 255)
    return image.astype(np.uint8), (85 * parts).astype(np.uint8)
