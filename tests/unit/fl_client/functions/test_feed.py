"""What functions are fed with besides predictions: readings, windows, ticks, and each other."""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from sqlite3 import Connection
from typing import Any

import numpy as np
import pytest

from fl_client.functions.feed import FunctionFeed
from fl_client.functions.host import NO_MODEL, Answer, FunctionSource, Host
from fl_client.functions.runner import Functions
from fl_client.functions.shown import Shown
from fl_client.functions.thread import FunctionThread
from fl_client.sensors import Readings
from fl_client.store.database import open_store
from fl_client.store.function_inbox import NO_MODEL_YET, FunctionInbox, letters_in
from fl_client.store.function_memory import FunctionMemory
from fl_client.windows import Window
from fl_common.functions.events import (
    Event,
    FunctionEvent,
    Reading,
    kind_of_event,
    to_stored,
)
from fl_common.programs.troubles import Troubles
from tests.support.function_hosts import LocalHost, source_of

S = 10**9


class Told:
    """Tells each event that it is given, and how many there were."""

    def __init__(self) -> None:
        self._count = 0

    def __call__(self, event: Event) -> Iterable[FunctionEvent]:
        """See ``Function``."""
        self._count += 1
        return (FunctionEvent(kind_of_event(event), {"n": self._count, **to_stored(event)}),)

    def remembered(self) -> Mapping[str, Any]:
        """See ``Remembering``."""
        return {"count": self._count}

    def remember(self, before: Mapping[str, Any]) -> None:
        """See ``Remembering``."""
        self._count = before["count"]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Connection]:
    with closing(open_store(tmp_path / "store.sqlite")) as connection:
        yield connection


def feed(store: Connection, **on: tuple[tuple[str, str], ...]) -> FunctionFeed:
    """A feed of functions of these names, as after a start."""
    return feed_of(store, LocalHost(), lambda _: True, **on)


def feed_of(
    store: Connection,
    host: Host,
    serves: Callable[[Collection[str]], bool],
    **on: tuple[tuple[str, str], ...],
) -> FunctionFeed:
    """A feed of functions run by ``host``."""
    sources = {name: replace(source_of(Told), on=what) for name, what in on.items()}  # type: ignore[arg-type]
    thread = FunctionThread(Functions(sources, host, 3), Troubles())
    stores = FunctionInbox(store, 100), FunctionMemory(store)
    return FunctionFeed(thread, *stores, lambda: None, serves)


def found(feed: FunctionFeed) -> list[tuple[str, str, Any]]:
    """All that functions tell until nothing waits: name, kind, data."""
    told: list[Shown] = []
    while feed.counts().waiting:
        feed.put([])
        feed._thread.wait(1.0)
        told += feed.take()
    return [(name, one.kind, one.data) for shown in told for name, one in shown.found]


def message(sensor: str, *times: int, stream: str = "") -> Readings:
    values = np.array([[float(time), np.nan] for time in times], np.float32)
    return Readings(sensor, f"{sensor}{times}", np.array(times) * S, values, stream=stream)


def test_readings_are_shown_to_those_that_take_the_sensor_in_their_order(
    store: Connection,
) -> None:
    fed = feed(store, door=(("reading", "door"),), all=(("reading", "*"),), other=())
    fed.put_readings([(1, message("door", 2, 1)), (2, message("lid", 3))])
    told = found(fed)
    assert [(name, data["reading"]["time_ns"] // S) for name, _, data in told] == [
        ("door", 1), ("all", 1), ("door", 2), ("all", 2), ("all", 3),
    ]  # fmt: skip
    assert told[0][2]["reading"]["values"] == [1.0, None], "it lacks a channel"


def test_what_each_remembers_is_counted_in_bytes_also_after_a_restart(store: Connection) -> None:
    fed = feed(store, door=(("reading", "door"),), other=())
    for stream in ("a", "b"):
        fed.put_readings([(ord(stream), message("door", 1, stream=stream))])
        found(fed)
    size = len(json.dumps({"count": 1}))
    assert fed.counts().state_bytes == {"door": 2 * size}
    fed.put_readings([(200, message("door", *range(2, 11), stream="b"))])
    found(fed)
    assert fed.counts().state_bytes == {"door": 2 * size + 1}
    assert feed(store).counts().state_bytes == {"door": 2 * size + 1}


def test_rows_that_are_taken_in_anew_are_not_shown_again(store: Connection) -> None:
    """As after a restart, when open windows are rebuilt from the spool."""
    rows = [(number, message("door", number)) for number in range(1, 6)]
    first = feed(store, all=(("reading", "*"),))
    first.put_readings(rows[:3])
    assert [data["n"] for _, _, data in found(first)] == [1, 2, 3]
    again = feed(store, all=(("reading", "*"),))
    again.put_readings(rows)
    assert [(data["n"], data["reading"]["time_ns"] // S) for *_, data in found(again)] == [
        (4, 4), (5, 5),
    ]  # fmt: skip


def test_windows_and_ticks_are_shown_to_those_that_take_them(store: Connection) -> None:
    fed = feed(store, shapes=(("window", "*"),), clock=(("tick", "10"),))
    values = np.arange(4, dtype=np.float32).reshape(2, 2)
    fed.put_windows([Window("steps", 5 * S, values)], ("x", "y"), 2 * S)
    fed.tick(9 * S)
    fed.tick(12 * S)
    assert [(name, kind) for name, kind, _ in found(fed)] == [
        ("shapes", "window"),
        ("clock", "tick"),
    ]


def test_each_stream_that_is_known_has_a_tick_of_its_own(store: Connection) -> None:
    fed = feed(store, all=(("reading", "*"), ("tick", "10")))
    fed.tick(5 * S)
    fed.put_readings([(1, message("door", 1, stream="a")), (2, message("door", 2, stream="b"))])
    found(fed)
    fed.tick(11 * S)
    assert [(d["tick"]["stream"], d["tick"]["time_ns"], d["n"]) for *_, d in found(fed)] == [
        ("a", 10 * S, 2), ("b", 10 * S, 2),
    ]  # fmt: skip


def test_what_one_finds_is_shown_to_those_that_take_it(store: Connection) -> None:
    fed = feed(
        store, first=(("reading", "*"),), second=(("happening", "first/reading"),),
        third=(("happening", "second"),), deaf=(("happening", "first/other"),),
    )  # fmt: skip
    fed.put_readings([(1, message("door", 1, stream="hall"))])
    told = found(fed)
    assert [(name, kind) for name, kind, _ in told] == [
        ("first", "reading"), ("second", "happening"), ("third", "happening"),
    ]  # fmt: skip
    given = told[2][2]["happening"]
    assert (given["function"], given["stream"], given["start_ns"]) == ("second", "hall", S)
    inner = json.loads(json.loads(given["data"])["happening"]["data"])
    assert inner["reading"]["sensor"] == "door"


def test_what_nobody_takes_does_not_wait(store: Connection) -> None:
    fed = feed(store, deaf=(("happening", "first"),))
    fed.put_readings([(1, message("door", 1))])
    fed.tick(0)
    fed.tick(100 * S)
    assert fed.counts().put == 0


def test_an_event_of_another_stream_does_not_change_what_is_remembered(store: Connection) -> None:
    fed = feed(store, all=(("reading", "*"),))
    fed.put_readings([(1, message("door", 1, stream="a")), (2, message("door", 2, stream="b"))])
    assert [data["n"] for *_, data in found(fed)] == [1, 1]


class WithoutModel(LocalHost):
    """A host whose function ``asks`` fails while there is no model."""

    def __init__(self) -> None:
        super().__init__()
        self.serves = False

    def call(self, key: int, source: FunctionSource, content: str | None, event: Event) -> Answer:
        """See ``Host``."""
        if self.serves or ("reading", "asked") not in source.on:
            return super().call(key, source, content, event)
        return Answer(None, content, ["ValueError: no model"], 0.0, cause=NO_MODEL)


def test_what_no_model_could_be_asked_of_waits_for_one_and_is_no_fault_of_the_function(
    store: Connection,
) -> None:
    on = {"asks": (("reading", "asked"),), "other": (("reading", "*"),)}
    host = WithoutModel()
    fed = feed_of(store, host, lambda _: host.serves, **on)
    fed.put_readings([(number, message("asked", number)) for number in range(1, 9)])
    assert [(name, data["n"]) for name, _, data in found(fed)] == [
        ("other", n) for n in range(1, 9)
    ]
    assert [letter.reason for letter in letters_in(store)] == [NO_MODEL_YET] * 8
    functions = fed._thread.functions
    assert functions.failures == {"asks": 0, "other": 0}
    assert functions.disabled == {}
    assert functions.tally.calls["asks", "no_model"] == 8
    again = feed_of(store, host, lambda _: host.serves, **on)  # as after a restart
    again.put([])
    assert again.counts().letters == {"asks": 8}
    host.serves = True
    again.put([])
    told = [(name, data["reading"]["time_ns"] // S) for name, _, data in found(again)]
    assert told == [("asks", number) for number in range(1, 9)]
    assert again.counts().letters == {}


def test_letters_that_wait_for_a_model_push_out_no_others(store: Connection) -> None:
    inbox = FunctionInbox(store, 10)
    event = to_event(1)
    inbox.done([], [("broken", "it raised", event)])
    inbox.done([], [("asks", NO_MODEL_YET, event)] * 1000)
    assert inbox.counts().letters == {"broken": 1, "asks": 999}
    assert inbox.counts().letters_dropped == {"full": 1}


def test_a_network_that_does_not_serve_holds_up_those_alone_that_ask_it(store: Connection) -> None:
    serving = set[str]()
    fed = feed_of(
        store, WithoutModel(), lambda names: serving.issuperset(names), asks=(("reading", "asked"),)
    )
    sources = {
        name: FunctionSource({}, on=(("reading", "asked"),), asks=frozenset({asks}))
        for name, asks in (("hears", "ears"), ("sees", "eyes"))
    }
    for name, source in sources.items():
        fed._thread.functions.use(name, source)
    FunctionInbox(store, 10).done([], [(name, NO_MODEL_YET, to_event(1)) for name in sources])
    again = FunctionFeed(
        fed._thread, FunctionInbox(store, 10), FunctionMemory(store), lambda: None,
        lambda names: serving.issuperset(names),
    )  # fmt: skip
    serving.add("ears")
    again.put([])
    assert again.counts().letters == {"sees": 1}
    serving.add("eyes")
    again.put([])
    assert again.counts().letters == {}


def test_who_only_says_that_no_model_served_is_not_shown_it_again(store: Connection) -> None:
    class Says(WithoutModel):
        """Fails by words of its own, which are those of a letter that waits."""

        def call(
            self, key: int, source: FunctionSource, content: str | None, event: Event
        ) -> Answer:
            """See ``Host``."""
            return Answer(None, content, [NO_MODEL_YET], 0.0)

    fed = feed_of(store, Says(), lambda _: True, says=(("reading", "*"),))
    fed.put_readings([(1, message("asked", 1))])
    found(fed)
    fed.put([])
    assert fed.counts().waiting == 0
    assert fed._thread.functions.failures == {"says": 1}


def test_what_waits_for_a_model_waits_for_its_function_too(store: Connection) -> None:
    """A repository's functions may come after the model."""
    FunctionInbox(store, 10).done([], [("asks", NO_MODEL_YET, to_event(1))])
    without = feed(store, other=(("reading", "*"),))
    without.put([])
    assert without.counts().letters == {"asks": 1}
    assert [name for name, *_ in found_with(feed(store, asks=(("reading", "*"),)))] == ["asks"]


def to_event(start_ns: int) -> Event:
    return Reading("asked", start_ns, (1.0,))


def found_with(fed: FunctionFeed) -> list[tuple[str, str, Any]]:
    """What is told after one look at what waits."""
    fed.put([])
    return found(fed)
