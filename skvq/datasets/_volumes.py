"""Slices of three-dimensional scans as 8-bit images."""

import os
import warnings

import numpy as np

from ._decoding import pillow, resize
from ._errors import DataFileError, printable
from ._nifti import MAX_VOXELS, read_volume
from ._options import check_limit, check_size

_PERCENTILES = (0.5, 99.5)
_LONGEST_SIDE = 2**13
_SQUARE = 0.01  # sides of a pixel that differ by less, as a share, count as equal


def slices_from_nifti(
    path: str | os.PathLike[str],
    *,
    axis: int = 2,
    n_slices: int | None = None,
    size: int | tuple[int, int] | None = None,
    square_pixels: bool = False,
    max_voxels: int = MAX_VOXELS,
) -> np.ndarray:
    """Cut a NIfTI volume into 8-bit slices.

    The axes are first reordered to right, anterior, superior, without interpolation. All slices have the same
    intensity scale: the 0.5th percentile of all finite voxels becomes 0 and the 99.5th becomes 255, linearly and
    clipped. If the two percentiles are equal, as in nearly empty volumes, minimum and maximum are used instead.
    Constant volumes become 0, and so do voxels that are not finite.

    Parameters
    ----------
    path : str or path
        NIfTI 1 or 2 in one file, plain or gzipped: ``.nii`` or ``.nii.gz``. nibabel converts other formats:
        ``nibabel.save(nibabel.Nifti1Image.from_image(nibabel.load("scan.mgz")), "scan.nii.gz")``.
    axis : {0, 1, 2}, default=2
        The axis along which slices are taken: 2 gives axial, 1 coronal and 0 sagittal slices. Superior is up; in axial
        slices, anterior is up. The patient's left is on the left; in sagittal slices, posterior is on the left.
    n_slices : int or None, default=None
        Number of slices, from the middles of equal parts of the axis. None gives all.
    size : int, tuple of int or None, default=None
        Side, or ``(height, width)``, to which slices are resized (bilinear, antialiased).
    square_pixels : bool, default=False
        Keep the proportions of the body. Without ``size``, slices are resized so that a pixel is a square of the finer
        spacing. With ``size``, they are resized to fit in it, and the margins are 0. False treats voxels as cubes.
    max_voxels : int, default=2**27
        Limit on the size of the volume. Reading needs nine bytes of memory for each voxel.

    Returns
    -------
    ndarray of shape (n, height, width), uint8, in [0, 255]
        In ascending order along the axis.

    Warns
    -----
    UserWarning
        If the sides of a pixel differ by more than a hundredth, and ``square_pixels`` is False.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    OSError
        If it cannot be opened.
    DataFileError
        If it is not a readable volume of three dimensions (further dimensions of length 1 are accepted), or has more
        than ``max_voxels`` voxels.
    ValueError
        If a parameter is out of range.
    ImportError
        If nibabel, or for resizing Pillow, is not installed.

    Examples
    --------
    >>> import tempfile, nibabel, numpy as np
    >>> from skvq.datasets import slices_from_nifti
    >>> folder = tempfile.TemporaryDirectory()
    >>> volume = np.random.default_rng(0).normal(size=(10, 12, 8)).astype(np.float32)
    >>> nibabel.save(nibabel.Nifti1Image(volume, np.diag([1, 1, 3, 1])), f"{folder.name}/scan.nii.gz")
    >>> slices_from_nifti(f"{folder.name}/scan.nii.gz", n_slices=4).shape
    (4, 12, 10)
    >>> slices_from_nifti(f"{folder.name}/scan.nii.gz", axis=0, square_pixels=True).shape
    (10, 24, 12)
    >>> folder.cleanup()
    """
    size = check_size(size)
    if isinstance(axis, bool) or axis not in (0, 1, 2):
        raise ValueError(f"axis must be 0 (sagittal), 1 (coronal) or 2 (axial); got {axis!r}.")
    volume, spacing = read_volume(path, check_limit("max_voxels", max_voxels))
    volume = np.moveaxis(volume, axis, 0)
    across, upwards = (side for i, side in enumerate(spacing) if i != axis)
    chosen = _middles(n_slices, len(volume))
    if not square_pixels and abs(across - upwards) > _SQUARE * max(across, upwards):
        warnings.warn(
            f"Pixels of slices should be square; got {upwards:.3g} by {across:.3g} (height by width) across "
            f"axis={axis} of {printable(path)}. Slices are distorted by that: pass square_pixels=True to keep the "
            "body's proportions.",
            stacklevel=2,
        )
    darkest, brightest = _limits(volume)
    # A quarter turn, because the first row of an image is its top. One slice at a time, because scaling needs float64.
    slices = (np.rot90(_as_bytes(volume[k], darkest, brightest)) for k in chosen)
    if size is None and not square_pixels:
        return np.stack(list(slices))
    height, width = volume.shape[2], volume.shape[1]
    fitted = _fitted((height, width), (upwards, across), size) if size is None or square_pixels else size
    PIL_Image = pillow("size")
    resized = [np.asarray(resize(PIL_Image.fromarray(s), fitted, "bilinear")) for s in slices]
    return np.stack([_centred(s, size or fitted) for s in resized])


def _fitted(shape: tuple[int, int], spacing: tuple[float, float], size: tuple[int, int] | None) -> tuple[int, int]:
    """Return the size in square pixels of a slice of ``shape`` pixels. It is at most ``size``, if that is given."""
    extents = [n * side for n, side in zip(shape, spacing, strict=True)]
    finest = min(spacing) if size is None else max(e / n for e, n in zip(extents, size, strict=True))
    longest = _LONGEST_SIDE if size is None else max(size)
    sides = [max(1, round(extent / finest)) if finest > 0 else 0 for extent in extents]
    if not all(np.isfinite(extents)) or finest <= 0 or max(sides) > longest:
        raise DataFileError(
            f"path must be a volume with the spacing of its voxels; got {spacing} for {shape} of them. Pass "
            "square_pixels=False to take voxels as cubes, or mend the header with nibabel."
        )
    return sides[0], sides[1]


def _centred(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return an image (h, w) in the middle of an array of zeros of ``size``."""
    margins = [(n - m) // 2 for n, m in zip(size, image.shape, strict=True)]
    canvas = np.zeros(size, dtype=image.dtype)
    canvas[margins[0] : margins[0] + image.shape[0], margins[1] : margins[1] + image.shape[1]] = image
    return canvas


def _limits(volume: np.ndarray) -> tuple[float, float]:
    """Return the intensities that become black and white, from all slices of the volume."""
    finite = volume[np.isfinite(volume)]
    if finite.size == 0:
        return 0.0, 0.0
    darkest, brightest = (float(p) for p in np.percentile(finite, _PERCENTILES, overwrite_input=True))
    return (darkest, brightest) if brightest > darkest else (float(finite.min()), float(finite.max()))


def _as_bytes(values: np.ndarray, darkest: float, brightest: float) -> np.ndarray:
    span = brightest - darkest if brightest > darkest else 1.0
    scaled = np.clip((values.astype(np.float64) - darkest) / span, 0.0, 1.0)
    return np.rint(255 * np.where(np.isfinite(values), scaled, 0.0)).astype(np.uint8)


def _middles(n_slices: int | None, depth: int) -> np.ndarray:
    if n_slices is None:
        return np.arange(depth)
    integer = isinstance(n_slices, (int, np.integer)) and not isinstance(n_slices, bool)
    if not integer or not 1 <= n_slices <= depth:
        raise ValueError(
            f"n_slices must be an integer in [1, {depth}], the length of the axis; got {n_slices!r}. "
            "None gives all slices."
        )
    return (2 * np.arange(n_slices) + 1) * depth // (2 * n_slices)
