"""The lazy door, and what type checkers see of it, offer the same names."""

import ast
from pathlib import Path

import pytest

import skvq

SOURCE = ast.parse(Path(skvq.__file__).read_text())


def test_type_checkers_see_every_public_name():
    block = next(node for node in SOURCE.body if isinstance(node, ast.If))
    seen = {alias.name for node in block.body for alias in node.names}
    assert seen | {"__version__"} == set(skvq.__all__)


@pytest.mark.parametrize("name", skvq.__all__)
def test_every_public_name_loads(name):
    assert getattr(skvq, name) is not None
    assert name in dir(skvq)


def test_a_name_that_is_not_there_is_told_what_is():
    with pytest.raises(AttributeError, match=r"has no attribute 'VQVEA'; it offers .*VQVAE"):
        skvq.VQVEA  # noqa: B018


@pytest.mark.parametrize(
    "error", ["InvalidInputError", "NotFittedError", "ModelFileError", "DataFileError", "ExportError"]
)
def test_all_errors_share_one_base(error):
    assert issubclass(getattr(skvq, error), skvq.SkvqError)
