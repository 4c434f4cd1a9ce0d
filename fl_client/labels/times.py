"""Points in time as a person types them."""

import re
from datetime import UTC, datetime, time

from fl_client.sensors.decoders.times import FIRST_NS
from fl_common.errors import InvalidConfiguration

_AGO = re.compile(r"([0-9]{1,6})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_RULE = "is no time"
_REMEDY = "Give such as 2026-01-31T10:05, 10:05 (today), 15m (ago; s, m, h or d) or now"


def nanoseconds(name: str, text: str, now: datetime) -> int:
    """Nanoseconds since 1970 of ``text``; times that name no zone are of the machine's.

    Raises:
        InvalidConfiguration: it is no time, one before 2000, or one that the machine's zone has
            twice or not at all; ``name`` is the argument.
    """
    found = round(_moment(name, text.strip(), now) * 1_000_000) * 1000
    if found < FIRST_NS:
        rule = "is before 2000, and no sensor's reading is older"
        raise InvalidConfiguration(f"{name} {text}", rule, _REMEDY)
    return found


def shown(at_ns: int, now: datetime) -> str:
    """In the machine's zone as it was then, without the day if it is that of ``now``."""
    when = datetime.fromtimestamp(at_ns / 1e9, UTC).astimezone()
    return f"{when:%H:%M:%S}" if when.date() == now.date() else f"{when:%Y-%m-%d %H:%M:%S}"


def span_shown(from_ns: int, to_ns: int, now: datetime) -> tuple[str, str]:
    """The ends of an interval, in words; the day of the second only where it is another one."""
    begin = datetime.fromtimestamp(from_ns / 1e9, UTC).astimezone()
    return shown(from_ns, now), shown(to_ns, begin)


def _moment(name: str, text: str, now: datetime) -> float:
    """In seconds since 1970."""
    if text == "now":
        return now.timestamp()
    if ago := _AGO.fullmatch(text):
        return now.timestamp() - int(ago[1]) * _SECONDS[ago[2]]
    try:
        return _of_iso(name, text, now).timestamp()
    except (ValueError, OverflowError, OSError) as error:
        raise InvalidConfiguration(f"{name} {text}", _RULE, _REMEDY) from error


def _of_iso(name: str, text: str, now: datetime) -> datetime:
    if re.match(r"\d\d?:", text):
        clock = time.fromisoformat(text.zfill(len(text) + (text[1] == ":")))
        found = datetime.combine(now.astimezone(clock.tzinfo).date(), clock)
        return found if found.tzinfo else _here(name, found)
    if not re.match(r"\d{4}-", text):  # such as 20260131, which a number of seconds may be, too
        raise ValueError(text)
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else _here(name, found)


def _here(name: str, clock: datetime) -> datetime:
    """What the machine's zone had on that day, whatever it has now."""
    first, second = (clock.replace(fold=fold).astimezone() for fold in (0, 1))
    if first.utcoffset() != second.utcoffset():
        rule = "is a time that this machine's zone has twice, or not at all, as its clocks change"
        remedy = f"Give its offset, such as {clock.isoformat()}{first.isoformat()[-6:]}"
        raise InvalidConfiguration(f"{name} {clock.isoformat()}", rule, remedy)
    return first
