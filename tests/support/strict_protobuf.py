"""Decodes protobuf strictly: a field that the schema does not have, or has with another wire type, is an error."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet

Schema = Mapping[str, Mapping[int, str]]
"""Message → field number → type: ``string``, ``bytes``, ``bool``, ``int64`` or a message, with ``*`` behind it if repeated."""

_Field = descriptor_pb2.FieldDescriptorProto
_SCALARS: dict[str, _Field.Type.ValueType] = {
    "string": _Field.TYPE_STRING,
    "bytes": _Field.TYPE_BYTES,
    "bool": _Field.TYPE_BOOL,
    "int64": _Field.TYPE_INT64,
}


class StrictDecoder:
    """Decodes messages of ``schema``; fields have the names f1, f2 and so on."""

    def __init__(self, schema: Schema) -> None:
        file = descriptor_pb2.FileDescriptorProto(name="strict.proto", package="strict", syntax="proto3")
        for name, fields in schema.items():
            message = file.message_type.add(name=name)
            for number, kind in fields.items():
                _add_field(message, number, kind)
        pool = descriptor_pool.DescriptorPool()
        pool.Add(file)
        self._classes: dict[str, type[Message]] = {
            name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"strict.{name}"))
            for name in schema
        }

    def decode(self, name: str, data: bytes) -> Any:
        """The message. Raises AssertionError for what the schema does not have, DecodeError for what is no protobuf."""
        message = self._classes[name].FromString(data)
        unknown = list(_unknown(message, name))
        assert not unknown, f"not in the schema: {unknown}"
        return message


def _add_field(message: descriptor_pb2.DescriptorProto, number: int, kind: str) -> None:
    field = message.field.add(name=f"f{number}", number=number)
    field.label = _Field.LABEL_REPEATED if kind.endswith("*") else _Field.LABEL_OPTIONAL
    kind = kind.rstrip("*")
    if kind in _SCALARS:
        field.type = _SCALARS[kind]
    else:
        field.type, field.type_name = _Field.TYPE_MESSAGE, f".strict.{kind}"


def _unknown(message: Message, path: str) -> Iterator[str]:
    fields = UnknownFieldSet(message)
    for index in range(len(fields)):
        yield f"{path}.{fields[index].field_number} (wire type {fields[index].wire_type})"
    for field, value in message.ListFields():
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            for each in value if field.is_repeated else [value]:
                yield from _unknown(each, f"{path}.{field.number}")
