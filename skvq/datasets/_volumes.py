"""Slices of three-dimensional scans as 8-bit images."""

import os
from pathlib import Path

import numpy as np

from ._folders import check_size, pillow, resize

_PERCENTILES = (0.5, 99.5)


def slices_from_nifti(
    path: str | os.PathLike,
    *,
    axis: int = 2,
    n_slices: int | None = None,
    size: int | tuple[int, int] | None = None,
) -> np.ndarray:
    """Cut a NIfTI volume (or another format that nibabel reads) into 8-bit slices.

    The volume is first turned to the axes right, anterior, superior, by whole axes and without interpolation.
    Intensities are scaled over the whole volume, so that slices compare: the 0.5th percentile of all finite
    voxels becomes 0 and the 99.5th 255, linearly and clipped. (Where these coincide, as in nearly empty
    volumes, minimum and maximum take their place; a constant volume becomes 0, and so do voxels that are not
    finite.) Voxels are taken as cubes, whatever their spacing.

    Parameters
    ----------
    path : str or path
        ``.nii`` or ``.nii.gz``.
    axis : {0, 1, 2}, default=2
        The axis cut across: 2 gives axial, 1 coronal, 0 sagittal slices. Superior is up, in axial slices
        anterior; the patient's left is on the left, in sagittal slices posterior.
    n_slices : int or None, default=None
        Number of slices, from the middles of as many equal parts of the axis; None gives all.
    size : int, tuple of int or None, default=None
        Side, or ``(height, width)``, that slices are resized to (bilinear, antialiased).

    Returns
    -------
    ndarray of shape (n, height, width), uint8, in [0, 255]
        In ascending order along the axis.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not a readable volume of three dimensions (further ones of length one are let pass), or a
        parameter is out of range.
    ImportError
        If nibabel, or for ``size`` Pillow, is not installed.

    Examples
    --------
    >>> import tempfile, nibabel, numpy as np
    >>> from skvq.datasets import slices_from_nifti
    >>> folder = tempfile.TemporaryDirectory()
    >>> volume = np.random.default_rng(0).normal(size=(10, 12, 8)).astype(np.float32)
    >>> nibabel.save(nibabel.Nifti1Image(volume, np.eye(4)), f"{folder.name}/scan.nii.gz")
    >>> slices_from_nifti(f"{folder.name}/scan.nii.gz", n_slices=4).shape
    (4, 12, 10)
    >>> folder.cleanup()
    """
    size = check_size(size)
    if isinstance(axis, bool) or axis not in (0, 1, 2):
        raise ValueError(f"axis must be 0 (sagittal), 1 (coronal) or 2 (axial); got {axis!r}.")
    volume = np.moveaxis(_canonical_volume(Path(path)), axis, 0)
    darkest, brightest = _limits(volume)
    chosen = volume[_middles(n_slices, len(volume))]
    # Two axes that ascend become an image whose first row is the top: a quarter turn.
    slices = np.rot90(_as_bytes(chosen, darkest, brightest), axes=(1, 2))
    if size is None:
        return np.ascontiguousarray(slices)
    PIL_Image = pillow("size")
    return np.stack([np.asarray(resize(PIL_Image.fromarray(s), size, "bilinear")) for s in slices])


def _canonical_volume(path: Path) -> np.ndarray:
    try:
        import nibabel
    except ImportError as missing:
        raise ImportError(
            'slices_from_nifti needs nibabel, which is not installed. Install it with `pip install "skvq[medical]"`.'
        ) from missing
    if not path.is_file():
        raise FileNotFoundError(f"path must be a NIfTI file; got {str(path)!r}, which is no file.")
    try:
        scan = nibabel.squeeze_image(nibabel.load(path))  # many scanners' volumes end in a dimension of one
        shape, dtype = scan.shape, scan.get_data_dtype()
        is_volume = len(shape) == 3 and 0 not in shape and dtype.kind in "iuf"
        volume = nibabel.as_closest_canonical(scan).get_fdata(dtype=np.float32) if is_volume else None
    except MemoryError:
        raise
    except Exception as error:  # kept as the reason; nibabel raises almost any kind on broken headers
        raise ValueError(
            f"path must be a whole NIfTI file; got {path}, which cannot be read: {type(error).__name__}: {error}. "
            "Copy it again, or mend its header with nibabel."
        ) from error
    if volume is None:
        raise ValueError(
            f"path must be a volume of three dimensions and real numbers; got {path} of shape {shape} and dtype "
            f"{dtype}. Save one volume of a series: nibabel.four_to_three(image)[0]."
        )
    return volume


def _limits(volume: np.ndarray) -> tuple[float, float]:
    """Darkest and brightest intensity of the scale, from all slices and not only those returned."""
    finite = volume[np.isfinite(volume)]
    if finite.size == 0:
        return 0.0, 0.0
    darkest, brightest = (float(p) for p in np.percentile(finite, _PERCENTILES))
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
