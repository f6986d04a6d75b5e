"""Stored tables and blobs: whatever changes in the code, old files decode to the same codes."""

import json
from pathlib import Path

import pytest

from skvq._contract.labels import Classes
from skvq.compression import Codec
from skvq.compression.packing import unpack

pytest.importorskip("constriction")

FOLDER = Path(__file__).parent / "vectors"


@pytest.mark.parametrize("name", ["square", "volume", "depth", "two-codes"])
def test_stored_blobs_decode_to_stored_codes(name):
    stored = json.loads((FOLDER / f"{name}.json").read_text())
    classes = None if stored["classes"] is None else Classes.of(stored["classes"])
    codec = Codec(unpack((FOLDER / f"{name}.bin").read_bytes()), b"the weights of a decoder", classes)
    blobs = [bytes.fromhex(text) for text in stored["blobs"]]
    assert codec.decompress(blobs).tolist() == stored["codes"]
    assert codec.compress(stored["codes"], stored["y"]) == blobs
