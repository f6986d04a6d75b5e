"""What scikit-learn asks of every estimator, and the checks of it that its own list leaves out."""

from unittest import SkipTest

import pytest
from sklearn.base import clone
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks

from skvq import VQVAE, ContextPrior, PixelCNNPrior, VQGenerator

# Most of the time goes into compiling, and a plain optimizer's step compiles faster than Adam's.
SMALL = {"hidden_channels": 2, "max_iter": 1, "optimizer": "sgd"}
ESTIMATORS = {
    "vqvae": VQVAE(4, 2, n_residual_blocks=0, **SMALL),
    "prior": PixelCNNPrior(n_layers=1, early_stopping=False, **SMALL),
    "context": ContextPrior(),
    "generator": VQGenerator(VQVAE(4, 2, n_residual_blocks=0, random_state=0, **SMALL), ContextPrior()),
}
NOT_ON_THE_LIST = [
    "check_dataframe_column_names_consistency",
    "check_global_set_output_transform_polars",
    "check_param_validation",
    "check_set_output_transform",
    "check_set_output_transform_pandas",
    "check_set_output_transform_polars",
    "check_transformer_get_feature_names_out",
    "check_transformer_get_feature_names_out_pandas",
]

pytestmark = [
    # The checks that move between arrays and data frames cause these on purpose.
    pytest.mark.filterwarnings("ignore:X does not have valid feature names"),
    pytest.mark.filterwarnings("ignore:X has feature names, but .* was fitted without"),
    # They feed priors rows that make no square.
    pytest.mark.filterwarnings("ignore:.* takes rows of .* codes for a grid of"),
]


def hold(check, *arguments):
    """Run a check, and let one that skips itself count as failed."""
    try:
        check(*arguments)
    except SkipTest as skipped:
        pytest.fail(f"skipped: {skipped}")


@parametrize_with_checks(list(ESTIMATORS.values()))
def test_common_checks(estimator, check):
    hold(check, estimator)


@pytest.mark.parametrize("check", NOT_ON_THE_LIST)
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name == "context" else pytest.mark.slow) for name in ESTIMATORS]
)
def test_checks_that_are_not_on_the_list(name, check):
    hold(getattr(estimator_checks, check), type(ESTIMATORS[name]).__name__, clone(ESTIMATORS[name]))
