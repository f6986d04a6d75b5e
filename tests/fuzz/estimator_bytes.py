"""Files of estimators taken apart and put together again, by the description of the format alone."""

import hashlib
import json
from dataclasses import dataclass, field

import numpy as np

DTYPES = {"BOOL": "bool", "U8": "uint8", "U16": "uint16", "U32": "uint32", "U64": "uint64", "I8": "int8"}
DTYPES |= {"I16": "int16", "I32": "int32", "I64": "int64", "F16": "float16", "F32": "float32", "F64": "float64"}
CODES = {name: code for code, name in DTYPES.items()}


@dataclass
class Parts:
    """A file's metadata, its estimator, and its arrays; all may be changed."""

    metadata: dict
    estimator: dict
    arrays: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def state(self) -> dict:
        return self.estimator["state"]

    @property
    def params(self) -> dict:
        return self.estimator["params"]

    def header(self) -> dict:
        """Return the header of these parts, and with it where each array's bytes are."""
        text = json.dumps({"estimator": self.estimator})
        header, offset = {"__metadata__": {**self.metadata, "estimator": text}}, 0
        for name, array in self.arrays.items():
            places = [offset, offset + array.nbytes]
            header[name] = {"dtype": CODES[array.dtype.name], "shape": list(array.shape), "data_offsets": places}
            offset += array.nbytes
        header["sha256"] = {"dtype": "U8", "shape": [32], "data_offsets": [offset, offset + 32]}
        return header

    def joined(self, header: dict | str | None = None) -> bytes:
        """Return the file, under a header of its own or another one."""
        text = header if isinstance(header, str) else json.dumps(self.header() if header is None else header)
        blobs = [array.astype(array.dtype.newbyteorder("<")).tobytes() for array in self.arrays.values()]
        body = len(text.encode()).to_bytes(8, "little") + text.encode() + b"".join(blobs)
        return body + hashlib.sha256(body).digest()


def taken_apart(data: bytes) -> Parts:
    """Return the parts of a file."""
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    metadata = header.pop("__metadata__")
    arrays = {}
    for name, entry in header.items():
        first, last = entry["data_offsets"]
        dtype = np.dtype(DTYPES[entry["dtype"]]).newbyteorder("<")
        arrays[name] = np.frombuffer(data[start + first : start + last], dtype).reshape(entry["shape"])
    assert arrays.pop("sha256").tobytes() == hashlib.sha256(data[:-32]).digest()
    return Parts(metadata, json.loads(metadata.pop("estimator"))["estimator"], arrays)


def with_digest(data: bytes) -> bytes:
    """Return bytes whose last 32 are the SHA-256 of those before, as a whole file's are."""
    return data[:-32] + hashlib.sha256(data[:-32]).digest()
