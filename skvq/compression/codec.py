"""Rows of codes to blobs and back, for one model."""

import hashlib
from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from skvq._contract.errors import CompressedDataError, InvalidInputError
from skvq._contract.labels import Classes, indices_of_labels
from skvq.compression.blobs import HEADER_BYTES, check_blobs, read_blob, split_label, write_blob
from skvq.compression.coder import SMALLEST_FINGERPRINT, Foreign, decode, encode
from skvq.compression.frequencies import MOST_EMBEDDINGS
from skvq.compression.tables import CodeTables


def weights_digest(weights: Sequence[np.ndarray]) -> bytes:
    """Return the SHA-256 of arrays: what tells one decoder from another."""
    total = hashlib.sha256()
    for array in weights:
        total.update(repr((array.shape, array.dtype.name)).encode())
        total.update(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes())
    return total.digest()


FINGERPRINT_BYTES = 4  # of a payload


class Sizes(NamedTuple):
    """Mean bytes of an image: of the codes alone, and of the whole blob with header and fingerprint."""

    payload: float
    whole: float


class Codec:
    """Codes to bytes and back. Tables alone decide the bytes, so every machine writes and reads the same.

    Parameters
    ----------
    tables : CodeTables
    decoder_digest : bytes
        Of what turns codes into images. Two models with equal tables and different decoders refuse each other's blobs.
    classes : Classes or None

    Raises
    ------
    InvalidInputError
        If the grid has more than 65,536 kinds of codes.
    """

    def __init__(self, tables: CodeTables, decoder_digest: bytes, classes: Classes | None = None):
        if tables.grid.n_embeddings > MOST_EMBEDDINGS:
            raise InvalidInputError(
                f"n_embeddings must be at most {MOST_EMBEDDINGS} for compression; got {tables.grid.n_embeddings}. Fit "
                "a VQVAE with fewer codes."
            )
        self.tables: CodeTables = tables
        self.classes: Classes | None = classes
        self._decoder_digest = decoder_digest

    @cached_property
    def fingerprint(self) -> int:
        """31 bits that tell this model from others, below a bit that is set."""
        digest = hashlib.sha256(self.tables.digest + self._decoder_digest).digest()
        return int.from_bytes(digest[:4], "big") | SMALLEST_FINGERPRINT

    def compress(self, codes: np.ndarray, y: Any = None) -> list[bytes]:
        """Return one blob for each row of codes.

        Parameters
        ----------
        codes : ndarray of shape (n, n_codes)
        y : array-like of shape (n,), one class, or None
            For tables with classes, and only then.
        """
        codes = self.tables.grid.check(codes, "codes").astype(np.int64)
        labels = indices_of_labels(self.classes, y, len(codes))
        payloads = encode(self.tables, codes, labels, self.fingerprint)
        if labels is None:
            return [write_blob(None, payload) for payload in payloads]
        return [write_blob(int(label), payload) for label, payload in zip(labels, payloads, strict=True)]

    def decompress(self, blobs: Sequence[bytes]) -> np.ndarray:
        """Return the codes (n, n_codes), int64, of blobs.

        Raises
        ------
        InvalidInputError
            If ``blobs`` is no sequence.
        CompressedDataError
            If one is not bytes, damaged, of a later version, or of another model.
        """
        blobs = check_blobs(blobs)
        payloads, labels = [], []
        for index, data in enumerate(blobs):
            name = f"blobs[{index}]"
            payload = read_blob(data, name)
            if self.classes is not None:
                label, payload = split_label(payload, len(self.classes), name)
                labels.append(label)
            payloads.append(payload)
        indices = np.array(labels, np.int64) if self.classes is not None else None
        try:
            return decode(self.tables, payloads, indices, self.fingerprint)
        except Foreign as error:
            raise CompressedDataError(
                f"blobs[{error.row}] must come from this model; it comes from another one, though its CRC is right. "
                "Decompress it with the model that compressed it."
            ) from None


def sizes(blobs: Sequence[bytes]) -> Sizes:
    """Return the mean size of blobs: of their codes (with the class, if any), and whole.

    Examples
    --------
    >>> from skvq.compression import sizes
    >>> sizes([b"x" * 100, b"x" * 120])
    Sizes(payload=99.0, whole=110.0)
    """
    whole = float(np.mean([len(blob) for blob in check_blobs(blobs)]))
    return Sizes(whole - HEADER_BYTES - FINGERPRINT_BYTES, whole)
