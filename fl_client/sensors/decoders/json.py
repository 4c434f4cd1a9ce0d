"""Plain JSON with a mapping: the paths of time, identity and values in the object."""

from fl_client.sensors.decoders.records import RecordDecoder


class JsonDecoder(RecordDecoder):
    """A JSON object, or a list of objects: one reading each.

    It is a ``RecordDecoder`` of ``form`` json without any of its further options.

    Raises:
        InvalidConfiguration: an unknown unit of time.
    """

    def __init__(self, time: str, time_unit: str | None, id: str | None) -> None:
        super().__init__("json", None, {}, time, time_unit, id, {})
