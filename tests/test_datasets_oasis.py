"""The OASIS layout from every level, and the manifest of its files."""

import gzip
import hashlib
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from little_files import cut, noise, save, zipped

from skvq import datasets
from skvq.datasets import _trees

CASES = {"train": [1, 12, 3], "validate": [4], "test": [20, 100]}


@pytest.fixture
def oasis(tmp_path):
    """A folder above the data: two slices for each case, in which pixel values tell case and slice."""
    home = tmp_path / "download" / "keras_png_slices_data"
    mask = np.tile(np.array([0, 85], np.uint8), (8, 4))
    for split, cases in CASES.items():
        for case in cases:
            for k in (2, 10):
                image = np.full((8, 8), case + k, np.uint8)
                save(home / f"keras_png_slices_{split}/case_{case:03d}_slice_{k}.nii.png", image)
                save(home / f"keras_png_slices_seg_{split}/seg_{case:03d}_slice_{k}.nii.png", mask)
    (home / "keras_png_slices_train" / "notes.txt").write_text("no slice")
    return home


@pytest.mark.parametrize("level", ["..", ".", "keras_png_slices_train", "keras_png_slices_seg_test"])
@pytest.mark.parametrize("split", CASES)
def test_oasis_is_found_from_every_level(oasis, level, split):
    images = datasets.open_oasis((oasis / level).resolve(), split)
    assert images.shape == (2 * len(CASES[split]), 8, 8, 1)
    assert images.subjects.tolist() == [case for case in sorted(CASES[split]) for _ in range(2)]
    assert images.subjects.dtype == np.int64
    values = [case + k for case in sorted(CASES[split]) for k in (2, 10)]
    assert images[:, 0, 0, 0].tolist() == values
    masks = datasets.open_oasis((oasis / level).resolve(), split, segmented=True, size=4)
    assert np.array_equal(masks.subjects, images.subjects)
    assert set(masks[:].ravel().tolist()) <= {0, 85}


def test_oasis_is_found_from_within(oasis, monkeypatch):
    monkeypatch.chdir(oasis / "keras_png_slices_validate")
    assert datasets.open_oasis(".", "train").subjects.tolist() == [1, 1, 3, 3, 12, 12]


@pytest.mark.parametrize("below", ["", "keras_png_slices_data/", "some/where/keras_png_slices_data/"])
def test_oasis_in_a_zip(oasis, below, tmp_path):
    archive = zipped(oasis, tmp_path / "oasis.zip", below)
    for split in CASES:
        packed, folder = datasets.open_oasis(archive, split), datasets.open_oasis(oasis, split)
        assert np.array_equal(packed[:], folder[:])
        assert np.array_equal(packed.subjects, folder.subjects)


def test_published_splits_can_be_checked(oasis):
    subjects = {split: datasets.open_oasis(oasis, split).subjects for split in CASES}
    datasets.check_subjects_apart(**subjects)
    assert datasets.open_oasis(oasis, size=4, mode="rgb").shape == (6, 4, 4, 3)


def test_subjects_follow_the_images_that_are_left(oasis):
    broken = oasis / "keras_png_slices_train" / "case_003_slice_2.nii.png"
    save(broken, noise((8, 8)))
    cut(broken)
    assert datasets.open_oasis(oasis).drop_broken().subjects.tolist() == [1, 1, 3, 12, 12]
    (oasis / "keras_png_slices_train" / "case_001_slice_10.nii.png").write_bytes(b"")
    skipping = datasets.open_oasis(oasis, on_error="skip").drop_broken()
    assert skipping.subjects.tolist() == [1, 3, 12, 12]
    assert len(skipping.skipped) == 2


def test_oasis_that_is_not_there(oasis, tmp_path):
    shutil.rmtree(oasis / "keras_png_slices_seg_test")
    message = (
        r"must hold the folder keras_png_slices_seg_test with files like seg_001_slice_0\.nii\.png; in .* there is "
        r"only keras_png_slices_seg_train, .*keras_png_slices_validate\. Point to"
    )
    with pytest.raises(FileNotFoundError, match=message):
        datasets.open_oasis(oasis, "test", segmented=True)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"there is no folder of that layout\. .*or use open_images"):
        datasets.open_oasis(tmp_path / "empty")
    with pytest.raises(FileNotFoundError, match=r"which does not exist"):
        datasets.open_oasis(tmp_path / "nowhere")
    with pytest.raises(ValueError, match=r"split must be 'train', 'validate' or 'test'; got 'val'\."):
        datasets.open_oasis(oasis, "val")


def test_two_copies_of_oasis_are_not_joined(oasis, tmp_path):
    shutil.copytree(oasis, oasis.parent / "copy")
    message = r"path must hold keras_png_slices_train once; .* holds it as copy/keras_.*, keras_png_slices_data/keras"
    with pytest.raises(ValueError, match=message):
        datasets.open_oasis(oasis.parent)
    with pytest.raises(ValueError, match=r"copy/keras_.*\. Unpack it, and point to the one that you mean\."):
        datasets.open_oasis(zipped(oasis.parent, tmp_path / "oasis.zip"))


def test_a_folder_pointed_at_is_opened_whatever_lies_beside_it(oasis):
    train = oasis / "keras_png_slices_train"
    shutil.copytree(train, oasis / "backup" / "keras_png_slices_train")
    shutil.copytree(train, oasis / "keras_png_slices_test" / "keras_png_slices_train")
    message = r"holds it as backup/keras.*\. Point to the one that you mean\."
    with pytest.raises(ValueError, match=message):
        datasets.open_oasis(oasis)
    for folder in (train, oasis / "backup" / "keras_png_slices_train"):
        images = datasets.open_oasis(folder)
        assert [path.rpartition("/")[0] for path in images.paths] == ["keras_png_slices_train"] * 6
        assert images.subjects.tolist() == [1, 1, 3, 3, 12, 12]
    with pytest.raises(FileNotFoundError, match=r"keras_png_slices_test with .*there is only keras_png_slices_train"):
        datasets.open_oasis(oasis / "backup" / "keras_png_slices_train", "test")


def test_what_lies_beside_a_folder_pointed_at_is_not_read(oasis, monkeypatch):
    (oasis / "other").mkdir()
    real = os.scandir
    seen = []
    monkeypatch.setattr(_trees.os, "scandir", lambda path: seen.append(Path(path).name) or real(path))
    datasets.open_oasis(oasis / "keras_png_slices_train")
    assert "keras_png_slices_train" in seen
    assert not {"other", oasis.name} & set(seen)


def test_a_linked_folder_is_opened(oasis, tmp_path):
    home = tmp_path / "links" / "keras_png_slices_data"
    home.mkdir(parents=True)
    (home / "keras_png_slices_train").symlink_to(oasis / "keras_png_slices_train", target_is_directory=True)
    for path in (home.parent, home, home / "keras_png_slices_train"):
        assert datasets.open_oasis(path).subjects.tolist() == [1, 1, 3, 3, 12, 12]


# The manifest


@pytest.fixture
def manifest(oasis, tmp_path):
    files = sorted(oasis.rglob("*.png"))
    lines = [
        f"{f.relative_to(oasis).as_posix()}\t{hashlib.sha256(f.read_bytes()).hexdigest()}\t{f.stat().st_size}"
        for f in files
    ]
    (oasis / "keras_png_slices_train" / "notes.txt").unlink()
    path = tmp_path / "manifest.tsv.gz"
    path.write_bytes(gzip.compress("\n".join(["path\tsha256\tbytes", *lines, ""]).encode()))
    return path


@pytest.mark.parametrize("sizes_only", [False, True])
def test_a_complete_copy_is_complete(oasis, manifest, tmp_path, sizes_only):
    for path in (oasis, oasis.parent, zipped(oasis, tmp_path / "oasis.zip", "keras_png_slices_data/")):
        report = datasets.check_oasis_manifest(path, manifest, sizes_only=sizes_only)
        assert report.complete
        assert (report.missing, report.altered, report.extra) == ((), (), ())
        assert report.counts["keras_png_slices_train"] == (6, 6)
        assert report.counts["keras_png_slices_seg_test"] == (4, 4)
        assert len(report.counts) == 6
        assert report.sizes_only == sizes_only


def test_what_is_missing_altered_or_extra_is_told(oasis, manifest):
    train, test = oasis / "keras_png_slices_train", oasis / "keras_png_slices_test"
    (train / "case_001_slice_2.nii.png").unlink()
    cut(train / "case_012_slice_10.nii.png")
    content = bytearray((test / "case_020_slice_2.nii.png").read_bytes())
    content[-20] ^= 1
    (test / "case_020_slice_2.nii.png").write_bytes(content)
    (test / "case_001_slice_2.nii.png").write_bytes(b"stray")

    report = datasets.check_oasis_manifest(oasis, manifest)
    assert not report.complete
    assert report.missing == ("keras_png_slices_train/case_001_slice_2.nii.png",)
    assert set(report.altered) == {
        "keras_png_slices_train/case_012_slice_10.nii.png",
        "keras_png_slices_test/case_020_slice_2.nii.png",
    }
    assert report.extra == ("keras_png_slices_test/case_001_slice_2.nii.png",)
    assert report.counts["keras_png_slices_train"] == (4, 6)
    assert report.counts["keras_png_slices_test"] == (3, 4)
    told = str(report)
    assert "keras_png_slices_train: 4 of 6 intact" in told
    assert "1 missing: keras_png_slices_train/case_001_slice_2.nii.png" in told

    by_size = datasets.check_oasis_manifest(oasis, manifest, sizes_only=True)
    assert by_size.altered == ("keras_png_slices_train/case_012_slice_10.nii.png",)


def test_extra_files_do_not_make_a_copy_incomplete(oasis, manifest):
    (oasis / "keras_png_slices_test" / "extra.png").write_bytes(b"")
    assert datasets.check_oasis_manifest(oasis, manifest).complete


HEADER = b"path\tsha256\tbytes\n"


# Every case has its own name: bytes of a gzip file hold the time they were made at, and names made of them would
# differ between the processes that share the tests out.
@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(
            b"no gzip", r"manifest_tsv_gz must be a whole gzip file of text; got .*Download it again", id="no gzip"
        ),
        pytest.param(gzip.compress(HEADER * 50)[:-9], r"must be a whole gzip file of text", id="cut off"),
        pytest.param(
            gzip.compress(HEADER), r"must list at least one file; got none in .*m\.tsv\.gz", id="header alone"
        ),
        pytest.param(
            gzip.compress(b"a,b,c\n1,2,3\n"),
            r"must have the columns path, sha256 .* in line 2 of .*m\.tsv\.gz",
            id="commas for tabs",
        ),
        pytest.param(
            gzip.compress(HEADER + b"a\tshort\t1\n"),
            r"must have the columns .*got .*'short'.* line 2",
            id="short hash",
        ),
        pytest.param(
            gzip.compress(HEADER + b"x" * 200_000), r"whole gzip file of text; got .*: field larger", id="long field"
        ),
    ],
)
def test_what_is_no_manifest(oasis, tmp_path, content, message):
    (tmp_path / "m.tsv.gz").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        datasets.check_oasis_manifest(oasis, tmp_path / "m.tsv.gz")


def test_a_manifest_must_exist(oasis, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nothing\.tsv\.gz"):
        datasets.check_oasis_manifest(oasis, tmp_path / "nothing.tsv.gz")
