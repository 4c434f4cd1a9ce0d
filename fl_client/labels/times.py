"""Points in time as a person types them."""

import re
from datetime import datetime, time

from fl_common.errors import InvalidConfiguration

_AGO = re.compile(r"(\d{1,6})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_RULE = "is no time"
_REMEDY = "Give such as 2026-01-31T10:05, 10:05 (today), 15m (ago; s, m, h or d) or now"


def nanoseconds(name: str, text: str, now: datetime) -> int:
    """Nanoseconds since 1970 of ``text``; ``now`` has the zone of times that name none.

    Raises:
        InvalidConfiguration: it is no time; ``name`` is the argument.
    """
    return round(_moment(name, text.strip(), now) * 1_000_000) * 1000


def shown(at_ns: int, now: datetime) -> str:
    """In the zone of ``now``, without the day if it is today."""
    when = datetime.fromtimestamp(at_ns / 1e9, now.tzinfo)
    return f"{when:%H:%M:%S}" if when.date() == now.date() else f"{when:%Y-%m-%d %H:%M:%S}"


def span_shown(from_ns: int, to_ns: int, now: datetime) -> tuple[str, str]:
    """The ends of an interval, in words; the day of the second only where it is another one."""
    begin = datetime.fromtimestamp(from_ns / 1e9, now.tzinfo)
    return shown(from_ns, now), shown(to_ns, begin)


def _moment(name: str, text: str, now: datetime) -> float:
    """In seconds since 1970."""
    if text == "now":
        return now.timestamp()
    if ago := _AGO.fullmatch(text):
        return now.timestamp() - int(ago[1]) * _SECONDS[ago[2]]
    try:
        return _of_iso(text, now).timestamp()
    except (ValueError, OverflowError, OSError) as error:
        raise InvalidConfiguration(f"{name} {text}", _RULE, _REMEDY) from error


def _of_iso(text: str, now: datetime) -> datetime:
    if re.match(r"\d\d?:", text):
        clock = time.fromisoformat(text.zfill(len(text) + (text[1] == ":")))
        return datetime.combine(now.date(), clock, clock.tzinfo or now.tzinfo)
    if not re.match(r"\d{4}-", text):  # such as 20260131, which a number of seconds may be, too
        raise ValueError(text)
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.astimezone()
