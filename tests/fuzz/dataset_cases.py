"""Broken images, archives, digits, volumes and lists of files, each given to the reader that it is for."""

import gzip
import io
import shutil
import warnings
import zipfile
from pathlib import Path

import numpy as np
from mutations import broken_zip, mutated, with_png_checksums

from skvq import datasets

ALLOWED = (datasets.DataFileError,)

_BASES: dict[str, dict[str, bytes]] = {}
_IDX = {
    "train-images-idx3": (6, 5, 4),
    "train-labels-idx1": (6,),
    "t10k-images-idx3": (4, 5, 4),
    "t10k-labels-idx1": (4,),
}


def prepare(folder: Path) -> None:
    """Make the whole files that cases break, and load every parser once."""
    _BASES.update(images=_images(), idx=_idx(), volumes=_volumes(), manifest={"m.tsv.gz": _manifest()})
    place = folder / "whole"
    for name, content in _BASES["images"].items():
        shutil.rmtree(place, ignore_errors=True)
        _write(place, {name: content})
        for mode in ("grey", "rgb", "labels"):
            try:
                datasets.open_images(place, mode=mode, size=5, data_range=None if mode == "labels" else (0, 255))[:]
            except datasets.DataFileError as error:
                if mode != "labels":
                    raise AssertionError(f"{name} should be whole") from error
    for name, content in _BASES["volumes"].items():
        _write(place, {name: content})
        datasets.slices_from_nifti(place / name, size=5)
    shutil.rmtree(place)


def run_case(number: int, folder: Path) -> None:
    """Break one file and read it."""
    rng = np.random.default_rng([17, number])
    reader = [_read_image, _read_image, _read_image, _read_packed, _read_zip, _read_idx, _read_volume, _read_manifest]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reader[number % len(reader)](rng, folder)


def _read_image(rng: np.random.Generator, place: Path) -> None:
    name, content = _broken_image(rng)
    _write(place, {name: content})
    _open(rng, place)


def _read_packed(rng: np.random.Generator, place: Path) -> None:
    """A broken image in a zip file that is whole."""
    name, content = _broken_image(rng)
    _write(place, {"images.zip": _zipped({name: content, **_some_images(rng)})})
    _open(rng, place / "images.zip")


def _read_zip(rng: np.random.Generator, place: Path) -> None:
    entries = _some_images(rng)
    is_oasis = rng.random() < 0.3
    if is_oasis:
        names = (f"keras_png_slices_train/case_{i:03d}_slice_0.nii.png" for i in range(9))
        entries = dict(zip(names, entries.values(), strict=False))
    _write(place, {"images.zip": broken_zip(entries, rng)})
    if not is_oasis:
        return _open(rng, place / "images.zip")
    try:
        images = datasets.open_oasis(place / "images.zip", on_error="skip")
    except FileNotFoundError:  # no folder of the layout is left in it
        return None
    str(images.subjects), images[:2]
    return None


def _read_idx(rng: np.random.Generator, place: Path) -> None:
    files = dict(_BASES["idx"])
    name = str(rng.choice(list(files)))
    content = mutated(files.pop(name), rng)
    if rng.random() < 0.7:
        content, name = gzip.compress(content), f"{name}.gz"
        content = mutated(content, rng) if rng.random() < 0.3 else content
    _write(place, {**files, name: content})
    datasets.load_idx(place)


def _read_volume(rng: np.random.Generator, place: Path) -> None:
    name = str(rng.choice(list(_BASES["volumes"])))
    content = _BASES["volumes"][name]
    if name.endswith(".gz") and rng.random() < 0.7:
        content = gzip.compress(mutated(gzip.decompress(content), rng))
    else:
        content = mutated(content, rng)
    _write(place, {name: content})
    size = [None, 6, (4, 9)][int(rng.integers(3))]
    axis, square = int(rng.integers(3)), bool(rng.integers(2))
    datasets.slices_from_nifti(place / name, axis=axis, size=size, square_pixels=square)


def _read_manifest(rng: np.random.Generator, place: Path) -> None:
    content = mutated(gzip.decompress(_BASES["manifest"]["m.tsv.gz"]), rng)
    content = gzip.compress(content) if rng.random() < 0.8 else mutated(_BASES["manifest"]["m.tsv.gz"], rng)
    _write(place, {"m.tsv.gz": content, "oasis.zip": broken_zip({"keras_png_slices_test/a.png": b"123"}, rng)})
    str(datasets.check_oasis_manifest(place / "oasis.zip", place / "m.tsv.gz"))


def _open(rng: np.random.Generator, path: Path) -> None:
    mode = str(rng.choice(["grey", "rgb", "labels"]))
    images = datasets.open_images(
        path,
        mode=mode,
        size=[None, 6, (3, 9)][int(rng.integers(3))],
        data_range=None if mode == "labels" or rng.random() < 0.5 else (0, 1000),
        on_error=str(rng.choice(["raise", "skip"])),
        pattern=str(rng.choice(["**/*", "*", "**/**/**/*.png"], p=[0.8, 0.1, 0.1])),
    )
    repr(images), images.drop_broken(), images[:]


def _broken_image(rng: np.random.Generator) -> tuple[str, bytes]:
    name = str(rng.choice(list(_BASES["images"])))
    content = mutated(_BASES["images"][name], rng)
    if name.endswith(".png") and rng.random() < 0.6:
        content = with_png_checksums(content)
    if rng.random() < 0.1:  # a name that promises another format
        name = f"x.{rng.choice(['png', 'jpg', 'tif', 'dcm'])}"
    return name, content


def _some_images(rng: np.random.Generator) -> dict[str, bytes]:
    return {name: _BASES["images"][name] for name in rng.choice(list(_BASES["images"]), 3, replace=False).tolist()}


def _write(folder: Path, files: dict[str, bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)


def _zipped(files: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return file.getvalue()


def _images() -> dict[str, bytes]:
    from PIL import Image

    rng = np.random.default_rng(0)
    grey = rng.integers(0, 256, (12, 9), dtype=np.uint8)
    deep = rng.integers(0, 65536, (12, 9), dtype=np.uint16)
    colour = rng.integers(0, 256, (12, 9, 3), dtype=np.uint8)
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\0"
    palette = Image.fromarray(grey % 4).convert("P")

    def encoded(image, kind, **options):
        file = io.BytesIO()
        (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(file, kind, **options)
        return file.getvalue()

    files = {
        "grey.png": encoded(grey, "png"),
        "deep.png": encoded(deep, "png"),
        "colour.png": encoded(colour, "png"),
        "palette.png": encoded(palette, "png", bits=2),
        "bits.png": encoded(Image.fromarray(grey > 99), "png"),
        "texts.png": encoded(
            grey, "png", icc_profile=b"profile" * 30, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0", dpi=(72, 72)
        ),
        "plain.jpg": encoded(colour, "jpeg"),
        "progressive.jpg": encoded(colour, "jpeg", progressive=True),
        "grey.jpg": encoded(grey, "jpeg", exif=exif),
        "grey.tif": encoded(grey, "tiff"),
        "deep.tif": encoded(deep, "tiff"),
        "floats.tif": encoded(rng.normal(size=(12, 9)).astype(np.float32), "tiff"),
        "palette.tif": encoded(palette, "tiff"),
        "big.tif": encoded(colour, "tiff", big_tiff=True),
        **{
            f"{how}.tif": encoded(colour, "tiff", compression=how) for how in ("tiff_lzw", "tiff_adobe_deflate", "jpeg")
        },
        "packbits.tif": encoded(grey, "tiff", compression="packbits"),
    }
    return {**files, **_dicoms(deep)}


def _dicoms(values: np.ndarray) -> dict[str, bytes]:
    try:
        from pydicom.dataset import FileDataset, FileMetaDataset
        from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian
    except ImportError:
        return {}
    files = {}
    for name, syntax in (("e", ExplicitVRLittleEndian), ("i", ImplicitVRLittleEndian), ("b", ExplicitVRBigEndian)):
        dataset = FileDataset(
            name, {}, bytes(128), FileMetaDataset(), is_implicit_VR=name == "i", is_little_endian=name != "b"
        )
        dataset.file_meta.TransferSyntaxUID = syntax
        dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
        dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
        dataset.Rows, dataset.Columns = values.shape
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
        dataset.RescaleSlope, dataset.RescaleIntercept = 1, -1024
        stored = values % 4096
        dataset.PixelData = stored.astype(">u2" if name == "b" else "<u2").tobytes()
        file = io.BytesIO()
        dataset.save_as(file, enforce_file_format=True)
        files[f"{name}.dcm"] = file.getvalue()
    return files


def _idx() -> dict[str, bytes]:
    return {
        f"{name}-ubyte": bytes([0, 0, 8, len(shape)]) + np.array(shape, ">u4").tobytes() + bytes(int(np.prod(shape)))
        for name, shape in _IDX.items()
    }


def _volumes() -> dict[str, bytes]:
    try:
        import nibabel
    except ImportError:
        return {}
    values = np.arange(6 * 7 * 5).reshape(6, 7, 5)
    affine = np.diag([1, 1, 3, 1.0])
    one = nibabel.Nifti1Image(values.astype(np.int16), affine)
    one.header.set_slope_inter(2, -5)
    two = nibabel.Nifti2Image(values.astype(">f8"), affine)
    return {"one.nii": one.to_bytes(), "one.nii.gz": gzip.compress(one.to_bytes()), "two.nii": two.to_bytes()}


def _manifest() -> bytes:
    rows = [f"keras_png_slices_test/{name}.png\t{'0' * 64}\t3" for name in "abc"]
    return gzip.compress("\n".join(["path\tsha256\tbytes", *rows, ""]).encode())
