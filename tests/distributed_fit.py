"""One process of a training over devices or processes, as a script, and what tests need to start it.

``python distributed_fit.py TASK FOLDER N_PROCESSES PROCESS PORT`` writes what it reached to ``FOLDER/PROCESS.npz``, or
the message of the error that it met to ``FOLDER/PROCESS.txt``.
"""

import importlib.util
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
SMALL = {"n_embeddings": 8, "embedding_dim": 4, "hidden_channels": 8, "n_residual_blocks": 1, "downsampling": 4}
# 8 steps an epoch: k-means at step 8, restarts at step 25.
SMALL |= {"batch_size": 8, "max_iter": 5, "learning_rate": 0.01, "random_state": 0}

needs_jax = pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="trains under JAX")


def pictures(n: int = 64) -> np.ndarray:
    """Return uint8 images with one bright bar."""
    from conftest import bars

    return bars(n)[0]


def vqvae(**params) -> dict:
    from skvq import VQVAE

    X = pictures()
    model = VQVAE(**{**SMALL, **params}).fit(X)
    reached = {f"weights/{i}": w for i, w in enumerate(model._weights)}
    return reached | {
        "codes": model.transform(X[:50]),
        "counts": model.code_counts_,
        "images": model.inverse_transform(model.transform(X[:3])),
        "errors": model.reconstruction_errors(X),
        **{f"history/{name}": np.array(values) for name, values in model.history_.items()},
    }


def prior(**params) -> dict:
    from skvq import PixelCNNPrior

    codes = np.random.default_rng(0).integers(0, 4, (64, 9)).cumsum(axis=1) % 4
    small = {"hidden_channels": 8, "n_layers": 2, "dropout": 0.1, "max_iter": 3, "batch_size": 8, "random_state": 0}
    model = PixelCNNPrior(4, **{**small, **params}).fit(codes)
    reached = {f"weights/{i}": w for i, w in enumerate(model._weights)}
    return reached | {
        "scores": model.score_samples(codes),
        "codes": model.sample(5, random_state=0),
        **{f"history/{name}": np.array(values) for name, values in model.history_.items()},
    }


def generator() -> dict:
    from skvq import VQVAE, PixelCNNPrior, VQGenerator

    X = pictures()
    stages = VQVAE(**{**SMALL, "max_iter": 2}), PixelCNNPrior(hidden_channels=4, n_layers=1, max_iter=2, random_state=0)
    model = VQGenerator(*stages).fit(X)
    return {"codes": model.transform(X), "scores": model.score_samples(X), "images": model.sample(3, random_state=0)}


def after_the_scope() -> dict:
    """Fit within the scope, then use the model without it, and with another."""
    import keras

    from skvq import VQVAE

    X = pictures()
    with keras.distribution.distribution().scope():
        model = VQVAE(**{**SMALL, "max_iter": 1}).fit(X)
    inside = model.transform(X)
    keras.distribution.set_distribution(None)
    return {"inside": inside, "codes": model.transform(X), "again": model.partial_fit(X).transform(X)}


def other_rows() -> dict:
    from skvq import VQVAE

    X = pictures()
    X[5, 0, 0] += int(sys.argv[4])
    return {"codes": VQVAE(**SMALL).fit(X).codebook_}


def lost() -> dict:
    """Train while the last process is killed in its second epoch."""
    from skvq import VQVAE
    from skvq.training import Trainer

    report = Trainer._report

    def report_and_die(self, epoch, logs):
        report(self, epoch, logs)
        if epoch == 1 and sys.argv[4] != "0":
            os.kill(os.getpid(), signal.SIGKILL)

    Trainer._report = report_and_die
    return {"codes": VQVAE(**SMALL).fit(pictures()).codebook_}


def long_fit() -> dict:
    """Fit with a checkpoint in the folder that the environment names."""
    return vqvae(checkpoint=os.environ["CHECKPOINT"], max_iter=12, early_stopping=True)


TASKS = {
    "vqvae": vqvae,
    "early": lambda: vqvae(early_stopping=True, batch_size="auto", random_state=0, max_iter=2),
    "gradient": lambda: vqvae(quantizer="gradient", codebook_init="random", max_iter=2),
    "fsq": lambda: vqvae(quantizer="fsq", max_iter=2),
    "unseeded": lambda: vqvae(random_state=None, max_iter=2),
    "prior": prior,
    "generator": generator,
    "after": after_the_scope,
    "batch": lambda: vqvae(batch_size=9),
    "seeds": lambda: vqvae(random_state=int(sys.argv[4])),
    "rows": other_rows,
    "lost": lost,
    "long": long_fit,
}


def start(tasks: str, folder: Path, *, n_devices: int = 1, n_processes: int = 1, **environment) -> list:
    """Start all processes of a training, on simulated devices of the CPU."""
    environment = {
        **os.environ,
        "KERAS_BACKEND": "jax",
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={n_devices}",
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
        **environment,
    }
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder.mkdir(exist_ok=True)
    command = [sys.executable, __file__, tasks, str(folder), str(n_processes)]
    return [subprocess.Popen([*command, str(i), str(port)], env=environment) for i in range(n_processes)]


def main() -> None:
    tasks, folder, n_processes, process, port = sys.argv[1], Path(sys.argv[2]), *map(int, sys.argv[3:])
    import keras

    if n_processes > 1:
        keras.distribution.initialize(f"127.0.0.1:{port}", n_processes, process)
    if len(keras.distribution.list_devices()) > 1:
        keras.distribution.set_distribution(keras.distribution.DataParallel(auto_shard_dataset=False))
    for task in tasks.split(","):
        try:
            np.savez(folder / f"{task}-{process}.npz", **TASKS[task]())
        except Exception as error:
            (folder / f"{task}-{process}.txt").write_text(f"{type(error).__name__}: {error}")
            sys.stdout.flush()
            os._exit(1)  # the way out of JAX waits for the other processes


if __name__ == "__main__":
    main()
