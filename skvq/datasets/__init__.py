"""Load images, and split them so that no patient is in two splits.

- digits: :func:`load_mnist_sample` (offline), :func:`load_idx`, :func:`fetch_mnist`
- folders and zip files of images, decoded on access: :func:`open_images`, :func:`open_oasis`
- volumes: :func:`slices_from_nifti`
- patients: :func:`subjects_from_names`, :func:`split_by_subject`, :func:`check_subjects_apart`
- downloads: :func:`check_oasis_manifest`

Files need not be trusted: a file that cannot be read, or would need more memory than a stated limit, raises
:class:`DataFileError`.
"""

from ._digits import fetch_mnist, load_idx, load_mnist_sample
from ._errors import DataFileError
from ._folders import open_images
from ._image_files import ImageFiles, SkippedFile
from ._oasis import ManifestReport, OasisSlices, check_oasis_manifest, open_oasis
from ._subjects import check_subjects_apart, split_by_subject, subjects_from_names
from ._volumes import slices_from_nifti

__all__ = [
    "DataFileError",
    "ImageFiles",
    "ManifestReport",
    "OasisSlices",
    "SkippedFile",
    "check_oasis_manifest",
    "check_subjects_apart",
    "fetch_mnist",
    "load_idx",
    "load_mnist_sample",
    "open_images",
    "open_oasis",
    "slices_from_nifti",
    "split_by_subject",
    "subjects_from_names",
]
