"""compress and decompress of a generator and of the runtime of its export."""

import pickle

import numpy as np
import pytest
from conftest import bars
from small_models import small_pixelcnn, small_vqvae

import skvq
import skvq.runtime
from skvq import ContextPrior, SkvqError, VQGenerator, export_onnx
from skvq.compression import CompressedDataError, sizes

pytest.importorskip("constriction")


@pytest.fixture(scope="module", params=["plain", "classes"])
def both(request, vqvae, codes, labels, tmp_path_factory):
    """A generator, the runtime of its export, and the class of each image."""
    y = labels if request.param == "classes" else None
    prior = ContextPrior(grid=vqvae.grid_, conditional=y is not None, n_features=8, random_state=0).fit(codes, y)
    model = VQGenerator.from_fitted(vqvae, prior)
    path = export_onnx(model, tmp_path_factory.mktemp("coding") / "export", parts=["encoder", "decoder"])
    return model, skvq.runtime.load(path), y


def test_images_come_back_as_reconstructions(both, images):
    model, _, y = both
    blobs = model.compress(images, y)
    assert len(blobs) == len(images)
    assert all(type(blob) is bytes for blob in blobs)
    found = model.decompress(blobs)
    np.testing.assert_array_equal(found, model.reconstruct(images))
    assert found.dtype == images.dtype


def test_the_runtime_writes_and_reads_the_same_bytes(both, images):
    model, runtime, y = both
    blobs = model.compress(images, y)
    assert runtime.compress(images, y) == blobs
    difference = runtime.decompress(blobs).astype(int) - model.decompress(blobs)
    assert np.abs(difference).max() <= 1
    np.testing.assert_array_equal(runtime._codec("x").decompress(blobs), model.transform(images))


def test_both_refuse_with_the_same_words(both, images):
    model, runtime, y = both
    blob = model.compress(images[:1], None if y is None else y[:1])[0]
    for wrong in ([blob[:-1]], [], blob, [blob[:4] + b"\0" + blob[5:]], ["text"]):
        messages = []
        for each in (model, runtime):
            with pytest.raises(SkvqError) as error:
                each.decompress(wrong)
            messages.append(str(error.value))
        assert messages[0] == messages[1]


def test_bytes_are_about_as_many_as_the_prior_says(both, images):
    model, _, y = both
    test, test_y = bars(64, seed=9)
    y = None if y is None else test_y
    payload = sizes(model.compress(test, y)).payload
    assert abs(payload - model.bits_per_image(test, y) / 8 - (y is not None)) < 1


def test_saved_and_pickled_models_read_the_bytes(both, images, tmp_path):
    model, runtime, y = both
    blobs = model.compress(images, y)
    model.save(tmp_path / "model.skvq")
    for other in (skvq.load(tmp_path / "model.skvq"), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(other.decompress(blobs), model.decompress(blobs))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(runtime)).decompress(blobs), runtime.decompress(blobs))


def test_another_model_refuses_the_bytes(both, vqvae, codes, images):
    model, _, y = both
    blobs = model.compress(images[:1], None if y is None else y[:1])
    other = VQGenerator.from_fitted(vqvae, ContextPrior(grid=vqvae.grid_, n_features=8, random_state=1).fit(codes))
    with pytest.raises(CompressedDataError, match="comes from another"):
        other.decompress(blobs)


def test_a_changed_decoder_refuses_the_bytes(vqvae, codes, images):
    from sklearn.base import clone

    prior = ContextPrior(grid=vqvae.grid_, n_features=8, random_state=0).fit(codes)
    model = VQGenerator.from_fitted(vqvae, prior)
    blobs = model.compress(images[:1])
    trained = pickle.loads(pickle.dumps(vqvae)).partial_fit(images)
    assert clone(trained) is not None
    with pytest.raises(CompressedDataError, match="comes from another"):
        VQGenerator.from_fitted(trained, prior).decompress(blobs)


def test_residual_codes(images, tmp_path):
    vqvae = small_vqvae(n_quantizers=2).fit(images)
    assert vqvae.grid_.depth == 2
    prior = ContextPrior(grid=vqvae.grid_, n_features=8, random_state=0).fit(vqvae.transform(images))
    model = VQGenerator.from_fitted(vqvae, prior)
    blobs = model.compress(images[:5])
    np.testing.assert_array_equal(model.decompress(blobs), model.reconstruct(images[:5]))
    runtime = skvq.runtime.load(export_onnx(model, tmp_path / "export", parts=["decoder"]))
    assert np.abs(runtime.decompress(blobs).astype(int) - model.decompress(blobs)).max() <= 1


def test_a_prior_of_floats_is_refused_with_the_reason(vqvae, codes, images):
    model = VQGenerator.from_fitted(vqvae, small_pixelcnn(grid=vqvae.grid_).fit(codes))
    for call in (lambda: model.compress(images), lambda: model.decompress([b""])):
        with pytest.raises(SkvqError, match=r"ContextPrior; got PixelCNNPrior\. Its network computes with floats"):
            call()


def test_an_export_without_tables_says_so(vqvae, codes, images, tmp_path):
    path = export_onnx(vqvae, tmp_path / "export", parts=["encoder", "decoder"])
    with pytest.raises(SkvqError, match="compress needs an export with the integer tables of a ContextPrior"):
        skvq.runtime.load(path).compress(images)


class TestTablesOfAnExport:
    """They are checked as strictly as the other files."""

    @pytest.fixture
    def folder(self, vqvae, codes, tmp_path):
        prior = ContextPrior(grid=vqvae.grid_, n_features=4, random_state=0).fit(codes)
        return export_onnx(vqvae, tmp_path / "export", prior=prior, parts=["decoder"])

    def test_they_are_named_in_the_manifest(self, folder):
        runtime = skvq.runtime.load(folder)
        assert sorted(path.name for path in folder.iterdir()) == [
            "decoder.onnx",
            "manifest.json",
            "tables.bin",
            "vectors.json",
        ]
        assert set(runtime.source.hashes) == {"decoder", "tables.bin"}

    def test_changed_bytes(self, folder):
        data = bytearray((folder / "tables.bin").read_bytes())
        data[-1] ^= 1
        (folder / "tables.bin").write_bytes(data)
        with pytest.raises(skvq.runtime.ModelFileError, match=r"tables\.bin must have the SHA-256"):
            skvq.runtime.load(folder)

    def test_a_missing_file(self, folder):
        (folder / "tables.bin").unlink()
        with pytest.raises(FileNotFoundError, match=r"tables\.bin is missing"):
            skvq.runtime.load(folder)

    @pytest.mark.parametrize(
        ("old", "new"),
        [('"tables.bin"', '"other.bin"'), ('"tables.bin"', '"../tables.bin"'), ('"decoder_sha256": "', '"decoder": "')],
    )
    def test_a_manifest_that_says_something_else(self, folder, old, new):
        text = (folder / "manifest.json").read_text()
        assert old in text
        (folder / "manifest.json").write_text(text.replace(old, new))
        with pytest.raises(skvq.runtime.ModelFileError):
            skvq.runtime.load(folder)

    def test_a_later_export_replaces_them(self, folder, vqvae):
        assert export_onnx(vqvae, folder, parts=["decoder"]) == folder
        assert sorted(path.name for path in folder.iterdir()) == ["decoder.onnx", "manifest.json", "vectors.json"]
