"""What ``fl-client functions`` does with the letters in a site's store."""

import json
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fl_client.home import STORE
from fl_client.store.database import open_store, store_in
from fl_client.store.function_inbox import Letter, drop_letters, letters_in, retry_letters
from fl_client.store.label_requests import keeps_no_windows
from fl_common.errors import InvalidConfiguration
from fl_common.functions.events import (
    Event,
    Happening,
    Predicted,
    Reading,
    kind_of_event,
    to_stored,
)

_SHOWN = 20


def show(home: Path, name: str | None, *, whole: bool, as_json: bool) -> None:
    """Show letters of the function ``name`` (None: of all): all, or the newest if not ``whole``.

    Raises:
        JoinTheDotsError: no box has run in ``home``, or its store can't be read.
    """
    mine = [one for one in _letters(home) if name in (None, one.name)]
    return _print(mine) if as_json else _show(mine, None if whole else _SHOWN)


def settle(home: Path, name: str | None, action: str) -> None:
    """Let the function ``name`` have its letters' windows again (``retry``), or ``drop`` them.

    Raises:
        InvalidConfiguration: it has none.
        JoinTheDotsError: no box has run in ``home``, or its store can't be read.
    """
    names = Counter(letter.name for letter in _letters(home))
    if name is None or name not in names:
        kept = ", ".join(f"{one} ({count})" for one, count in names.items()) or "none"
        raise InvalidConfiguration(
            f"fl-client functions {action} {name or ''}".rstrip(),
            "needs the name of a function that has letters" if name is None
            else "names a function without letters",
            f"Those with letters: {kept}",
        )  # fmt: skip
    with closing(open_store(home / STORE)) as connection:
        count = (retry_letters if action == "retry" else drop_letters)(connection, name)
    done = "wait to be shown again" if action == "retry" else "were thrown away"
    Console(highlight=False).print(f"{count:,} letters of {name} {done}")


def _letters(home: Path) -> list[Letter]:
    """All of them. Raises InvalidConfiguration where they are in the memory of the node alone."""
    with store_in(home) as connection:
        if keeps_no_windows(connection):
            raise InvalidConfiguration(
                f"--home={home}",
                "keeps letters in the node's memory alone (retain=none), where nobody sees them",
                "See how many there are: fl-client status",
            )
        return letters_in(connection)


def _fields(event: Event) -> dict[str, Any]:
    """An event as JSON values: those of a prediction, or of another under the name of its kind."""
    fields = to_stored(event)
    return fields["prediction"] if isinstance(event, Predicted) else fields


def _in_a_word(event: Event) -> str:
    """A prediction's label, or what else the event is."""
    match event:
        case Predicted():
            return event.label
        case Reading():
            return f"reading of {event.sensor}"
        case Happening():
            return f"{event.kind} of {event.function}"
        case _:
            return kind_of_event(event)


def _print(letters: list[Letter]) -> None:
    """Each letter as a line of JSON."""
    for letter in letters:
        fields = {"function": letter.name, "why": letter.reason, **_fields(letter.event)}
        Console(highlight=False, markup=False, soft_wrap=True).out(json.dumps(fields))


def _show(letters: list[Letter], most: int | None) -> None:
    output = Console(highlight=False)
    if not letters:
        return output.print("no letters")
    table = Table(box=None, padding=(0, 2, 0, 0))
    streams = any(letter.event.stream for letter in letters)
    for heading in ("function", "time", *(["stream"] if streams else []), "event"):
        table.add_column(heading, header_style="bold", no_wrap=True)
    table.add_column("why", header_style="bold", overflow="fold")
    for letter in letters[-most:] if most else letters:
        event = letter.event
        when = datetime.fromtimestamp(event.start_ns / 1e9, UTC)
        start = f"{when:%Y-%m-%d %H:%M:%S.%f}"[:-3]
        named = [event.stream] if streams else []
        row = letter.name, start, *named, _in_a_word(event), letter.reason
        table.add_row(*map(Text, row))  # somebody else's words, and no markup
    output.print(table)
    if most and len(letters) > most:
        output.print(f"and {len(letters) - most:,} older ones: --all shows them")
    return None
