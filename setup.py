"""What pyproject.toml cannot say: links that work on the package index, and the model that the wheel brings along."""

import re
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
PAGES = "https://github.com/skvq/skvq/blob/main/"
PICTURES = "https://raw.githubusercontent.com/skvq/skvq/main/"
MODELS = {"exports/digits": "skvq/runtime/models/digits"}  # folder here -> folder in the wheel

# Targets that are paths in this repository, and code, in which nothing is a link.
TARGET = r"\]\((?![a-z]+:|#)([^)\s]+)\)"
CODE = re.compile(r"(```.*?```|`[^`\n]*`)", re.DOTALL)


def absolute_links(text: str) -> str:
    """Return Markdown whose links and pictures lead to the repository from anywhere."""
    parts = CODE.split(text)  # every second one is code
    for index in range(0, len(parts), 2):
        pictures = re.sub(rf"(!\[[^\[\]]*){TARGET}", rf"\1]({PICTURES}\2)", parts[index])
        parts[index] = re.sub(TARGET, rf"]({PAGES}\1)", pictures)
    return "".join(parts)


class BuildWithModels(build_py):
    """Copy each model into the package. An editable install finds it where it lies."""

    def run(self):
        super().run()
        if not self.editable_mode:
            for source, target in self._model_files():
                Path(target).parent.mkdir(parents=True, exist_ok=True)
                self.copy_file(source, target)

    def get_outputs(self, include_bytecode=True):
        models = [] if self.editable_mode else [target for _, target in self._model_files()]
        return [*super().get_outputs(include_bytecode), *models]

    def _model_files(self):
        for folder, place in MODELS.items():
            for source in sorted((ROOT / folder).iterdir()):
                yield str(source), str(Path(self.build_lib, place, source.name))


if __name__ == "__main__":
    setup(
        long_description=absolute_links((ROOT / "README.md").read_text(encoding="utf-8")),
        long_description_content_type="text/markdown",
        cmdclass={"build_py": BuildWithModels},
    )
