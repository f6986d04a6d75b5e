"""What pyproject.toml declares is what the code imports, and what the package index shows has no dead links."""

import re
import runpy
import sys
import tomllib
from pathlib import Path

import pytest
from test_import_law import imported

import skvq

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
# Package on the index -> what it is imported as, where the two differ.
IMPORTED_AS = {
    "scikit-learn": "sklearn",
    "scikit-image": "skimage",
    "pillow": "PIL",
    "protobuf": "google",
    "pillow-jxl-plugin": "pillow_jxl",
}


def names(requirements):
    """Import names of requirements, those of the project's own extras included."""
    found = set()
    for requirement in requirements:
        inner = re.fullmatch(r"skvq\[([\w,-]+)\]", requirement)
        if inner:
            for extra in inner[1].split(","):
                found |= names(EXTRAS[extra])
        else:
            package = re.match(r"[\w.-]+", requirement)[0]
            found.add(IMPORTED_AS.get(package, package.replace("-", "_")))
    return found


def imports_of(folder):
    """Packages that the sources of a folder import, at any depth of the code."""
    own = {"skvq", "fuzz", "peers"}
    own |= {path.stem for place in ("tests", "examples", "exports") for path in (ROOT / place).rglob("*.py")}
    found = set()
    for source in sorted((ROOT / folder).rglob("*.py")):
        for path, _ in imported(source):
            if path[0] not in own and path[0] not in sys.stdlib_module_names:
                found.add(path[0])
    return found


def test_the_core_is_what_the_runtime_imports():
    law = {package for part in ("_contract", "runtime", "_command_line") for package in imports_of(f"skvq/{part}")}
    assert law - names(EXTRAS["arrays"]) == names(PROJECT["dependencies"])


def test_every_import_of_the_package_is_declared():
    optional = names(["skvq[tensorflow,examples,medical,sklearn-onnx,codec,arrays]"])
    declared = names(PROJECT["dependencies"]) | names(EXTRAS["estimators"]) | optional
    assert imports_of("skvq") <= declared


def test_every_import_of_the_tests_and_examples_is_declared():
    declared = names(PROJECT["dependencies"]) | set().union(*map(names, EXTRAS.values()))
    assert imports_of("tests") | imports_of("examples") | imports_of("exports") <= declared


def test_each_backend_brings_the_estimators():
    for backend in ("tensorflow", "jax", "torch"):
        assert names(EXTRAS["estimators"]) < names(EXTRAS[backend])


def test_the_version_stands_once():
    assert "version" in PROJECT["dynamic"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", skvq.__version__)
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(r"^## \[(.+?)\]", changelog, re.MULTILINE)[1] == skvq.__version__


@pytest.fixture(scope="module")
def build():
    pytest.importorskip("setuptools")
    return runpy.run_path(str(ROOT / "setup.py"))


class TestReadme:
    def test_links_of_the_index_lead_to_files_of_the_repository(self, build):
        text = build["absolute_links"]((ROOT / "README.md").read_text(encoding="utf-8"))
        targets = re.findall(r"\]\(([^)\s]+)\)", text)
        assert all(re.match(r"https?://|#", target) for target in targets), targets
        own = [target.removeprefix(base) for base in (build["PAGES"], build["PICTURES"]) for target in targets]
        for path in own:
            if not path.startswith(("http", "#")):
                assert (ROOT / path.partition("#")[0]).exists(), path

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("[a](LICENSE)", "[a](PAGES/LICENSE)"),
            ("![b c](x/y.png)", "![b c](PICTURES/x/y.png)"),
            ("[![d](x.png)](https://e.f)", "[![d](PICTURES/x.png)](https://e.f)"),
            ("[g](#start)", "[g](#start)"),
            ("[h\ni](docs/h.md#start)", "[h\ni](PAGES/docs/h.md#start)"),
            ("[`code`](docs/a.md)", "[`code`](PAGES/docs/a.md)"),
            ("`x[28](28)` ![e](f.png)", "`x[28](28)` ![e](PICTURES/f.png)"),
            ("```\n[28](28)\n```\n[a](b)", "```\n[28](28)\n```\n[a](PAGES/b)"),
        ],
    )
    def test_links(self, build, text, expected):
        expected = expected.replace("PAGES/", build["PAGES"]).replace("PICTURES/", build["PICTURES"])
        assert build["absolute_links"](text) == expected


def test_the_model_that_the_wheel_brings_is_there(build):
    for folder, place in build["MODELS"].items():
        assert (ROOT / folder / "manifest.json").exists()
        assert place == f"skvq/runtime/models/{Path(folder).name}"
        assert sum(path.stat().st_size for path in (ROOT / folder).iterdir()) < 2 * 10**6
