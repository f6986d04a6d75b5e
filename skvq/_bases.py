"""The base classes of scikit-learn, which has no types of its own: what type checkers know of them.

At run time these are scikit-learn's classes. To a type checker, a base without types hides every attribute and method
of the estimators, and so what this package states about them.
"""

from typing import TYPE_CHECKING, Any, Self

__all__ = [
    "BaseEstimator",
    "ClassNamePrefixFeaturesOutMixin",
    "DensityMixin",
    "OneToOneFeatureMixin",
    "TransformerMixin",
]

if not TYPE_CHECKING:
    from sklearn.base import (
        BaseEstimator,
        ClassNamePrefixFeaturesOutMixin,
        DensityMixin,
        OneToOneFeatureMixin,
        TransformerMixin,
    )
else:

    class BaseEstimator:
        """Parameters by name."""

        def get_params(self, deep: bool = True) -> dict[str, Any]:
            return {}

        def set_params(self, **params: Any) -> Self:
            return self

        def get_metadata_routing(self) -> Any: ...

        def __sklearn_tags__(self) -> Any: ...

        # Parameters of subclasses that a base reads, and what scikit-learn adds.
        def __getattr__(self, name: str) -> Any: ...

    class TransformerMixin:
        """Output containers."""

        def fit_transform(self, X: Any, y: Any = None, **fit_params: Any) -> Any: ...

        def set_output(self, *, transform: str | None = None) -> Self:
            return self

    class DensityMixin:
        """A density estimator."""

    class OneToOneFeatureMixin:
        """Names of outputs are those of inputs."""

        def get_feature_names_out(self, input_features: Any = None) -> Any: ...

    class ClassNamePrefixFeaturesOutMixin:
        """Names of outputs begin with the class's name."""

        def get_feature_names_out(self, input_features: Any = None) -> Any: ...
