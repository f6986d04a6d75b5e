import numpy as np
import pytest
from keras import ops
from skimage.metrics import structural_similarity

from skvq._contract.images import ValueRange
from skvq.networks.losses import LOSSES, constant_picture_loss, ssim


def pair(shape, seed=0):
    generator = np.random.default_rng(seed)
    images = generator.random(shape)
    for axis in (1, 2):
        images = (images + np.roll(images, 1, axis) + np.roll(images, -1, axis)) / 3
    noisy = np.clip(images + 0.1 * generator.standard_normal(shape), 0, 1)
    return images.astype("float32"), noisy.astype("float32")


ORACLES = {
    "mse": lambda x, y: np.mean((x - y) ** 2),
    "mae": lambda x, y: np.mean(np.abs(x - y)),
    "bce": lambda x, y: (
        -np.mean(x * np.log(np.clip(y, 1e-6, 1 - 1e-6)) + (1 - x) * np.log(1 - np.clip(y, 1e-6, 1 - 1e-6)))
    ),
    "ssim": lambda x, y: (
        1
        - np.mean(
            [
                structural_similarity(
                    a,
                    b,
                    gaussian_weights=True,
                    sigma=1.5,
                    use_sample_covariance=False,
                    data_range=1,
                    channel_axis=-1,
                )
                for a, b in zip(x.astype(float), y.astype(float), strict=True)
            ]
        )
    ),
}


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("shape", [(3, 16, 21, 1), (2, 32, 11, 3)])
def test_against_numpy_and_scikit_image(name, shape):
    images, noisy = pair(shape)
    answer = float(ops.convert_to_numpy(LOSSES[name](*map(ops.convert_to_tensor, (images, noisy)))))
    # float32 sums differ by the last bits; the table's other rows are exact to them.
    assert answer == pytest.approx(ORACLES[name](images.astype(float), noisy.astype(float)), abs=1e-5)


@pytest.mark.parametrize("side", [1, 2, 5, 10])
def test_ssim_takes_images_smaller_than_its_window(side):
    images, noisy = pair((2, side, side, 1))
    assert float(ssim(images, images)) == pytest.approx(0.0, abs=1e-6)
    assert 0 < float(ssim(images, noisy)) <= 2


@pytest.mark.parametrize("name", ["mse", "mae", "ssim"])
def test_equal_images_lose_nothing(name):
    images, _ = pair((2, 14, 14, 1))
    assert float(LOSSES[name](images, images)) == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_the_unit_of_a_loss_is_its_value_for_the_mean_picture_in_any_batches(name):
    images, _ = pair((6, 14, 14, 2))
    values = ValueRange(float(images.mean()) * 255, 60.0, 0.0, 255.0)
    expected = ORACLES[name](images.astype(float), np.full_like(images, images.mean()).astype(float))
    for sizes in ([6], [1, 5], [4, 2]):
        batches = np.split(images * 255, np.cumsum(sizes)[:-1])
        pairs = ((batch, None) for batch in batches)
        assert constant_picture_loss(LOSSES[name], pairs, values) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("name", ["mse", "mae", "ssim"])
def test_where_the_mean_picture_loses_nothing_the_unit_is_one(name):
    values = ValueRange(3.0, 1.0, 3.0, 3.0)
    assert constant_picture_loss(LOSSES[name], [(np.full((2, 5, 5, 1), 3.0, np.float32), None)], values) == 1.0
