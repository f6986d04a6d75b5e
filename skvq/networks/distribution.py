"""The devices and processes of the ``keras.distribution`` scope that the user has opened.

The scope is the whole interface: skvq has none of its own. Under JAX, all devices hold the same weights, and each step
or batch of inference is split between them. With several processes, every process runs the same script; it reads and
feeds its part of each batch, and all of them get the whole result. Without a scope, everything here does nothing.

Whatever all processes must do together, such as :meth:`Devices.from_first`, waits until each of them does it.
"""

import hashlib
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from skvq._contract.errors import DistributionError, invalid

SAME_SCRIPT = "Start the same script with the same data in every process, with an int as random_state."
GO_ON = (
    "All processes must be started again. With checkpoint=, fit then goes on after the last epoch that was completed."
)
# How Gloo, NCCL and JAX's coordination service say that a process cannot be reached.
LOST = re.compile("gloo|nccl|coordination|heartbeat|unavailable|deadline|connection", re.IGNORECASE)


@dataclass(frozen=True)
class Devices:
    """The devices that compute together, and the place of this process among those that hold them.

    Attributes
    ----------
    distribution : keras.distribution.DataParallel or None
        None computes on one device, as Keras chooses it.
    n_devices, n_processes : int
    is_first : bool
        Whether this process writes files and reports.
    """

    distribution: Any = None
    n_devices: int = 1
    n_processes: int = 1
    is_first: bool = True

    @classmethod
    def present(cls) -> "Devices":
        """Return the devices of the scope that is open now.

        Raises
        ------
        DistributionError
            If the scope is one that training would ignore, or could not use.
        """
        distribution = keras.distribution.distribution()
        _check_strategy()
        return cls() if distribution is None else _of(distribution)

    def rounded_up(self, n_rows: int) -> int:
        """Return the smallest multiple of the number of devices that holds so many rows."""
        return -(-n_rows // self.n_devices) * self.n_devices

    def step_size(self, batch_size: int, n_rows: int, *, is_automatic: bool) -> int:
        """Return the rows of a training step, which each device gets an equal part of.

        Raises
        ------
        InvalidInputError
            If the user's ``batch_size`` does not divide between the devices.
        """
        if batch_size % self.n_devices and not is_automatic:
            below, above = batch_size - batch_size % self.n_devices, self.rounded_up(batch_size)
            near = f"{below} or {above}" if below else str(above)
            raise invalid(
                "batch_size",
                f"be a multiple of the {self.n_devices} devices of the keras.distribution scope",
                batch_size,
                f"Near choices are {near}; 'auto' rounds up.",
            )
        return self.rounded_up(min(batch_size, n_rows))

    def own_part(self, rows: np.ndarray) -> np.ndarray:
        """Return those of a batch's rows that this process feeds to its devices."""
        if self.n_processes == 1:
            return rows
        slices = self._sharding(1).addressable_devices_indices_map((len(rows),)).values()
        starts = {part[0].start or 0: part[0] for part in slices}
        return np.concatenate([rows[starts[start]] for start in sorted(starts)])

    def split(self, batch: np.ndarray) -> Any:
        """Return a batch that every process holds, split between the devices."""
        return self.join(self.own_part(batch))

    def join(self, part: np.ndarray) -> Any:
        """Return the batch of which each process holds its own part, split between the devices."""
        if self.distribution is None:
            return part
        import jax

        return jax.make_array_from_process_local_data(self._sharding(part.ndim), part)

    def everywhere(self, tensor: Any) -> Any:
        """Within a compiled function, let every device have the whole of a tensor."""
        if self.distribution is None:
            return tensor
        import jax

        whole = jax.sharding.NamedSharding(self._mesh, jax.sharding.PartitionSpec())
        return jax.lax.with_sharding_constraint(tensor, whole)

    def from_first(self, make: Callable[[], bytes]) -> bytes:
        """Return to every process what a function returns in the first one, which alone calls it.

        Raises
        ------
        DistributionError
            In the other processes, if it fails in the first one.
        """
        if self.n_processes == 1:
            return make()
        answer, error = b"", None
        if self.is_first:
            try:
                answer = b"+" + make()
            except Exception as failure:
                answer, error = b"-" + str(failure).encode(), failure
        length = int(self._broadcast(np.array([len(answer)], np.int32))[0])
        received = self._broadcast(np.frombuffer(answer.ljust(length), np.uint8)).tobytes()
        if error is not None:
            raise error
        if received[:1] == b"-":
            raise DistributionError(f"The first process failed, and all of them stop. It says: {received[1:].decode()}")
        return received[1:]

    def shared_seed(self, own: int) -> int:
        """Return the seed of the first process."""
        return int.from_bytes(self.from_first(lambda: own.to_bytes(8, "little")), "little")

    def arrays_of_first(self, *arrays: np.ndarray) -> list[np.ndarray]:
        """Return the first process's values of arrays whose last bits may differ from machine to machine."""
        if self.n_processes == 1:
            return list(arrays)
        joined = self.from_first(lambda: b"".join(array.tobytes() for array in arrays))
        ends = np.cumsum([array.nbytes for array in arrays])
        parts = np.split(np.frombuffer(joined, np.uint8), ends[:-1])
        return [part.view(array.dtype).reshape(array.shape) for part, array in zip(parts, arrays, strict=True)]

    def any(self, flag: bool) -> bool:
        """Return whether a flag is set in any process."""
        return flag if self.n_processes == 1 else bool(self._gather(np.array([flag], np.uint8)).any())

    def require_equal(self, entries: dict[str, str]) -> None:
        """Raise in every process unless these descriptions are the same in all.

        Parameters
        ----------
        entries : dict of str to str
            What each describes, for the message, and its description.

        Raises
        ------
        DistributionError
        """
        if self.n_processes == 1:
            return
        digests = [_digest(",".join(entries)), *map(_digest, entries.values())]
        # The number of entries differs only where the scripts do, and then their names differ.
        counts = self._gather(np.array([len(digests)], np.int32))
        table = np.zeros((int(counts.max()), 8), np.uint8)
        table[: len(digests)] = np.frombuffer(b"".join(digests), np.uint8).reshape(-1, 8)
        found = self._gather(table)  # (processes, entries, 8)
        differs = (found != found[:1]).any(axis=-1)
        if not differs.any():
            return
        names = ["the estimators", *entries]
        what = [names[i] for i in np.flatnonzero(differs.any(axis=0)) if i < len(names)]
        where = ", ".join(map(str, np.flatnonzero(differs.any(axis=1))))
        raise DistributionError(
            f"All {self.n_processes} processes must fit the same; {', '.join(what)} of process {where} differs from "
            f"that of process 0. {SAME_SCRIPT}"
        )

    @contextmanager
    def named_losses(self) -> Iterator[None]:
        """Say what it means when the backend fails because a process is gone."""
        if self.n_processes == 1:
            yield
            return
        try:
            yield
        except (RuntimeError, ValueError) as error:  # JAX raises either
            if isinstance(error, DistributionError) or not LOST.search(str(error)):
                raise
            raise DistributionError(
                f"Training with {self.n_processes} processes stopped, most likely because one of them died or could "
                f"not be reached. {GO_ON} The backend says: {error!s:.300}"
            ) from error

    def _broadcast(self, array: np.ndarray) -> np.ndarray:
        """Return the first process's array."""
        from jax.experimental import multihost_utils

        with self.named_losses():
            return np.asarray(multihost_utils.broadcast_one_to_all(array))

    def _gather(self, array: np.ndarray) -> np.ndarray:
        """Return the arrays of all processes, (processes, *shape)."""
        from jax.experimental import multihost_utils

        with self.named_losses():
            return np.asarray(multihost_utils.process_allgather(array))

    @property
    def _mesh(self) -> Any:
        return self.distribution.device_mesh.backend_mesh

    def _sharding(self, n_axes: int) -> Any:
        return self.distribution.get_data_layout((1,) * n_axes).backend_layout


def _of(distribution: Any) -> Devices:
    """Return the devices of a distribution, once it is one that can be trained on."""
    backend = keras.config.backend()
    if backend != "jax":
        raise DistributionError(
            f"A keras.distribution scope needs the JAX backend; got {backend}, which would ignore it or fail. Set the "
            "environment variable KERAS_BACKEND=jax before Python starts, or leave the scope out."
        )
    if not isinstance(distribution, keras.distribution.DataParallel):
        raise DistributionError(
            f"The keras.distribution scope must be a DataParallel; got {type(distribution).__name__}. The networks "
            "fit on one device: use keras.distribution.DataParallel()."
        )
    import jax

    owners = [device.process_index for device in distribution.device_mesh.backend_mesh.devices.flat]
    processes, counts = np.unique(owners, return_counts=True)
    this, n_processes = jax.process_index(), jax.process_count()
    if processes.tolist() not in ([this], list(range(n_processes))) or len(set(counts)) > 1:
        raise DistributionError(
            f"The devices of the keras.distribution scope must be those of this process alone, or as many of each of "
            f"the {n_processes} processes; got {dict(zip(processes.tolist(), counts.tolist(), strict=True))} devices "
            "by process. keras.distribution.DataParallel() takes all devices."
        )
    n_devices = distribution.device_mesh.shape[0]
    return Devices(distribution, n_devices, len(processes), this == processes[0])


def _check_strategy() -> None:
    """Raise within a strategy of TensorFlow, under which a Keras 3 model trains on one device without a word."""
    tensorflow = sys.modules.get("tensorflow")
    if tensorflow is None or not tensorflow.distribute.has_strategy():
        return
    strategy = type(tensorflow.distribute.get_strategy()).__name__
    raise DistributionError(
        f"TensorFlow's distribution strategies cannot train these networks; got a {strategy} scope. Leave the scope, "
        "or train with KERAS_BACKEND=jax within keras.distribution.DataParallel().scope()."
    )


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=8).digest()
