"""What a site tells of a candidate: one window moves it by its own result, whatever it does."""

import itertools
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fl_client.components import comparison, shadow
from fl_client.components.comparison import ShadowObservation
from fl_client.home import STORE
from fl_client.ledger.ledger import Ledger
from fl_client.site.box import Box
from fl_client.site.policy import PrivacyPolicy
from fl_client.site.shadow import answer_shadow
from fl_client.site.shortfalls import Shortfalls
from fl_client.store.database import open_store
from fl_client.store.windows import Retention, WindowStore
from fl_client.windows import SECOND, Slicing, Window
from fl_client.windows.split import HeldOut
from fl_common.plan import Instruction
from fl_common.vocabulary import ShadowCounts
from tests.support import samples
from tests.support.engines import no_trial
from tests.support.model_files import LIMIT, published
from tests.support.odd_models import odd
from tests.support.repositories import World
from tests.support.sites import NAME, released, site

SLICING = Slicing(step=4, longest_gap_s=0.02, lateness_s=1.0, ahead_s=60.0)
HELD_OUT = HeldOut(piece_s=4.0, every=2)
POLICY = PrivacyPolicy(epsilon=50.0, delta=1e-5, unit="window", without_noise=True)
KEPT = Retention(days=1, megabytes=1)
PUBLIC = samples.plan(samples.PUBLIC)
ENDLESS = "does not end"
KINDS = (
    *("not finite", "mixes its batch", "draws", "repeats rows"),
    pytest.param(ENDLESS, marks=pytest.mark.long),
)
numbers = itertools.count()


def _seconds(kind: str) -> float:
    """Of a call: the others end in time on any machine, and of this one there are many."""
    return 1.0 if kind == ENDLESS else 60.0


@dataclass(frozen=True)
class Sensed:
    """One window: in a held-out piece or in one for training, and the value of its readings."""

    held_out: bool
    value: float


@dataclass(frozen=True)
class Known:
    """A repository with a candidate beside production; boxes follow it."""

    world: World
    candidate: str

    def counts(self, stream: Sequence[Sensed]) -> tuple[float, ...]:
        """What a box that has sensed ``stream`` releases, before noise."""
        name = f"site-{next(numbers)}"
        reader = self.world.reader(name=f"{name}/components/repository")
        live = site(self.world, name, reader=reader, is_testing=True)
        live.follower.poll()
        home = self.world.folder / name
        with closing(open_store(home / STORE)) as connection:
            store = WindowStore(connection, samples.TASK, SLICING, 0.75)
            for place, sensed in enumerate(stream):
                values = np.full(samples.TASK.window_shape, sensed.value, np.float32)
                store.add([Window("toy", _start(place, sensed), values)])
                live.live(values[None])
        live.follower.poll()
        assert live.shadow is not None
        live.shadow.close()
        answer = self._asked(home)
        assert isinstance(answer, ShadowCounts)
        return (answer.windows, answer.agreed, answer.failed)

    def _asked(self, home: Path) -> object:
        own = samples.TASK, SLICING, HELD_OUT, POLICY, KEPT
        box = Box(home, "anna", *own, time.time, False, no_trial)
        asked = Instruction(PUBLIC, 1, {}, candidate=self.candidate)
        with closing(Ledger(home / "ledger.sqlite", lambda: 7.0, "anna")) as ledger:
            told = Shortfalls(home / "shortfalls.json")
            return answer_shadow("anna", lambda: ["day"], box.comparison, asked, ledger, told)


def _start(place: int, sensed: Sensed) -> int:
    """Windows at any place keep theirs when another is taken out or changed."""
    piece = 2 * place + sensed.held_out
    return piece * 4 * SECOND + SECOND


@pytest.fixture(scope="module", params=KINDS)
def known(request: pytest.FixtureRequest) -> Iterator[Known]:
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        world.created()
        released(world, answer=1, not_finite="above the limit")
        content = odd(world.folder / "odd.onnx", request.param, answer=1).read_bytes()
        with (
            patch.object(comparison, "CALL_SECONDS", _seconds(request.param)),
            patch.object(shadow, "CALL_SECONDS", _seconds(request.param)),
        ):
            yield Known(world, world.add(content, NAME).digest)


VALUES = st.sampled_from([1.0, 2.0, 2 * LIMIT])
sensed = st.builds(Sensed, st.booleans(), VALUES)


@pytest.fixture(scope="module", params=KINDS)
def files(request: pytest.FixtureRequest) -> Iterator[tuple[bytes, bytes, float]]:
    with tempfile.TemporaryDirectory() as folder:
        candidate = odd(Path(folder) / "odd.onnx", request.param, answer=1)
        production = published(Path(folder) / "live.onnx", 1, not_finite="above the limit")
        yield candidate.read_bytes(), production.read_bytes(), _seconds(request.param)


@settings(max_examples=10, deadline=None)
@given(st.lists(VALUES, max_size=3))
def test_each_window_is_judged_alone(
    files: tuple[bytes, bytes, float], values: list[float]
) -> None:
    candidate, production, seconds = files

    def judged(some: list[float]) -> list[ShadowObservation]:
        windows_N = np.stack([np.full(samples.TASK.window_shape, v, np.float32) for v in some])
        return comparison.compare_each(candidate, production, samples.TASK, seconds, windows_N)

    together = judged([1.0, *values])[1:]
    assert together == [judged([value])[0] for value in values]


@pytest.mark.slow
@settings(max_examples=4, deadline=None)
@given(st.lists(sensed, min_size=1, max_size=4), st.data())
def test_one_window_moves_what_is_told_by_its_own_result(
    known: Known, stream: list[Sensed], data: st.DataObject
) -> None:
    """On a box, whatever the window did to the model that runs there."""
    place = data.draw(st.integers(0, len(stream) - 1))
    other = data.draw(sensed)
    blank = Sensed(held_out=False, value=1.0)
    rest = known.counts([*stream[:place], blank, *stream[place + 1 :]])
    for one in (stream[place], other):
        result = known.counts([one])
        counts = known.counts([*stream[:place], one, *stream[place + 1 :]])
        assert np.subtract(counts, rest).tolist() == list(result)
        windows, agreed, failed = result
        assert windows == one.held_out
        assert agreed + failed <= windows
