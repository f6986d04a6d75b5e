"""The browser page and its runtime: its seeds against NumPy, and its tests in Node where Node and its packages are."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import skvq
from skvq._contract.randomness import uniforms

ROOT = Path(__file__).parents[1]
PAGE, TESTS = ROOT / "examples" / "browser", ROOT / "tests" / "browser"
NODE = shutil.which("node")


def test_the_uniforms_that_javascript_is_held_to_are_those_of_skvq():
    cases = json.loads((TESTS / "uniforms.json").read_text())
    assert max(int(case["seed"]) for case in cases) >= 2**128
    for case in cases:
        drawn = uniforms(int(case["seed"]), case["n_samples"], case["n_codes"])
        np.testing.assert_array_equal(drawn.ravel() * 2**24, case["words"])


def test_the_methods_of_the_module_are_those_of_python():
    source, types = (PAGE / "skvq" / "skvq.mjs").read_text(), (PAGE / "skvq" / "skvq.d.mts").read_text()
    methods = re.findall(r"^  async (\w+)\(", source, re.MULTILINE)
    assert methods == re.findall(r"^  (\w+)\([^)]*\): Promise", types, re.MULTILINE)
    in_python = [re.sub("([A-Z])", r"_\1", name).lower() for name in methods if name not in ("open", "verify")]
    assert {"transform", "inverse_transform", "sample", "complete", "score_samples", "bits_per_image"} < {*in_python}
    assert all(callable(getattr(skvq.runtime.Runtime, name)) for name in in_python)


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """A file of calls in JavaScript's words, each with the answer of ``skvq.runtime``."""
    cases = []

    def add(name, method, parameters, answer, floats):
        entry = {"name": name, "method": method, "parameters": parameters, "floats": floats}
        cases.append({**entry, "answer": np.asarray(answer).ravel().tolist()})

    for name in ("mnist", "digits"):
        runtime = skvq.runtime.load(ROOT / "exports" / name, threads=1)
        y, seed = [i % 10 for i in range(20)], 2**70 + 5
        drawn = runtime.sample(20, y, temperature=0.8, random_state=seed)
        add(name, "sample", [20, y, {"temperature": 0.8, "randomState": str(seed)}], drawn, True)
        add(name, "transform", [drawn.ravel().tolist()], runtime.transform(drawn), False)
        mask = np.arange(runtime.grid.n_codes) < runtime.grid.n_codes // 2
        completed = runtime.complete(drawn, mask, 3, random_state=1)
        add(name, "complete", [drawn.ravel().tolist(), mask.tolist(), 3, {"randomState": "1"}], completed, True)
        codes = runtime.sample_codes(5, 7, top_k=9, top_p=0.9, random_state=2)
        add(name, "sampleCodes", [5, 7, {"topK": 9, "topP": 0.9, "randomState": "2"}], codes, False)
    path = tmp_path_factory.mktemp("browser") / "expected.json"
    path.write_text(json.dumps(cases))
    return path


@pytest.mark.skipif(NODE is None, reason="there is no Node")
@pytest.mark.skipif(not (PAGE / "node_modules" / "onnxruntime-web").exists(), reason="npm install has not been run")
@pytest.mark.parametrize("name", ["random", "checks", "runtime", "python"])
def test_in_node(name, expected):
    environment = {**os.environ, "SKVQ_EXPECTED": str(expected)}
    command = [NODE, "--test", str(TESTS / f"{name}.test.mjs")]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert "# skipped 0" in done.stdout or "skipped 0" in done.stdout
