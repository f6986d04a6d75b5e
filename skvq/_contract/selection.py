"""Keep the samples whose class is clearest: draw more than asked for, and leave out the doubtful ones.

A conditional prior is also a classifier: Bayes' rule turns its log-likelihoods of the same codes under all classes into
a probability of each class. A sample that the prior itself would read as another class is a poor one.
"""

import math
from collections.abc import Callable
from numbers import Real
from typing import Any

import numpy as np

from .errors import InvalidInputError, invalid


def check_select(select: Any, n_classes: int) -> float | None:
    """Return the part of the samples to keep, or None for all.

    Parameters
    ----------
    select : float in (0, 1], or None
    n_classes : int
        Of the prior; 0 for a prior without classes.

    Raises
    ------
    InvalidInputError
        If it is out of its range, or the prior has fewer than two classes.
    """
    if select is None:
        return None
    if isinstance(select, bool) or not isinstance(select, Real) or not 0 < float(select) <= 1:
        raise invalid(
            "select",
            "be in (0, 1], or None",
            repr(select),
            "0.75 draws a third more samples than asked for and keeps the clearest; None keeps all.",
        )
    if n_classes < 2:
        raise InvalidInputError(
            f"select must be None for a prior with {n_classes} classes: samples are chosen by the probability of their "
            "class. Leave select out, or fit a prior with conditional=True and two or more classes."
        )
    return float(select)


def draw_selected(
    labels: np.ndarray,
    n_classes: int,
    select: float,
    draw: Callable[[np.ndarray], np.ndarray],
    score: Callable[[np.ndarray, int], np.ndarray],
) -> np.ndarray:
    """Draw more rows than asked for, and keep those of each class that are most probably of that class.

    Parameters
    ----------
    labels : ndarray of shape (n,), integer
        Index of the class of each row that is asked for.
    n_classes : int
        At least two.
    select : float in (0, 1]
        Of each class, the part of the rows drawn that is kept.
    draw : callable
        ``draw(labels)`` returns codes (m, n_codes) of the labels (m,). The first rows are those of ``labels``.
    score : callable
        ``score(codes, index)`` returns the log-likelihood (m,) of codes under one class, in nats.

    Returns
    -------
    ndarray of shape (n, n_codes)
        In the order of ``labels``; the rows of one class in the order in which they were drawn.
    """
    counts = np.bincount(labels, minlength=n_classes)
    extra = [math.ceil(count / select) - count for count in counts.tolist()]
    drawn_labels = np.concatenate([labels, np.repeat(np.arange(n_classes), extra)]).astype(labels.dtype)
    codes = draw(drawn_labels)
    scores = np.stack([score(codes, index) for index in range(n_classes)], axis=1).astype(np.float64)  # (m, classes)
    own = np.take_along_axis(scores, drawn_labels[:, None], axis=1)
    odds = scores - own  # against the own class
    np.put_along_axis(odds, drawn_labels[:, None], -np.inf, axis=1)
    doubt = np.logaddexp.reduce(odds, axis=1)  # log of p(other classes) / p(own class)
    kept = np.empty_like(codes[: len(labels)])
    for index in np.flatnonzero(counts):
        candidates = np.flatnonzero(drawn_labels == index)
        clearest = candidates[np.argsort(doubt[candidates], kind="stable")[: counts[index]]]
        kept[labels == index] = codes[np.sort(clearest)]
    return kept
