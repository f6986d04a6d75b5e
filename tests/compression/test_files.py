"""Folders of images to folders of compressed files and back."""

import numpy as np
import pytest

from skvq import ContextPrior, SkvqError, VQGenerator
from skvq._command_line import main
from skvq.compression import compress_files, decompress_files

pytest.importorskip("constriction")
Image = pytest.importorskip("PIL.Image")


@pytest.fixture(scope="module")
def model(vqvae, codes):
    return VQGenerator.from_fitted(vqvae, ContextPrior(grid=vqvae.grid_, n_features=8, random_state=0).fit(codes))


@pytest.fixture
def folder(images, tmp_path):
    """Three images in two folders, a text and a hidden file."""
    (tmp_path / "in" / "deep").mkdir(parents=True)
    for name, image in zip(("b.png", "deep/a.tif", "deep/c.jpg"), images, strict=False):
        Image.fromarray(image).save(tmp_path / "in" / name)
    (tmp_path / "in" / "notes.txt").write_text("no image")
    (tmp_path / "in" / ".b.png").write_text("hidden")
    return tmp_path / "in"


def names(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_folders_come_back(model, folder, images, tmp_path):
    seen = []
    results = compress_files(model, [folder], tmp_path / "small", lambda done, n, result: seen.append((done, n)))
    assert names(tmp_path / "small") == ["b.png.skvqc", "deep/a.tif.skvqc", "deep/c.jpg.skvqc"]
    assert [result.error for result in results] == [None] * 3
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert (tmp_path / "small" / "b.png.skvqc").read_bytes() == model.compress(images[:1])[0]
    assert results[0].n_bytes_written == len(model.compress(images[:1])[0])

    results = decompress_files(model, [tmp_path / "small"], tmp_path / "large")
    assert names(tmp_path / "large") == ["b.png", "deep/a.tif.png", "deep/c.jpg.png"]
    with Image.open(tmp_path / "large" / "b.png") as image:
        np.testing.assert_array_equal(np.asarray(image), model.reconstruct(images[:1])[0])
    assert [result.error for result in results] == [None] * 3


def test_a_broken_file_does_not_stop_the_others(model, folder, tmp_path):
    Image.fromarray(np.zeros((9, 8), np.uint8)).save(folder / "large.png")
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"x" * 50)
    results = compress_files(model, [folder], tmp_path / "small")
    errors = {result.source.name: result.error for result in results if result.error}
    assert "must be uint8 of 8×8 pixels, as the model's images are; it is uint8 of 9×8" in errors.pop("large.png")
    assert "must be an image that can be read" in errors.pop("broken.png")
    assert not errors
    assert len(names(tmp_path / "small")) == 3

    wrong = tmp_path / "small" / "b.png.skvqc"
    wrong.write_bytes(wrong.read_bytes()[:-1])
    results = decompress_files(model, [tmp_path / "small"], tmp_path / "large")
    assert [result.source.name for result in results if result.error] == ["b.png.skvqc"]
    assert names(tmp_path / "large") == ["deep/a.tif.png", "deep/c.jpg.png"]


def test_what_exists_is_kept(model, folder, tmp_path):
    out = tmp_path / "small"
    out.mkdir()
    (out / "b.png.skvqc").write_text("mine")
    results = compress_files(model, [folder], out)
    assert [("exists" in (result.error or "")) for result in results].count(True) == 1
    assert (out / "b.png.skvqc").read_text() == "mine"
    results = compress_files(model, [folder / "b.png"], out, overwrite=True)
    assert results[0].error is None
    assert (out / "b.png.skvqc").read_bytes().startswith(b"VQ")


@pytest.mark.parametrize(
    ("paths", "words"),
    [
        (lambda folder: [folder / "deep", folder / "deep" / "a.tif"], None),
        (lambda folder: [folder / "b.png", folder.parent / "other" / "b.png"], "each file of out one source"),
        (lambda folder: [folder.parent / "empty"], "paths must hold files that end in .png"),
    ],
)
def test_paths(model, folder, tmp_path, paths, words):
    (tmp_path / "empty").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "b.png").write_bytes((folder / "b.png").read_bytes())
    if words is None:
        assert len(compress_files(model, paths(folder), tmp_path / "out")) == 2
    else:
        with pytest.raises(SkvqError, match=words):
            compress_files(model, paths(folder), tmp_path / "out")


def test_nothing_at_a_path(model, tmp_path):
    with pytest.raises(FileNotFoundError, match="There is nothing at"):
        compress_files(model, tmp_path / "nothing", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_model_of_one_stage_is_refused(vqvae, tmp_path):
    with pytest.raises(SkvqError, match="model must have compress and decompress; got VQVAE"):
        compress_files(vqvae, tmp_path, tmp_path / "out")


def test_models_of_other_data_are_refused(tmp_path):
    from skvq import VQVAE

    X = np.random.default_rng(0).random((40, 6), dtype=np.float32)
    vqvae = VQVAE(4, 2, n_residual_blocks=0, hidden_channels=4, max_iter=1, random_state=0).fit(X)
    model = VQGenerator.from_fitted(vqvae, ContextPrior(grid=vqvae.grid_, random_state=0).fit(vqvae.transform(X)))
    with pytest.raises(SkvqError, match="model must be fitted to grey or RGB images"):
        compress_files(model, tmp_path, tmp_path / "out")


def test_the_command_line(model, folder, images, tmp_path, capsys):
    model.save(tmp_path / "model.skvq")
    small, large = str(tmp_path / "small"), str(tmp_path / "large")
    assert main(["compress", str(tmp_path / "model.skvq"), str(folder), "-o", small]) == 0
    assert main(["decompress", str(tmp_path / "model.skvq"), small, "-o", large]) == 0
    assert names(tmp_path / "large") == ["b.png", "deep/a.tif.png", "deep/c.jpg.png"]
    assert "3 files" in capsys.readouterr().out
    (tmp_path / "small" / "b.png.skvqc").write_bytes(b"VQ")
    assert main(["decompress", str(tmp_path / "model.skvq"), small, "-o", large, "--overwrite"]) == 1
    assert "cut off" in capsys.readouterr().err
