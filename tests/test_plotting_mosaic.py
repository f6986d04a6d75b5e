"""The NumPy parts of the displays: positions of tiles, units, maps over pixels, and colours of codes."""

import numpy as np
import pytest

pytest.importorskip("matplotlib")
from plotting_stand_ins import laid_out

from skvq.plotting._code_colors import code_colors, principal_axes
from skvq.plotting._mosaic import check_data_range, fill_grid, mosaic, spread_over_pixels, unit_images

GENERATOR = np.random.default_rng(3)


@pytest.mark.parametrize("gap", [1, 3])
def test_every_tile_is_in_its_place(gap):
    tiles = GENERATOR.random((2, 3, 4, 5), dtype=np.float32)
    picture = mosaic(tiles, gap=gap)
    np.testing.assert_array_equal(picture.canvas, laid_out(tiles, gap))
    for row, y in enumerate(picture.row_centers):
        for column, x in enumerate(picture.column_centers):
            top, left = round(y - 1.5), round(x - 2.0)
            np.testing.assert_array_equal(picture.canvas[top : top + 4, left : left + 5], tiles[row, column])


def test_colour_tiles_have_transparent_gaps():
    tiles = GENERATOR.random((2, 2, 4, 3, 3), dtype=np.float32)
    expected = laid_out(tiles, 1)
    canvas = mosaic(tiles, gap=1).canvas
    np.testing.assert_array_equal(canvas[..., 3], np.isfinite(expected[..., 0]))
    np.testing.assert_array_equal(canvas[..., :3], np.where(np.isfinite(expected), expected, 1))


@pytest.mark.parametrize(("size", "gap"), [((28, 28), 2), ((4, 4), 1), ((256, 200), 21), ((1, 1), 1)])
def test_the_gap_grows_with_the_tiles(size, gap):
    assert mosaic(np.zeros((1, 2, *size))).gap == gap


def test_units_are_taken_from_the_range():
    images = np.array([[[0, 51, 255]]], dtype=np.uint8)
    np.testing.assert_allclose(unit_images(images, (0, 255)), [[[0, 0.2, 1]]], rtol=1e-6)
    np.testing.assert_allclose(unit_images(images - np.float32(10), (-10, 41)), [[[0, 1, 1]]])
    np.testing.assert_array_equal(unit_images(images, None), unit_images(images, (0, 255)))


def test_channels_are_grey_rgb_or_their_mean():
    images = GENERATOR.random((2, 4, 4, 4), dtype=np.float32)
    np.testing.assert_array_equal(unit_images(images[..., :1], (0, 1)), images[..., 0])
    np.testing.assert_array_equal(unit_images(images[..., :3], (0, 1)), images[..., :3])
    np.testing.assert_allclose(unit_images(images, (0, 1)), images.mean(axis=3), rtol=1e-6)
    np.testing.assert_allclose(unit_images(images[..., :2], (0, 1)), images[..., :2].mean(axis=3), rtol=1e-6)


def test_constant_images_are_black():
    assert check_data_range(None, np.full((1, 2, 2), 7.0)) == (7.0, 8.0)
    assert (unit_images(np.full((1, 2, 2), 7.0), (7, 7)) == 0).all()


@pytest.mark.parametrize("data_range", [(1, 0), (0, np.nan), (0, np.inf), 5, (0, 1, 2), ("a", "b")])
def test_a_range_is_two_numbers(data_range):
    with pytest.raises(ValueError, match=r"data_range must be two finite numbers.*got .*\(0, 255\)"):
        unit_images(np.zeros((1, 2, 2)), data_range)


@pytest.mark.parametrize("shape", [(4,), (2, 16), (0, 4, 4), (1, 2, 3, 4, 5)])
def test_images_have_three_or_four_axes(shape):
    with pytest.raises(ValueError, match=r"pictures must hold one or more images.*got shape \("):
        unit_images(np.zeros(shape), (0, 1), "pictures")


def test_a_short_last_row_is_blank():
    grid = fill_grid(np.ones((5, 2, 2), dtype=np.float32), 3)
    assert grid.shape == (2, 3, 2, 2)
    np.testing.assert_array_equal(np.isnan(grid[:, :, 0, 0]), [[False] * 3, [False, False, True]])


@pytest.mark.parametrize(
    ("cells", "size"), [((7, 7), (28, 28)), ((7, 5), (30, 33)), ((3, 4), (3, 4)), ((1, 2), (5, 5))]
)
def test_cells_cover_their_pixels(cells, size):
    maps = np.arange(np.prod(cells)).reshape(1, *cells)
    spread = spread_over_pixels(maps, size)[0]
    for y in range(size[0]):
        for x in range(size[1]):
            assert spread[y, x] == maps[0, int(y * cells[0] / size[0]), int(x * cells[1] / size[1])]


def test_principal_axes_are_those_of_the_covariance():
    codebook = GENERATOR.normal(size=(40, 5)) @ np.diag([5, 3, 1, 0.5, 0.1])
    weights = GENERATOR.integers(0, 9, 40)
    places = principal_axes(codebook, 3, weights)
    variances, vectors = np.linalg.eigh(np.cov(codebook.T, fweights=weights, bias=True))
    centred = codebook - np.average(codebook, axis=0, weights=weights)
    expected = centred @ vectors[:, ::-1][:, :3]
    expected *= np.sign((expected * places).sum(axis=0))
    np.testing.assert_allclose(places, expected, atol=1e-9)
    np.testing.assert_allclose(np.average(places**2, axis=0, weights=weights), variances[::-1][:3])


def test_principal_axes_do_not_flip():
    codebook = GENERATOR.normal(size=(20, 4))
    np.testing.assert_allclose(principal_axes(codebook, 2), principal_axes(codebook[:, ::-1], 2), atol=1e-9)


def test_a_line_of_codes_goes_from_dark_to_light():
    colors = code_colors(np.arange(9.0)[:, None] * [[1.0, 2.0, 2.0]])
    brightness = colors @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(brightness) > 0).all()
    np.testing.assert_allclose(colors - colors[:, :1], 0, atol=1e-3)  # no second axis, hence no hue


def test_like_codes_have_like_colours():
    corners = np.array([[x, y, z] for x in (0, 4) for y in (0, 2) for z in (0, 1)], dtype=float)
    codebook = np.concatenate([corners, corners + 0.01 * GENERATOR.random((8, 3))])
    colors = code_colors(codebook)
    distances = np.linalg.norm(colors[:, None] - colors, axis=2) + 9 * np.eye(16)
    np.testing.assert_array_equal(distances.argmin(axis=1), [*range(8, 16), *range(8)])


@pytest.mark.parametrize("codebook", [np.zeros((5, 3)), np.ones((1, 4)), np.arange(6.0)[:, None], np.eye(2)])
@pytest.mark.parametrize("counts", [None, "zero"])
def test_colours_of_odd_codebooks(codebook, counts):
    counts = None if counts is None else np.zeros(len(codebook))
    colors = code_colors(codebook, counts)
    assert colors.shape == (len(codebook), 3)
    assert colors.dtype == np.float32
    assert np.isfinite(colors).all()
    assert colors.min() >= 0
    assert colors.max() <= 1


def test_lightness_is_that_of_oklab():
    greys = code_colors(np.array([[0.0], [1.0]])).astype(np.float64)
    lightness = np.cbrt(((greys + 0.055) / 1.055) ** 2.4)
    np.testing.assert_allclose(lightness - lightness[:, :1], 0, atol=1e-3)
    np.testing.assert_allclose(lightness.mean(axis=0), 0.66, atol=1e-3)
    assert lightness[0, 0] < 0.5 < 0.8 < lightness[1, 0]


def test_a_far_code_leaves_the_others_their_colours():
    near = GENERATOR.random((30, 3))
    far = np.concatenate([near, [[500.0, 0, 0]]])
    assert np.ptp(code_colors(far)[:-1], axis=0).min() > 0.4
    # A code never used decides nothing.
    np.testing.assert_allclose(code_colors(far, [1] * 30 + [0])[:-1], code_colors(near), atol=1e-6)
