"""Run what an install of NumPy and onnxruntime alone must do, in such an environment, and weigh it."""

import subprocess
import sys
import sysconfig
from importlib.util import find_spec
from pathlib import Path

MOST_MEGABYTES = 140
OF_PIP = ("pip", "setuptools", "pkg_resources", "_distutils_hack", "distutils-precedence")

site = Path(sysconfig.get_path("purelib"))
assert find_spec("keras") is None, "an environment without Keras is needed"
assert find_spec("sklearn") is None, "an environment without scikit-learn is needed"

import skvq  # noqa: E402

assert Path(skvq.__file__).is_relative_to(site), f"the installed package is needed; got {skvq.__file__}"
drawn = skvq.runtime.load("digits").sample(1, y=3, random_state=0)
assert drawn.shape == (1, 8, 8)
assert drawn.std() > 1
message = ""
try:
    skvq.VQVAE  # noqa: B018
except ImportError as error:
    message = str(error)
assert 'pip install "skvq[tensorflow]"' in message, message
for arguments in ("describe digits", "sample digits -n 4 --label 3 --seed 0 -o threes.png"):
    subprocess.run([sys.executable, "-m", "skvq", *arguments.split()], check=True)
subprocess.run([str(Path(sys.executable).with_name("skvq")), "describe", "digits"], check=True, capture_output=True)

# Byte code is not counted: it is Python's, made when a module is first imported or when pip chooses to.
files = [path for path in site.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
megabytes = sum(p.stat().st_size for p in files if not p.relative_to(site).parts[0].startswith(OF_PIP)) / 1e6
print(f"{megabytes:.0f} MB are installed, without byte code")
assert megabytes <= MOST_MEGABYTES
