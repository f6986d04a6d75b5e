"""The 2-D OASIS brain slices: their folders, their patients, and whether a download is complete."""

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
_MAX_MANIFEST_BYTES = 2**24  # unpacked: a row of the published one takes about 130
_FOLDER = re.compile(r"keras_png_slices_(?:seg_)?(?:train|validate|test)")
_FILE = re.compile(r"(?:case|seg)_\d+_slice_\d+\.nii\.png")


class OasisSlices(ImageFiles):
    """Slices of the 2-D OASIS set as a lazy array; made by :func:`open_oasis`.

    Attributes
    ----------
    subjects : ndarray of shape (n,), int64
        Case number of each row, read from its name.
    """

    @property
    def subjects(self) -> np.ndarray:
        return subjects_from_names(self.paths)


def open_oasis(
    path: str | os.PathLike,
    split: str = "train",
    *,
    segmented: bool = False,
    size: int | tuple[int, int] | None = None,
    mode: str = "grey",
    on_error: str = "raise",
) -> OasisSlices:
    """Open one split of the 2-D OASIS set, or of images in its layout, as a lazy array.

    The layout is ``keras_png_slices_data/keras_png_slices_{train,validate,test}/case_XXX_slice_N.nii.png``,
    and ``keras_png_slices_seg_{train,validate,test}/seg_XXX_slice_N.nii.png`` for masks.

    Parameters
    ----------
    path : str or path
        A folder or zip: ``keras_png_slices_data``, one above it, or one of the folders in it.
    split : {"train", "validate", "test"}, default="train"
        The published splits have no patient in common.
    segmented : bool, default=False
        Whether to open the masks of labels and not the images. Row by row both show the same slice.
    size : int, tuple of int or None, default=None
        Side, or ``(height, width)``, to resize to: images bilinear, masks by nearest pixel.
    mode : {"grey", "rgb"}, default="grey"
        One channel or three.
    on_error : {"raise", "skip"}, default="raise"
        What to do with files that cannot be read, as in :func:`open_images`. Where any are skipped, images and
        masks no longer go row by row: compare their ``paths``.

    Returns
    -------
    OasisSlices
        Array-like of shape (n, height, width, channels), uint8, in [0, 255] (uint16 if the files have it),
        ordered by case and slice, with the attribute ``subjects``.

    Raises
    ------
    FileNotFoundError
        If ``path`` does not exist or has no such folder.
    OSError
        If a folder in it cannot be read.
    ValueError
        If an option is out of range.
    DataFileError
        If the folder is there twice, or files are corrupt, of several sizes, or over the limits of :func:`open_images`.
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
    """How a copy of the OASIS set compares with the list of its files.

    Attributes
    ----------
    missing, altered, extra : tuple of str
        Files as ``folder/name``: listed but not there; there, but of another size or content; there but not
        listed.
    counts : dict of str to tuple of int
        For each listed folder how many files are intact, and how many are listed.
    sizes_only : bool
        Whether contents were left unread, so that ``altered`` means another size only.
    """

    missing: tuple[str, ...]
    altered: tuple[str, ...]
    extra: tuple[str, ...]
    counts: dict[str, tuple[int, int]]
    sizes_only: bool

    @property
    def complete(self) -> bool:
        """Whether every listed file is there and intact; extra files do not count."""
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
    path: str | os.PathLike, manifest_tsv_gz: str | os.PathLike, *, sizes_only: bool = False
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
        Compare lengths of files and read none: much faster, finds what is cut off, not what is altered.

    Returns
    -------
    ManifestReport

    Raises
    ------
    FileNotFoundError
        If either does not exist.
    DataFileError
        If the manifest is not such a table or longer than 16 MiB, or a folder is there twice.

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


def _tree_above(path: str | os.PathLike) -> tuple[FileTree, list[str]]:
    """Return the tree that holds the splits' folders, and the names in it.

    When one of these folders is pointed at, they are those of the splits beside it: no copy elsewhere is meant.
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
    """Sort names of files in the folders of the layout by folder, all or those that are named like slices."""
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
    listed = {}
    for line, row in enumerate(rows, start=2):
        key, sha256, length = row.get("path"), row.get("sha256"), row.get("bytes")
        if not (key and re.fullmatch("[0-9a-f]{64}", sha256 or "") and re.fullmatch("[0-9]{1,18}", length or "")):
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
    """Return the hash of a file, or None where it cannot be read as one: an entry that is damaged or encrypted."""
    try:
        return hashlib.sha256(tree.read(name)).hexdigest()
    except DataFileError:
        return None
