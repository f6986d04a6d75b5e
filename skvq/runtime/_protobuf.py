"""Read an ONNX file without the onnx package, strictly: one way to write each thing, and only what skvq writes.

Parsers of protobuf [1]_ differ over unusual encodings: a tag that is longer than it has to be, a field that comes
twice, a number that is too large. One parser may see what another does not. All of these are refused here, so that what
is looked through is what onnxruntime runs.

References
----------
.. [1] https://protobuf.dev/programming-guides/encoding/
"""

from typing import Any

from skvq._contract.errors import ModelFileError, printable

from ._onnx_schema import BYTES, FIXED32, FIXED64, REFUSED, SCHEMA, VARINT, Field

MAX_FIELDS = 500_000
MAX_DEPTH = 40  # of messages: about a dozen loops in each other
_LONGEST_VARINT = 10


def parse_model(data: bytes) -> dict[str, Any]:
    """Read a serialised ``ModelProto``.

    Parameters
    ----------
    data : bytes

    Returns
    -------
    dict
        Field name -> int, text or bytes as memoryview, or dict of a message; a list of these for a repeated field.
        Numbers of fixed size are None: nothing is decided by them.

    Raises
    ------
    ModelFileError
        Saying what is wrong; the caller names the file.
    """
    return _Parser(data).message(0, len(data), "ModelProto", 0)


class _Parser:
    def __init__(self, data: bytes):
        self.data = data
        self.view = memoryview(data)
        self.n_fields = 0

    def message(self, at: int, end: int, name: str, depth: int) -> dict[str, Any]:
        if depth > MAX_DEPTH:
            raise ModelFileError(f"messages are nested more than {MAX_DEPTH} deep")
        fields = SCHEMA[name]
        found: dict[str, Any] = {}
        while at < end:
            number, wire_type, at = self.tag(at, end)
            field = fields.get(number)
            if field is None:
                what = REFUSED.get((name, number), f"{name} has a field {number}, which skvq does not write")
                raise ModelFileError(what)
            if wire_type != field.wire_type:
                raise ModelFileError(f"{name}.{field.name} has the wire type {wire_type}")
            value, at = self.value(at, end, field, depth)
            if field.repeated:
                found.setdefault(field.name, []).append(value)
            elif field.name in found:
                raise ModelFileError(f"{name}.{field.name} comes twice")
            else:
                found[field.name] = value
        return found

    def tag(self, at: int, end: int) -> tuple[int, int, int]:
        self.n_fields += 1
        if self.n_fields > MAX_FIELDS:
            raise ModelFileError(f"it has more than {MAX_FIELDS} fields")
        tag, at = self.varint(at, end)
        # Field numbers end at 2**29 - 1; parsers cut a larger tag to 32 bits, or do not.
        if not 8 <= tag < 2**32:
            raise ModelFileError("a field's number is out of range")
        return tag >> 3, tag & 7, at

    def value(self, at: int, end: int, field: Field, depth: int) -> tuple[Any, int]:
        if field.wire_type == VARINT:
            number, at = self.varint(at, end)
            if field.bits == 32 and number >= 2**31:
                raise ModelFileError(f"{field.name} is out of range")
            return (number if number < 2**63 else number - 2**64), at
        if field.wire_type in (FIXED32, FIXED64):
            size = 4 if field.wire_type == FIXED32 else 8
        else:
            size, at = self.varint(at, end)
        stop = at + size
        if stop > end:
            raise ModelFileError("a field ends after the data")
        if field.message is not None:
            return self.message(at, stop, field.message, depth + 1), stop
        return (self.view[at:stop] if field.wire_type == BYTES else None), stop

    def varint(self, at: int, end: int) -> tuple[int, int]:
        data, value = self.data, 0
        for count in range(_LONGEST_VARINT):
            if at + count >= end:
                raise ModelFileError("a field ends after the data")
            byte = data[at + count]
            value |= (byte & 0x7F) << (7 * count)
            if byte < 0x80:
                if (byte == 0 and count) or value >= 2**64:
                    raise ModelFileError("a number is not written in its shortest form")
                return value, at + count + 1
        raise ModelFileError("a number is longer than 10 bytes")


def text_of(value: Any, what: str) -> str:
    """Return the text of a field that holds one; ``""`` if the field is missing.

    Raises
    ------
    ModelFileError
        If it is no UTF-8.
    """
    if value is None:
        return ""
    try:
        return str(value, "utf-8")
    except UnicodeDecodeError as error:
        raise ModelFileError(f"{what} is not UTF-8: {printable(error)}") from error
