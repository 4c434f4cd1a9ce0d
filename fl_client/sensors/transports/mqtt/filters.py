"""Topic filters (MQTT 5, section 4.7)."""

from fl_common.errors import InvalidConfiguration

_LONGEST = 65_535  # bytes
_SHARED = ("$share", "$queue")  # MQTT 5, 4.8.2; EMQX


def check_filter(name: str, topic: str) -> None:
    """Check that ``topic`` is a topic filter.

    Raises:
        InvalidConfiguration: it is not one, or a shared subscription.
    """
    levels = topic.split("/")
    wrong = not topic or "\0" in topic or len(topic.encode("utf-8", "replace")) > _LONGEST
    wrong |= any("+" in level and level != "+" for level in levels)
    wrong |= any("#" in level and level != "#" for level in levels) or "#" in levels[:-1]
    if wrong:
        rule = "is no topic filter: + and # stand for whole levels, # only for the last"
        raise InvalidConfiguration(f"topic {topic!r} of {name}", rule, "Correct the topic")
    if levels[0] in _SHARED:
        plain = "/".join(levels[2:] if levels[0] == "$share" else levels[1:]) or "the topic"
        raise InvalidConfiguration(
            f"topic {topic!r} of {name}",
            "is a shared subscription: the broker would give each message to one of a group,"
            " and a window needs all",
            f"Declare {plain}, without the group",
        )
