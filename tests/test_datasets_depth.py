"""Values keep the depth, the sign and the units that they have in the files, or it is said what is lost."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from little_files import noise, save, write_png

from skvq.datasets import DataFileError, open_images, slices_from_nifti

Image = pytest.importorskip("PIL.Image")


def values(dtype, shape=(6, 5), seed=0):
    """Values over all of a dtype."""
    rng = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        return rng.normal(0, 1000, shape).astype(dtype)
    limits = np.iinfo(dtype)
    native = np.dtype(dtype).newbyteorder("=")
    array = rng.integers(limits.min, limits.max, shape, dtype=native, endpoint=True).astype(dtype)
    array.flat[:2] = limits.min, limits.max
    return array


def write_tiff(path, array):
    """Write a plain TIFF of any dtype and order of bytes: Pillow itself writes few."""
    order = ">" if array.dtype.str[0] == ">" else "<"
    height, width = array.shape
    sample_format = {"u": 1, "i": 2, "f": 3}[array.dtype.kind]
    tags = [
        (256, 3, width),
        (257, 3, height),
        (258, 3, 8 * array.dtype.itemsize),
        (259, 3, 1),
        (262, 3, 1),
        (273, 4, 8),
        (277, 3, 1),
        (278, 3, height),
        (279, 4, array.nbytes),
        (339, 3, sample_format),
    ]
    number = {3: "u2", 4: "u4"}
    content = (b"MM\0*" if order == ">" else b"II*\0") + np.array(8 + array.nbytes, order + "u4").tobytes()
    content += array.tobytes() + np.array(len(tags), order + "u2").tobytes()
    for tag, kind, value in tags:
        head = np.array([tag, kind], order + "u2").tobytes() + np.array(1, order + "u4").tobytes()
        content += head + np.array(value, order + number[kind]).tobytes().ljust(4, b"\0")
    path.write_bytes(content + bytes(4))


@pytest.mark.parametrize("dtype", ["u1", "i1", "<u2", ">u2", "<i2", ">i2", "<u4", "<i4", ">i4", "<f4", ">f4"])
@pytest.mark.parametrize("mode", ["grey", "rgb"])
def test_what_goes_into_a_tiff_comes_out(tmp_path, dtype, mode):
    array = values(dtype)
    write_tiff(tmp_path / "a.tif", array)
    images = open_images(tmp_path, mode=mode)
    assert images.dtype == images[:].dtype == np.dtype(dtype).newbyteorder("=")
    assert images.dtype.isnative
    assert np.array_equal(images[0], np.repeat(array[..., None], images.shape[3], axis=2))


def test_floats_of_64_bits_come_as_32(tmp_path):
    array = values("f8")
    write_tiff(tmp_path / "a.tif", array.astype("<f8"))
    try:
        images = open_images(tmp_path)
    except DataFileError:  # a Pillow that does not read them
        return
    assert np.array_equal(images[0, ..., 0], array.astype(np.float32))


@pytest.mark.parametrize("dtype", ["<f2", ">f2", "<i8"])
def test_what_pillow_cannot_read_is_an_error_and_not_another_value(tmp_path, dtype):
    write_tiff(tmp_path / "a.tif", values(dtype))
    with pytest.raises(DataFileError, match=r"a\.tif"):
        open_images(tmp_path)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_twelve_bits_in_sixteen_keep_their_levels(tmp_path, suffix):
    array = np.arange(4096, dtype=np.uint16).reshape(64, 64)
    save(tmp_path / f"a.{suffix}", array)
    message = r"uint16 should fill 0 to 65535; got values from 0 to 4095 in the 1 files .*data_range=\(0, 4095\)"
    with pytest.warns(UserWarning, match=message):
        images = open_images(tmp_path)
    assert len(np.unique(images[:])) == 4096
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scaled = open_images(tmp_path, data_range=(0, 4095))  # as the message advises
    assert scaled.dtype == np.uint8
    assert np.array_equal(scaled[0, ..., 0], np.rint(array / 4095 * 255).astype(np.uint8))
    with pytest.warns(UserWarning, match=r"few of 256 levels are left\. Pass data_range=\(0, 4095\), or None"):
        open_images(tmp_path, data_range=(0, 65535))


def test_values_that_fill_their_range_are_not_warned_of(tmp_path):
    save(tmp_path / "deep.png", values("u2"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        open_images(tmp_path)[:]
        open_images(tmp_path, data_range=(0, 65535))


@settings(max_examples=30)
@given(low=st.floats(-1e4, 1e4), span=st.floats(1, 1e5))
def test_a_stated_range_is_linear_and_clipped(tmp_path_factory, low, span):
    array = values("<i2", (4, 4))
    folder = tmp_path_factory.mktemp("range")
    write_tiff(folder / "a.tif", array)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        got = open_images(folder, data_range=(low, low + span))[0, ..., 0]
    expected = 255 * np.clip((array - low) / (low + span - low), 0, 1)
    assert np.abs(got - expected).max() <= 0.5 + 1e-9


def test_files_of_two_depths_are_not_mixed(tmp_path):
    for i in range(3):
        save(tmp_path / f"{i}.png", values("u2", seed=i))
    save(tmp_path / "9.png", noise((6, 5)))
    message = r"1 of 4 files .*9\.png \(uint8 values, where most are uint16\).*to 8 bits with data_range=\(low, high\)"
    with pytest.raises(DataFileError, match=message):
        open_images(tmp_path)
    assert open_images(tmp_path, on_error="skip").shape[0] == 3
    assert open_images(tmp_path, data_range=(0, 65535)).shape[0] == 4


@pytest.mark.parametrize("dtype", ["<u2", "<i2", "<u4", "<f4"])
def test_deep_images_are_resized_in_their_depth(tmp_path, dtype):
    array = values(dtype, (12, 8))
    write_tiff(tmp_path / "a.tif", array)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        nearest = open_images(tmp_path, size=(6, 4), interpolation="nearest")
        smooth = open_images(tmp_path, size=(6, 4))[0, ..., 0]
    assert np.array_equal(nearest[0, ..., 0], array[1::2, 1::2])
    assert smooth.dtype == nearest.dtype
    average = Image.fromarray(array.astype(np.float32)).resize((4, 6), Image.Resampling.BILINEAR)
    spread = float(array.max()) - float(array.min())
    assert np.abs(smooth.astype(float) - np.asarray(average, dtype=float)).max() <= 1e-6 * spread + 1


def test_colours_of_sixteen_bits_are_told_to_be_cut(tmp_path):
    rows = [values("u2", (4, 3)).astype(">u2") for _ in range(5)]
    write_png(tmp_path / "a.png", (5, 4), 16, 2, rows)
    with pytest.warns(UserWarning, match=r"Colours must have 8 bits; got 1 files of 16 .*a\.png for one"):
        assert open_images(tmp_path, mode="rgb").dtype == np.uint8


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("kind", ["palette", "grey"])
def test_labels_keep_their_indices(tmp_path, bits, kind):
    labels = np.random.default_rng(bits).integers(0, 2**bits, (9, 16), dtype=np.uint8)
    planes = np.unpackbits(labels[..., None], axis=2)[..., 8 - bits :].reshape(9, -1)
    palette = noise((2**bits, 3)) if kind == "palette" else None
    write_png(tmp_path / "a.png", (9, 16), bits, 0 if palette is None else 3, np.packbits(planes, axis=1), palette)
    images = open_images(tmp_path, mode="labels")
    assert (images.shape, images.dtype) == ((1, 9, 16, 1), np.uint8)
    assert np.array_equal(images[0, ..., 0], labels)
    assert set(open_images(tmp_path, mode="labels", size=5)[:].ravel()) <= set(labels.ravel())


def test_labels_of_sixteen_bits_and_what_has_no_labels(tmp_path):
    array = np.arange(300, dtype=np.uint16).reshape(15, 20)
    save(tmp_path / "deep" / "a.png", array)
    assert np.array_equal(open_images(tmp_path / "deep", mode="labels")[0, ..., 0], array)
    save(tmp_path / "colour" / "a.png", noise((6, 5, 3)))
    with pytest.raises(DataFileError, match=r"a\.png \(colours \(RGB\), where labels are expected"):
        open_images(tmp_path / "colour", mode="labels")
    write_tiff(tmp_path / "colour" / "a.tif", values("<f4"))
    with pytest.raises(DataFileError, match=r"a\.tif \(floats, where labels are expected"):
        open_images(tmp_path / "colour", mode="labels")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"data_range": (1, 1)}, r"data_range must be \(low, high\) of finite numbers, the first lower; got \(1, 1\)"),
        ({"data_range": 255}, r"data_range must be .* got 255\. Use \(0, 4095\) for values of 12 bits"),
        ({"data_range": (0, float("inf"))}, r"data_range must be .* got \(0, inf\)"),
        ({"data_range": (0, 9), "mode": "labels"}, r"data_range must be None with mode='labels'"),
        ({"interpolation": "bilinear", "mode": "labels"}, r"interpolation must be 'nearest'; got 'bilinear'"),
    ],
)
def test_options_of_depth_are_checked(tmp_path, options, message):
    save(tmp_path / "a.png", noise((4, 4)))
    with pytest.raises(ValueError, match=message):
        open_images(tmp_path, **options)


def test_nan_has_no_place_in_a_range(tmp_path):
    array = values("<f4")
    array[2, 2] = np.nan
    write_tiff(tmp_path / "a.tif", array)
    assert np.isnan(open_images(tmp_path)[0, 2, 2, 0])
    with pytest.raises(DataFileError, match=r"a\.tif \(NaN or infinity, which data_range cannot scale"):
        open_images(tmp_path, data_range=(-1000, 1000))[:]


# DICOM


def dicom(path, stored, slope=1, intercept=0, bits=12, syntax=None, **elements):
    pytest.importorskip("pydicom")
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian

    syntax = syntax or ExplicitVRLittleEndian
    is_little = syntax != ExplicitVRBigEndian
    dataset = FileDataset(
        str(path), {}, bytes(128), FileMetaDataset(), is_implicit_VR=False, is_little_endian=is_little
    )
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.file_meta.MediaStorageSOPClassUID, dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3", "1.2.3.4"
    dataset.Rows, dataset.Columns = stored.shape
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8 * stored.dtype.itemsize, bits, bits - 1
    dataset.PixelRepresentation = int(stored.dtype.kind == "i")
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    if (slope, intercept) != (1, 0):
        dataset.RescaleSlope, dataset.RescaleIntercept = slope, intercept
    dataset.PixelData = stored.astype(stored.dtype.newbyteorder("<" if is_little else ">")).tobytes()
    for name, value in elements.items():
        setattr(dataset, name, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)


@pytest.mark.parametrize(
    ("kind", "bits", "slope", "intercept", "dtype"),
    [
        ("u2", 12, 1, -1024, np.int16),
        ("i2", 16, 1, 0, np.int16),
        ("i2", 12, 1, 0, np.int16),
        ("u2", 12, 1, 0, np.uint16),
        ("u2", 16, 1, -1024, np.int32),
        ("u1", 8, 1, 0, np.uint8),
        ("u2", 12, 0.25, 3, np.float32),
        ("u2", 16, 1e6, 0, np.float32),
    ],
)
@pytest.mark.filterwarnings("ignore:Values of uint16:UserWarning")
def test_dicom_comes_in_the_units_that_it_states(tmp_path, kind, bits, slope, intercept, dtype):
    low = -(2 ** (bits - 1)) if kind[0] == "i" else 0
    stored = np.random.default_rng(0).integers(low, low + 2**bits, (7, 5)).astype(kind)
    dicom(tmp_path / "a.dcm", stored, slope, intercept, bits)
    images = open_images(tmp_path)
    assert images.dtype == images[:].dtype == dtype
    assert np.array_equal(images[0, ..., 0], (stored * float(slope) + intercept).astype(dtype))


def test_dicom_of_big_endian_and_by_window(tmp_path):
    from_uid = pytest.importorskip("pydicom.uid")
    stored = np.random.default_rng(0).integers(0, 4096, (7, 5)).astype("u2")
    dicom(tmp_path / "a.dcm", stored, 1, -1024, syntax=from_uid.ExplicitVRBigEndian)
    assert np.array_equal(open_images(tmp_path)[0, ..., 0], stored.astype(int) - 1024)
    window = open_images(tmp_path, data_range=(-160, 240))
    expected = np.rint(255 * np.clip((stored.astype(float) - 1024 + 160) / 400, 0, 1))
    assert window.dtype == np.uint8
    assert np.abs(window[0, ..., 0] - expected).max() <= 1


def test_dicom_that_would_be_misread_is_refused(tmp_path):
    deflated = pytest.importorskip("pydicom.uid").DeflatedExplicitVRLittleEndian
    stored = np.zeros((4, 4), "u2")
    for name, message, options in (
        ("frames", "3 frames, where one image", {"NumberOfFrames": 3}),
        ("inverse", "MONOCHROME1 of 1 values a pixel", {"PhotometricInterpretation": "MONOCHROME1"}),
        ("colours", "RGB of 3 values a pixel", {"PhotometricInterpretation": "RGB", "SamplesPerPixel": 3}),
        ("short", "cannot be decoded: a.dcm", {"PixelData": bytes(10)}),
        (
            "deflated",
            "compressed .transfer syntax 1.2.840.10008.1.2.1.99",
            {"syntax": deflated},
        ),
        ("slope", "a rescale slope of 0.0", {"slope": 0}),
    ):
        dicom(tmp_path / name / "a.dcm", stored, **options)
        with pytest.raises(DataFileError, match=message):
            open_images(tmp_path / name)[:]


def test_dicom_without_pydicom_tells_how_to_get_it(tmp_path, monkeypatch):
    (tmp_path / "a.dcm").write_bytes(bytes(128) + b"DICM")
    monkeypatch.setitem(__import__("sys").modules, "pydicom", None)
    with pytest.raises(ImportError, match=r'open_images needs pydicom.*pip install "skvq\[medical\]"'):
        open_images(tmp_path)


# Spacing


def scan(path, volume, affine):
    nibabel = pytest.importorskip("nibabel")
    nibabel.save(nibabel.Nifti1Image(volume, affine), path)
    return path


def test_pixels_that_are_no_squares_are_told_and_made_square(tmp_path):
    volume = np.random.default_rng(0).normal(size=(10, 12, 8)).astype(np.float32)
    path = scan(tmp_path / "scan.nii", volume, np.diag([1, 1, 3, 1.0]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plain = slices_from_nifti(path)
        assert np.array_equal(slices_from_nifti(path, square_pixels=True), plain)
    message = r"square; got 3 by 1 \(height by width\) across axis=0 .*pass square_pixels=True"
    with pytest.warns(UserWarning, match=message):
        assert slices_from_nifti(path, axis=0).shape == (10, 8, 12)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert slices_from_nifti(path, axis=0, square_pixels=True).shape == (10, 24, 12)
        fitted = slices_from_nifti(path, axis=0, square_pixels=True, size=16)
    assert fitted.shape == (10, 16, 16)
    assert not fitted[:, :, :4].any()
    assert not fitted[:, :, 12:].any()
    assert fitted[:, :, 4:12].any(axis=(0, 1)).all()


def test_spacing_follows_the_axes_of_the_body(tmp_path):
    volume = np.random.default_rng(0).normal(size=(10, 12, 8)).astype(np.float32)
    expected = slices_from_nifti(scan(tmp_path / "a.nii", volume, np.diag([1, 2, 3, 1.0])), square_pixels=True)
    turned = np.zeros((4, 4))
    turned[2, 0], turned[0, 1], turned[1, 2], turned[3, 3] = 3, 1, 2, 1
    path = scan(tmp_path / "b.nii", volume.transpose(2, 0, 1), turned)
    assert np.array_equal(slices_from_nifti(path, square_pixels=True), expected)
    assert expected.shape == (8, 24, 10)


@pytest.mark.parametrize("dtype", ["<i2", ">i2", "<u2", ">f4", "<f8", "u1", "i1", "<i4"])
def test_volumes_of_every_dtype_equal_nibabels(tmp_path, dtype):
    nibabel = pytest.importorskip("nibabel")
    from skvq.datasets._nifti import read_volume

    image = nibabel.Nifti1Image(values(dtype, (5, 4, 3)), np.eye(4))
    image.header.set_slope_inter(0.5, -7)
    (tmp_path / "a.nii").write_bytes(image.to_bytes())
    expected = nibabel.load(tmp_path / "a.nii").get_fdata(dtype=np.float32)
    got, spacing = read_volume(tmp_path / "a.nii", 1000)
    assert np.array_equal(got, expected)
    assert spacing == (1, 1, 1)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("mode", ["grey", "rgb", "labels"])
def test_photographs_are_turned_as_viewers_turn_them(tmp_path, orientation, mode):
    from PIL import ImageOps

    picture = Image.fromarray(noise((16, 24)))
    notes = picture.getexif()
    notes[274] = orientation
    picture.save(tmp_path / "a.jpg", exif=notes)
    with Image.open(tmp_path / "a.jpg") as saved:
        expected = np.asarray(ImageOps.exif_transpose(saved))
    images = open_images(tmp_path, mode=mode)
    assert images.shape[1:3] == expected.shape
    np.testing.assert_array_equal(images[0, ..., 0], expected)


def test_broken_notes_of_a_camera_do_not_cost_the_picture(tmp_path):
    Image.fromarray(noise((16, 24))).save(tmp_path / "a.jpg", exif=b"Exif\0\0" + b"\xff" * 40)
    assert open_images(tmp_path)[:].shape == (1, 16, 24, 1)


class TestPalettes:
    @staticmethod
    def save(path, colours):
        picture = Image.fromarray(np.repeat(np.arange(3, dtype=np.uint8), 8)[None].repeat(9, 0), mode="P")
        picture.putpalette(np.ravel(colours).tolist() + [0] * (768 - 3 * len(colours)))
        picture.save(path)

    def test_colours_that_become_grey_are_warned_of(self, tmp_path):
        self.save(tmp_path / "mask.png", [(0, 0, 0), (255, 0, 0), (0, 130, 0)])
        with pytest.warns(UserWarning, match=r"1 files with a palette of colours.*mask\.png.*mode='labels'"):
            assert len(np.unique(open_images(tmp_path)[:])) == 2
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            np.testing.assert_array_equal(np.unique(open_images(tmp_path, mode="labels")[:]), [0, 1, 2])
            assert open_images(tmp_path, mode="rgb").shape == (1, 9, 24, 3)

    def test_grey_palettes_are_not(self, tmp_path):
        self.save(tmp_path / "grey.png", [(0, 0, 0), (90, 90, 90), (255, 255, 255)])
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            np.testing.assert_array_equal(np.unique(open_images(tmp_path)[:]), [0, 90, 255])
