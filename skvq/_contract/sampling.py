"""Options for drawing codes: temperature, top_k and top_p, for estimators, runtime and displays."""

import math
from numbers import Real
from typing import Any, NamedTuple

from .codes import LARGEST_CODE
from .counts import as_count
from .errors import invalid


class SamplingOptions(NamedTuple):
    """Changes to the distribution of a code before the code is drawn.

    Attributes
    ----------
    temperature : float, or float tensor of shape () or (n, 1)
        Divides the logits. Below 1, likely codes become more likely.
    top_k : int, or integer tensor of shape () or (n, 1), or None
        Only the ``top_k`` most likely codes can be drawn. None allows all.
    top_p : float, or float tensor of shape () or (n, 1), or None
        Only the most likely codes that together reach this probability can be drawn. It is applied after ``top_k``.
        None or 1 allows all.
    """

    temperature: Any = 1.0
    top_k: Any = None
    top_p: Any = None

    @classmethod
    def checked(
        cls, temperature: float = 1.0, top_k: int | None = None, top_p: float | None = None
    ) -> "SamplingOptions":
        """Return the options after checking them.

        Raises
        ------
        InvalidInputError
            If an option is out of its range.
        """
        if isinstance(temperature, bool) or not isinstance(temperature, Real) or not 0 < temperature < math.inf:
            raise invalid(
                "temperature",
                "be finite and > 0",
                repr(temperature),
                "1 samples from the model itself; 0.8 is a common choice for more typical samples.",
            )
        if not 1e-30 <= temperature <= 1e30:
            raise invalid(
                "temperature",
                "lie between 1e-30 and 1e30, so that logits can be divided by it in float32",
                repr(temperature),
                "Instead of a very low temperature, use top_k=1, which draws the most likely code.",
            )
        if top_k is not None and as_count(top_k) is None:
            raise invalid(
                "top_k",
                "be an integer >= 1, or None",
                repr(top_k),
                "It is the number of most likely codes to draw from; None draws from all codes.",
            )
        if top_p is not None and (isinstance(top_p, bool) or not isinstance(top_p, Real) or not 0 < top_p <= 1):
            raise invalid(
                "top_p",
                "be in (0, 1], or None",
                repr(top_p),
                "It is the total probability of the codes to draw from; None draws from all codes.",
            )
        # A top_k above the number of codes allows all of them.
        return cls(float(temperature), None if top_k is None else min(int(top_k), LARGEST_CODE), top_p)

    @property
    def is_narrowed(self) -> bool:
        """Whether ``top_k`` or ``top_p`` excludes codes."""
        return self.top_k is not None or self.top_p is not None

    @property
    def is_plain(self) -> bool:
        """Whether all options have their defaults, which draw from the model itself."""
        return self == SamplingOptions()
