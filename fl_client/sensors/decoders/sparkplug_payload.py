"""The part of Sparkplug B's payload (3.0, section 6.4) that has readings, as a message of protobuf.

It is built from the specification's field numbers; whatever else a payload has is skipped.
"""

from typing import Any

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

from fl_client.sensors import InvalidPayload

_F = FieldDescriptorProto
_METRIC = {
    "name": (1, _F.TYPE_STRING),
    "alias": (2, _F.TYPE_UINT64),
    "timestamp": (3, _F.TYPE_UINT64),
    "datatype": (4, _F.TYPE_UINT32),
    "is_historical": (5, _F.TYPE_BOOL),
    "is_null": (7, _F.TYPE_BOOL),
}
_VALUE = {
    "int_value": (10, _F.TYPE_UINT32),
    "long_value": (11, _F.TYPE_UINT64),
    "float_value": (12, _F.TYPE_FLOAT),
    "double_value": (13, _F.TYPE_DOUBLE),
    "boolean_value": (14, _F.TYPE_BOOL),
    "string_value": (15, _F.TYPE_STRING),
    "bytes_value": (16, _F.TYPE_BYTES),
    "dataset_value": (17, _F.TYPE_BYTES),
    "template_value": (18, _F.TYPE_BYTES),
}


def payload_of(content: bytes) -> Any:
    """The payload: ``timestamp``, ``seq`` and ``metrics``, each with the fields of a metric.

    Raises:
        InvalidPayload: it is not one.
    """
    try:
        payload = Payload.FromString(content)
    except (DecodeError, ValueError) as error:
        raise InvalidPayload("sparkplug", "not a payload of Sparkplug B") from error
    if not all(isinstance(metric.name, str) for metric in payload.metrics):  # protobuf gives bytes
        raise InvalidPayload("sparkplug", "the name of a metric is not UTF-8")
    return payload


def _payload_class() -> Any:
    file = FileDescriptorProto(name="sparkplug.proto", package="sparkplug")
    metric = file.message_type.add(name="Metric")
    metric.oneof_decl.add(name="value")
    for name, (number, kind) in _METRIC.items():
        metric.field.add(name=name, number=number, type=kind, label=_F.LABEL_OPTIONAL)
    for name, (number, kind) in _VALUE.items():
        metric.field.add(
            name=name, number=number, type=kind, label=_F.LABEL_OPTIONAL, oneof_index=0
        )
    payload = file.message_type.add(name="Payload")
    for name, number in (("timestamp", 1), ("seq", 3)):
        payload.field.add(name=name, number=number, type=_F.TYPE_UINT64, label=_F.LABEL_OPTIONAL)
    payload.field.add(
        name="metrics",
        number=2,
        type=_F.TYPE_MESSAGE,
        type_name=".sparkplug.Metric",
        label=_F.LABEL_REPEATED,
    )
    pool = DescriptorPool()
    pool.Add(file)
    return GetMessageClass(pool.FindMessageTypeByName("sparkplug.Payload"))


Payload = _payload_class()
"""The class of payloads."""
