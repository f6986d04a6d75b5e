"""The samples in other languages draw what Python draws: JavaScript by Node, C++ by a compiler, where these are."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

import skvq

ROOT = Path(__file__).parents[1]
SAMPLES, PAGE, MNIST = ROOT / "docs" / "samples", ROOT / "examples" / "browser", ROOT / "exports" / "mnist"
INCLUDE = os.environ.get("ONNXRUNTIME_INCLUDE", "/usr/include/onnxruntime")
NODE, COMPILER = shutil.which("node"), shutil.which("g++")


def picture(path):
    """Read a PGM file of 28 × 28 pixels."""
    header = b"P5 28 28 255\n"
    content = path.read_bytes()
    assert content.startswith(header)
    return np.frombuffer(content, np.uint8, offset=len(header)).reshape(28, 28)


def test_every_sample_is_short_and_in_the_guide():
    guide = (ROOT / "docs" / "guide" / "other_languages.md").read_text(encoding="utf-8")
    samples = sorted(path.name for path in SAMPLES.iterdir())
    assert samples == ["draw.cpp", "draw.cs", "draw.mjs"]
    for name in samples:
        assert f"literalinclude}} ../samples/{name}" in guide
        assert len((SAMPLES / name).read_text(encoding="utf-8").splitlines()) <= 40


@pytest.mark.skipif(NODE is None, reason="there is no Node")
@pytest.mark.skipif(not (PAGE / "node_modules" / "onnxruntime-web").exists(), reason="npm install has not been run")
def test_javascript_draws_the_digit_of_python(tmp_path):
    shutil.copy(SAMPLES / "draw.mjs", tmp_path)
    shutil.copytree(PAGE / "skvq", tmp_path / "skvq")
    (tmp_path / "node_modules").symlink_to(PAGE / "node_modules")
    command = [NODE, "draw.mjs", str(MNIST), "3", "three.pgm"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    runtime = skvq.runtime.load(MNIST)
    expected = runtime.sample(1, 3, temperature=0.8, random_state=0)
    np.testing.assert_allclose(picture(tmp_path / "three.pgm"), expected[0], atol=1)
    assert f"7 × 7 codes: {' '.join(map(str, runtime.transform(expected)[0]))}" in done.stdout
    assert 0 < int(re.search(r"(\d+) of 784 pixels drawn anew", done.stdout)[1]) < 784


@pytest.mark.skipif(COMPILER is None, reason="there is no g++")
@pytest.mark.skipif(not Path(INCLUDE, "onnxruntime_cxx_api.h").exists(), reason="ONNXRUNTIME_INCLUDE has no headers")
def test_cpp_draws_the_digit_of_its_uniforms(tmp_path):
    (library,) = Path(onnxruntime.__file__).parent.glob("capi/libonnxruntime.so.*")
    (tmp_path / "libonnxruntime.so.1").symlink_to(library)  # the name that it goes by
    command = [COMPILER, "-std=c++17", "-Wall", "-Werror", "-isystem", INCLUDE, str(SAMPLES / "draw.cpp"), str(library)]
    subprocess.run([*command, f"-Wl,-rpath,{tmp_path}", "-o", str(tmp_path / "draw")], check=True, timeout=120)
    subprocess.run([str(tmp_path / "draw"), str(MNIST), "3", str(tmp_path / "three.pgm")], check=True, timeout=60)
    # std::mt19937 and NumPy's RandomState are the same generator.
    numbers = np.random.RandomState(0).randint(0, 2**32, 49, dtype=np.uint32) >> 8
    inputs = {
        "uniforms": (numbers / 2**24).astype(np.float32)[None],
        "temperature": np.array(0.8, np.float32),
        "labels": np.array([3]),
    }
    image = onnxruntime.InferenceSession(MNIST / "generator.onnx").run(["images"], inputs)[0]
    np.testing.assert_allclose(picture(tmp_path / "three.pgm"), image[0, ..., 0], atol=0.5 + 1e-3)
