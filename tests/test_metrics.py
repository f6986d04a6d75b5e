"""The package of metrics: its imports and its signatures."""

import inspect
import subprocess
import sys

import pytest

from skvq import metrics


@pytest.mark.parametrize("name", metrics.__all__)
def test_help_shows_types_by_their_names(name):
    # NumPy's ArrayLike, written out, is 300 characters an argument.
    assert len(str(inspect.signature(getattr(metrics, name)))) < 200


def test_nothing_but_numpy_is_loaded():
    code = (
        "import sys, skvq.metrics, skvq.datasets; "
        "print([m for m in ('sklearn', 'keras', 'skimage', 'PIL', 'nibabel', 'mlxtend') if m in sys.modules])"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert loaded.strip() == "[]"
