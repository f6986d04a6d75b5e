"""Checkpoints: the state of a fit after each epoch, in a folder, from which the same fit goes on after it was killed.

Each fit has one file, named after all that it was given (:mod:`skvq._fit_identity`). So a search, or several fits, can
share a folder, and a fit on other data or with other parameters never continues from a wrong file. The file is replaced
in one step after each epoch. It has the format of saved estimators, and holds numbers and names, never code.

With several processes, the first one alone reads and writes, and tells the others what it read.
"""

import hashlib
import os
import warnings
from contextlib import suppress
from pathlib import Path

import numpy as np

from skvq._contract.errors import ModelFileError, invalid, printable
from skvq._contract.reading import read_file
from skvq._contract.writing import expanded, hold, write_file
from skvq._files.checks import Refused
from skvq._files.container import pack, peek, unpack
from skvq._fit_identity import HASHED
from skvq.networks.distribution import Devices

MAX_BYTES = 2**36


class CheckpointFile:
    """The file of one fit in a folder of checkpoints.

    Parameters
    ----------
    folder : str or path-like
        It is made if it does not exist; ``~`` stands for the home folder.
    identity : dict of str to str
        All that the fit was given, as of :func:`skvq._fit_identity.fit_identity`.
    seed : int
        The seed of the fit. A fit that is found in the folder keeps the seed that it began with.
    devices : Devices

    Raises
    ------
    InvalidInputError
        If ``folder`` is no folder that files can be written to.
    ModelFileError
        If its file of this fit is damaged.

    Warns
    -----
    UserWarning
        If this fit begins, and the folder holds one that was not finished and that no process works on.
    """

    def __init__(self, folder: str | os.PathLike[str], identity: dict[str, str], seed: int, devices: Devices):
        self.identity = identity
        self.devices = devices
        self.seed = seed
        self._held: int | None = None
        self._found: tuple[dict, dict[str, np.ndarray]] | None = None
        name = identity["the class"].rpartition(".")[2]
        digest = hashlib.blake2b(repr(identity).encode(), digest_size=8).hexdigest()
        self.path = Path(expanded(folder, "checkpoint", "the name of a folder")) / f"{name}-{digest}.safetensors"
        data = devices.from_first(self._read)
        if data:
            document, arrays = self._unpacked(data)
            self.seed = document["seed"]
            self._found = document["training"], arrays
        elif devices.is_first:
            self._warn_of_unfinished()

    def load(self) -> tuple[dict, dict[str, np.ndarray]] | None:
        """Return the document and the arrays that the folder held, or None. They are returned once."""
        found, self._found = self._found, None
        if found is not None and self.devices.is_first:
            self._hold()
        return found

    def save(self, document: dict, arrays: dict[str, np.ndarray]) -> None:
        """Replace the file."""
        self.devices.from_first(lambda: self._write(document, arrays))

    def close(self) -> None:
        """Let others know that no process works on this fit any more."""
        if self._held is not None:
            os.close(self._held)
            self._held = None

    def _read(self) -> bytes:
        """Return the bytes of the file, or none if there is no file."""
        folder = self.path.parent
        try:
            os.makedirs(folder, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise invalid(
                "checkpoint", "be a folder", f"{printable(folder)!r}, a file or in one", "Give another name."
            ) from None
        if not os.access(folder, os.W_OK | os.X_OK):
            raise invalid(
                "checkpoint",
                "be a folder that files can be written to",
                f"{printable(folder)!r}, which allows none",
                "Choose another folder, or change its permissions.",
            )
        if not os.path.lexists(self.path):
            return b""
        return read_file(self.path, MAX_BYTES)

    def _unpacked(self, data: bytes) -> tuple[dict, dict[str, np.ndarray]]:
        try:
            document, arrays, _ = unpack(data, "checkpoint")
        except Refused as error:
            raise ModelFileError(
                f"checkpoint must hold files that fit wrote; got {printable(self.path)}, {error}. Remove that file to "
                "begin this fit anew."
            ) from None
        if document["identity"] != self.identity:
            raise ModelFileError(
                f"checkpoint must hold files of the fits that they are named after; got {printable(self.path)}, which "
                f"is of another fit: {_difference(document['identity'], self.identity)}. Remove or rename that file."
            )
        return document, arrays

    def _write(self, document: dict, arrays: dict[str, np.ndarray]) -> bytes:
        whole = {"identity": self.identity, "seed": self.seed, "training": document}
        write_file(self.path, pack(whole, arrays, "checkpoint"))
        self._hold()
        return b""

    def _hold(self) -> None:
        """Keep the present file locked, which tells that a process works on it; any process may still replace it."""
        self.close()
        with suppress(OSError):
            self._held = os.open(self.path, os.O_RDONLY)
            hold(self._held, self.path)

    def _warn_of_unfinished(self) -> None:
        kind = self.path.name.partition("-")[0]
        for path in sorted(self.path.parent.glob(f"{kind}-*.safetensors")):
            document = _abandoned(path)
            if document is not None:
                difference = _difference(document["identity"], self.identity)
                warnings.warn(
                    f"checkpoint={printable(self.path.parent)!r} holds a fit that was not finished, after "
                    f"{document['training']['n_epochs']} epochs. This fit is another and begins anew: {difference}. To "
                    f"continue the other, fit with what it was given. Remove {printable(path)} if it is not needed.",
                    UserWarning,
                    stacklevel=6,
                )
                return


def _abandoned(path: Path) -> dict | None:
    """Return the document of a fit that was not finished and that no process works on."""
    try:
        with open(path, "rb") as stream:
            document = peek(stream, "checkpoint")
            finished = document["training"]["finished"]
            return document if not finished and hold(stream.fileno(), path) else None
    except (OSError, Refused, KeyError, TypeError):
        return None


def _difference(found: dict[str, str], wanted: dict[str, str]) -> str:
    """Return what differs between two fits."""
    parts = []
    for name in dict.fromkeys([*wanted, *found]):
        was, now = (printable(table.get(name, "nothing"))[:60] for table in (found, wanted))
        if found.get(name) != wanted.get(name):
            parts.append(f"{name} differs" if name in HASHED else f"{name} was {was}, now {now}")
    return "; ".join(parts)
