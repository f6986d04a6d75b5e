"""The examples in the docstrings of all modules run and give what they show."""

import doctest
import importlib
from pathlib import Path

import pytest

import skvq

ROOT = Path(skvq.__file__).parent


def modules_with_examples():
    """Return the names of the modules whose text holds an example; none of them is imported for it."""
    paths = (path.relative_to(ROOT.parent) for path in sorted(ROOT.rglob("*.py")) if ">>>" in path.read_text("utf-8"))
    return [".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in paths]


class Runner(doctest.DocTestRunner):
    """Skips an example that needs a package which is not installed."""

    def report_unexpected_exception(self, out, test, example, exc_info):
        skip_if_missing(exc_info[1])
        super().report_unexpected_exception(out, test, example, exc_info)


def skip_if_missing(error):
    while error.__cause__ is not None:  # skvq raises its own ImportError, which names the extra
        error = error.__cause__
    if isinstance(error, ModuleNotFoundError) and error.name.split(".")[0] != "skvq":
        pytest.skip(f"{error.name} is not installed")


@pytest.mark.parametrize("name", modules_with_examples())
def test_examples_give_what_they_show(name):
    try:
        module = importlib.import_module(name)
    except ImportError as error:
        skip_if_missing(error)
        raise
    runner = Runner(verbose=False)
    for test in doctest.DocTestFinder().find(module):
        runner.run(test)
    assert runner.summarize(verbose=False).failed == 0


def test_an_example_is_skipped_for_a_missing_package_alone():
    def run(source):
        runner = Runner(verbose=False)
        runner.run(doctest.DocTestParser().get_doctest(source, {}, "example", None, None), out=lambda text: None)
        return runner.failures

    with pytest.raises(pytest.skip.Exception, match="no_such_package is not installed"):
        run(">>> import no_such_package.module\n")
    assert run(">>> import skvq.no_such_module\n") == 1
    assert run(">>> from skvq import NoSuchName\n") == 1
    assert run(">>> 1 + 1\n3\n") == 1
    assert run(">>> 1 + 1\n2\n") == 0
