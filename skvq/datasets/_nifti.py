"""Read NIfTI files that need not be trusted: headers are checked, and nothing is read beyond the stated size."""

import gzip
import math
import os
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from ._errors import DataFileError, parsing, printable
from ._reading import BinaryFile, open_regular, read_at_most

MAX_VOXELS = 2**27  # 512 × 512 × 512

_CHUNK = 2**20
_MOST_EXTENSION_BYTES = 2**26  # between header and data


def read_volume(path: str | os.PathLike[str], max_voxels: int) -> tuple[np.ndarray, tuple[float, float, float]]:
    """Read a volume, with its axes reordered to right, anterior, superior.

    Parameters
    ----------
    path : str or path
        NIfTI 1 or 2 in one file, plain or gzipped, with any suffix.
    max_voxels : int

    Returns
    -------
    volume : ndarray of shape (right, anterior, superior), float32
    spacing : tuple of float
        Size of a voxel along the three axes, in the unit of the file, usually millimetres.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    DataFileError
        If it is not such a volume, or has more than ``max_voxels`` voxels.
    ImportError
        If nibabel is not installed.
    """
    nibabel = _nibabel()
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"path must be a NIfTI file; got {str(path)!r}, which is no file.")
    source = open_regular(path)
    way_out = "Copy it again, or mend its header with nibabel."
    with source, parsing(path, "be a whole NIfTI file", way_out, name="path"):
        is_packed = source.read(2) == b"\x1f\x8b"
        source.seek(0)
        file = gzip.GzipFile(fileobj=source) if is_packed else source
        header = _header(nibabel, file)
        shape, dtype = header.get_data_shape(), header.get_data_dtype()
        _check_kind(path, shape, dtype)
        if math.prod(shape) > max_voxels:
            raise DataFileError(
                f"path must be a volume of at most max_voxels={max_voxels}; got {printable(path)} of shape {shape}, "
                f"{math.prod(shape)} voxels. Raise max_voxels if there is memory for nine bytes a voxel."
            )
        _skip(file, header.get_data_offset() - header.sizeof_hdr)
        volume = _values(nibabel, file, shape[:3], dtype, header.get_slope_inter())
        file.read(1)  # makes gzip compare the checksum at the end of the file
        orientation = nibabel.orientations.io_orientation(header.get_best_affine())
        turned = nibabel.orientations.apply_orientation(volume, orientation)
        # For each axis of the file, io_orientation gives its new position.
        axes = np.argsort(orientation[:, 0])
        spacing = nibabel.affines.voxel_sizes(header.get_best_affine())[axes]
    first, second, third = (float(side) for side in spacing)
    return turned, (first, second, third)


def _header(nibabel: ModuleType, file: BinaryFile) -> Any:
    """Read only the header. Extensions after it may contain other formats, which are not parsed."""
    block = bytes(read_at_most(file, 4))
    sizes = {kind.sizeof_hdr: kind for kind in (nibabel.Nifti1Header, nibabel.Nifti2Header)}
    kind = sizes.get(int.from_bytes(block, "little")) or sizes.get(int.from_bytes(block, "big"))
    if kind is not None:
        block += bytes(read_at_most(file, kind.sizeof_hdr - 4))
    if kind is None or not kind.may_contain_header(block):
        raise ValueError("a file without the header of NIfTI 1 or 2: nibabel converts other formats")
    header = kind(block, check=True)
    if header["magic"].item().startswith(b"ni"):
        raise ValueError("a header whose data are in another file: save both as one .nii file")
    return header


def _check_kind(path: Path, shape: tuple[int, ...], dtype: np.dtype) -> None:
    is_real = dtype.kind in "iuf" and dtype.itemsize <= 8
    # Volumes of many scanners have further axes of length 1.
    if not (is_real and len(shape) >= 3 and all(side > 0 for side in shape[:3]) and set(shape[3:]) <= {1}):
        raise DataFileError(
            f"path must be a volume of three dimensions and real numbers; got {printable(path)} of shape {shape} and "
            f"dtype {dtype}. Save one volume of a series: nibabel.four_to_three(image)[0]."
        )


def _skip(file: BinaryFile, n_bytes: int) -> None:
    if not 0 <= n_bytes <= _MOST_EXTENSION_BYTES:
        raise ValueError(f"data that begin {n_bytes} bytes behind the header")
    while n_bytes > 0:
        chunk = file.read(min(_CHUNK, n_bytes))
        if not chunk:
            raise EOFError("the file ends before its data")
        n_bytes -= len(chunk)


def _values(
    nibabel: ModuleType, file: BinaryFile, shape: tuple[int, ...], dtype: np.dtype, scaling: tuple[Any, Any]
) -> np.ndarray:
    """Return scaled values (x, y, z) as float32. They are read in parts, so the unscaled values need little memory."""
    slope, intercept = (None if factor is None else np.float64(factor) for factor in scaling)
    volume = np.empty(shape, dtype=np.float32, order="F")
    slabs = volume.reshape(-1, order="F")  # a view: columns first, as in the file
    per_slab = max(1, _CHUNK // dtype.itemsize)
    for start in range(0, slabs.size, per_slab):
        n_values = min(per_slab, slabs.size - start)
        content = read_at_most(file, n_values * dtype.itemsize)
        if len(content) < n_values * dtype.itemsize:
            raise EOFError(f"the file ends after {start + len(content) // dtype.itemsize} of {slabs.size} voxels")
        with np.errstate(all="ignore"):  # values beyond the range of float32 become infinity
            scaled = nibabel.volumeutils.apply_read_scaling(np.frombuffer(content, dtype), slope, intercept)
            slabs[start : start + n_values] = scaled
    return volume


def _nibabel() -> ModuleType:
    try:
        import nibabel
    except ImportError as missing:
        raise ImportError(
            'slices_from_nifti needs nibabel, which is not installed. Install it with `pip install "skvq[medical]"`.'
        ) from missing
    return nibabel
