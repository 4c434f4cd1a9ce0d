"""CloudEvents: what is written is read again in both modes, and the rules are held."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fl_common.errors import InvalidData
from fl_common.wire.cloud_events import (
    JSON,
    STRUCTURED,
    CloudEvent,
    MqttEvent,
    from_mqtt,
    from_structured,
    to_binary,
    to_structured,
)

TEXTS = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Cn")), min_size=1, max_size=20
)
URIS = TEXTS.filter(lambda text: " " not in text)
ZONES = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
NUMBERS = st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.booleans() | NUMBERS | TEXTS, lambda some: st.lists(some) | st.dictionaries(TEXTS, some)
)
CONTENTS = (
    st.tuples(st.sampled_from([JSON, "application/senml+json"]), VALUES)
    | st.tuples(st.just("application/octet-stream"), st.binary(min_size=1))
    | st.tuples(st.none(), st.none())
)
NAMES = st.from_regex(r"x[a-z0-9]{1,18}", fullmatch=True)


@st.composite
def events(draw: st.DrawFn) -> CloudEvent:
    content_type, data = draw(CONTENTS)
    return CloudEvent(
        id=draw(TEXTS),
        source=draw(URIS),
        type=draw(TEXTS),
        time=draw(st.none() | st.datetimes(timezones=ZONES)),
        subject=draw(st.none() | TEXTS),
        dataschema=draw(st.none() | URIS),
        datacontenttype=content_type,
        extensions=draw(st.dictionaries(NAMES, TEXTS, max_size=3)),
        data=data,
    )


@given(events())
def test_binary_mode_gives_the_event_again(event: CloudEvent) -> None:
    assert from_mqtt(to_binary(event)) == event


@given(events())
def test_structured_mode_gives_the_event_again(event: CloudEvent) -> None:
    payload = to_structured(event)
    assert from_structured(payload) == event
    content_type = f"{STRUCTURED}; charset=utf-8"
    assert from_mqtt(MqttEvent(content_type, (), payload)) == event


@given(st.binary() | VALUES.map(lambda value: json.dumps(value).encode()))
def test_anything_else_is_invalid_and_nothing_worse(payload: bytes) -> None:
    for message in (
        MqttEvent(STRUCTURED, (), payload),
        MqttEvent(JSON, (("id", "1"),), payload),
    ):
        with pytest.raises(InvalidData, match="CloudEvent"):
            from_mqtt(message)


EVENT = CloudEvent(
    id="1",
    source="/box/7",
    type="org.example.seen",
    time=datetime(2026, 1, 31, 12, tzinfo=UTC),
    datacontenttype=JSON,
    extensions={"round": "3"},
    data={"n": 1},
)


def test_binary_mode_is_user_properties_and_the_content_type() -> None:
    assert to_binary(EVENT) == MqttEvent(
        content_type="application/json",
        user_properties=(
            ("specversion", "1.0"),
            ("id", "1"),
            ("source", "/box/7"),
            ("type", "org.example.seen"),
            ("time", "2026-01-31T12:00:00Z"),
            ("round", "3"),
        ),
        payload=b'{"n":1}',
    )


def test_structured_mode_is_one_object() -> None:
    assert json.loads(to_structured(EVENT)) == {
        "specversion": "1.0",
        "id": "1",
        "source": "/box/7",
        "type": "org.example.seen",
        "time": "2026-01-31T12:00:00Z",
        "datacontenttype": "application/json",
        "round": "3",
        "data": {"n": 1},
    }


@pytest.mark.parametrize("name", ["id", "source", "type", "specversion"])
def test_a_required_attribute_is_required(name: str) -> None:
    content = json.loads(to_structured(EVENT))
    del content[name]
    with pytest.raises(InvalidData, match=name):
        from_structured(json.dumps(content).encode())
    binary = to_binary(EVENT)
    left = tuple(pair for pair in binary.user_properties if pair[0] != name)
    with pytest.raises(InvalidData, match=name):
        from_mqtt(MqttEvent(JSON, left, binary.payload))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"specversion": "0.3"}, "specversion: is not 1.0"),
        ({"id": ""}, "attribute id: is not a text"),
        ({"id": "a\nb"}, "attribute id: has a control character"),
        ({"source": "a b"}, "attribute source: is not a URI"),
        ({"time": "yesterday"}, "is not a time of RFC 3339"),
        ({"time": "2026-02-30T00:00:00Z"}, "is not a time of RFC 3339"),
        ({"time": "2026-02-03T00:00:00"}, "is not a time of RFC 3339"),
        ({"comExample": "1"}, "extension 'comExample': is not 1 to 20 lower-case"),
        ({"nested": {"a": 1}}, "attribute nested: is neither a text"),
        ({"data_base64": "AA=="}, "has both data and data_base64"),
        ({"data": None, "data_base64": "?"}, "data_base64: is not base64"),
        ({"datacontenttype": "image/png"}, "data: are not a text of type image/png"),
    ],
)
def test_a_rule_that_is_broken_is_named(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidData, match=words):
        from_structured(json.dumps(json.loads(to_structured(EVENT)) | changes).encode())


def test_numbers_and_truth_values_are_read_as_their_canonical_strings() -> None:
    content = json.loads(to_structured(EVENT)) | {"flag": True, "count": 42, "absent": None}
    event = from_structured(json.dumps(content).encode())
    assert event.extensions == {"round": "3", "flag": "true", "count": "42"}


def test_an_attribute_twice_and_other_forms_are_refused() -> None:
    binary = to_binary(EVENT)
    with pytest.raises(InvalidData, match="name an attribute twice"):
        from_mqtt(MqttEvent(JSON, (*binary.user_properties, ("id", "2")), b"1"))
    with pytest.raises(InvalidData, match="is a form that is not read here"):
        from_mqtt(MqttEvent("application/cloudevents-batch+json", (), b"[]"))


def test_deep_nesting_and_numbers_that_json_has_not_are_invalid() -> None:
    for payload in (b"[" * 100_000, b'{"data": NaN}', b'{"data": ' + b"9" * 5000 + b"}"):
        with pytest.raises(InvalidData, match="is not JSON"):
            from_structured(payload)
    with pytest.raises(InvalidData, match="are not JSON"):
        to_structured(CloudEvent("1", "a", "b", datacontenttype=JSON, data=float("nan")))
