"""Print the oldest versions of what skvq and its extra ``tensorflow`` need, as constraints for pip."""

import re
import tomllib
from pathlib import Path

# Older than other packages here admit: the oldest that can be installed together is taken.
RAISED = {"protobuf": None}

project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]
extras = project["optional-dependencies"]
for requirement in [*project["dependencies"], *extras["estimators"], *extras["tensorflow"]]:
    found = re.fullmatch(r"([\w.-]+)>=([\w.]+)", requirement)
    if found and found[1] not in RAISED:
        print(f"{found[1]}=={found[2]}")
