"""What skvq raises when an estimator is used before it is fitted."""

from typing import Any

from sklearn.exceptions import NotFittedError as SklearnNotFittedError

from skvq._contract.errors import SkvqError


class NotFittedError(SkvqError, SklearnNotFittedError):
    """An estimator is used before ``fit``. It is scikit-learn's error of the same name, too."""


def check_fitted(estimator: Any, attribute: str | None = None, parameter: str | None = None) -> None:
    """Raise unless an estimator is fitted.

    Parameters
    ----------
    estimator : estimator
    attribute : str or None
        An attribute that fitting makes. None asks ``estimator.__sklearn_is_fitted__``.
    parameter : str or None
        What the message calls the estimator; None names its class.

    Raises
    ------
    NotFittedError
    """
    is_fitted = hasattr(estimator, attribute) if attribute is not None else estimator.__sklearn_is_fitted__()
    if not is_fitted:
        name = parameter or f"This {type(estimator).__name__}"
        needed = f" with {attribute}" if attribute else ""
        raise NotFittedError(
            f"{name} must be fitted{needed}; got a {type(estimator).__name__} before fit. Call fit(X) first."
        )
