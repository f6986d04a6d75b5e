"""What people hand in is what they mean, or they are told; each message is tested by following it."""

import multiprocessing
import re

import numpy as np
import pytest

from skvq import VQVAE, PixelCNNPrior, SkvqError

TINY = {"n_embeddings": 4, "embedding_dim": 2, "hidden_channels": 4, "n_residual_blocks": 0, "max_iter": 1}


def refused(function, X, match):
    with pytest.raises(SkvqError, match=match):
        function(X)


@pytest.fixture(scope="module")
def fitted(images):
    return VQVAE(**TINY, optimizer="sgd", random_state=0).fit(images)


class TestAxes:
    @pytest.mark.parametrize("n_channels", [1, 3, 4])
    def test_channels_first_is_told_how_to_move_them(self, n_channels):
        X = np.random.default_rng(0).random((20, n_channels, 8, 12), dtype=np.float32)
        refused(VQVAE(**TINY).fit, X, r"look channels-first\. Move the axis: np\.moveaxis\(X, 1, -1\)")
        vqvae = VQVAE(**TINY).fit(np.moveaxis(X, 1, -1))
        assert vqvae.image_shape_ == (8, 12, n_channels)
        refused(vqvae.transform, X, r"Move the channels to the end: np\.moveaxis\(X, 1, -1\)")
        assert vqvae.transform(np.moveaxis(X, 1, -1)).shape == (20, 6)

    def test_volumes_are_no_images_of_many_channels_unless_asked(self):
        X = np.random.default_rng(0).random((6, 8, 8, 8), dtype=np.float32)
        refused(VQVAE(**TINY).fit, X, r"8 channels\. For images of 8 channels, pass image_shape=\(8, 8, 8\)")
        assert VQVAE(**TINY, image_shape=(8, 8, 8)).fit(X).image_shape_ == (8, 8, 8)
        assert VQVAE(**TINY).fit(X.reshape(-1, 8, 8)).image_shape_ == (8, 8, 1)

    def test_an_explicit_shape_allows_strips(self):
        X = np.random.default_rng(0).random((20, 1, 12, 8), dtype=np.float32)
        assert VQVAE(**TINY, image_shape=(1, 12, 8)).fit(X).image_shape_ == (1, 12, 8)

    def test_one_image_is_no_batch(self, fitted, images):
        for X in (images[0], images[0][..., None]):
            refused(fitted.transform, X, r"For a single image, pass X\[None\]")
            assert fitted.transform(X[None]).shape == (1, 4)
        refused(VQVAE(**TINY, image_shape=(8, 8)).fit, images[0], r"For a single image, pass X\[None\]")

    def test_swapped_sides(self):
        X = np.zeros((5, 8, 12)) + np.arange(12)
        vqvae = VQVAE(**TINY).fit(X)
        refused(vqvae.transform, np.swapaxes(X, 1, 2), r"Swap the axes: np\.swapaxes\(X, 1, 2\)")

    def test_maps_of_codes(self, codes):
        maps = codes.reshape(-1, 2, 2)
        prior = PixelCNNPrior(hidden_channels=4, n_layers=1, max_iter=1)
        refused(prior.fit, maps, r"Flatten maps of codes by X\.reshape\(len\(X\), -1\)")
        assert prior.fit(maps.reshape(len(maps), -1)).grid_.shape == (2, 2)


def things(images):
    pd = pytest.importorskip("pandas")
    pl = pytest.importorskip("polars")
    tf = pytest.importorskip("tensorflow")
    import keras

    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 2

        def __getitem__(self, i):
            return images[48 * i : 48 * (i + 1)], np.zeros(48)

    masked = np.ma.masked_array(images, mask=images > 200)
    few = images[:4].astype(float)
    return {
        "tuple": ((images, np.zeros(96)), r"fit\(\*X\)", lambda X: X[0]),
        "iterable": (iter(images), r"np\.stack\(list\(X\)\)", lambda X: np.stack(list(X))),
        "PyDataset": (
            Batches(),
            r"np\.concatenate\(\[X\[i\]\[0\] for i in range\(len\(X\)\)\]\)",
            lambda X: np.concatenate([X[i][0] for i in range(len(X))]),
        ),
        "tf.data": (
            tf.data.Dataset.from_tensor_slices(images).batch(32),
            r"np\.concatenate\(list\(X\.as_numpy_iterator\(\)\)\)",
            lambda X: np.concatenate(list(X.as_numpy_iterator())),
        ),
        "pandas": (pd.Series(list(images)), r"np\.stack\(X\.to_list\(\)\)", lambda X: np.stack(X.to_list())),
        "polars": (
            pl.Series([image.ravel().tolist() for image in images]),
            r"np\.stack\(X\.to_list\(\)\)",
            lambda X: np.stack(X.to_list()),
        ),
        "masked": (masked, r"X\.filled\(0\)", lambda X: X.filled(0)),
        "complex": (np.fft.fft2(images), r"np\.abs\(X\)", np.abs),
        "NaN": (np.where(few > 200, np.nan, few), r"np\.nan_to_num\(X\)", np.nan_to_num),
        "infinity": (np.where(few > 200, np.inf, few), "finite in float32; got NaN or infinity", lambda X: few),
    }


@pytest.mark.parametrize(
    "name",
    ["tuple", "iterable", "PyDataset", "tf.data", "pandas", "polars", "masked", "complex", "NaN", "infinity"],
)
def test_what_is_no_array_is_told_the_way_out(images, name):
    X, message, way_out = things(images)[name]
    refused(VQVAE(**TINY, optimizer="sgd").fit, X, message)
    X = way_out(things(images)[name][0] if name == "iterable" else X)
    assert VQVAE(**TINY, optimizer="sgd").fit(X).transform(X).shape[0] == len(X)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ("images/", r"got the path 'images/'\. Read the images first: skvq\.datasets\.open_images"),
        (["a.png", "b.png"], "a list of 2 paths or strings"),
        ({"images": np.zeros((5, 8, 8))}, r"got a dict with 'images'\. Pass the images in it, such as X\['images'\]"),
        (np.zeros((5, 8, 8), "m8[s]"), r"got times, of dtype timedelta64\[s\]\. Pass numbers: X\.astype\(float\)"),
        (np.zeros((5, 8, 8), "M8[s]"), "got times, of dtype datetime64"),
        ([np.zeros((8, 8)), np.zeros((8, 9))], r"images of 2 sizes, \(8, 8\) and \(8, 9\) for two"),
    ],
)
def test_paths_and_sizes_are_told_what_reads_them(X, message):
    refused(VQVAE(**TINY).fit, X, message)


def test_a_tensor_dataset_of_torch(images):
    torch = pytest.importorskip("torch")
    X = torch.utils.data.TensorDataset(torch.from_numpy(images))
    refused(VQVAE(**TINY).fit, X, r"X\.tensors\[0\]\.numpy\(\)")


class TestUnits:
    @pytest.mark.parametrize("method", ["transform", "score", "reconstruct", "partial_fit"])
    def test_images_in_other_units_are_warned_of(self, fitted, images, method):
        import pickle

        vqvae = pickle.loads(pickle.dumps(fitted))
        for X in (images / 255, images / 127.5 - 1):
            with pytest.warns(UserWarning, match=r"which fill .*% of data_range_ .*Bring X to the units of fit"):
                getattr(vqvae, method)(X)
        with pytest.warns(UserWarning, match="which leave data_range_"):
            getattr(vqvae, method)(images.astype(float) * 255)

    def test_images_of_the_same_units_are_not(self, fitted, images, recwarn):
        for X in (images, images[:1], images[::7] // 2, np.zeros((3, 8, 8)), images.astype(float) * 1.2):
            fitted.transform(X)
        assert not [w for w in recwarn if "data_range_" in str(w.message)]


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "float16", "float32", "float64", ">u2", ">f4"])
def test_every_dtype_that_goes_in_comes_out(images, dtype):
    vqvae = VQVAE(**TINY, optimizer="sgd").fit(images.astype(dtype))
    answer = vqvae.reconstruct(images.astype(dtype))
    assert answer.dtype == np.dtype(dtype).newbyteorder("=")
    assert np.isfinite(answer.astype(float)).all()


def in_a_child(vqvae, images, queue):
    try:
        queue.put(len(vqvae.transform(images)))
    except Exception as error:
        queue.put(f"{type(error).__name__}: {error}")


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork here")
def test_a_forked_child_raises_and_does_not_hang(fitted, images):
    fitted.transform(images)
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=in_a_child, args=(fitted, images, queue), daemon=True)
    child.start()
    message = queue.get(timeout=120)
    child.join(timeout=30)
    assert re.search(r"ForkedProcessError: .*get_context\('spawn'\).*loky.*skvq\.runtime", message)


def test_collapse_is_warned_of_by_perplexity_too():
    from skvq._vqvae.training import warn_of_collapse

    counts = np.full(512, 2)
    counts[143:] = 0
    counts[:12] = 5000
    with pytest.warns(UserWarning, match=r"Only 143 of n_embeddings=512 codes are in use, with a perplexity of 1[0-9]"):
        warn_of_collapse(counts)


class TestFewRows:
    def test_codes_never_depend_on_how_many_rows_are_asked_at_once(self, vqvae, images, codes):
        for n in (1, 2, 16, 17):
            parts = [vqvae.transform(images[i : i + n]) for i in range(0, len(images), n)]
            np.testing.assert_array_equal(np.concatenate(parts), codes)

    def test_images_and_errors_agree_to_rounding(self, vqvae, images, codes):
        whole, errors = vqvae.inverse_transform(codes).astype(int), vqvae.reconstruction_errors(images)
        for i in range(0, 96, 7):
            assert np.abs(vqvae.inverse_transform(codes[i : i + 1]).astype(int) - whole[i]).max() <= 1
            np.testing.assert_allclose(vqvae.reconstruction_errors(images[i : i + 1]), errors[i], rtol=1e-4)

    def test_a_code_that_rounding_could_change_is_found_in_a_full_batch(self, vqvae, images, codes, monkeypatch):
        from skvq._vqvae import base

        monkeypatch.setattr(base, "SAFE_MARGIN", np.inf)
        np.testing.assert_array_equal(vqvae.transform(images[:1]), codes[:1])


class TestOneColourImage:
    def test_it_is_no_batch_of_strips(self):
        X = np.random.default_rng(0).random((16, 12, 3), dtype=np.float32)
        refused(VQVAE(**TINY).fit, X, r"looks like one image of 16 × 12 pixels and 3 channels\. .*pass X\[None\]")
        assert VQVAE(**TINY).fit(X[None]).image_shape_ == (16, 12, 3)

    def test_unless_asked(self):
        X = np.random.default_rng(0).random((16, 12, 3), dtype=np.float32)
        assert VQVAE(**TINY, image_shape=(12, 3)).fit(X).image_shape_ == (12, 3, 1)


class TestFlatImages:
    def test_without_a_shape_they_are_warned_of(self, images):
        flat = images.reshape(len(images), -1)
        with pytest.warns(UserWarning, match=r"rows of 64 whole numbers.*set image_shape=\(8, 8\)"):
            vqvae = VQVAE(**TINY, optimizer="sgd").fit(flat)
        assert vqvae.image_shape_ == (64,)
        assert VQVAE(**TINY, optimizer="sgd", image_shape=(8, 8)).fit(flat).image_shape_ == (8, 8, 1)
        colours = np.tile(flat, (1, 3))
        with pytest.warns(UserWarning, match=r"set image_shape=\(8, 8, 3\)"):
            VQVAE(**TINY, optimizer="sgd").fit(colours)

    @pytest.mark.parametrize(
        "make",
        [lambda flat: flat / 7, lambda flat: flat > 100, lambda flat: flat[:, :60], lambda flat: flat - 100.0],
        ids=["fractions", "zeros and ones", "no square", "negative"],
    )
    def test_vectors_are_not(self, images, make, recwarn):
        VQVAE(**TINY, optimizer="sgd").fit(make(images.reshape(len(images), -1).astype(float)))
        assert not [w for w in recwarn if "image_shape" in str(w.message)]

    def test_nor_those_that_are_said_to_be_vectors(self, images, recwarn):
        VQVAE(**TINY, optimizer="sgd", architecture="dense").fit(images.reshape(len(images), -1))
        assert not [w for w in recwarn if "image_shape" in str(w.message)]


class TestMasks:
    @pytest.mark.parametrize("door", ["inverse_transform", "prior.fit", "prior.score", "prior.sample"])
    def test_masked_codes_and_labels(self, vqvae, prior, codes, labels, door):
        masked = np.ma.masked_array(codes, mask=codes == 0)
        calls = {
            "inverse_transform": lambda: vqvae.inverse_transform(masked),
            "prior.fit": lambda: PixelCNNPrior(n_embeddings=12, max_iter=1).fit(masked),
            "prior.score": lambda: prior.score(masked, labels),
            "prior.sample": lambda: prior.sample(2, np.ma.masked_array([0, 1], [False, True])),
        }
        with pytest.raises(SkvqError, match="must be an array without a mask; got a masked array with"):
            calls[door]()

    def test_masked_images_in_metrics(self, images):
        from skvq.metrics import mse

        with pytest.raises(SkvqError, match=r"X_hat must be an array without a mask.*X_hat\.filled\(0\)"):
            mse(images, np.ma.masked_array(images, images > 9))
