"""What fit and transform take: of arrays larger than memory, in a process of its own; and from one fit to the next."""

import gc
import subprocess
import sys

import keras
import numpy as np
import pytest
from small_models import small_vqvae

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


@pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="graphs of TensorFlow")
def test_the_graphs_of_a_fit_go_with_the_estimator(images):
    from tensorflow.python.framework.func_graph import FuncGraph

    def graphs_after_a_fit():
        small_vqvae().fit(images)
        gc.collect()
        return sum(isinstance(thing, FuncGraph) for thing in gc.get_objects())

    graphs_after_a_fit()  # what comes once, and what earlier tests left
    assert graphs_after_a_fit() == graphs_after_a_fit()
