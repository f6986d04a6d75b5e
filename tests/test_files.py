import hashlib
import io
import json
import os
import pickle
import re
import stat
import zipfile

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

import skvq
from skvq import VQVAE, PixelCNNPrior
from skvq._files import MANIFEST, array_name


@pytest.fixture
def path(vqvae, tmp_path):
    vqvae.save(tmp_path / "digits.skvq")
    return tmp_path / "digits.skvq"


def rewrite(path, change=lambda manifest: None, replace=None, add=None, compression=zipfile.ZIP_STORED):
    """Write the archive again with its manifest changed, entries replaced and entries added."""
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(entries[MANIFEST])
    change(manifest)
    entries[MANIFEST] = json.dumps(manifest).encode()
    entries.update(replace or {})
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, blob in {**entries, **(add or {})}.items():
            archive.writestr(name, blob)


def test_a_saved_vqvae_answers_alike(path, vqvae, images, codes):
    twin = skvq.load(path)
    assert twin.get_params() == vqvae.get_params()
    np.testing.assert_array_equal(twin.transform(images), codes)
    np.testing.assert_array_equal(twin.inverse_transform(codes), vqvae.inverse_transform(codes))
    assert twin.history_ == vqvae.history_
    assert twin._layout == vqvae._layout


def test_a_saved_prior_answers_alike(prior, codes, labels, tmp_path):
    prior.save(tmp_path / "prior.skvq")
    twin = skvq.load(tmp_path / "prior.skvq")
    np.testing.assert_array_equal(twin.score_samples(codes, labels), prior.score_samples(codes, labels))
    np.testing.assert_array_equal(twin.sample(3, y=1, random_state=0), prior.sample(3, y=1, random_state=0))


def test_names_of_classes_and_columns_come_along(tmp_path):
    import pandas as pd

    X = pd.DataFrame(np.random.default_rng(0).normal(size=(30, 3)), columns=["a", "b", "c"])
    vqvae = VQVAE(4, 2, hidden_channels=4, max_iter=1, random_state=0).fit(X)
    vqvae.save(tmp_path / "columns.skvq")
    assert list(skvq.load(tmp_path / "columns.skvq").feature_names_in_) == ["a", "b", "c"]


def test_equal_estimators_give_equal_bytes(path, vqvae, tmp_path):
    vqvae.save(tmp_path / "again.skvq")
    assert path.read_bytes() == (tmp_path / "again.skvq").read_bytes()


def test_a_crash_in_the_middle_leaves_the_old_file(path, vqvae, monkeypatch):
    before = path.read_bytes()

    def crash(*args):
        raise OSError("no space left on device")

    monkeypatch.setattr(zipfile.ZipFile, "writestr", crash)
    with pytest.raises(OSError, match="no space"):
        vqvae.save(path)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_what_cannot_be_saved_is_named(images, tmp_path):
    from keras import ops

    vqvae = VQVAE(4, 2, hidden_channels=4, max_iter=1, reconstruction_loss=lambda a, b: ops.mean((a - b) ** 2)).fit(
        images
    )
    with pytest.raises(ValueError, match=r"reconstruction_loss must be a number, a string or an array .*pickle"):
        vqvae.save(tmp_path / "lambda.skvq")
    assert os.listdir(tmp_path) == []
    with pytest.raises(NotFittedError):
        VQVAE().save(tmp_path / "unfitted.skvq")


@pytest.fixture
def labelled(prior):
    """A copy of a prior under classes of one's own."""

    def make(classes):
        twin = PixelCNNPrior().set_params(**prior.get_params())
        twin.__dict__.update(prior.__dict__, classes_=classes)
        return twin

    return make


@pytest.mark.parametrize(
    "dtype",
    ["?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", ">i4", ">f8", "U3", "S3", object],
)
def test_classes_of_any_kind_come_along(labelled, dtype, tmp_path):
    classes = np.array(["0", "1"], dtype) if dtype is object else np.array([0, 1]).astype(dtype)
    labelled(classes).save(tmp_path / "prior.skvq")
    loaded = skvq.load(tmp_path / "prior.skvq").classes_
    np.testing.assert_array_equal(loaded, classes)
    assert loaded.dtype.kind == classes.dtype.kind
    assert loaded.dtype.isnative


@pytest.mark.parametrize(
    "classes", [np.array([0, 1], object), np.array(["2020", "2021"], "M8[Y]"), np.array([0, 1], complex)]
)
def test_classes_that_cannot_be_saved_are_named_with_their_dtype(labelled, classes, tmp_path):
    message = rf"classes_ must hold .* to be saved; got .* dtype {re.escape(str(classes.dtype))}\. .*before fit"
    with pytest.raises(ValueError, match=message):
        labelled(classes).save(tmp_path / "prior.skvq")
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
class TestTheFileThatIsWritten:
    @pytest.fixture(autouse=True)
    def umask(self):
        before = os.umask(0o027)
        yield
        os.umask(before)

    def test_a_new_one_has_the_permissions_of_other_new_files(self, path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o640

    def test_an_old_one_keeps_its_permissions(self, path, vqvae):
        path.chmod(0o664)
        vqvae.save(path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o664

    def test_a_link_stays_a_link(self, path, vqvae, tmp_path):
        before = path.read_bytes()
        path.write_bytes(b"old")
        (tmp_path / "folder").mkdir()
        link = tmp_path / "folder" / "latest.skvq"
        link.symlink_to("../digits.skvq")
        vqvae.save(link)
        assert link.is_symlink()
        assert path.read_bytes() == before
        assert sorted(os.listdir(tmp_path)) == ["digits.skvq", "folder"]


def test_a_folder_that_is_missing_is_named(vqvae, tmp_path):
    folder = re.escape(str(tmp_path / "none"))
    message = rf"path must lie in a folder that exists; got .*digits\.skvq.* no folder {folder}.*Make it"
    with pytest.raises(FileNotFoundError, match=message) as caught:
        vqvae.save(tmp_path / "none" / "digits.skvq")
    assert "partial" not in str(caught.value)


def test_a_folder_is_no_file(vqvae, tmp_path):
    with pytest.raises(IsADirectoryError, match=r"path must be a file, or a new name; got .*Add a name to it"):
        vqvae.save(tmp_path)
    assert os.listdir(tmp_path) == []


class Exploit:
    def __reduce__(self):
        return (os.mkdir, ("executed",))


def declare(blob):
    def change(manifest):
        manifest["arrays"][0]["sha256"] = hashlib.sha256(blob).hexdigest()

    return change


class TestRefused:
    """Each file here is refused with a message that says why, and leaves no trace."""

    @pytest.fixture(autouse=True)
    def nothing_is_written_or_run(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        yield
        assert set(os.listdir(tmp_path)) <= {"digits.skvq"}

    def refused(self, path, message):
        with pytest.raises(ValueError, match=message):
            skvq.load(path)

    def test_a_pickle_in_the_place_of_an_array(self, path):
        blob = pickle.dumps(Exploit())
        rewrite(path, declare(blob), {array_name(0): blob})
        self.refused(path, r"arrays/0000\.bin holds \d+ bytes where \d+ are declared")

    def test_an_array_file_with_a_pickle_inside(self, path):
        buffer = io.BytesIO()
        np.save(buffer, np.array([Exploit()], dtype=object), allow_pickle=True)
        rewrite(path, declare(buffer.getvalue()), {array_name(0): buffer.getvalue()})
        self.refused(path, "where .* are declared")

    def test_an_object_array(self, path):
        rewrite(path, lambda m: m["arrays"][0].update(dtype="object"))
        self.refused(path, "declares dtype 'object'")

    @pytest.mark.parametrize("name", ["../evil", "/etc/evil", "arrays/../../evil", "arrays/9999.bin"])
    def test_names_that_are_not_listed(self, path, name):
        rewrite(path, add={name: b"x"})
        self.refused(path, "entries are not those that it lists: ")

    def test_a_wrong_hash(self, path):
        with zipfile.ZipFile(path) as archive:
            blob = bytearray(archive.read(array_name(0)))
        blob[0] ^= 1
        rewrite(path, replace={array_name(0): bytes(blob)})
        self.refused(path, r"SHA-256 of arrays/0000\.bin is not the one listed")

    def test_an_unknown_class(self, path):
        rewrite(path, lambda m: m.update({"class": "Pipeline"}))
        self.refused(path, "one of VQVAE, PixelCNNPrior; got class 'Pipeline'")

    def test_an_unknown_version(self, path):
        rewrite(path, lambda m: m.update(format_version=99))
        self.refused(path, "format version 1; got version 99 .*Install that version")

    def test_an_array_larger_than_declared(self, path):
        rewrite(path, lambda m: m["arrays"][0].update(shape=[1]))
        self.refused(path, "where .* are declared")

    def test_a_declared_size_that_no_memory_holds(self, path):
        rewrite(path, lambda m: m["arrays"][0].update(shape=[2**40, 2**20]))
        self.refused(path, "where .* are declared")

    @pytest.mark.parametrize("keep", [0.0, 0.1, 0.5, 0.99])
    def test_a_truncated_file(self, path, keep):
        blob = path.read_bytes()
        path.write_bytes(blob[: int(keep * len(blob))])
        self.refused(path, "Nothing was loaded")

    def test_a_zip_bomb(self, path):
        rewrite(path, add={"arrays/bomb.bin": b"\0" * 10_000_000}, compression=zipfile.ZIP_DEFLATED)
        assert path.stat().st_size < 1_000_000
        self.refused(path, "is compressed, which save never does")

    @pytest.mark.parametrize("name", ["__class__", "fit", "transform", "_network", "weights_\n"])
    def test_attributes_that_are_not_fitted_state(self, path, name):
        rewrite(path, lambda m: m["state"].update({name: 1}))
        self.refused(path, "is not a fitted attribute")

    def test_unknown_parameters(self, path):
        rewrite(path, lambda m: m["params"].update(callback="os.system"))
        self.refused(path, "parameters that VQVAE has not: .'callback'.")

    def test_text_that_is_not_json(self, path):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(MANIFEST, "{")
        self.refused(path, "JSONDecodeError")

    def test_a_missing_file(self, tmp_path):
        with pytest.raises(FileNotFoundError):
            skvq.load(tmp_path / "nowhere.skvq")
