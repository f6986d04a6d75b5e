"""What comes out of a file is what went in, by any door."""

import io
import os
import pickle
import re
import stat

import keras
import numpy as np
import pytest
from estimator_bytes import taken_apart
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator

import skvq
from skvq import VQVAE, ContextPrior, PixelCNNPrior, VQGenerator
from skvq._contract.errors import InvalidInputError


@pytest.fixture(scope="module")
def context(vqvae, codes, labels):
    return ContextPrior(grid=vqvae.grid_, conditional=True).fit(codes, np.array(["upright", "level"])[labels])


@pytest.fixture(scope="module")
def generator(vqvae, prior):
    return VQGenerator.from_fitted(vqvae, prior)


@pytest.fixture
def path(vqvae, tmp_path):
    vqvae.save(tmp_path / "digits.skvq")
    return tmp_path / "digits.skvq"


def saved(estimator):
    stream = io.BytesIO()
    estimator.save(stream)
    return stream.getvalue()


def assert_equal_state(one, other):
    """Compare two values by kind and content, and estimators by all that they hold."""
    assert type(one) is type(other)
    if hasattr(one, "get_params"):
        one, other = vars(one), vars(other)
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for name in one:
            assert_equal_state(one[name], other[name])
    elif isinstance(one, (list, tuple)):
        assert len(one) == len(other)
        for left, right in zip(one, other, strict=True):
            assert_equal_state(left, right)
    elif isinstance(one, np.ndarray):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    else:
        assert one == other


@pytest.mark.parametrize("name", ["vqvae", "prior", "context", "generator"])
def test_all_state_comes_back(name, request):
    estimator = request.getfixturevalue(name)
    assert_equal_state(skvq.load(saved(estimator)), estimator)


def test_a_loaded_generator_answers_alike(generator, images, labels):
    twin = skvq.load(saved(generator))
    np.testing.assert_array_equal(twin.transform(images), generator.transform(images))
    np.testing.assert_array_equal(twin.score_samples(images, labels), generator.score_samples(images, labels))
    np.testing.assert_array_equal(twin.sample(3, y=1, random_state=0), generator.sample(3, y=1, random_state=0))


def test_a_loaded_prior_of_counts_answers_alike(context, codes):
    twin = skvq.load(saved(context))
    np.testing.assert_array_equal(twin.score_samples(codes, "level"), context.score_samples(codes, "level"))
    np.testing.assert_array_equal(twin.sample(3, "level", random_state=0), context.sample(3, "level", random_state=0))


def test_parameters_of_a_generator_are_what_they_were(vqvae, prior, generator):
    twin = skvq.load(saved(generator))
    assert twin.vqvae is twin.vqvae_
    assert twin.prior is twin.prior_
    model = VQGenerator(FrozenEstimator(vqvae), PixelCNNPrior(n_layers=3))
    model._adopt(vqvae, prior, None)
    model.noise_variance_ = 2.5
    twin = skvq.load(saved(model))
    assert twin.vqvae.estimator is twin.vqvae_
    assert twin.prior.get_params() == model.prior.get_params()
    assert not hasattr(twin.prior, "grid_")
    assert twin.noise_variance_ == 2.5
    model = VQGenerator()
    model._adopt(vqvae, prior, None)
    twin = skvq.load(saved(model))
    assert (twin.vqvae, twin.prior) == (None, None)


@pytest.mark.slow
def test_training_goes_on_from_memory_pickle_and_file_alike(images):
    small = {"hidden_channels": 4, "max_iter": 2, "batch_size": 16, "random_state": 0}
    vqvae = VQVAE(4, 2, n_residual_blocks=0, **small)
    X = images[:32]
    model = VQGenerator(vqvae, PixelCNNPrior(n_layers=1, dropout=0.3, **small)).fit(X)
    from_pickle, from_file = pickle.loads(pickle.dumps(model)), skvq.load(saved(model))
    first, second = skvq.load(saved(model.vqvae_)), skvq.load(saved(model.prior_))
    before = saved(model)
    for trained in (model, from_pickle, from_file):
        trained.partial_fit(X)
    second.partial_fit(first.partial_fit(X).encode(X))
    assert saved(model) == saved(from_pickle) == saved(from_file) != before
    assert saved(model.vqvae_) == saved(first)
    assert saved(model.prior_) == saved(second)


def test_a_file_of_large_images_is_small(tmp_path):
    X = np.random.default_rng(0).integers(0, 256, (4, 512, 512), dtype=np.uint8)
    vqvae = VQVAE(512, hidden_channels=8, n_residual_blocks=1, max_iter=1, batch_size=4, random_state=0).fit(X)
    assert vqvae.grid_.n_codes == 128 * 128
    vqvae.save(tmp_path / "large.skvq")
    assert (tmp_path / "large.skvq").stat().st_size < 1_000_000


def test_names_of_columns_come_along():
    import pandas as pd

    X = pd.DataFrame(np.random.default_rng(0).normal(size=(30, 3)), columns=["a", "b", "é\n"])
    vqvae = VQVAE(4, 2, hidden_channels=4, max_iter=1, random_state=0).fit(X)
    assert_equal_state(skvq.load(saved(vqvae)), vqvae)


@pytest.fixture
def labelled(prior):
    """A copy of a prior under classes of one's own."""

    def make(classes):
        twin = PixelCNNPrior().set_params(**prior.get_params())
        twin.__dict__.update(prior.__dict__, classes_=classes)
        return twin

    return make


@pytest.mark.parametrize("dtype", ["?", "i1", "u8", "f2", "f8", ">i4", ">f8", "U3", "S3", object])
def test_classes_of_any_kind_come_along(labelled, dtype):
    classes = np.array(["0", "1"], dtype) if dtype is object else np.array([0, 1]).astype(dtype)
    loaded = skvq.load(saved(labelled(classes))).classes_
    np.testing.assert_array_equal(loaded, classes)
    assert loaded.dtype.kind == classes.dtype.kind
    assert loaded.dtype.isnative


@pytest.mark.parametrize(
    "classes", [np.array([0, 1], object), np.array(["2020", "2021"], "M8[Y]"), np.array([0, 1], complex)]
)
def test_classes_that_cannot_be_saved_are_named_with_their_dtype(labelled, classes):
    message = rf"classes_ must hold .* to be saved; got .* dtype {re.escape(str(classes.dtype))}\. .*before fit"
    with pytest.raises(InvalidInputError, match=message):
        saved(labelled(classes))


def test_equal_estimators_give_equal_bytes(path, vqvae):
    assert path.read_bytes() == saved(vqvae) == saved(skvq.load(path))


def test_the_safetensors_library_reads_the_arrays(path, vqvae):
    numpy_reader = pytest.importorskip("safetensors.numpy")
    arrays = numpy_reader.load_file(path)
    np.testing.assert_array_equal(arrays["codebook_"], vqvae.codebook_)


def test_the_bytes_are_those_of_the_description(path, vqvae):
    parts = taken_apart(path.read_bytes())
    assert parts.metadata == {
        "format": "skvq estimator",
        "format_version": "2",
        "skvq_version": skvq.__version__,
    }
    assert parts.estimator["class"] == "VQVAE"
    for i, weight in enumerate(vqvae._weights):
        np.testing.assert_array_equal(parts.arrays[f"_weights/{i}"], weight)
    assert parts.joined() != b""
    assert_equal_state(skvq.load(parts.joined()), vqvae)


class TestDoors:
    def test_paths_bytes_and_streams(self, path, vqvae, tmp_path, monkeypatch):
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("USERPROFILE", str(tmp_path))
        whole = path.read_bytes()
        vqvae.save("~/again.skvq")
        assert (tmp_path / "again.skvq").read_bytes() == whole
        with open(tmp_path / "stream.skvq", "wb") as stream:
            vqvae.save(stream)
        assert (tmp_path / "stream.skvq").read_bytes() == whole
        with open(path, "rb") as stream:
            assert_equal_state(skvq.load(stream), vqvae)
        for source in (str(path), "~/again.skvq", bytearray(whole)):
            assert_equal_state(skvq.load(source), vqvae)

    @pytest.mark.parametrize("source", [None, 3, ["digits.skvq"], io.StringIO("text")])
    def test_anything_else_is_named(self, source, vqvae):
        with pytest.raises(TypeError, match="path must be"):
            skvq.load(source)
        with pytest.raises(TypeError, match="path must be"):
            vqvae.save(source)

    def test_bytes_are_no_place_to_save_to(self, vqvae):
        with pytest.raises(TypeError, match="path must be a str or path-like object"):
            vqvae.save(b"digits.skvq")

    def test_a_stream_that_takes_a_byte_at_a_time(self, vqvae, prior):
        class Slow(io.RawIOBase):
            written = b""

            def write(self, data):
                self.written += bytes(data[:1000])
                return len(data[:1000])

        stream = Slow()
        prior.save(stream)
        assert stream.written == saved(prior)

    def test_a_missing_file(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"no file .*nowhere\.skvq\. Make one with"):
            skvq.load(tmp_path / "nowhere.skvq")

    def test_folders_and_what_is_missing_are_named(self, vqvae, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"path must lie in a folder that exists; got .*Make it first"):
            vqvae.save(tmp_path / "none" / "digits.skvq")
        with pytest.raises(IsADirectoryError, match=r"path must be a file, or a new name; got .*Add"):
            vqvae.save(tmp_path)
        assert os.listdir(tmp_path) == []


def test_a_full_disk_leaves_the_old_file(path, prior, monkeypatch):
    before = path.read_bytes()

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"No space left on device: .*digits\.skvq"):
        prior.save(path)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


class OwnVQVAE(VQVAE):
    pass


class OwnPrior(PixelCNNPrior):
    pass


class TestWhatCannotBeSaved:
    @pytest.fixture(autouse=True)
    def nothing_is_written(self, tmp_path):
        yield
        assert os.listdir(tmp_path) == []

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("reconstruction_loss", max),
            ("architecture", dict),
            ("quantizer", VQVAE),
            ("optimizer", keras.optimizers.Adam()),
            ("random_state", np.random.RandomState(0)),
        ],
    )
    def test_objects_as_parameters(self, vqvae, name, value, tmp_path):
        twin = pickle.loads(pickle.dumps(vqvae)).set_params(**{name: value})
        with pytest.raises(InvalidInputError, match=rf"{name} must be a number, a string .*to be saved; got .*pickle"):
            twin.save(tmp_path / "x.skvq")

    def test_classes_of_ones_own(self, vqvae, prior, tmp_path):
        own = OwnVQVAE()
        own.__dict__.update(vqvae.__dict__)
        with pytest.raises(InvalidInputError, match=r"must be a VQVAE .*; got .*OwnVQVAE.*load builds no other class"):
            own.save(tmp_path / "x.skvq")
        own = OwnPrior()
        own.__dict__.update(prior.__dict__)
        with pytest.raises(InvalidInputError, match=r"prior_ must be a PixelCNNPrior or a ContextPrior .*OwnPrior"):
            VQGenerator.from_fitted(vqvae, own).save(tmp_path / "x.skvq")

    def test_a_parameter_out_of_its_range(self, vqvae, tmp_path):
        twin = pickle.loads(pickle.dumps(vqvae)).set_params(beta=-1)
        with pytest.raises(InvalidInputError, match=r"must be one that load accepts.*'beta'.*pickle"):
            twin.save(tmp_path / "x.skvq")

    def test_an_estimator_before_fit(self, tmp_path):
        for estimator in (VQVAE(), VQGenerator(), ContextPrior()):
            with pytest.raises(NotFittedError):
                estimator.save(tmp_path / "x.skvq")


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
class TestTheFileThatIsWritten:
    @pytest.fixture(autouse=True)
    def umask(self):
        before = os.umask(0o027)
        yield
        os.umask(before)

    def test_permissions_of_new_and_old_files(self, path, vqvae):
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
        path.chmod(0o664)
        vqvae.save(path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o664

    def test_a_link_stays_a_link(self, path, vqvae, tmp_path):
        before = path.read_bytes()
        path.write_bytes(b"old")
        link = tmp_path / "latest.skvq"
        link.symlink_to("digits.skvq")
        vqvae.save(link)
        assert link.is_symlink()
        assert path.read_bytes() == before
