"""Read the bytes of an ONNX file as a tree of messages, with every size bounded.

This reads protobuf's wire format (protobuf.dev/programming-guides/encoding) by the fields of
``models.onnx.schema``. It needs no package, so a box has it, too, and the values of tensors stay
where they are. What another reader could understand in another way is refused: unknown fields, a
field twice that can be there once, groups, and more than one encoding of a number.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from fl_common.errors import InvalidData
from models.onnx.schema import MESSAGES, REFUSED, Field

REMEDY = "Export the model again, as one file of standard ONNX"
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_WIRE = {"int": _VARINT, "float": _FIXED32, "double": _FIXED64}
_SIZE = {_FIXED32: 4, _FIXED64: 8}
_MOST_DEPTH = 90
"""Messages in each other; protobuf's own readers stop at 100."""
_MOST_PARTS = 500_000
"""Values, of any field."""
_LONGEST_VARINT = 10


@dataclass(slots=True)
class Message:
    """A message of ``kind``: the values of each field by its name, in their order.

    A value is an int, a part of the file (a memoryview) or a message. Numbers of a packed field are
    one value.
    """

    kind: str
    fields: dict[str, list[Any]] = field(default_factory=dict)

    def one(self, name: str, otherwise: Any = None) -> Any:
        """The value of a field that is there at most once."""
        values = self.fields.get(name)
        return values[0] if values else otherwise

    def many(self, name: str) -> list[Any]:
        """The values of a field."""
        return self.fields.get(name, [])

    def text(self, name: str) -> str:
        """A string; empty where there is none."""
        return bytes(self.one(name, b"")).decode(errors="replace")

    def walk(self) -> Iterator["Message"]:
        """This message and all that are in it, at any depth."""
        yield self
        for values in self.fields.values():
            if values and isinstance(values[0], Message):
                for value in values:
                    yield from value.walk()


def read_message(content: bytes, kind: str) -> Message:
    """The message of ``kind`` whose encoding is ``content``.

    Raises:
        InvalidData: it is cut or damaged, has a field that is refused, or is too deep or too large.
    """
    return _Reader(memoryview(content)).message(kind, 0, len(content), 0)


def numbers(values: list[Any]) -> list[int]:
    """The numbers of a repeated field of ints, packed or not, as signed 64 bits."""
    found: list[int] = []
    for value in values:
        if isinstance(value, int):
            found.append(value)
            continue
        reader, at = _Reader(value), 0
        while at < len(value):
            number, at = reader.varint(at, len(value))
            found.append(number)
    return [value - (1 << 64) if value >> 63 else value for value in found]


class _Reader:
    def __init__(self, content: memoryview) -> None:
        self._content, self._parts = content, 0

    def message(self, kind: str, at: int, end: int, depth: int) -> Message:
        found = Message(kind)
        while at < end:
            self._parts += 1
            if depth > _MOST_DEPTH or self._parts > _MOST_PARTS:
                raise refused(f"has more than {_MOST_PARTS} parts, or {_MOST_DEPTH} in each other")
            tag, at = self.varint(at, end)
            known = _field(kind, tag >> 3)
            value, at = self._value(known, tag & 7, at, end, depth)
            values = found.fields.setdefault(known.name, [])
            if values and not known.many:
                raise refused(f"has {kind}.{known.name} twice")
            values.append(value)
        return found

    def varint(self, at: int, end: int) -> tuple[int, int]:
        """A number, and where it ends."""
        number = 0
        for position in range(at, min(end, at + _LONGEST_VARINT)):
            byte = self._content[position]
            number |= (byte & 127) << 7 * (position - at)
            if byte < 128:
                return number & (1 << 64) - 1, position + 1
        raise _damaged("a number has no end")

    def _value(self, known: Field, wire: int, at: int, end: int, depth: int) -> tuple[Any, int]:
        expected = _WIRE.get(known.kind, _LENGTH)
        if wire != expected and not (wire == _LENGTH and known.many):
            raise _damaged(f"{known.name} has wire type {wire}")
        if wire == _VARINT:
            return self.varint(at, end)
        length = _SIZE.get(wire)
        if length is None:
            length, at = self.varint(at, end)
        if length > end - at:
            raise _damaged(f"{known.name} goes beyond the end")
        if known.kind in MESSAGES:
            return self.message(known.kind, at, at + length, depth + 1), at + length
        return self._content[at : at + length], at + length


def refused(rule: str) -> InvalidData:
    """The error for a file that breaks a rule."""
    return InvalidData("the model file", rule, REMEDY)


def _damaged(why: str) -> InvalidData:
    return refused(f"can't be loaded (it is no ONNX file, or is cut or damaged: {why})")


def _field(kind: str, number: int) -> Field:
    if (known := MESSAGES[kind].get(number)) is not None:
        return known
    name = REFUSED.get((kind, number))
    if name == "external_data":
        raise refused("keeps weights in another file (external_data)")
    if name is not None:
        raise refused(f"has {kind}.{name}, which is not for inference")
    raise _damaged(f"{kind} has no field {number}")
