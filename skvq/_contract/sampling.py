"""How codes are drawn: temperature, top_k and top_p, checked once for estimators, runtime and displays."""

import math
from numbers import Integral, Real
from typing import Any, NamedTuple

from .codes import LARGEST_CODE
from .errors import invalid


class SamplingOptions(NamedTuple):
    """What narrows the distribution of a code before it is drawn.

    Attributes
    ----------
    temperature : float, or float tensor of shape () or (n, 1)
        Divides the logits; below 1 the likely codes become likelier.
    top_k : int, or integer tensor of shape () or (n, 1), or None
        Only that many of the likeliest codes are drawn.
    top_p : float, or float tensor of shape () or (n, 1), or None
        Only the likeliest codes that together reach this probability are drawn, after ``top_k``; 1 keeps all.
    """

    temperature: Any = 1.0
    top_k: Any = None
    top_p: Any = None

    @classmethod
    def checked(cls, temperature: float = 1.0, top_k: int | None = None, top_p: float | None = None):
        """Return the options, if codes can be drawn with them.

        Raises
        ------
        InvalidInputError
            If one is out of its range.
        """
        if isinstance(temperature, bool) or not isinstance(temperature, Real) or not 0 < temperature < math.inf:
            raise invalid(
                "temperature",
                "be finite and > 0",
                repr(temperature),
                "1 is the density itself; 0.8 is a common choice for safer samples.",
            )
        if not 1e-30 <= temperature <= 1e30:
            raise invalid(
                "temperature",
                "lie between 1e-30 and 1e30, so that logits can be divided by it in float32",
                repr(temperature),
                "For very low ones, top_k=1 draws the likeliest code.",
            )
        if top_k is not None and (isinstance(top_k, bool) or not isinstance(top_k, Integral) or top_k < 1):
            raise invalid(
                "top_k",
                "be an integer >= 1, or None",
                repr(top_k),
                "It is the number of likeliest codes to draw from; None draws from all.",
            )
        if top_p is not None and (isinstance(top_p, bool) or not isinstance(top_p, Real) or not 0 < top_p <= 1):
            raise invalid(
                "top_p",
                "be in (0, 1], or None",
                repr(top_p),
                "It is the probability that the codes to draw from reach together; None draws from all.",
            )
        # A top_k above the number of codes means all of them.
        return cls(float(temperature), None if top_k is None else min(int(top_k), LARGEST_CODE), top_p)

    @property
    def is_narrowed(self) -> bool:
        """Whether some codes are left out."""
        return self.top_k is not None or self.top_p is not None

    @property
    def is_plain(self) -> bool:
        """Whether these are the defaults, which draw from the density itself."""
        return self == SamplingOptions()
