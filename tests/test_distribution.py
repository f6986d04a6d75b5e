"""Training over the devices and processes of a keras.distribution scope: one device's results, or a clear error."""

import time

import keras
import numpy as np
import pytest
from distributed_fit import needs_jax, start

from skvq import VQVAE, DistributionError, InvalidInputError
from skvq.networks.distribution import Devices

TASKS = "vqvae,early,prior"
PATIENCE = 400  # seconds


def ended(processes):
    """Wait for all processes, and return their exit statuses."""
    deadline = time.monotonic() + PATIENCE
    try:
        return [process.wait(max(deadline - time.monotonic(), 0.1)) for process in processes]
    finally:
        for process in processes:
            process.kill()


def run(folder, tasks, **places):
    assert not any(ended(start(tasks, folder, **places))), [f.read_text() for f in folder.glob("*.txt")]


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """What one device reaches."""
    folder = tmp_path_factory.mktemp("alone")
    run(folder, f"{TASKS},gradient,fsq,generator")
    return folder


def assert_equal_results(found, expected):
    found, expected = np.load(found), np.load(expected)
    assert sorted(found) == sorted(expected)
    for name in expected:
        if np.issubdtype(expected[name].dtype, np.integer):
            np.testing.assert_array_equal(found[name], expected[name], err_msg=name)
        else:
            np.testing.assert_allclose(found[name], expected[name], rtol=1e-4, atol=1e-5, err_msg=name)


@needs_jax
@pytest.mark.slow
class TestEqualResults:
    @pytest.mark.parametrize("n_devices", [2, 8])
    def test_on_devices_of_one_process(self, alone, tmp_path, n_devices):
        tasks = f"{TASKS},gradient,fsq,generator" if n_devices == 2 else TASKS
        run(tmp_path, f"{tasks},after", n_devices=n_devices)
        for task in tasks.split(","):
            assert_equal_results(tmp_path / f"{task}-0.npz", alone / f"{task}-0.npz")
        # A model that was fitted on devices answers without them, and goes on.
        after = np.load(tmp_path / "after-0.npz")
        np.testing.assert_array_equal(after["inside"], after["codes"])

    def test_of_two_processes(self, alone, tmp_path):
        run(tmp_path, f"{TASKS},unseeded", n_processes=2)
        for process in range(2):
            for task in TASKS.split(","):
                assert_equal_results(tmp_path / f"{task}-{process}.npz", alone / f"{task}-0.npz")
        assert_equal_results(tmp_path / "unseeded-0.npz", tmp_path / "unseeded-1.npz")


@needs_jax
@pytest.mark.slow
class TestErrors:
    def test_a_batch_that_does_not_divide(self, tmp_path):
        assert ended(start("batch", tmp_path, n_devices=2)) == [1]
        message = (tmp_path / "batch-0.txt").read_text()
        assert message.startswith("InvalidInputError: batch_size must be a multiple of the 2 devices")
        assert "8 or 10" in message

    @pytest.mark.parametrize(("task", "named"), [("rows", "X"), ("seeds", "random_state")])
    def test_processes_that_fit_something_else(self, tmp_path, task, named):
        assert ended(start(task, tmp_path, n_processes=2)) == [1, 1]
        for process in range(2):
            message = (tmp_path / f"{task}-{process}.txt").read_text()
            assert f"must fit the same; {named} of process 1 differs" in message

    def test_a_process_that_dies(self, tmp_path):
        statuses = ended(start("lost", tmp_path, n_processes=2))
        assert statuses[1] == -9
        message = (tmp_path / "lost-0.txt").read_text()
        assert message.startswith("DistributionError: Training with 2 processes stopped")
        assert "checkpoint=" in message


class TestOneDevice:
    """Without a scope, nothing is asked of any backend."""

    def test_every_row_is_its_own(self):
        devices = Devices.present()
        assert (devices.n_devices, devices.n_processes, devices.is_first) == (1, 1, True)
        rows = np.arange(7)
        assert devices.own_part(rows) is rows
        assert devices.split(rows) is rows
        assert devices.step_size(32, 20, is_automatic=False) == 20
        assert devices.from_first(lambda: b"made") == b"made"
        assert devices.shared_seed(2**62 + 1) == 2**62 + 1

    @pytest.mark.parametrize(
        ("batch_size", "n_rows", "is_automatic", "size"),
        [(32, 100, False, 32), (9, 100, True, 16), (32, 20, False, 24)],
    )
    def test_steps_divide_between_devices(self, batch_size, n_rows, is_automatic, size):
        assert Devices(n_devices=8).step_size(batch_size, n_rows, is_automatic=is_automatic) == size

    @pytest.mark.parametrize(("batch_size", "near"), [(9, "8 or 16"), (3, "8")])
    def test_a_batch_that_does_not(self, batch_size, near):
        with pytest.raises(
            InvalidInputError, match=f"multiple of the 8 devices.*got {batch_size}.*choices are {near};"
        ):
            Devices(n_devices=8).step_size(batch_size, 100, is_automatic=False)


@pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="what TensorFlow would ignore")
class TestTensorFlow:
    def test_a_keras_scope_is_refused(self, images):
        with (
            keras.distribution.DataParallel(devices=["cpu:0"]).scope(),
            pytest.raises(DistributionError, match=r"needs the JAX backend; got tensorflow.*KERAS_BACKEND=jax"),
        ):
            VQVAE(max_iter=1).fit(images)

    def test_a_strategy_is_refused(self, images):
        import tensorflow

        with (
            tensorflow.distribute.MirroredStrategy(["CPU:0"]).scope(),
            pytest.raises(DistributionError, match=r"MirroredStrategy scope\. Leave the scope"),
        ):
            VQVAE(max_iter=1).fit(images)
