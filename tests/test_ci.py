"""Stages of CI: each is a script that can be run, and the workflows call no other."""

import os
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CI = ROOT / ".ci"
if not CI.is_dir():
    pytest.skip("a copy without .ci", allow_module_level=True)
STAGES = re.search(r"set -- (.*)", (CI / "run").read_text())[1].split()
WORKFLOW = (ROOT / ".github" / "workflows" / "tests.yml").read_text()


LONGER = ["oldest", "jax", "torch"]  # only the workflow runs them


@pytest.mark.parametrize("stage", [*STAGES, *LONGER, "run", "suite"])
def test_a_stage_can_be_run(stage):
    script = CI / stage
    assert script.read_text().startswith("#!/usr/bin/env bash\n# ")
    if os.name == "posix":
        assert os.access(script, os.X_OK)


def test_the_workflow_runs_every_stage():
    assert re.search(r"stage: \[(.*)\]", WORKFLOW)[1].split(", ") == [*STAGES, *LONGER]
    for called in re.findall(r"\.ci/(\w+)", WORKFLOW):
        assert (CI / called).exists()


def test_the_readme_has_the_command_that_the_first_stage_runs():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    command = readme.split("<!-- test command -->\n```bash\n")[1].split("```")[0]
    assert command.startswith("python3 -m venv .venv && .venv/bin/pip install -e ")
    assert STAGES[0] == "readme"
