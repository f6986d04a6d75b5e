"""Conversion between users' images and float32 images for networks, and the units of images.

Users have flat images, or images with or without a channel axis, as uint8 or floats in any range. Networks take
float32 images ``(n, height, width, channels)``. A :class:`Layout` stores the user's shape and dtype, so that the images
of a decoder can be returned in the same form.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from .errors import InvalidInputError, invalid
from .masks import check_unmasked
from .slicing import check_lazy, is_lazy

SHORTEST_SIDE = 8  # of what may be one image with channels
MOST_CHANNELS = 4  # of an image, unless image_shape says otherwise: grey, grey and alpha, RGB, RGBA


@dataclass(frozen=True)
class Layout:
    """The shape of one row of X for the user and for the networks.

    Parameters
    ----------
    row_shape : tuple of int
        Shape of a row in the user's array: ``(784,)``, ``(28, 28)`` or ``(28, 28, 1)``.
    image_shape : tuple of int
        ``(height, width, channels)``, or ``(n_features,)`` for vectors.
    dtype : str
        NumPy name of the dtype of returned images.
    """

    row_shape: tuple[int, ...]
    image_shape: tuple[int, ...]
    dtype: str

    @property
    def is_vector(self) -> bool:
        """Whether rows are vectors for a dense network, instead of images."""
        return len(self.image_shape) == 1

    @property
    def n_features(self) -> int:
        """Number of values in a row."""
        return math.prod(self.image_shape)

    def to_images(self, X: np.ndarray, known: np.ndarray | None = None, fill: float = 0.0) -> np.ndarray:
        """Return X as float32 ``(n, *image_shape)``, in X's own units.

        Rows that are read from files are checked here and nowhere else.

        Parameters
        ----------
        X : ndarray of shape (n, *row_shape)
        known : ndarray of bool, broadcastable to the result, or None
            Where values count. None is everywhere.
        fill : float
            What the others are replaced by.

        Raises
        ------
        InvalidInputError
            If X holds NaN, infinity, or a value that is too large for float32 where it counts.
        """
        X = np.asarray(X)
        with np.errstate(over="ignore"):  # a value too large for float32 becomes infinity, found below
            images = X.astype(np.float32, copy=False).reshape(len(X), *self.image_shape)
        if known is not None:
            images = np.where(known, images, np.float32(fill))
        if X.dtype.kind not in "bui" and not np.isfinite(images).all():
            raise not_finite()
        return images

    def from_images(self, images: np.ndarray) -> np.ndarray:
        """Return float32 images in the layout and dtype of X. For integer dtypes, values are rounded and clipped."""
        dtype = np.dtype(self.dtype)
        if np.issubdtype(dtype, np.integer):
            limits = np.iinfo(dtype)
            highest = np.float32(limits.max)
            if int(highest) > limits.max:  # float32 rounds 2**31 - 1 up, and the cast to int32 would wrap around
                highest = np.nextafter(highest, np.float32(0))
            images = np.clip(np.rint(images), limits.min, highest)
        return images.astype(dtype).reshape(len(images), *self.row_shape)

    def accepts(self, row_shape: tuple[int, ...]) -> bool:
        """Return whether rows of this shape can hold the same images, in another layout."""
        if len(row_shape) == 1:
            return row_shape == (self.n_features,)
        if len(row_shape) == 2:
            row_shape = (*row_shape, 1)
        return row_shape == self.image_shape


def check_image_shape(image_shape: tuple[int, ...] | None) -> tuple[int, int, int] | None:
    """Return the parameter ``image_shape`` as ``(height, width, channels)``, or None for None.

    Raises
    ------
    InvalidInputError
        If it is not two or three positive integers.
    """
    if image_shape is None:
        return None
    wrong = invalid(
        "image_shape",
        "be (height, width) or (height, width, channels) of positive integers",
        repr(image_shape),
        "Use (28, 28) for MNIST. Use None for vectors, or when the rows of X have the shape of images.",
    )
    try:
        shape = tuple(image_shape)
    except TypeError:
        raise wrong from None
    if len(shape) not in (2, 3) or not all(isinstance(s, (int, np.integer)) and s > 0 for s in shape):
        raise wrong
    height, width, channels = (*map(int, shape), 1)[:3]
    return height, width, channels


def layout_of(X: np.ndarray, image_shape: tuple[int, ...] | None) -> Layout:
    """Return the layout of X for the parameter ``image_shape``.

    Parameters
    ----------
    X : ndarray of shape (n, features), (n, height, width) or (n, height, width, channels)
    image_shape : tuple of int or None
        The user's parameter.

    Raises
    ------
    InvalidInputError
        If the rows of X cannot be images of ``image_shape``, or X does not have two to four axes.
    """
    shape = check_image_shape(image_shape)
    row_shape = X.shape[1:]
    # Reconstructions come in the dtype of X. Those of booleans are floats, as they have shades between.
    dtype = np.dtype(X.dtype) if np.dtype(X.dtype).kind in "iuf" else np.dtype(np.float32)
    if X.ndim not in (2, 3, 4):
        raise invalid(
            "X",
            "be (n, features), (n, height, width) or (n, height, width, channels), channels last",
            f"shape {X.shape}",
            "For a single image, pass X[None]. For flat images, set image_shape.",
        )
    if shape is None and X.ndim == 3:
        check_not_one_image(X.shape)
    if shape is None and X.ndim == 4:
        check_channels(row_shape)
    if X.ndim == 2:
        layout = Layout(row_shape, shape or row_shape, dtype.name)
    else:
        layout = Layout(row_shape, shape or (*row_shape, 1)[:3], dtype.name)
    if shape is not None and not layout.accepts(row_shape):
        raise invalid(
            "X",
            f"hold images of image_shape={shape}, {math.prod(shape)} values a row",
            f"rows of shape {row_shape}, {math.prod(row_shape)} values",
            f"{_way_out(layout, row_shape, 'Correct image_shape, or reshape X.')}",
        )
    return layout


def check_not_one_image(shape: tuple[int, int, int]) -> None:
    """Raise if an array of three axes looks like one image with channels instead of images without.

    Raises
    ------
    InvalidInputError
    """
    n, height, width = shape
    if width <= MOST_CHANNELS and min(n, height) >= SHORTEST_SIDE:
        raise invalid(
            "X",
            "be a batch of images, (n, height, width) or (n, height, width, channels)",
            f"shape {shape}, which looks like one image of {n} × {height} pixels and {width} channels",
            f"For a single image, pass X[None]. If each row really is {height} × {width} pixels, say so: "
            f"image_shape=({height}, {width}).",
        )


def check_channels(row_shape: tuple[int, ...]) -> None:
    """Raise if images of this shape look as if their channels came first, or have more channels than pictures have.

    Raises
    ------
    InvalidInputError
    """
    first, height, width = row_shape
    if first <= MOST_CHANNELS < min(height, width):
        raise invalid(
            "X",
            "hold images with channels last, (n, height, width, channels)",
            f"rows of shape {row_shape}, which look channels-first",
            f"Move the axis: np.moveaxis(X, 1, -1). If the height of an image really is {first} and it has {width} "
            f"channels, say so: image_shape={row_shape}.",
        )
    if width > MOST_CHANNELS:
        raise invalid(
            "X",
            f"hold images of at most {MOST_CHANNELS} channels unless image_shape says otherwise",
            f"rows of shape {row_shape}, that is {width} channels",
            f"For images of {width} channels, pass image_shape={row_shape}. Of grey volumes, pass their slices: "
            f"X.reshape(-1, {height}, {width}).",
        )


def _way_out(layout: "Layout", row_shape: tuple[int, ...], otherwise: str) -> str:
    """Return what to do about rows that do not fit a layout, if their shape tells what went wrong."""
    if row_shape in (layout.row_shape[1:], layout.image_shape[1:], layout.image_shape[1:-1]):
        return "For a single image, pass X[None]."
    if len(row_shape) == 3 and layout.accepts((*row_shape[1:], row_shape[0])):
        return "Move the channels to the end: np.moveaxis(X, 1, -1)."
    if len(row_shape) == 2 and layout.accepts((row_shape[1], row_shape[0])):
        return "Swap the axes: np.swapaxes(X, 1, 2)."
    return otherwise


def check_row_shape(layout: "Layout", row_shape: tuple[int, ...]) -> None:
    """Raise unless rows of this shape hold the images that an estimator was fitted to.

    Raises
    ------
    InvalidInputError
    """
    if not layout.accepts(row_shape):
        raise invalid(
            "X",
            f"hold images of shape {layout.image_shape}, as in fit",
            f"rows of shape {row_shape}",
            _way_out(layout, row_shape, "Resize the images, or fit an estimator on images of this size."),
        )


def check_rows(X: Any, layout: Layout) -> Any:
    """Return X as a numeric array whose rows hold the images of a layout; what is read slice by slice is not read.

    Parameters
    ----------
    X : array-like of shape (n, n_features), (n, height, width) or (n, height, width, channels)
    layout : Layout

    Raises
    ------
    InvalidInputError
        If X is not numeric, or its rows have another shape.
    """
    check_unmasked("X", X)
    if is_lazy(X):
        check_lazy(X)
    else:
        X = np.asarray(X)
        if X.dtype.kind not in "buif":
            raise invalid("X", "be numeric", f"dtype {X.dtype}", "Convert it with np.asarray(X, dtype=float).")
    if len(X.shape) < 2 or not layout.accepts(tuple(X.shape[1:])):
        raise invalid(
            "X",
            f"hold rows of shape {layout.row_shape}, or of the image shape {layout.image_shape}",
            f"an array of shape {X.shape}",
            _way_out(
                layout,
                X.shape if len(X.shape) < 2 else X.shape[1:],
                "Resize the images; for a single one pass image[None].",
            ),
        )
    return X


@dataclass(frozen=True)
class ValueRange:
    """Mean, scale and limits of all values of X together.

    All pixels and channels share them, so a squared error has the same meaning everywhere in an image.
    """

    mean: float
    scale: float
    minimum: float
    maximum: float


def value_range(X: np.ndarray, chunk_bytes: int = 2**25) -> ValueRange:
    """Return the range of X, read in chunks. A memory-mapped array is never in memory as a whole.

    Returns
    -------
    ValueRange
        ``scale`` is the standard deviation, or 1 if X is constant.

    Raises
    ------
    InvalidInputError
        If X holds NaN, infinity, or a value that is too large for float32.
    """
    total, total_squares = 0.0, 0.0
    lowest, highest = math.inf, -math.inf
    pivot = float(X[:1].mean(dtype=np.float64))  # keeps the sum of squares small when values lie far from zero
    limit = float(np.finfo(np.float32).max)
    for chunk in chunks(X, chunk_bytes):
        darkest, brightest = float(chunk.min()), float(chunk.max())
        if not -limit <= darkest <= brightest <= limit:  # true for NaN too
            raise not_finite()
        lowest, highest = min(lowest, darkest), max(highest, brightest)
        centred = chunk.astype(np.float64) - pivot
        total += float(centred.sum())
        total_squares += float(np.square(centred).sum())
    n_values = math.prod(X.shape)
    mean = total / n_values
    variance = max(total_squares / n_values - mean * mean, 0.0)
    # A spread below the float32 resolution of the values is only rounding.
    resolution = float(np.finfo(np.float32).eps) * max(abs(lowest), abs(highest))
    scale = math.sqrt(variance)
    return ValueRange(mean + pivot, scale if scale > resolution else 1.0, lowest, highest)


def not_finite() -> InvalidInputError:
    """Return the error for NaN, infinity and values that are too large for float32."""
    return invalid(
        "X",
        "be finite in float32",
        "NaN or infinity",
        "Drop such rows, or fill them with np.nan_to_num(X). fit and score also take pixel_weight=np.isfinite, which "
        "leaves such pixels out.",
    )


def chunks(X: np.ndarray, chunk_bytes: int = 2**25) -> Iterator[np.ndarray]:
    """Yield consecutive slices of X, each of at most about ``chunk_bytes`` as float64."""
    for rows in chunk_slices(X, chunk_bytes):
        yield X[rows]


def chunk_slices(X: np.ndarray, chunk_bytes: int = 2**25) -> Iterator[slice]:
    """Yield the slices that :func:`chunks` takes."""
    rows = max(1, chunk_bytes // max(1, 8 * math.prod(X.shape[1:])))
    for start in range(0, len(X), rows):
        yield slice(start, start + rows)


def spread(X: np.ndarray, n_rows: int) -> np.ndarray:
    """Return at most ``n_rows`` rows of X, evenly spaced."""
    return np.asarray(X[spread_indices(X.shape[0], n_rows)])


def spread_indices(length: int, n_rows: int) -> np.ndarray:
    """Return at most ``n_rows`` evenly spaced indices below ``length``."""
    return np.unique(np.linspace(0, length - 1, min(n_rows, length)).astype(int))
