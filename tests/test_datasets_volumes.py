"""Slices of volumes: which way is up, and how intensities are scaled."""

import importlib
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from little_files import cut

from skvq import datasets


def save_nifti(path, volume, affine=None):
    nibabel = pytest.importorskip("nibabel")
    nibabel.save(nibabel.Nifti1Image(volume, np.eye(4) if affine is None else affine), path)
    return path


def ramp(shape=(10, 12, 8)):
    """Values that rise to the right, to the front and upwards."""
    x, y, z = np.indices(shape)
    return (x + 100 * y + 10000 * z).astype(np.float32)


def test_anterior_and_superior_are_up_and_left_is_left(tmp_path):
    path = save_nifti(tmp_path / "scan.nii.gz", ramp())
    for axis, shape, upwards in ((2, (8, 12, 10), 100), (1, (12, 8, 10), 10000), (0, (10, 8, 12), 10000)):
        slices = datasets.slices_from_nifti(path, axis=axis)
        assert (slices.shape, slices.dtype) == (shape, np.uint8)
        assert np.all(np.diff(slices.astype(int), axis=1) <= 0), upwards
        assert np.all(np.diff(slices.astype(int), axis=2) >= 0)
        assert np.all(np.diff(slices.mean(axis=(1, 2))) >= 0)
        assert slices.flags.c_contiguous


def test_slices_do_not_depend_on_how_the_volume_is_stored(tmp_path):
    volume = np.random.default_rng(0).normal(size=(10, 12, 8)).astype(np.float32)
    expected = datasets.slices_from_nifti(save_nifti(tmp_path / "ras.nii", volume))
    flipped = save_nifti(tmp_path / "lps.nii", volume[::-1, ::-1], np.diag([-1, -1, 1, 1]))
    turned = save_nifti(tmp_path / "turned.nii.gz", volume.transpose(2, 0, 1), np.eye(4)[[1, 2, 0, 3]])
    for path in (flipped, turned):
        assert np.array_equal(datasets.slices_from_nifti(path), expected)


def test_intensities_are_scaled_between_percentiles_of_the_whole_volume(tmp_path):
    volume = np.random.default_rng(0).gamma(2.0, size=(20, 20, 20)).astype(np.float32)
    volume[0, 0, 0] = 1e6  # one hot voxel must not darken the rest
    path = save_nifti(tmp_path / "scan.nii.gz", volume)
    low, high = np.percentile(volume, [0.5, 99.5])
    expected = np.rint(255 * np.clip((volume.astype(float) - low) / (high - low), 0, 1))
    slices = datasets.slices_from_nifti(path)
    assert np.array_equal(np.rot90(slices, -1, axes=(1, 2)).transpose(1, 2, 0), expected)
    chosen = datasets.slices_from_nifti(path, n_slices=5)
    assert np.array_equal(chosen, slices[[2, 6, 10, 14, 18]])


@given(st.integers(1, 40), st.data())
def test_chosen_slices_lie_in_the_middles_of_equal_parts(depth, data):
    n = data.draw(st.integers(1, depth))
    middles = importlib.import_module("skvq.datasets._volumes")._middles(n, depth)
    assert len(set(middles.tolist())) == n
    assert np.all(np.abs(middles + 0.5 - (np.arange(n) + 0.5) * depth / n) <= 0.5)
    assert middles[0] <= depth - 1 - middles[-1] + 1


def test_volumes_that_scaling_must_survive(tmp_path):
    sparse = np.zeros((10, 10, 10), np.float32)
    sparse[5, 5, 5] = 3
    slices = datasets.slices_from_nifti(save_nifti(tmp_path / "sparse.nii", sparse))
    assert (slices.max(), np.count_nonzero(slices)) == (255, 1)
    assert not datasets.slices_from_nifti(save_nifti(tmp_path / "flat.nii", np.full((4, 4, 4), 7.0))).any()
    assert not datasets.slices_from_nifti(save_nifti(tmp_path / "nan.nii", np.full((4, 4, 4), np.nan))).any()
    holed = ramp()
    holed[3, 4, 5] = np.nan
    slices = datasets.slices_from_nifti(save_nifti(tmp_path / "holed.nii", holed))
    assert slices[5, 12 - 1 - 4, 3] == 0
    assert slices[5, 12 - 1 - 4, 4] > 0


def test_a_last_dimension_of_one_is_let_pass_and_slices_are_resized(tmp_path):
    volume = ramp()
    path = save_nifti(tmp_path / "scan.nii", volume[..., None])
    plain = save_nifti(tmp_path / "plain.nii", volume)
    assert np.array_equal(datasets.slices_from_nifti(path), datasets.slices_from_nifti(plain))
    assert datasets.slices_from_nifti(path, size=(7, 9), n_slices=2).shape == (2, 7, 9)
    assert datasets.slices_from_nifti(path, size=16).dtype == np.uint8


def test_what_is_no_volume(tmp_path):
    series = save_nifti(tmp_path / "series.nii", np.zeros((4, 4, 4, 3), np.float32))
    with pytest.raises(ValueError, match=r"volume of three dimensions .*series\.nii of shape \(4, 4, 4, 3\) and dtype"):
        datasets.slices_from_nifti(series)
    flat = save_nifti(tmp_path / "flat.nii", np.zeros((4, 4), np.float32))
    with pytest.raises(ValueError, match=r"of three dimensions and real numbers; got .*flat\.nii of shape \(4, 4"):
        datasets.slices_from_nifti(flat)
    complex_values = save_nifti(tmp_path / "complex.nii", np.zeros((4, 4, 4), np.complex64))
    with pytest.raises(ValueError, match=r"of shape \(4, 4, 4\) and dtype complex64"):
        datasets.slices_from_nifti(complex_values)
    headless = save_nifti(tmp_path / "less.nii", ramp())
    content = bytearray(headless.read_bytes())
    content[42:44] = (-5).to_bytes(2, "little", signed=True)
    headless.write_bytes(content)
    with pytest.raises(datasets.DataFileError, match=r"of three dimensions .*less\.nii of shape \(-5, 12, 8\)"):
        datasets.slices_from_nifti(headless)
    with pytest.raises(FileNotFoundError, match=r"path must be a NIfTI file; got '.*nothing\.nii', which is no file"):
        datasets.slices_from_nifti(tmp_path / "nothing.nii")
    (tmp_path / "text.nii").write_text("hello")
    with pytest.raises(ValueError, match=r"path must be a whole NIfTI file; got .*text\.nii, which cannot be read"):
        datasets.slices_from_nifti(tmp_path / "text.nii")


@pytest.mark.parametrize(
    ("at", "value", "reason"),
    [
        (70, (9999).to_bytes(2, "little"), "HeaderDataError: data code 9999"),
        (280, bytes(48), "OrientationError: Cannot drop"),
    ],
    ids=["data type", "matrix of zeros"],
)
def test_headers_that_cannot_be_read_are_named(tmp_path, at, value, reason):
    path = save_nifti(tmp_path / "scan.nii", ramp())
    content = bytearray(path.read_bytes())
    content[at : at + len(value)] = value
    path.write_bytes(content)
    message = rf"whole NIfTI file; got .*scan\.nii, which cannot be read: {reason}.*or mend its header with nibabel\."
    with pytest.raises(ValueError, match=message):
        datasets.slices_from_nifti(path)


@pytest.mark.parametrize("name", ["scan.nii", "scan.nii.gz"])
def test_volumes_cut_off_are_named(tmp_path, name):
    path = save_nifti(tmp_path / name, np.random.default_rng(0).normal(size=(20, 20, 20)).astype(np.float32))
    cut(path)
    with pytest.raises(ValueError, match=rf"path must be a whole NIfTI file; got .*{name}, which cannot be read: "):
        datasets.slices_from_nifti(path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"axis": 3}, r"axis must be 0 \(sagittal\), 1 \(coronal\) or 2 \(axial\); got 3"),
        ({"axis": -1}, r"axis must be .* got -1"),
        ({"axis": True}, r"axis must be .* got True"),
        ({"n_slices": 0}, r"n_slices must be an integer in \[1, 8\], the length of the axis; got 0\. None gives all"),
        ({"n_slices": 9}, r"n_slices must be .* got 9"),
        ({"n_slices": 2.0}, r"n_slices must be .* got 2\.0"),
        ({"size": -4}, r"size must be a positive integer or \(height, width\) of two; got -4"),
    ],
)
def test_options_of_volumes_are_checked(tmp_path, options, message):
    path = save_nifti(tmp_path / "scan.nii", ramp())
    with pytest.raises(ValueError, match=message):
        datasets.slices_from_nifti(path, **options)


def test_volumes_without_nibabel_tell_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "nibabel", None)
    with pytest.raises(ImportError, match=r'slices_from_nifti needs nibabel.*pip install "skvq\[medical\]"'):
        datasets.slices_from_nifti(tmp_path / "scan.nii")
