"""Fail if less than 90 % of the public names have known types, by the report of ``pyright --verifytypes``."""

import json
import sys
from pathlib import Path

LEAST = 0.9

report = json.loads(Path(sys.argv[1]).read_text())["typeCompleteness"]
for symbol in report["symbols"]:
    if symbol["isExported"] and not symbol["isTypeKnown"]:
        print(symbol["name"], *(diagnostic["message"] for diagnostic in symbol["diagnostics"][:1]), sep=": ")
score = report["completenessScore"]
print(f"types of {score:.1%} of the public names are known")
sys.exit(score < LEAST)
