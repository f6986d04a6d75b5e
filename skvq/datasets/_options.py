"""Checks of the options that all readers of images have."""

from collections.abc import Sequence

import numpy as np


def check_size(size: int | tuple[int, int] | None) -> tuple[int, int] | None:
    """Return ``(height, width)`` for ``size``, and None for None."""
    if size is None:
        return None
    sides = (size, size) if isinstance(size, (int, np.integer)) else size
    if (
        not isinstance(sides, (tuple, list))
        or len(sides) != 2
        or not all(isinstance(s, (int, np.integer)) and not isinstance(s, bool) and s > 0 for s in sides)
    ):
        raise ValueError(
            f"size must be a positive integer or (height, width) of two; got {size!r}. "
            "Use size=64 for 64×64 pixels, or None to keep the images' own size."
        )
    return int(sides[0]), int(sides[1])


def check_limit(name: str, value: int) -> int:
    """Return a limit as an int. Raise a ValueError unless it is a positive integer."""
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < 1:
        raise ValueError(
            f"{name} must be a positive integer; got {value!r}. It bounds the memory that a file may take."
        )
    return int(value)


def check_data_range(data_range: tuple[float, float] | None, mode: str) -> tuple[float, float] | None:
    if data_range is None:
        return None
    try:
        low, high = map(float, data_range)
    except (TypeError, ValueError):
        low = high = np.nan
    if not (np.isfinite([low, high]).all() and low < high):
        raise ValueError(
            f"data_range must be (low, high) of finite numbers, the first lower; got {data_range!r}. "
            "Use (0, 4095) for values of 12 bits, or None to keep values as they are."
        )
    if mode == "labels":
        raise ValueError(f"data_range must be None with mode='labels', whose values stay; got {data_range!r}.")
    return low, high


def check_choice(name: str, value: str, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise ValueError(f"{name} must be {' or '.join(map(repr, allowed))}; got {value!r}.")
