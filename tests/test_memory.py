"""Arrays larger than what fit and transform may take, in a process of its own."""

import subprocess
import sys

import numpy as np
import pytest

SCRIPT = """
import sys, threading
from pathlib import Path
import numpy as np
from skvq import VQVAE

def resident():
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines["VmRSS"].split()[0]) / 1024  # MB

X = np.load(sys.argv[1], mmap_mode="r")
vqvae = VQVAE(16, 4, downsampling=32, hidden_channels=2, n_residual_blocks=0, max_iter=1, random_state=0)
vqvae.fit(np.array(X[:64])).transform(np.array(X[:64]))  # loads the libraries
before = most = resident()
done = threading.Event()

def watch():
    global most
    while not done.wait(0.01):
        most = max(most, resident())

watcher = threading.Thread(target=watch)
watcher.start()
codes = vqvae.fit(X).transform(X)
done.set()
watcher.join()
assert codes.shape == (len(X), 64), codes.shape
print(most - before)
"""


@pytest.mark.large
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_fit_and_transform_hold_a_part_of_the_array_only(tmp_path):
    path = tmp_path / "x.npy"
    X = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=(12_000, 256, 256))  # 786 MB, nearly all black
    X[::400] = np.random.default_rng(0).integers(0, 256, (30, 256, 256))
    del X
    answer = subprocess.run([sys.executable, "-c", SCRIPT, path], capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    growth = float(answer.stdout)
    assert growth < 600, f"fit and transform grew the process by {growth:.0f} MB"
