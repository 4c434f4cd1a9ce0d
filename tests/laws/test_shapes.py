"""A shape is pure: whatever order, batches and restarts windows come in, they are the same.

Its judge is hypothesis; the shape runs in its real sandbox, and windows go through the real store.
"""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from fl_client.shapes.calling import Caller
from fl_client.shapes.shaping import Line, Shaping
from fl_client.shapes.thread import ShapeThread
from fl_client.store.database import open_store, transaction
from fl_client.store.unshaped import ShapeCounts, Unshaped
from fl_client.store.windows import WindowStore, cut_of
from fl_client.windows import Window
from fl_client.windows.grid import windows_per_reading
from fl_common.errors import InvalidData
from fl_common.functions.shape import digest_of
from fl_common.functions.specification.sandboxed import SandboxedSpec
from fl_common.plan import RunPlan
from fl_common.privacy.accounting import Spend, epsilon_of
from fl_common.privacy.window_level import WindowPrivacyPlan
from fl_common.programs.troubles import Troubles
from fl_server.build import FleetFacts, build_plan
from models.tasks.shaped import with_shape
from simulate.configuration.composition import configure, resolved
from tests.support.sandboxes import fields_of, function_in_python
from tests.support.shapes import SHAPED, ShapeHost, held_shape, written
from tests.support.windowing import PERIOD, SLICING, T0, TASK

WINDOWS = 14
PARTS = """
def transform(window):
    first = window.values[0]
    if first == 3:
        raise ValueError("three")
    if first == 5:
        window.values = window.values[:-3]
        return window
    if first == 6:
        window.values = [float("nan")] * 12
        return window
    seen = globals()["seen"] = globals().get("seen", 0) + 1
    channels = len(window.channels)
    window.values = [
        seen * (window.values[2 * row * channels + c] / 3)
        + window.values[(2 * row + 1) * channels + c]
        for row in range(4) for c in range(channels)
    ]
    return window
"""
FATES = {3: "error", 5: "form", 6: "values"}
"""By a window's first value, why it is dropped."""
ROWS = 4


def window_of(number: int) -> Window:
    """A window of the toy task; its first value says what becomes of it."""
    values_TC = np.random.default_rng(number).normal(size=(8, 3)).astype(np.float32)
    values_TC[0, 0] = number % 11
    return Window(TASK.name, T0 + number * 4 * PERIOD, values_TC, f"s{number % 2}")


def wanted(number: int) -> bytes | None:
    """What is made of it, by hand; None: it is dropped."""
    values = window_of(number).values_TC.astype(np.float64)
    if number % 11 in FATES:
        return None
    made: Any = (values[0::2] / 3 + values[1::2]).astype(np.float32)
    return bytes(made.tobytes())


class Life:
    """The way of windows from one opening of the store in ``folder`` to the next."""

    def __init__(self, folder: Path, thread: ShapeThread, digest: str = "a" * 64) -> None:
        self.connection = open_store(folder / "site.sqlite")
        shape = held_shape(TASK, digest, ROWS)
        self.store = WindowStore(self.connection, shape.task, SLICING, 0.9)
        as_cut = WindowStore(self.connection, TASK, SLICING, 0.9)
        unshaped = Unshaped(self.connection, TASK, as_cut.cut)
        self.thread = thread
        lines = [Line(shape, self.store)]
        self.shaping = Shaping("toy", lines, as_cut, unshaped, thread, Troubles())

    def make(self, cut: list[Window]) -> list[Window]:
        with transaction(self.connection):
            return self.shaping.make(cut)

    def finish(self) -> None:
        while self.counts.waiting:
            self.thread.wait(1.0)
            self.make([])

    @property
    def counts(self) -> ShapeCounts:
        return self.shaping.counts()

    def stored(self) -> dict[tuple[int, str], bytes]:
        found = self.store.unpredicted(10_000)
        assert len({window.place for window in found}) == len(found)
        return {window.place: window.values_TC.tobytes() for window in found}


@pytest.fixture(scope="module")
def host() -> ShapeHost:
    return ShapeHost(function_in_python(PARTS, **SHAPED))


@given(
    order=some.permutations(range(WINDOWS)),
    cuts=some.lists(some.integers(1, WINDOWS - 1), max_size=4, unique=True),
    restarts=some.lists(some.booleans(), min_size=5, max_size=5),
    ends=some.dictionaries(some.integers(0, 10).map(float), some.integers(1, 2), max_size=4),
)
@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_order_batches_and_restarts_make_the_same_windows(
    tmp_path_factory: pytest.TempPathFactory,
    host: ShapeHost,
    order: list[int],
    cuts: list[int],
    restarts: list[bool],
    ends: dict[float, int],
) -> None:
    folder = tmp_path_factory.mktemp("store")
    host.ends = dict(ends)
    life = Life(folder, ShapeThread(Caller(host, 8 * PERIOD), Troubles()))
    borders = [0, *sorted(cuts), len(order)]
    for number, (begin, end) in enumerate(pairwise(borders)):
        again = order[max(0, begin - 2) : begin]  # cut again, as after a restart
        life.make([window_of(one) for one in [*again, *order[begin:end]]])
        if restarts[number]:
            life.connection.close()
            life = Life(folder, life.thread)
    life.finish()
    made = {one: wanted(one) for one in order}
    assert life.stored() == {
        window_of(one).place: content for one, content in made.items() if content is not None
    }
    counts = life.counts
    assert (counts.put, counts.made) == (WINDOWS, WINDOWS - 3)
    assert counts.dropped == dict.fromkeys(FATES.values(), 1)
    life.connection.close()
    life.thread.close()


def test_windows_of_two_shapes_or_none_never_mix(tmp_path: Path, host: ShapeHost) -> None:
    host.ends = {}
    thread = ShapeThread(Caller(host, 8 * PERIOD), Troubles())
    first = Life(tmp_path, thread)
    first.make([window_of(0)])
    first.finish()
    first.connection.close()
    second = Life(tmp_path, thread, "b" * 64)
    assert second.stored() == {}
    second.make([window_of(0), window_of(1)])
    second.finish()
    assert set(second.stored()) == {window_of(0).place, window_of(1).place}
    assert WindowStore(second.connection, TASK, SLICING, 0.9).counts().kept == 0
    assert len({cut_of(one, SLICING) for one in
                (TASK, *(held_shape(TASK, d * 64, ROWS).task for d in "ab"))}) == 3  # fmt: skip
    second.connection.close()
    thread.close()


def test_a_process_that_ends_each_time_drops_that_window_alone(
    tmp_path: Path, host: ShapeHost
) -> None:
    host.ends = {0.0: 100}
    life = Life(tmp_path, ShapeThread(Caller(host, 8 * PERIOD), Troubles()))
    life.make([window_of(number) for number in (0, 1, 2)])
    life.finish()
    assert set(life.stored()) == {window_of(1).place, window_of(2).place}
    assert life.counts.dropped == {"ended": 1}
    assert host.ends == {0.0: 97}, "it was called three times"
    host.ends = {}
    life.connection.close()
    life.thread.close()


@pytest.mark.parametrize(
    "changes",
    [
        {"needs": ["emit"], "emits": {"found": {}}},
        {"needs": ["state"]},
        {"needs": ["log"]},
        {"on": [{"prediction": "*"}]},
    ],
)
def test_a_shape_that_asks_for_anything_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidData, match="must be"):
        SandboxedSpec.read(fields_of(**{**SHAPED, **changes}))


def test_the_digest_is_of_all_that_decides_what_is_made(tmp_path: Path) -> None:
    fields = fields_of(**SHAPED)
    made = {
        digest_of(written(tmp_path / "shape", json.dumps(given, indent=indent), source))
        for given, indent, source in (
            (fields, None, PARTS),
            (fields, 2, PARTS),
            ({**fields, "settings": {"a": 1}}, None, PARTS),
            (fields, None, f"{PARTS}\n"),
        )
    }
    assert len(made) == 3
    (tmp_path / "shape" / "cases.jsonl").write_text("{}")
    assert digest_of(tmp_path / "shape") in made


@pytest.mark.parametrize("rows", [1, 4, 8, 16])
def test_a_reading_is_in_as_many_windows_with_a_shape_as_without(rows: int) -> None:
    shaped = with_shape(TASK, "toy", "a" * 64, rows)
    assert windows_per_reading(shaped, SLICING) == windows_per_reading(TASK, SLICING)
    assert shaped.windows_per_reading == TASK.windows_per_reading
    assert shaped.as_cut == TASK


def test_a_plan_covers_the_shape_and_promises_what_it_does_without() -> None:
    config, facts = resolved(configure("task=arrays", "net=logistic")), FleetFacts(10, 200, 400)
    tasks = (TASK, *(with_shape(TASK, "toy", digest * 64, ROWS) for digest in "ab"))
    plans = [build_plan(config, "run", task, facts) for task in tasks]
    assert len({plan.digest() for plan in plans}) == 3
    assert len({plan.privacy for plan in plans}) == 1
    for plan in plans:
        assert RunPlan.from_json(plan.to_json()) == plan
        privacy = plan.privacy
        assert isinstance(privacy, WindowPrivacyPlan)
        steps = plan.rounds * privacy.steps
        spend = Spend(privacy.noise_multiplier, privacy.sampling_rate, steps)
        spent = epsilon_of([spend], privacy.delta, privacy.accountant)
        assert 0.9 * privacy.epsilon_limit < spent <= privacy.epsilon_limit
