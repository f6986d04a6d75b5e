"""Folders and zips of images against the arrays that were written into them."""

import os
import pickle
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from little_files import cut, noise, save, zipped

from skvq import datasets
from skvq._contract.images import layout_of, value_range
from skvq.datasets import _trees


@pytest.fixture(scope="module")
def gallery(tmp_path_factory):
    """Twelve images 6×5 whose names sort by number, among files that are none."""
    folder = tmp_path_factory.mktemp("gallery")
    images = noise((12, 6, 5))
    for i, image in enumerate(images):
        save(folder / f"part_{i // 6}" / f"slice_{i}.{'png' if i % 2 else 'tiff'}", image)
    save(folder / ".hidden.png", images[0])
    save(folder / ".thumbs" / "a.png", images[0])
    save(folder / "__MACOSX" / "._slice.png", images[0])
    (folder / "readme.txt").write_text("no image")
    return folder, images[..., None]


@pytest.fixture(scope="module", params=["folder", "zip"])
def opened(gallery, request, tmp_path_factory):
    folder, images = gallery
    path = folder if request.param == "folder" else zipped(folder, tmp_path_factory.mktemp("zip") / "images.zip")
    return datasets.open_images(path), images


def test_image_files_look_like_an_array(opened):
    files, images = opened
    assert (files.shape, files.dtype, files.ndim, files.size) == (images.shape, np.uint8, 4, images.size)
    assert len(files) == len(files.paths) == 12
    assert [path.split("slice_")[1].split(".")[0] for path in files.paths] == [str(i) for i in range(12)]
    assert files.skipped == []
    assert np.array_equal(np.asarray(files), images)
    assert np.asarray(files, dtype=np.float32).dtype == np.float32
    assert np.array_equal(list(files), images)
    assert repr(files).startswith("<ImageFiles (12, 6, 5, 1) uint8 in ")
    with pytest.raises(ValueError, match="copy must not be False"):
        np.asarray(files, copy=False)


keys = st.one_of(
    st.integers(-12, 11),
    st.slices(12),
    st.lists(st.integers(-12, 11), max_size=5),
    st.lists(st.integers(-12, 11), max_size=5).map(lambda k: np.array(k, dtype=np.int64)),
    st.lists(st.booleans(), min_size=12, max_size=12).map(np.array),
)
rests = st.sampled_from([(), (...,), (..., 0), (slice(1, 4),), (2,), (slice(None), slice(None, None, -1), 0)])


@given(key=keys, rest=rests)
def test_indexing_is_that_of_numpy(opened, key, rest):
    files, images = opened
    assert np.array_equal(files[(key, *rest)], images[(key, *rest)])
    if not rest:
        got = files[key]
        assert got.dtype == np.uint8
        assert got.shape == images[key].shape
        assert np.array_equal(got, images[key])


@pytest.mark.parametrize(
    "key", [12, -13, [0, 12], np.ones(11, bool), 0.5, [0.5], "a", None, [[0, 1]], (0, [1]), (..., [0])]
)
def test_other_indices_are_errors_of_indexing(opened, key):
    with pytest.raises(IndexError):
        opened[0][key]


def test_image_files_travel_between_processes(opened):
    files, images = opened
    files[0]  # opens the archive, which cannot travel
    assert np.array_equal(pickle.loads(pickle.dumps(files))[3:5], images[3:5])


def test_a_forked_process_opens_the_archive_anew(gallery, tmp_path, monkeypatch):
    files = datasets.open_images(zipped(gallery[0], tmp_path / "images.zip"))
    openings = []
    real = _trees.Archive
    monkeypatch.setattr(_trees, "Archive", lambda path: openings.append(path) or real(path))
    files[:3]
    assert len(openings) == 0
    monkeypatch.setattr(_trees.os, "getpid", lambda: -1)
    files[:3]
    assert len(openings) == 1


def test_image_files_go_where_arrays_go(opened):
    files, images = opened
    assert value_range(files, chunk_bytes=700) == value_range(images, chunk_bytes=700)
    assert layout_of(files, None) == layout_of(images, None)
    selection = pytest.importorskip("sklearn.model_selection")
    for split, expected in zip(
        selection.train_test_split(files, random_state=0),
        selection.train_test_split(images, random_state=0),
        strict=True,
    ):
        assert np.array_equal(split, expected)


@pytest.mark.parametrize(
    ("pattern", "numbers"),
    [
        ("**/*", range(12)),
        ("**", range(12)),
        ("part_1/*", range(6, 12)),
        ("*/*.png", range(1, 12, 2)),
        ("**/slice_1?.*", [10, 11]),
        ("part_0/**/slice_[23].*", [2, 3]),
    ],
)
def test_patterns_choose_files(gallery, pattern, numbers):
    folder, images = gallery
    assert np.array_equal(datasets.open_images(folder, pattern=pattern)[:], images[list(numbers)])


def test_a_pattern_that_fits_nothing(gallery):
    message = r"fit pattern='\*\.png'; got .* with 12 such files, none of which fits, part_0/slice_0\.tiff for one"
    with pytest.raises(ValueError, match=message):
        datasets.open_images(gallery[0], pattern="*.png")


def test_paths_that_hold_no_images(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"path must be a folder or a zip file; got .*, which does not exist"):
        datasets.open_images(tmp_path / "nowhere")
    with pytest.raises(ValueError, match=r"path must hold PNG, JPEG, TIFF or DICOM files .* with 0 such files"):
        datasets.open_images(tmp_path)
    (tmp_path / "images.tar").write_bytes(b"no zip")
    with pytest.raises(ValueError, match=r"folder or a zip file; got '.*images\.tar', a file of another kind"):
        datasets.open_images(tmp_path / "images.tar")


def test_linked_folders_are_read_and_loops_are_not(tmp_path):
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    save(home / "own.png", np.full((4, 4), 1, np.uint8))
    save(elsewhere / "deep" / "far.png", np.full((4, 4), 2, np.uint8))
    (home / "linked").symlink_to(elsewhere, target_is_directory=True)
    (home / "loop").symlink_to(home, target_is_directory=True)
    (elsewhere / "deep" / "back").symlink_to(home, target_is_directory=True)
    images = datasets.open_images(home)
    assert images.paths == ["linked/deep/far.png", "own.png"]
    assert images[:, 0, 0, 0].tolist() == [2, 1]


def test_no_folder_is_read_twice(tmp_path):
    save(tmp_path / "run_1" / "a.png", noise((4, 4)))
    (tmp_path / "latest").symlink_to(tmp_path / "run_1", target_is_directory=True)
    (tmp_path / "self").symlink_to(tmp_path / "self")  # leads nowhere
    for each in "abcdefgh":
        save(tmp_path / each / "own.png", noise((4, 4)))
        for other in "abcdefgh":
            (tmp_path / each / f"to_{other}").symlink_to(tmp_path / other, target_is_directory=True)
    assert datasets.open_images(tmp_path).paths == [*(f"{each}/own.png" for each in "abcdefgh"), "run_1/a.png"]


def test_folders_that_cannot_be_read_are_named(tmp_path, monkeypatch):
    save(tmp_path / "a" / "a.png", noise((4, 4)))
    for locked in ("b", ".hidden"):
        (tmp_path / locked).mkdir()
    real = os.scandir

    def scandir(path):
        if str(path).endswith(("b", ".hidden")):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    # Tests may run as root, whom no permission stops.
    monkeypatch.setattr(_trees.os, "scandir", scandir)
    message = r"path must hold folders that can all be read; got one that cannot \(Permission denied\).*: '.*/b'"
    with pytest.raises(PermissionError, match=message):
        datasets.open_images(tmp_path)
    (tmp_path / "b").rmdir()
    assert datasets.open_images(tmp_path).paths == ["a/a.png"]


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_relative_paths_hold_when_the_working_folder_changes(tmp_path, monkeypatch, kind):
    save(tmp_path / "images" / "a.png", np.full((4, 4), 7, np.uint8))
    if kind == "zip":
        zipped(tmp_path / "images", tmp_path / "images.zip")
    monkeypatch.chdir(tmp_path)
    images = datasets.open_images("images" if kind == "folder" else "images.zip")
    monkeypatch.chdir(tmp_path.parent)
    assert pickle.loads(pickle.dumps(images))[0].max() == 7


def test_colours_and_grey_levels(tmp_path):
    pytest.importorskip("PIL")
    colour = noise((6, 5, 3))
    save(tmp_path / "colour.png", colour)
    rgb = datasets.open_images(tmp_path, mode="rgb")
    assert rgb.shape == (1, 6, 5, 3)
    assert np.array_equal(rgb[0], colour)
    grey = datasets.open_images(tmp_path)[0, ..., 0]
    assert np.abs(grey - colour @ [0.299, 0.587, 0.114]).max() < 1  # ITU-R 601-2, as Pillow states


def test_jpeg_and_upper_case_suffixes(tmp_path):
    smooth = np.add.outer(np.arange(16), np.arange(16)).astype(np.uint8) * 4
    save(tmp_path / "A.JPG", smooth, quality=95)
    save(tmp_path / "b.jpeg", smooth, quality=95)
    images = datasets.open_images(tmp_path)
    assert len(images) == 2
    assert np.abs(images[:, ..., 0].astype(int) - smooth).max() < 8


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bits_are_kept(tmp_path, suffix):
    values = (np.arange(256, dtype=np.uint16) * 257).reshape(16, 16)
    save(tmp_path / f"deep.{suffix}", values)
    images = datasets.open_images(tmp_path)
    assert images[0].dtype == images.dtype == np.uint16
    assert np.array_equal(images[0, ..., 0], values)
    scaled = datasets.open_images(tmp_path, data_range=(0, 65535))
    assert scaled[0].ravel().tolist() == list(range(256))
    assert scaled.dtype == np.uint8


def test_files_that_would_be_misread_are_refused(tmp_path):
    Image = pytest.importorskip("PIL.Image")
    save(tmp_path / "one.tif", noise((4, 4)))
    pages = [Image.fromarray(noise((4, 4), i)) for i in range(3)]
    pages[0].save(tmp_path / "stack.tif", save_all=True, append_images=pages[1:])
    with pytest.raises(datasets.DataFileError, match=r"1 of 2 files .* are not: stack\.tif \(3 pages, where one"):
        datasets.open_images(tmp_path)


@pytest.mark.parametrize("size", [4, (3, 7), [8, 8], np.int64(5)])
def test_images_of_all_sizes_are_resized(tmp_path, size):
    save(tmp_path / "a.png", np.full((6, 5), 40, np.uint8))
    save(tmp_path / "b.png", np.full((20, 30), 90, np.uint8))
    images = datasets.open_images(tmp_path, size=size)
    height, width = size if isinstance(size, (tuple, list)) else (size, size)
    assert images.shape == (2, height, width, 1)
    assert (np.unique(images[0]).tolist(), np.unique(images[1]).tolist()) == ([40], [90])


def test_shrinking_averages_and_nearest_keeps_labels(tmp_path):
    labels = np.random.default_rng(0).choice(np.array([0, 85, 170, 255], np.uint8), (64, 64))
    save(tmp_path / "mask.png", labels)
    smooth = datasets.open_images(tmp_path, size=8)[0]
    assert abs(smooth.mean() - labels.mean()) < 3
    assert smooth.std() < labels.std() / 3
    nearest = datasets.open_images(tmp_path, size=8, interpolation="nearest")[0]
    assert set(nearest.ravel().tolist()) == {0, 85, 170, 255}


@pytest.fixture
def damaged(tmp_path):
    """Ten images 8×8, one of them larger, one no image, and one cut off behind its header."""
    pytest.importorskip("PIL")
    for i in range(10):
        save(tmp_path / f"{i}.png", noise((9, 8) if i == 2 else (8, 8), i))
    (tmp_path / "5.png").write_bytes(b"404: not found")
    cut(tmp_path / "7.png")
    return tmp_path


def test_all_that_headers_tell_is_told_at_once(damaged):
    message = (
        r"images of one size and dtype that can be read; 2 of 10 files in .* are not: 2\.png \(9×8 pixels, where "
        r"most have 8×8\); 5\.png \(not an image, or broken\)\. Replace them, or bring all to one size with "
        r"size=\(height, width\), or leave them out with on_error='skip'\."
    )
    with pytest.raises(ValueError, match=message):
        datasets.open_images(damaged)


def test_with_a_size_only_broken_files_matter(damaged):
    with pytest.raises(ValueError, match=r"1 of 10 files in .* are not: 5\.png \(not an image, or broken\)\."):
        datasets.open_images(damaged, size=8)


def test_many_broken_files_are_counted(tmp_path):
    pytest.importorskip("PIL")
    for i in range(12):
        (tmp_path / f"{i}.png").write_bytes(b"")
    with pytest.raises(ValueError, match=r"12 of 12 .*0\.png .*4\.png \(.*\); and 7 more\.") as caught:
        datasets.open_images(tmp_path, on_error="skip")  # nothing would be left
    assert "11.png" not in str(caught.value)


def test_skipped_files_are_recorded(damaged):
    images = datasets.open_images(damaged, on_error="skip")
    assert len(images) == 8
    assert [file.path for file in images.skipped] == ["2.png", "5.png"]
    assert "2 skipped" in repr(images)
    assert np.array_equal(images[2], noise((8, 8), 3)[..., None])


def test_data_cut_off_are_found_when_they_are_asked_for(damaged):
    images = datasets.open_images(damaged, on_error="skip")
    assert images[:5].shape == (5, 8, 8, 1)
    message = r"1 of 8 images asked for in .* cannot be decoded: 7\.png \(.*\)\. Replace them, .*drop_broken\(\)"
    with pytest.raises(ValueError, match=message):
        images[:]
    whole = images.drop_broken()
    assert [file.path for file in whole.skipped] == ["2.png", "5.png", "7.png"]
    assert np.array_equal(whole[:], np.stack([noise((8, 8), i) for i in (0, 1, 3, 4, 6, 8, 9)])[..., None])
    assert len(images) == 8


def test_jpeg_cut_off_is_an_error_and_not_a_grey_half(tmp_path):
    save(tmp_path / "a.jpg", noise((64, 64)))
    cut(tmp_path / "a.jpg")
    with pytest.raises(ValueError, match=r"cannot be decoded: a\.jpg \(image file is truncated"):
        datasets.open_images(tmp_path)[0]


def test_files_that_change_or_vanish_after_opening(tmp_path):
    for i in range(3):
        save(tmp_path / f"{i}.png", noise((8, 8)))
    images = datasets.open_images(tmp_path)
    (tmp_path / "0.png").unlink()
    save(tmp_path / "1.png", noise((8, 9)))
    message = r"2 of 3 images .*0\.png \(.*No such file.*1\.png \(has changed to 8×9 pixels since it was opened\)"
    with pytest.raises(ValueError, match=message):
        images[:]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "gray"}, r"mode must be 'grey' or 'rgb' or 'labels'; got 'gray'"),
        ({"on_error": "ignore"}, r"on_error must be 'raise' or 'skip'; got 'ignore'"),
        ({"interpolation": "cubic"}, r"interpolation must be 'bilinear' or 'nearest'; got 'cubic'"),
        ({"size": 0}, r"size must be a positive integer or \(height, width\) of two; got 0\. Use size=64"),
        ({"size": (8, 8, 1)}, r"size must be .* got \(8, 8, 1\)"),
        ({"size": 8.0}, r"size must be .* got 8\.0"),
        ({"size": True}, r"size must be .* got True"),
        ({"size": "8"}, r"size must be .* got '8'"),
    ],
)
def test_options_are_checked(gallery, options, message):
    with pytest.raises(ValueError, match=message):
        datasets.open_images(gallery[0], **options)


def test_images_without_pillow_tell_how_to_get_it(gallery, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ImportError, match=r'open_images needs Pillow.*pip install "skvq\[examples\]"'):
        datasets.open_images(gallery[0])
