"""The site names every public name, and its gallery's pages are made of the scripts as they are."""

import ast
import importlib
import re
from pathlib import Path

import pytest

import skvq

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
MODULES = [
    "skvq",
    *(f"skvq.{name}" for name in skvq._MODULES if name != "networks"),
    "skvq.compression",
    "skvq.networks.priors",
    "skvq.networks.quantizers",
]


@pytest.fixture
def gallery_source(monkeypatch):
    monkeypatch.syspath_prepend(DOCS)
    return importlib.import_module("gallery_source")


def names_of_the_reference():
    pages = [path for path in (DOCS / "api").glob("*.rst") if path.name != "index.rst"]
    assert pages
    return {name for path in pages for name in re.findall(r"^   ([\w.]+)$", path.read_text("utf-8"), re.MULTILINE)}


@pytest.mark.parametrize("module", MODULES)
def test_the_reference_lists_every_public_name(module):
    last_parts = {name.rpartition(".")[2] for name in names_of_the_reference()}
    names = set(importlib.import_module(module).__all__) - {"__version__", *skvq._MODULES}
    assert {name for name in names if not name.isupper()} <= last_parts  # tables have names in capitals


def test_every_name_of_the_reference_is_there():
    for name in names_of_the_reference():
        module, _, attribute = f"skvq.{name}".rpartition(".")
        assert hasattr(importlib.import_module(module), attribute), name


def test_a_page_of_the_gallery_has_a_title_and_the_code_of_its_script(gallery_source, tmp_path):
    gallery_source.write(ROOT / "examples", tmp_path)
    for name in gallery_source.EXAMPLES:
        page = (tmp_path / f"{name}.py").read_text(encoding="utf-8")
        title, rule = ast.get_docstring(ast.parse(page)).splitlines()[:2]
        assert title.endswith("?")
        assert rule == "=" * len(title)
        script = ast.parse((ROOT / "examples" / f"{name}.py").read_text(encoding="utf-8"))
        assert [ast.dump(node) for node in ast.parse(page).body[1:]] == [ast.dump(node) for node in script.body[1:]]


def test_the_commands_of_a_docstring_become_a_literal_block(gallery_source):
    title, text = gallery_source.titled(
        "Is it\nso? It is.\n\n    python examples/a.py\n    python examples/b.py\n\nEnd."
    )
    assert title == "Is it so?"
    assert text == "It is.\n\n.. code-block:: text\n\n    python examples/a.py\n    python examples/b.py\n\nEnd."
