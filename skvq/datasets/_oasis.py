"""The 2-D OASIS brain slices: open a split, read the patients, and check that a download is complete."""

import csv
import gzip
import hashlib
import io
import os
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ._decoding import MAX_PIXELS, Decoder
from ._errors import DataFileError, parsing, printable
from ._image_files import ImageFiles
from ._options import check_choice, check_size
from ._reading import open_regular, read_at_most
from ._subjects import subjects_from_names
from ._trees import FileTree

_SPLITS = ("train", "validate", "test")
_NAMED_IN_ERRORS = 5
_MAX_MANIFEST_BYTES = 2**24  # unpacked; a row of the published manifest has about 130
_FOLDER = re.compile(r"keras_png_slices_(?:seg_)?(?:train|validate|test)")
_FILE = re.compile(r"(?:case|seg)_\d+_slice_\d+\.nii\.png")


class OasisSlices(ImageFiles):
    """Slices of the 2-D OASIS set as a lazy array. :func:`open_oasis` makes it.

    Attributes
    ----------
    subjects : ndarray of shape (n,), int64
        Case number of each row, from the file name.
    """

    @property
    def subjects(self) -> np.ndarray:
        return subjects_from_names(self.paths)


def open_oasis(
    path: str | os.PathLike[str],
    split: str = "train",
    *,
    segmented: bool = False,
    size: int | tuple[int, int] | None = None,
    mode: str = "grey",
    on_error: str = "raise",
) -> OasisSlices:
    """Open one split of the 2-D OASIS set, or of other images in the same folders, as a lazy array.

    The layout is ``keras_png_slices_data/keras_png_slices_{train,validate,test}/case_XXX_slice_N.nii.png``,
    and ``keras_png_slices_seg_{train,validate,test}/seg_XXX_slice_N.nii.png`` for masks.

    Parameters
    ----------
    path : str or path
        A folder or zip file: ``keras_png_slices_data``, a folder above it, or one of the folders in it.
    split : {"train", "validate", "test"}, default="train"
        The published splits have no patient in common.
    segmented : bool, default=False
        Open the masks of labels instead of the images. Equal rows show the same slice.
    size : int, tuple of int or None, default=None
        Side, or ``(height, width)``, to resize to. Images are resized bilinearly, and masks by the nearest pixel.
    mode : {"grey", "rgb"}, default="grey"
        One channel or three.
    on_error : {"raise", "skip"}, default="raise"
        What to do with files that cannot be read, as in :func:`open_images`. If files are skipped, equal rows of images
        and masks may show different slices: compare their ``paths``.

    Returns
    -------
    OasisSlices
        Array-like of shape (n, height, width, channels), uint8, in [0, 255] (uint16 if the files have it),
        in the order of case and slice, with the attribute ``subjects``.

    Raises
    ------
    FileNotFoundError
        If ``path`` does not exist or has no such folder.
    OSError
        If a folder in it cannot be read.
    ValueError
        If an option is out of range.
    DataFileError
        If the folder exists twice, or files are corrupt, of several sizes, or over the limits of :func:`open_images`.
    ImportError
        If Pillow is not installed.

    Examples
    --------
    >>> from skvq.datasets import check_subjects_apart, open_oasis
    >>> train, test = open_oasis("oasis.zip", "train"), open_oasis("oasis.zip", "test")  # doctest: +SKIP
    >>> check_subjects_apart(train=train.subjects, test=test.subjects)  # doctest: +SKIP
    """
    if split not in _SPLITS:
        raise ValueError(f"split must be 'train', 'validate' or 'test'; got {split!r}.")
    check_choice("mode", mode, ("grey", "rgb"))
    interpolation = "nearest" if segmented else "bilinear"
    decoder = Decoder(mode, check_size(size), interpolation, data_range=None, max_pixels=MAX_PIXELS)
    wanted = f"keras_png_slices_{'seg_' if segmented else ''}{split}"
    tree, found = _tree_above(path)
    slices = _slices(found)
    names = slices.get(wanted, [])
    if not names:
        there = sorted(slices)
        raise FileNotFoundError(
            f"path must hold the folder {wanted} with files like "
            f"{'seg' if segmented else 'case'}_001_slice_0.nii.png; in {printable(tree.path)} there "
            f"is {'only ' + ', '.join(there) if there else 'no folder of that layout'}. "
            "Point to keras_png_slices_data, or use open_images for other layouts."
        )
    _check_unique(tree, names)
    return OasisSlices(tree, names, decoder, on_error=on_error)


@dataclass(frozen=True)
class ManifestReport:
    """The differences between a copy of the OASIS set and the list of its files.

    Attributes
    ----------
    missing, altered, extra : tuple of str
        Files as ``folder/name``: ``missing`` are listed but do not exist, ``altered`` have another size or content,
        and ``extra`` are not listed.
    counts : dict of str to tuple of int
        For each listed folder, the number of intact files and the number of listed files.
    sizes_only : bool
        Whether only sizes were compared, so that ``altered`` means another size.
    """

    missing: tuple[str, ...]
    altered: tuple[str, ...]
    extra: tuple[str, ...]
    counts: dict[str, tuple[int, int]]
    sizes_only: bool

    @property
    def complete(self) -> bool:
        """Whether every listed file exists and is intact. Extra files are ignored."""
        return not self.missing and not self.altered

    def __str__(self) -> str:
        lines = [f"{folder}: {intact} of {listed} intact" for folder, (intact, listed) in self.counts.items()]
        for name in ("missing", "altered", "extra"):
            files = getattr(self, name)
            if files:
                lines.append(
                    f"{len(files)} {name}: {', '.join(map(printable, files[:3]))}{', …' if len(files) > 3 else ''}"
                )
        return "\n".join(lines)


def check_oasis_manifest(
    path: str | os.PathLike[str], manifest_tsv_gz: str | os.PathLike[str], *, sizes_only: bool = False
) -> ManifestReport:
    """Compare a copy of the 2-D OASIS set with a list of its files.

    Parameters
    ----------
    path : str or path
        As for :func:`open_oasis`.
    manifest_tsv_gz : str or path
        Gzipped table with tabs and the columns ``path`` (below ``keras_png_slices_data``), ``sha256`` and
        ``bytes``.
    sizes_only : bool, default=False
        Compare only the sizes of files. This is much faster. It finds truncated files, but not altered contents.

    Returns
    -------
    ManifestReport

    Raises
    ------
    FileNotFoundError
        If either does not exist.
    DataFileError
        If the manifest is not such a table or longer than 16 MiB, or a folder exists twice.

    Examples
    --------
    >>> from skvq.datasets import check_oasis_manifest
    >>> report = check_oasis_manifest("oasis.zip", "keras_png_slices_sha256.tsv.gz")  # doctest: +SKIP
    >>> report.complete  # doctest: +SKIP
    True
    """
    listed = _read_manifest(Path(manifest_tsv_gz))
    tree, found = _tree_above(path)
    there = {}
    for names in _slices(found, any_file=True).values():
        _check_unique(tree, names)
        there.update({"/".join(name.split("/")[-2:]): name for name in names})
    missing, altered = [], []
    for key, (sha256, length) in listed.items():
        if key not in there:
            missing.append(key)
        elif tree.size(there[key]) != length or not (sizes_only or _sha256(tree, there[key]) == sha256):
            altered.append(key)
    lost = Counter(key.split("/")[0] for key in (*missing, *altered))
    counts = {folder: (n - lost[folder], n) for folder, n in Counter(key.split("/")[0] for key in listed).items()}
    extra = tuple(key for key in there if key not in listed)
    return ManifestReport(tuple(missing), tuple(altered), extra, counts, sizes_only)


def _tree_above(path: str | os.PathLike[str]) -> tuple[FileTree, list[str]]:
    """Return the tree that contains the folders of the splits, and the names in it.

    If ``path`` is one of these folders, only the folders next to it belong to the set, and no copies elsewhere.
    """
    path = Path(path).absolute()
    if not (_FOLDER.fullmatch(path.name) and path.is_dir()):
        tree = FileTree(path)
        return tree, tree.names()
    beside = [path.parent / f"keras_png_slices_{kind}{split}" for kind in ("", "seg_") for split in _SPLITS]
    folders = [folder for folder in beside if folder.is_dir()]
    names = [f"{folder.name}/{name}" for folder in folders for name in FileTree(folder).names() if "/" not in name]
    return FileTree(path.parent), names


def _slices(names: list[str], any_file: bool = False) -> dict[str, list[str]]:
    """Group names by their folder of the set: names of slices, or of all files in these folders."""
    slices: dict[str, list[str]] = {}
    for name in names:
        *parents, file = name.split("/")
        folder = parents[-1] if parents else ""
        kind = "seg" if "_seg_" in folder else "case"
        if _FOLDER.fullmatch(folder) and (any_file or (_FILE.fullmatch(file) and file.startswith(kind))):
            slices.setdefault(folder, []).append(name)
    return slices


def _check_unique(tree: FileTree, names: list[str]) -> None:
    homes = sorted({name.rpartition("/")[0] for name in names})
    if len(homes) > 1:
        raise DataFileError(
            f"path must hold {homes[0].rpartition('/')[2]} once; {printable(tree.path)} holds it as "
            f"{', '.join(map(printable, homes[:_NAMED_IN_ERRORS]))}{', …' if len(homes) > _NAMED_IN_ERRORS else ''}. "
            f"{'Unpack it, and point' if tree.is_zip else 'Point'} to the one that you mean."
        )


def _read_manifest(path: Path) -> dict[str, tuple[str, int]]:
    file, rule = open_regular(path), "be a whole gzip file of text"
    with file, parsing(path, rule, "Download it again.", name="manifest_tsv_gz"):
        with gzip.GzipFile(fileobj=file) as packed:
            content = read_at_most(packed, _MAX_MANIFEST_BYTES + 1)
        if len(content) > _MAX_MANIFEST_BYTES:
            raise ValueError(f"more than {_MAX_MANIFEST_BYTES} bytes unpacked")
        rows = list(csv.DictReader(io.StringIO(content.decode(), newline=""), delimiter="\t"))
    listed: dict[str, tuple[str, int]] = {}
    for line, row in enumerate(rows, start=2):
        key, sha256, length = (row.get(column) or "" for column in ("path", "sha256", "bytes"))
        if not (key and re.fullmatch("[0-9a-f]{64}", sha256) and re.fullmatch("[0-9]{1,18}", length)):
            raise DataFileError(
                "manifest_tsv_gz must have the columns path, sha256 (64 hexadecimal digits) and bytes, with "
                f"tabs between; got {printable(dict(row))} in line {line} of {printable(path)}. Download it again."
            )
        listed[key] = (sha256, int(length))
    if not listed:
        raise DataFileError(
            f"manifest_tsv_gz must list at least one file; got none in {printable(path)}. Download it again."
        )
    return listed


def _sha256(tree: FileTree, name: str) -> str | None:
    """Return the hash of a file, or None if it is a damaged or encrypted entry."""
    try:
        return hashlib.sha256(tree.read(name)).hexdigest()
    except DataFileError:
        return None
