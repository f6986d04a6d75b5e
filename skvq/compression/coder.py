"""Codes to bytes and back: entropy coding with integer tables.

The coder is the asymmetric numeral system of constriction [1]_: a stack, so codes are pushed in reverse order and come
off in the order of the waves. The fingerprint of the model is pushed first. It is left after the last code, unless the
bytes were written with another model. It costs its four bytes less about three, which the first code on an empty stack
would waste.

References
----------
.. [1] Bamler, R. (2022). Understanding Entropy Coding With Asymmetric Numeral Systems (ANS): a Statistician's
   Perspective. https://arxiv.org/abs/2201.01741
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from skvq.compression.frequencies import frequencies
from skvq.compression.tables import CodeTables

_VALUES_AT_ONCE = 2**23  # frequencies in memory, of all images that are coded together
_WORD = np.dtype("<u4")
SMALLEST_FINGERPRINT = 2**31  # the highest bit is set, as the coder takes no zeros on top


class Foreign(Exception):
    """A payload that was not written with these tables and this fingerprint.

    Parameters
    ----------
    row : int
        Which of the payloads.
    """

    def __init__(self, row: int):
        super().__init__(row)
        self.row = row


def _coding() -> tuple[Any, Any]:
    """Return the coder's class and its family of distributions."""
    try:
        import constriction
    except ImportError as error:
        raise ImportError(
            'compress and decompress need the package constriction. Run pip install "skvq[codec]".'
        ) from error
    stream = constriction.stream
    return stream.stack.AnsCoder, stream.model.Categorical(perfect=False)


def encode(
    tables: CodeTables, codes: np.ndarray, labels: np.ndarray | None = None, fingerprint: int = SMALLEST_FINGERPRINT
) -> list[bytes]:
    """Return the payload of each row of codes.

    Parameters
    ----------
    tables : CodeTables
    codes : ndarray of shape (n, n_codes)
        Of the tables' grid.
    labels : ndarray of shape (n,) or None
        Indices of classes, for tables with classes.
    fingerprint : int
        In [2**31, 2**32).
    """
    AnsCoder, family = _coding()
    start = np.array([fingerprint], np.uint32)
    if tables.grid.n_embeddings == 1:
        return [_to_bytes(start)] * len(codes)
    layout, payloads = tables.layout, []
    for row, code in enumerate(codes):
        canvas = layout.canvas(1)
        canvas[:, layout.places] = code
        label = None if labels is None else labels[row : row + 1]
        coder = AnsCoder(start)
        for waves in reversed(_joined(tables)):
            found = frequencies(tables.logits(canvas, waves, label)[0])
            coder.encode_reverse(code[waves.codes].astype(np.int32), family, found)
        payloads.append(_to_bytes(coder.get_compressed()))
    return payloads


def decode(
    tables: CodeTables,
    payloads: Sequence[bytes],
    labels: np.ndarray | None = None,
    fingerprint: int = SMALLEST_FINGERPRINT,
) -> np.ndarray:
    """Return the codes (n, n_codes), int64, of payloads.

    Parameters
    ----------
    tables : CodeTables
        The same as in :func:`encode`.
    payloads : sequence of bytes
    labels : ndarray of shape (n,) or None
    fingerprint : int

    Raises
    ------
    Foreign
        If a payload was not written with these tables, labels and fingerprint.
    """
    AnsCoder, _ = _coding()
    coders = [AnsCoder(_to_words(payload, row)) for row, payload in enumerate(payloads)]
    widest = max(len(wave.codes) for wave in tables.layout.waves)
    step = max(1, _VALUES_AT_ONCE // (widest * tables.grid.n_embeddings))
    parts = [np.zeros((0, tables.grid.n_codes), np.int64)]
    for start in range(0, len(coders), step):
        some = slice(start, start + step)
        parts.append(_decode_together(tables, coders[some], None if labels is None else labels[some]))
    for row, coder in enumerate(coders):
        if coder.get_compressed().tolist() != [fingerprint]:
            raise Foreign(row)
    return np.concatenate(parts)


def _decode_together(tables: CodeTables, coders: Sequence[Any], labels: np.ndarray | None) -> np.ndarray:
    if tables.grid.n_embeddings == 1:
        return np.zeros((len(coders), tables.grid.n_codes), np.int64)
    _, family = _coding()
    layout = tables.layout
    canvas = layout.canvas(len(coders))
    for wave in layout.waves:
        found = frequencies(tables.logits(canvas, wave, labels))
        places = layout.places[wave.codes]
        for row, coder in enumerate(coders):
            canvas[row, places] = coder.decode(family, found[row])
    return canvas[:, layout.places].astype(np.int64)


def _joined(tables: CodeTables) -> list[Any]:
    """Return the waves, in fewer and larger ones: where all codes are known, waves need not wait for each other."""
    layout = tables.layout
    most = max(1, _VALUES_AT_ONCE // 4 // tables.grid.n_embeddings)
    if layout.depth > 1:
        return layout.waves
    order = np.concatenate([wave.codes for wave in layout.waves])
    return [
        type(layout.waves[0])(0, order[start : start + most], layout.neighbours[order[start : start + most]])
        for start in range(0, len(order), most)
    ]


def _to_bytes(words: np.ndarray) -> bytes:
    """Return words as bytes, without the zeros at the end of the last one, which is above 0."""
    return words.astype(_WORD).tobytes().rstrip(b"\0")


def _to_words(payload: bytes, row: int) -> np.ndarray:
    if payload.endswith(b"\0"):
        raise Foreign(row)
    return np.frombuffer(payload + b"\0" * (-len(payload) % 4), _WORD).astype(np.uint32)
