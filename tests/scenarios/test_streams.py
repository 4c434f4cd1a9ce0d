"""Several machines in one box: each with its own windows, predictions, labels and functions."""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from paho.mqtt.client import topic_matches_sub

from fl_client.clock.guard import Instant
from fl_client.configuration import read_config
from fl_client.home import STORE
from fl_client.node.assembly.declared import build_declared
from fl_client.node.assembly.node import NodeAssembly, build_node
from fl_client.node.pipeline import PipelineStep
from fl_client.sensors.intake import Intake
from fl_client.sensors.transports import Delivery
from fl_client.store.database import reading
from fl_client.store.outbox import PublishProgress
from fl_common.errors import InvalidConfiguration
from models import tasks
from tests.support.edge import balanced
from tests.support.nodes import PERIOD, ROWS, START, expected_starts, message, place_model
from tests.support.stores import store_of

NOW = START + 3600 * 10**9
FEW = 40
LATER = 1000  # messages: more than five minutes of readings
STREAMS = (
    "sensors.watch.topic=machines/+/watch",
    "sensors.watch.stream=2",
    "annotations.topic=labels/+",
    "annotations.stream=2",
)
Sent = tuple[str, bytes]
_BOXES: list[NodeAssembly] = []


def end() -> None:
    """Leave no process behind."""
    while _BOXES:
        _BOXES.pop().inference.functions.close()


@dataclass
class Box:
    """A box without a broker, given messages by hand; what it said is kept over its kills."""

    home: Path
    overrides: Sequence[str] = STREAMS
    said: Counter[tuple[str, int]] = field(default_factory=Counter)
    found: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        """As after a kill: nothing is closed before, and the functions' process ends."""
        end()
        options = [f"home={self.home}", "sensors=wearables_raw", "retention.days=36500"]
        config = read_config(None, [*options, *self.overrides])
        self.box = build_node(config, connected=False)
        _BOXES.append(self.box)
        declared = build_declared(config, tasks.wearables())
        self._intake = Intake(declared.messages["mqtt"], topic_matches_sub, 10**6)
        self.box.loop.upkeep.begin()

    def take(self, *sent: Sent) -> PipelineStep:
        """What the worker does with a batch, from what is sent to what is said."""
        batch = [Delivery(topic, body, "", again=True) for topic, body in sent]
        arrivals = self._intake.arrivals(batch, NOW)
        now = Instant(NOW, NOW)
        done = self.box.loop.pipeline.advance(arrivals, PublishProgress(), now)
        self.box.loop.upkeep.after(done, now)
        self.said.update((a.predicted.stream, a.start_ns) for a in done.answers)
        for shown in done.shown:
            self.found += [(shown.event.stream, event.kind) for _, event in shown.found]
        return done

    def ask_functions(self) -> None:
        """Go on until no window waits for a function."""
        while self.box.loop.pipeline.counts().functions.waiting:
            self.box.inference.functions.thread.wait(1.0)
            self.take()

    def windows(self) -> Counter[tuple[str, int]]:
        """The windows that are stored, by stream and start."""
        with reading(self.home / STORE) as connection:
            return Counter(connection.execute("SELECT stream, start_ns FROM windows").fetchall())


@pytest.fixture
def home(tmp_path: Path) -> Path:
    place_model(tmp_path / "hall")
    return tmp_path / "hall"


@pytest.fixture(autouse=True)
def _ended() -> Iterator[None]:
    yield
    end()


def expected(*names: str, messages: int = FEW) -> Counter[tuple[str, int]]:
    return Counter((name, start) for name in names for start in expected_starts(messages))


def of(name: str, numbers: range) -> Iterator[Sent]:
    return ((f"machines/{name}/watch", message(number)) for number in numbers)


def test_three_machines_are_three_streams_of_windows(home: Path) -> None:
    box = Box(home)
    for batch in zip(*(of(name, range(FEW)) for name in ("press", "saw", "mill")), strict=True):
        box.take(*batch)
    assert box.windows() == box.said == expected("press", "saw", "mill")
    box.ask_functions()
    assert sorted(box.found) == [(name, "label-change") for name in ("mill", "press", "saw")]
    spool, windows, *_ = box.box.loop.pipeline.counts()
    assert balanced(spool)
    assert not spool.lost
    assert windows.kept == len(box.said)
    assert {*box.box.loop.upkeep.streams.latest} == {"press", "saw", "mill"}
    assert box.box.loop.metrics.value("streams") == 3


@pytest.mark.long
@pytest.mark.parametrize("seed", range(4))
def test_a_box_killed_at_any_step_makes_each_streams_windows_once(home: Path, seed: int) -> None:
    chance, names = random.Random(seed), ("press", "saw")
    box, left = Box(home), {name: list(of(name, range(FEW))) for name in names}
    unsure: list[Sent] = []
    while any(left.values()):
        name = chance.choice([name for name in names if left[name]])
        batch, left[name] = left[name][:3], left[name][3:]
        box.take(*unsure, *batch)
        unsure = []
        if chance.random() < 0.3:
            unsure = batch  # its acknowledgement was lost with the process
            box.start()
    box.take(*unsure)
    assert box.windows() == box.said == expected(*names)
    box.ask_functions()
    assert sorted(box.found) == [(name, "label-change") for name in names]
    spool, *_ = box.box.loop.pipeline.counts()
    assert balanced(spool)
    assert (spool.received, dict(spool.lost)) == (2 * FEW, {})


def test_one_machine_five_minutes_ahead_makes_nothing_late_for_another(home: Path) -> None:
    box = Box(home)
    box.take(*of("fast", range(LATER, LATER + FEW)))
    box.take(*of("press", range(FEW)))
    assert {name for name, _ in box.windows()} == {"fast", "press"}
    assert expected("press") <= box.windows()
    assert not box.box.loop.pipeline.counts()[0].lost


def test_a_label_is_of_the_windows_of_its_stream(home: Path) -> None:
    box = Box(home)
    box.take(*of("press", range(FEW)), *of("saw", range(FEW)))
    end = START + FEW * ROWS * PERIOD
    label = f'{{"from": {START}, "to": {end}, "label": "ABD"}}'.encode()
    box.take(("labels/saw", label))
    _, windows, *_ = box.box.loop.pipeline.counts()
    assert windows.labelled == len(expected_starts(FEW))
    box.take(("labels/press", label), ("labels/nobody", label))
    _, windows, *_ = box.box.loop.pipeline.counts()
    assert windows.labelled == 2 * len(expected_starts(FEW)), "one label, equal for both machines"


def test_messages_of_streams_beyond_the_most_are_lost_with_a_reason_and_told(home: Path) -> None:
    box = Box(home, (*STREAMS, "most_streams=2"))
    for batch in zip(*(of(name, range(FEW)) for name in ("a", "b", "c")), strict=True):
        box.take(*batch)
    assert box.windows() == expected("a", "b")
    spool, *_ = box.box.loop.pipeline.counts()
    assert balanced(spool)
    assert spool.lost == {"streams": FEW}
    (trouble,) = box.box.troubles.current()
    assert "most_streams" in str(trouble)
    assert box.box.loop.metrics.value("readings_unused_total", {"reason": "streams"}) == FEW * ROWS
    done = box.take()
    box.box.loop.upkeep.streams.note(done, NOW + 61 * 10**9)
    assert box.box.troubles.current() == ()


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("sensors.watch.stream=null", "topic machines/./watch of sensor watch: has a wildcard"),
        ("annotations.stream=null", "annotations: must name its stream, as watch does"),
        ("sensors.watch.stream=4", "stream=4 of sensor watch: must be a level of its topic"),
        ("most_streams=0", "most_streams=0: must be"),
    ],
)
def test_what_would_mix_machines_is_refused_at_the_start(
    home: Path, override: str, words: str
) -> None:
    with pytest.raises(InvalidConfiguration, match=words):
        Box(home, (*STREAMS, override))


def test_a_door_that_stays_shut_is_no_ramp_and_is_known_after_a_kill(home: Path) -> None:
    """Its last channel comes from another sensor, which sends when something changes."""
    door = (
        "{_target_: fl_client.sensors.sensor.Sensor, topic: machines/+/door, stream: 2, decoder: {"
        "_target_: fl_client.sensors.decoders.json.JsonDecoder, time: t, time_unit: ns, id: null},"
        " channels: [{name: gyro_z, field: open, unit: rad/s, hold: last, longest_age_s: 3600}]}"
    )
    five = [
        f"{{name: {name}, field: {name}, unit: {unit}}}"
        for name, unit in zip(tasks.wearables().channels, tasks.wearables().units, strict=True)
    ][:5]
    box = Box(
        home,
        (*STREAMS, f"+sensors.door={door}", f"sensors.watch.channels=[{', '.join(five)}]"),
    )
    box.take(("machines/press/door", f'{{"t": {START - 10**9}, "open": 1}}'.encode()))
    for batch in of("press", range(500)):
        box.take(batch)
        if batch[1] == message(250):
            box.start()
    box.take(("machines/press/door", f'{{"t": {START + 300 * 10**9}, "open": 0}}'.encode()))
    box.take(*of("press", range(LATER - 10, LATER + FEW)))
    with reading(home / STORE) as connection:
        rows = connection.execute(
            "SELECT start_ns, content FROM windows JOIN window_values USING (id)"
        ).fetchall()
    last = {start: np.frombuffer(content, "<f4").reshape(128, 6)[:, 5] for start, content in rows}
    before = [values for start, values in last.items() if start < START + 290 * 10**9]
    after = [values for start, values in last.items() if start > START + 300 * 10**9]
    assert len(before) > 115
    assert all((values == 1).all() for values in before)
    assert after
    assert all((values == 0).all() for values in after)


@pytest.mark.parametrize("overrides", [(), STREAMS])
def test_a_box_of_the_version_before_goes_on_with_every_window(
    tmp_path: Path, overrides: tuple[str, ...]
) -> None:
    """With the same sensors, or with those of several machines from now on."""
    place_model(tmp_path / "hall")
    store_of(1, tmp_path / "hall")
    box = Box(tmp_path / "hall", ("name=box", *overrides))
    old = Counter({("", start): 1 for start in expected_starts(20)})
    assert box.windows() == old
    box.take()
    new = [("sensors/box/watch", message(number)) for number in range(20, FEW)]
    box.take(*new, *of("press", range(FEW)))
    spool, windows, *_ = box.box.loop.pipeline.counts()
    assert balanced(spool)
    assert windows.unpredicted == 0
    assert windows.labelled == 1
    if overrides:
        assert box.windows() == old + expected("press")
    else:
        assert box.windows() == expected("")
    assert len(box.said) == len(box.windows()) - 1, "one had been predicted before"
