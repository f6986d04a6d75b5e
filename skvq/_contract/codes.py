"""The grid of codes: its sides, the order of its codes and the number of embeddings.

Codes travel as rows of integers. A :class:`CodeGrid` says what a row means. Autoencoders, priors, displays, exports
and the runtime hold a grid, and compare their grids before they exchange codes.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from .counts import as_count, check_count
from .errors import InvalidInputError, invalid
from .masks import check_unmasked

LARGEST_CODE = 2**31 - 2  # networks count codes in int32


@dataclass(frozen=True)
class CodeGrid:
    """A grid of codes. Each image has one row of integers, in row-major order of the grid.

    Parameters
    ----------
    shape : tuple of int
        One to three sides: ``(length,)``, ``(height, width)`` or ``(depth, height, width)``.
    n_embeddings : int
        Codes lie in [0, n_embeddings).
    depth : int, default=1
        Codes at each position, one for each stage of a residual quantiser. The codes of one position are neighbours
        in a row, those of the first stage first.

    Raises
    ------
    InvalidInputError
        If a side, ``n_embeddings`` or ``depth`` is not a positive integer, or there are not one to three sides.

    Examples
    --------
    >>> from skvq import CodeGrid
    >>> grid = CodeGrid((7, 7), 128)
    >>> grid.n_codes, str(grid)
    (49, '7 × 7 codes of 128')
    >>> grid.to_grid([[0] * 49]).shape
    (1, 7, 7)
    """

    shape: tuple[int, ...]
    n_embeddings: int
    depth: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", check_code_shape(self.shape))
        object.__setattr__(self, "n_embeddings", check_n_embeddings(self.n_embeddings))
        object.__setattr__(
            self, "depth", check_count("depth", self.depth, "It is the number of codes at each position.")
        )

    def __str__(self) -> str:
        sides = " × ".join(map(str, self.shape))
        return f"{sides} codes{f' × {self.depth}' if self.depth > 1 else ''} of {self.n_embeddings}"

    @property
    def n_positions(self) -> int:
        """Number of positions in the grid."""
        return math.prod(self.shape)

    @property
    def n_codes(self) -> int:
        """Number of codes in a row: positions times depth."""
        return self.n_positions * self.depth

    @property
    def plane(self) -> tuple[int, int]:
        """The grid as (rows, columns), in the same row-major order. Priors run over this plane."""
        return math.prod(self.shape[:-1]), self.shape[-1] * self.depth

    @property
    def dtype(self) -> np.dtype:
        """The smallest dtype that holds the codes: uint8 for up to 256 embeddings."""
        return np.min_scalar_type(self.n_embeddings - 1)

    @property
    def max_bits(self) -> float:
        """Bits of a row when every code takes log2(n_embeddings) bits."""
        return self.n_codes * math.log2(self.n_embeddings)

    def check(self, codes: Any, name: str = "X") -> np.ndarray:
        """Return codes as an int32 array (n, n_codes).

        Parameters
        ----------
        codes : array-like of shape (n, n_codes)
            Whole numbers, of an integer or float dtype.
        name : str
            The name of the codes in messages.

        Raises
        ------
        InvalidInputError
            If codes are fractional or outside [0, n_embeddings), or a row does not have ``n_codes``.
        """
        codes = check_codes(codes, name)
        self.check_extent(codes.shape[1], int(codes.max(initial=0)), name)
        return codes

    def check_extent(self, n_codes: int, largest: int, name: str = "X") -> None:
        """Raise unless rows of ``n_codes`` codes, the largest of which is ``largest``, fit this grid.

        Raises
        ------
        InvalidInputError
        """
        if n_codes != self.n_codes:
            raise invalid(
                name,
                f"have {self.n_codes} codes to a row, for a grid of {self}",
                n_codes,
                "Use the codes of the VQVAE that has this grid_.",
            )
        if largest >= self.n_embeddings:
            raise invalid(
                name,
                f"hold codes in [0, n_embeddings={self.n_embeddings})",
                largest,
                "Use the codes of the VQVAE that has this grid_, or pass its grid_ to the prior.",
            )

    def check_first(self, codes: Any, n_quantizers: Any, name: str = "X") -> np.ndarray:
        """Return the codes of the first stages as an int32 array (n, n_codes), with -1 for the later stages.

        Parameters
        ----------
        codes : array-like of shape (n, n_codes) or (n, n_positions * n_quantizers)
            Codes of all stages, or of the first ones alone.
        n_quantizers : int or None
            Stages to keep, in [1, depth]. None keeps all.
        name : str
            The name of the codes in messages.

        Raises
        ------
        InvalidInputError
            If ``n_quantizers`` is out of its range, or :meth:`check` refuses the codes.
        """
        if n_quantizers is None:
            return self.check(codes, name)
        if (as_count(n_quantizers) or self.depth + 1) > self.depth:
            raise invalid(
                "n_quantizers",
                f"be an integer from 1 to {self.depth}, the codes at each position of {self}",
                repr(n_quantizers),
                "None takes all stages.",
            )
        is_short = np.ndim(codes) == 2 and np.shape(codes)[1] == self.n_positions * n_quantizers
        grid = CodeGrid(self.shape, self.n_embeddings, n_quantizers) if is_short else self
        given = grid.check(codes, name).reshape(-1, self.n_positions, grid.depth)
        kept = np.full((len(given), self.n_positions, self.depth), -1, np.int32)
        kept[..., :n_quantizers] = given[..., :n_quantizers]
        return kept.reshape(-1, self.n_codes)

    def check_mask(self, mask: Any, n_rows: int, name: str = "mask") -> np.ndarray:
        """Return a mask of codes as an array of bool (n_rows, n_codes).

        Parameters
        ----------
        mask : array-like of bool, of shape (n_codes,), (n_rows, n_codes), shape or (n_rows, *shape)
            True keeps a code. A mask without rows stands for all rows. A mask of grid positions stands for all codes
            at each position.
        n_rows : int
        name : str
            The name of the mask in messages.

        Raises
        ------
        InvalidInputError
            If ``mask`` has another dtype or shape.
        """
        check_unmasked(name, mask)
        mask = np.asarray(mask)
        shapes = dict.fromkeys([(self.n_codes,), (n_rows, self.n_codes), self.shape, (n_rows, *self.shape)])
        if mask.dtype != bool or mask.shape not in shapes:
            raise invalid(
                name,
                f"be an array of bool of shape {' or '.join(map(str, shapes))}",
                f"{mask.dtype}, shape {mask.shape}",
                "True keeps the code at that position.",
            )
        if mask.shape in ((self.n_codes,), (n_rows, self.n_codes)):
            return np.broadcast_to(mask, (n_rows, self.n_codes))
        positions = np.broadcast_to(mask, (n_rows, *self.shape)).reshape(n_rows, self.n_positions)
        return np.repeat(positions, self.depth, axis=1)

    def to_grid(self, codes: Any) -> np.ndarray:
        """Return rows of codes (n, n_codes) as (n, *shape), or (n, *shape, depth) where depth is above 1."""
        codes = np.asarray(codes)
        return codes.reshape(len(codes), *self.shape, *([self.depth] if self.depth > 1 else []))

    def from_grid(self, codes: Any) -> np.ndarray:
        """Return maps of codes (n, *shape) as rows (n, n_codes)."""
        codes = np.asarray(codes)
        return codes.reshape(len(codes), self.n_codes)

    def accepts(self, other: "CodeGrid") -> bool:
        """Return whether codes of another grid are valid codes of this grid.

        Both need the same shape and depth, and the other may not have more embeddings. It may have fewer: a prior
        that had to guess the number of codes may know fewer than the autoencoder. Leading sides of length 1 are
        ignored, because the codes of vectors may be written as ``(n,)`` or ``(1, n)``.
        """
        same_shape = _without_leading_ones(self.shape) == _without_leading_ones(other.shape)
        return same_shape and self.depth == other.depth and other.n_embeddings <= self.n_embeddings

    def require(self, other: "CodeGrid", name: str = "prior", owner: str = "the VQVAE") -> None:
        """Raise an error unless codes of another grid are valid codes of this grid.

        Parameters
        ----------
        other : CodeGrid
        name : str
            The parameter that ``other`` belongs to.
        owner : str
            The owner of this grid.

        Raises
        ------
        InvalidInputError
        """
        if not self.accepts(other):
            raise invalid(
                f"{name}.grid_",
                f"fit the grid of {owner}, {self}",
                str(other),
                "Fit the prior on this VQVAE's codes, with PixelCNNPrior(grid=vqvae.grid_).",
            )

    def column_names(self, prefix: str = "code") -> list[str]:
        """Return a name for each code in a row: ``code0``, ``code1``, …"""
        return [f"{prefix}{i}" for i in range(self.n_codes)]

    def as_json(self) -> dict[str, Any]:
        """Return the grid for a manifest."""
        return {"shape": list(self.shape), "n_embeddings": self.n_embeddings, "depth": self.depth}


def check_code_shape(code_shape: Any, name: str = "code_shape") -> tuple[int, ...]:
    """Return the sides of a grid as Python ints.

    Raises
    ------
    InvalidInputError
        If they are not one to three positive integers.
    """
    try:
        sides = [as_count(side) for side in code_shape]
    except TypeError:
        sides = []
    checked = tuple(side for side in sides if side is not None)
    if len(sides) not in (1, 2, 3) or len(checked) < len(sides):
        raise invalid(
            name,
            "be one to three positive integers, such as (height, width)",
            repr(code_shape),
            "Pass the VQVAE's grid_.shape.",
        )
    return checked


def check_n_embeddings(n_embeddings: Any) -> int:
    """Return the size of a codebook as a Python int.

    Raises
    ------
    InvalidInputError
        If it is not an integer above 0.
    """
    return check_count("n_embeddings", n_embeddings, "It is the size of the codebook.")


def guess_grid(n_codes: int, n_embeddings: int) -> tuple[CodeGrid, bool]:
    """Return the likeliest grid for rows of ``n_codes``, and whether it is a square.

    The guess is a square if ``n_codes`` is a square number, and a single row otherwise. Only a square is likely
    enough to be used without a warning.
    """
    side = math.isqrt(n_codes)
    is_square = side * side == n_codes
    return CodeGrid((side, side) if is_square else (1, n_codes), n_embeddings), is_square


def check_codes(codes: Any, name: str = "X") -> np.ndarray:
    """Return codes of any grid as an int32 array (n, n_codes).

    Raises
    ------
    InvalidInputError
        If the codes are not two-dimensional, or are not whole numbers in [0, 2**31 - 1).
    """
    check_unmasked(name, codes)
    codes = np.asarray(codes)
    if codes.ndim != 2:
        way_out = (
            f"Flatten maps of codes by {name}.reshape(len({name}), -1)."
            if codes.ndim > 2
            else f"For a single row, pass {name}[None]."
        )
        raise invalid(name, "hold one row of codes for each image, (n, n_codes)", f"shape {codes.shape}", way_out)
    return check_code_values(codes, name).astype(np.int32)


def check_code_values(codes: Any, name: str = "codes", n_embeddings: int | None = None) -> np.ndarray:
    """Return codes, in an array of any shape, as int64.

    Raises
    ------
    InvalidInputError
        If a value is not a whole number, or is outside [0, n_embeddings).
    """
    check_unmasked(name, codes)
    codes = np.asarray(codes)
    if codes.dtype.kind not in "biuf":
        raise invalid(
            name,
            "hold codes, which are whole numbers",
            f"dtype {codes.dtype}",
            "Codes are what VQVAE.transform returns.",
        )
    if codes.dtype.kind == "f":
        wrong = codes != np.rint(codes)
        if wrong.any() or not np.isfinite(codes).all():
            shown = codes[wrong][0] if wrong.any() else codes[~np.isfinite(codes)][0]
            raise invalid(
                name,
                "hold codes, which are whole numbers",
                shown,
                "Codes are what VQVAE.transform returns. Pass images through it first.",
            )
    if not codes.size:
        return codes.astype(np.int64)
    lowest, highest = codes.min(), codes.max()
    if lowest < 0:
        # scikit-learn's common checks search messages for "Negative values in data".
        raise InvalidInputError(f"Negative values in data: {name} must hold codes >= 0; got {lowest}. Drop those rows.")
    if highest > LARGEST_CODE:
        raise invalid(
            name,
            "hold codes below 2**31 - 1",
            highest,
            "Codes are what VQVAE.transform returns. To turn other values into codes, use "
            f"np.unique({name}, return_inverse=True).",
        )
    if n_embeddings is not None and highest >= n_embeddings:
        raise invalid(
            name,
            f"lie in [0, n_embeddings) = [0, {n_embeddings})",
            f"values from {lowest} to {highest}",
            "Pass the n_embeddings of the estimator that made the codes.",
        )
    return codes.astype(np.int64)


def nearest_codes(vectors: np.ndarray, codebook: np.ndarray) -> np.ndarray:
    """Return the code of the embedding that is nearest to each vector.

    Parameters
    ----------
    vectors : ndarray of shape (..., embedding_dim)
    codebook : ndarray of shape (n_embeddings, embedding_dim)

    Returns
    -------
    ndarray of shape (...), int64
        The lowest code where several are equally near.
    """
    table = codebook.astype(np.float64)
    half_norms = 0.5 * np.square(table).sum(axis=1)
    flat = vectors.reshape(-1, vectors.shape[-1])
    codes = np.empty(len(flat), np.int64)
    step = max(1, 2**22 // len(table))  # a block of distances takes 32 MB
    for start in range(0, len(flat), step):
        # |z - e|^2 = |z|^2 - 2 (z.e - |e|^2 / 2), so the largest score has the smallest distance.
        scores = flat[start : start + step].astype(np.float64) @ table.T - half_norms
        codes[start : start + step] = scores.argmax(axis=1)
    return codes.reshape(vectors.shape[:-1])


def _without_leading_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    while len(shape) > 1 and shape[0] == 1:
        shape = shape[1:]
    return shape
