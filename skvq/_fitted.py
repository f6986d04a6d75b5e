"""The error for estimators that are not fitted yet, of skvq's family and of scikit-learn's."""

from typing import Any

import sklearn.exceptions

from ._contract.errors import SkvqError


class NotFittedError(SkvqError, sklearn.exceptions.NotFittedError):
    """An estimator is used before ``fit``."""


def check_fitted(estimator: Any, name: str, parameter: str) -> None:
    """Raise an error unless the estimator has an attribute that ``fit`` sets.

    Parameters
    ----------
    estimator : object
    name : str
        An attribute of fitted estimators, such as ``"grid_"``.
    parameter : str
        The name of the estimator in messages.

    Raises
    ------
    NotFittedError
        If the estimator lacks the attribute.
    """
    if not hasattr(estimator, name):
        raise NotFittedError(
            f"{parameter} must be a fitted estimator with {name}; got {type(estimator).__name__} without it. "
            f"Call {parameter}.fit(...) first."
        )
