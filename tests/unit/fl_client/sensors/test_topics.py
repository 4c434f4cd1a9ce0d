"""Which stream a message belongs to, and which declarations would mix several into one."""

from collections.abc import Sequence

import pytest

from fl_client.sensors import InvalidPayload
from fl_client.sensors.topics import StreamLevels, check_streams_alike
from fl_common.errors import InvalidConfiguration


@pytest.mark.parametrize(
    ("topic", "levels", "address", "name"),
    [
        ("machines/+/vibration", 2, "machines/press 7/vibration", "press 7"),
        ("machines/press/vibration", 2, "machines/press/vibration", "press"),
        ("+/hall/+", [1, 3], "north/hall/7", "north/7"),
        ("labels/#", 2, "labels/press/by/anna", "press"),
        ("watch", None, "watch", ""),
    ],
)
def test_a_level_of_the_topic_names_the_stream(
    topic: str, levels: int | Sequence[int] | None, address: str, name: str
) -> None:
    assert StreamLevels("sensor s", topic, levels).name_of(address) == name


@pytest.mark.parametrize("address", ["machines//v", "machines", "machines/+/v", f"m/{'é' * 101}/v"])
def test_a_topic_without_a_usable_name_is_malformed(address: str) -> None:
    with pytest.raises(InvalidPayload, match=r"^stream: "):
        StreamLevels("sensor s", "machines/+/v", 2).name_of(address)


@pytest.mark.parametrize(
    ("topic", "remedy"),
    [
        ("home/+/wrist", "Set stream: 2 beside it"),
        ("+/hall/+", r"Set stream: \[1, 3\] beside it"),
        ("home/#", r"Set stream: 2 beside it.* or \[\] if all are one device's"),
    ],
)
def test_a_wildcard_of_which_nothing_is_said_is_refused_with_what_to_do(
    topic: str, remedy: str
) -> None:
    with pytest.raises(InvalidConfiguration, match=f"topic {'.' * len(topic)} .*{remedy}"):
        StreamLevels("sensor wrist", topic, None).check_tells_apart()


def test_a_level_may_be_said_to_tell_no_devices_apart() -> None:
    """As the kind of a message in Sparkplug's topics."""
    one = StreamLevels("sensor press", "spBv1.0/hall/+/node/press", [])
    one.check_tells_apart()
    assert one.name_of("spBv1.0/hall/DDATA/node/press") == ""
    many = StreamLevels("sensor press", "spBv1.0/hall/+/node/+", 5)
    many.check_tells_apart()
    assert many.name_of("spBv1.0/hall/DBIRTH/node/press") == "press"


@pytest.mark.parametrize("levels", [0, 4, -1, [2, 1], [1, 1], [1, 4], True, ["a"]])
def test_a_level_that_the_topic_lacks_is_refused(levels: int | Sequence[int]) -> None:
    with pytest.raises(InvalidConfiguration, match="must be a level of its topic, from 1 to 3"):
        StreamLevels("annotations", "labels/+/x", levels)


def test_all_declarations_name_their_streams_or_none_does() -> None:
    some, none = StreamLevels("sensor a", "m/+", 2), StreamLevels("annotations", "labels/box", None)
    check_streams_alike([("a", some), ("b", some)])
    check_streams_alike([("annotations", none)])
    with pytest.raises(InvalidConfiguration, match="annotations: must name its stream, as a does"):
        check_streams_alike([("annotations", none), ("a", some)])
