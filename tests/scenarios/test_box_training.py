"""A box in a federation: its own store, its own ledger, day by day, while sensing goes on."""

import math
import multiprocessing
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flwr.app import Message

from fl_client.build import build_box_app
from fl_client.components.health import HealthCounts
from fl_client.components.inventory import InstalledComponent
from fl_client.components.record import Trial, Version, VersionRecord, write_record
from fl_client.home import LEDGER, STORE
from fl_client.ledger.ledger import Ledger
from fl_client.sensors import Annotation
from fl_client.site.box import Box
from fl_client.site.policy import PrivacyPolicy
from fl_client.site.shortfalls import FILE, read_shortfalls
from fl_client.store.database import open_store
from fl_client.store.windows import Retention, WindowStore
from fl_client.windows import SECOND, Slicing, Window
from fl_client.windows.split import HeldOut
from fl_common.errors import InvalidConfiguration
from fl_common.plan import Instruction, RunPlan
from fl_common.privacy.accounting import epsilon_of
from fl_common.privacy.evaluation import EvaluationPlan, held_out_block
from fl_common.privacy.none import NoPrivacy
from fl_common.privacy.window_level import WindowPrivacyPlan
from fl_common.vocabulary import Evaluation, LocalUpdate, Refusal, RefusalReason, Task
from fl_common.wire import messages as wire
from models.nets import build_net, parameters_of, trained_part
from simulate.engines.loopback import CohortResponder, LoopbackGrid
from simulate.engines.workers import ThisProcess
from tests.support import samples
from tests.support.engines import no_trial
from tests.support.stores import put_back_to_1

TRAINER = {"_target_": "fl_client.training.cohort.CohortTrainer", "memory_budget_mib": 64}
SLICING = Slicing(step=4, longest_gap_s=0.02, lateness_s=1.0, ahead_s=60.0)
HELD_OUT = HeldOut(piece_s=60.0, every=5)
DAY = 86_400 * SECOND
MONDAY = 20_500 * DAY
STEP = 4 * SECOND // 50
PRIVACY = replace(samples.WINDOW_PRIVACY, sampling_rate=0.1, steps=2, windows_per_reading=3)
EVALUATION = EvaluationPlan(noise_multiplier=3.0, loss_limit=4.0, epsilon_limit=3.0)
PLAN = samples.plan(PRIVACY, seed=None)
DEMANDS = PrivacyPolicy(epsilon=50.0, delta=1e-5, unit="window", without_noise=False)
KEPT = Retention(days=1, megabytes=64)


class Home:
    """A box's folder, with the connection of its sensing process open."""

    def __init__(self, folder: Path, task: Task = samples.TASK) -> None:
        self.now_s = (MONDAY + DAY / 2) / SECOND
        self.box = Box(
            folder,
            "anna",
            task,
            SLICING,
            HELD_OUT,
            DEMANDS,
            KEPT,
            self.now,
            False,
            no_trial,
        )
        self.connection = open_store(folder / STORE)
        self.store = WindowStore(self.connection, task, SLICING, 0.75)
        self.priorities: list[tuple[int, ...]] = []
        self.generator = np.random.default_rng(0)

    def now(self) -> float:
        return self.now_s

    def sense(self, begin_ns: int, count: int) -> None:
        """Store ``count`` windows from ``begin_ns`` on, and a label over all of them."""
        windows = [Window("toy", begin_ns + k * STEP, self._values()) for k in range(count)]
        self.store.add(windows)
        end_ns = begin_ns + (count + 1) * STEP
        self.store.annotate([Annotation(str(begin_ns), begin_ns, end_ns, "moving")])

    def asks(self, plan: RunPlan, round_: int) -> LocalUpdate | Refusal:
        """What the box's app answers when asked to train."""
        answer = self.answers(plan, round_, "train")
        assert isinstance(answer, LocalUpdate | Refusal)
        return answer

    def answers(self, plan: RunPlan, round_: int, kind: str) -> object:
        """Its answer through Flower's messages, with the app made anew as in a new process."""
        app = build_box_app(self.box, TRAINER, None, lambda: 7.0)
        grid = LoopbackGrid(ThisProcess(CohortResponder(app, 1)), 1, 1, 1)
        net = build_net(plan.net, plan.task)
        parameters = parameters_of(net)
        whole = plan.privacy.update_mechanism
        asked = Instruction(plan, round_, parameters, whole.clip_norm if whole else None)
        content = wire.InstructionWriter(asked).content()
        (reply,) = grid.send_and_receive([Message(content, 1, kind)])
        return wire.read_answer(reply.content, trained_part(net, parameters))

    def charged(self) -> dict[str, int]:
        """How often each block is in the ledger."""
        with closing(Ledger(self.box.home / LEDGER, lambda: 7.0, "anna")) as ledger:
            return {block: len(spends) for block, spends in ledger.histories("anna").items()}

    def steps(self) -> dict[str, int]:
        """How many steps each block was charged for."""
        with closing(Ledger(self.box.home / LEDGER, lambda: 7.0, "anna")) as ledger:
            histories = ledger.histories("anna")
        return {block: sum(s.steps for s in spends) for block, spends in histories.items()}

    def _values(self) -> Any:
        return self.generator.normal(size=(8, 2)).astype(np.float32)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    made = Home(tmp_path)
    # Not done to this process: it could not be undone.
    monkeypatch.setattr("os.setpriority", lambda *asked: made.priorities.append(asked))
    yield made
    made.connection.close()


def test_a_box_trains_on_its_days_but_not_on_what_is_held_out(home: Home) -> None:
    home.sense(MONDAY, 4000)  # 320 seconds: five pieces and a part
    training, held_out = home.box.training_windows(), home.box.held_out_windows()
    assert training.blocks == held_out.blocks == ("2026-02-16",)
    assert 600 < len(held_out) < 750 < 2900 < len(training) < 3300
    assert isinstance(home.asks(PLAN, 1), LocalUpdate)
    assert home.charged() == {"2026-02-15": 1, "2026-02-16": 1}, "whether it holds windows or not"
    ((_, process, priority),) = home.priorities
    assert (process, priority >= 10) == (0, True)


def test_late_windows_of_a_day_inherit_its_spend_and_a_fresh_day_brings_fresh_budget(
    home: Home,
) -> None:
    once, twice = (epsilon_of([PRIVACY.spend_per_round] * n, PRIVACY.delta, "rdp") for n in (1, 2))
    plan = replace(PLAN, privacy=replace(PRIVACY, epsilon_limit=(once + twice) / 2))
    home.sense(MONDAY, 700)
    assert isinstance(home.asks(plan, 1), LocalUpdate)
    home.sense(MONDAY + 3600 * SECOND, 700)  # the same day goes on
    assert len(home.box.training_windows().blocks) == 1
    refused = home.asks(plan, 2)
    assert isinstance(refused, Refusal)
    assert refused.reason is RefusalReason.BUDGET
    home.sense(MONDAY + DAY, 700)
    home.now_s += DAY / SECOND
    assert isinstance(home.asks(plan, 3), LocalUpdate)
    assert home.charged() == {"2026-02-15": 1, "2026-02-16": 1, "2026-02-17": 1}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"task": replace(samples.TASK, labels=("still", "falling", "moving"))}, "definition"),
        ({"seed": 1}, "must have none"),
        ({"privacy": replace(PRIVACY, windows_per_reading=2)}, "must count 3: .*per_reading=3"),
        ({"privacy": replace(PRIVACY, windows_per_reading=2, unit="reading")}, "must count 3"),
        ({"privacy": replace(PRIVACY, epsilon_limit=51.0)}, "privacy.epsilon=51: must not pass 50"),
    ],
)
def test_a_plan_that_does_not_fit_the_box_is_refused_before_any_charge(
    home: Home, changes: dict[str, Any], words: str
) -> None:
    home.sense(MONDAY, 700)
    plan = replace(PLAN, **changes)
    with pytest.raises(InvalidConfiguration, match=words):
        home.box.check_plan(plan)
    for kind in ("train", "evaluate"):
        refused = home.answers(replace(plan, evaluation=EVALUATION), 1, kind)
        assert isinstance(refused, Refusal)
        assert refused.reason is RefusalReason.PLAN
    assert home.charged() == {}


def test_held_out_windows_are_evaluated_and_charged_apart_from_those_trained_on(
    home: Home,
) -> None:
    home.sense(MONDAY, 4000)
    plan = replace(PLAN, evaluation=EVALUATION)
    assert isinstance(home.answers(plan, 1, "train"), LocalUpdate)
    counts = home.answers(plan, 1, "evaluate")
    assert isinstance(counts, Evaluation)
    assert counts.total == pytest.approx(len(home.box.held_out_windows()), abs=50)
    days = ("2026-02-15", "2026-02-16")
    assert home.charged() == {block: 1 for day in days for block in (day, held_out_block(day))}


def test_a_plan_that_counts_the_overlap_or_needs_no_noise_is_taken(home: Home) -> None:
    reading = replace(PRIVACY, unit="reading")
    assert isinstance(reading, WindowPrivacyPlan)
    home.box.check_plan(replace(PLAN, privacy=reading))
    home.box = replace(home.box, policy=replace(DEMANDS, without_noise=True))
    home.box.check_plan(replace(PLAN, privacy=NoPrivacy("examples"), seed=1))


def test_a_box_without_a_store_is_charged_and_answers_with_noise(
    tmp_path: Path, home: Home
) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    home.box = replace(home.box, home=folder)
    assert isinstance(home.asks(PLAN, 1), LocalUpdate)
    assert home.charged() == {"2026-02-15": 1, "2026-02-16": 1}
    assert read_shortfalls(folder / FILE) == {"unreadable": 1}


def test_a_store_of_the_version_before_is_trained_on_and_nothing_is_charged_twice(
    home: Home,
) -> None:
    home.sense(MONDAY, 700)
    assert isinstance(home.asks(PLAN, 1), LocalUpdate)
    steps, windows = home.steps(), home.box.training_windows()
    put_back_to_1(home.connection)
    home.connection.close()
    before = home.box.training_windows()
    home.connection = open_store(home.box.home / STORE)
    for after in (before, home.box.training_windows()):
        assert (after.values == windows.values).all()
        assert (after.labels == windows.labels).all()
        assert after.blocks == windows.blocks
    assert home.steps() == steps
    assert isinstance(home.asks(PLAN, 2), LocalUpdate)
    assert home.steps() == {day: 2 * number for day, number in steps.items()}


def test_windows_outside_the_days_that_are_kept_are_not_trained_on(home: Home) -> None:
    home.sense(MONDAY + DAY, 700)  # by a clock that runs ahead
    assert isinstance(home.asks(PLAN, 1), LocalUpdate)
    assert read_shortfalls(home.box.home / FILE) == {"outside": 1, "empty": 1}


def test_the_days_are_those_of_the_retention_and_never_without_end(home: Home) -> None:
    assert home.box.days() == ("2026-02-16", "2026-02-15")
    for days, kept in ((0.25, 2), (30, 31), (math.inf, 401)):
        box = replace(home.box, retention=Retention(days=days, megabytes=1))
        assert len(set(box.days())) == kept


def test_a_box_says_what_runs_where_its_own_configuration_allows_it(home: Home) -> None:
    box = home.box
    assert box.site_of({}).runs is None
    version = Version("ab" * 32, "e", "2", "f")
    write_record(
        box.home / "components" / "record.json", VersionRecord(trial=Trial(version, HealthCounts()))
    )
    runs = replace(box, tells_versions=True).site_of({}).runs
    assert runs is not None
    assert runs() == [InstalledComponent("ab" * 32, on_trial=True)]


def _count_on(path: Path, ready: Any, done: Any, sent: Any) -> None:
    """Another process that reads the training windows as often as it can."""
    own = samples.TASK, SLICING, HELD_OUT, DEMANDS, KEPT
    box = Box(path, "anna", *own, time.time, False, no_trial)
    sizes = [len(box.training_windows())]
    ready.set()
    while not done.is_set():
        sizes.append(len(box.training_windows()))
    sizes.append(len(box.training_windows()))
    sent.send(sizes)


@pytest.mark.slow
def test_another_process_reads_whole_transactions_while_windows_are_written(home: Home) -> None:
    home.sense(MONDAY, 100)
    context = multiprocessing.get_context("spawn")
    ready, done = context.Event(), context.Event()
    receiver, sender = context.Pipe(duplex=False)
    reader = context.Process(target=_count_on, args=(home.box.home, ready, done, sender))
    reader.start()
    try:
        assert ready.wait(120)
        for minute in range(1, 9):
            home.sense(MONDAY + minute * 300 * SECOND, 100)
        done.set()
        assert receiver.poll(120)
        sizes = receiver.recv()
    finally:
        done.set()
        reader.join(120)
        reader.kill()
    assert sizes == sorted(sizes)
    assert sizes[-1] == len(home.box.training_windows())


def test_a_trainer_is_built_before_the_first_message_comes(home: Home) -> None:
    """Its packages take seconds to import, which are no part of the time of an answer."""
    with pytest.raises(InvalidConfiguration, match="memory_budget_mib=0"):
        build_box_app(home.box, {**TRAINER, "memory_budget_mib": 0}, None, time.time)
