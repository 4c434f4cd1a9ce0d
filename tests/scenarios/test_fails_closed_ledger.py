"""Each known way to lose the ledger's account ends in a refusal: nothing is trained or sent.

The ledger's half of ``test_fails_closed``: under the real ``Participation`` and real trainers.
"""

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fl_client.ledger import file as ledger_file
from fl_client.ledger.counter import counter_beside
from fl_client.ledger.ledger import Ledger
from fl_common.errors import LedgerError
from fl_common.privacy.accounting import epsilon_of
from fl_common.privacy.window_level import WindowPrivacyPlan
from fl_common.vocabulary import Refusal, RefusalReason, Windows
from simulate.__main__ import main
from simulate.engines.loopback import LoopbackGrid
from tests.scenarios.test_federation import Fleet
from tests.support import samples
from tests.support.box import KINDS, SITE, Box, device_plan, trainer_of
from tests.support.disk import fill, small_disk
from tests.support.sources import ROOT

SPEND = samples.WINDOW_PRIVACY.spend_per_round
THREE = epsilon_of([SPEND] * 3, samples.WINDOW_PRIVACY.delta, "rdp")
TIGHT = replace(samples.WINDOW_PRIVACY, epsilon_limit=THREE, windows_per_reading=1)


@pytest.fixture(params=KINDS)
def box(tmp_path: Path, request: pytest.FixtureRequest) -> Box:
    return Box(tmp_path, trainer_of(request.param))


def nothing_more_was_trained(box: Box, rounds: int) -> None:
    assert len(box.trainer.tasks) == rounds
    assert len(list(box.ledger.entries(SITE))) == rounds


OTHER_PROCESS = """
import sys
from dataclasses import replace
from pathlib import Path
from tests.support import samples
from tests.support.box import Box, device_plan, trainer_of
privacy = replace(samples.WINDOW_PRIVACY, epsilon_limit=float(sys.argv[2]), windows_per_reading=1)
box = Box(Path(sys.argv[1]), trainer_of("cohort"))
for round_ in (1, 2):
    box.sends(device_plan(privacy), round_)
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_accountant_is_not_lost_when_the_process_starts_again(tmp_path: Path, kind: str) -> None:
    command = [sys.executable, "-c", OTHER_PROCESS, str(tmp_path), repr(THREE)]
    subprocess.run(command, cwd=ROOT, check=True)
    box = Box(tmp_path, trainer_of(kind))
    box.sends(device_plan(TIGHT), 3)
    assert box.spent() == pytest.approx(THREE)
    box.refuses(device_plan(TIGHT), RefusalReason.BUDGET, 4)
    box.refuses(device_plan(TIGHT, run="another"), RefusalReason.BUDGET, 1)
    assert len(box.trainer.tasks) == 1


def refuses_to_open(box: Box, match: str) -> None:
    """No participation can be made on the box' ledger, so nothing can be trained."""
    with pytest.raises(LedgerError, match=match):
        Box(box.path.parent, box.trainer.trainer)


def test_deleted_ledger(box: Box) -> None:
    box.sends(device_plan())
    box.ledger.close()
    box.path.unlink()
    refuses_to_open(box, "is missing.*counted 1 line")


def test_ledger_put_back_from_an_old_copy(box: Box) -> None:
    box.sends(device_plan())
    box.ledger.close()
    copy = shutil.copy(box.path, box.path.with_name("backup"))
    later = Box(box.path.parent, box.trainer.trainer)
    later.sends(device_plan(), 2)
    later.ledger.close()
    shutil.copy(copy, box.path)
    refuses_to_open(box, "old copy")


def test_ledger_put_back_from_an_old_copy_while_it_is_in_use(box: Box) -> None:
    box.sends(device_plan())
    copy = box.path.with_name("backup")
    with closing(sqlite3.connect(copy)) as target, closing(sqlite3.connect(box.path)) as source:
        source.backup(target)
    box.sends(device_plan(), 2)
    copy.rename(box.path)
    box.refuses(device_plan(), RefusalReason.LEDGER, 3)
    assert len(box.trainer.tasks) == 2


def test_counter_that_was_removed(box: Box) -> None:
    box.sends(device_plan())
    counter_beside(box.path).unlink()
    box.refuses(device_plan(), RefusalReason.LEDGER, 2)
    nothing_more_was_trained(box, 1)
    box.ledger.close()
    refuses_to_open(box, "counter .* is missing")


def test_ledger_that_was_edited(box: Box) -> None:
    box.sends(device_plan())
    box.ledger.close()
    with closing(sqlite3.connect(box.path, isolation_level=None)) as connection:
        connection.execute("UPDATE charge SET line = json_set(line, '$.steps', 1)")
    refuses_to_open(box, "line 1 .*edited")


def test_ledger_of_another_site(box: Box) -> None:
    box.sends(device_plan())
    with pytest.raises(LedgerError, match="from another site"):
        Ledger(box.path, lambda: 7.0, "bert")


HOLDER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def held_by_another_process(path: Path) -> Iterator[None]:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        yield


def test_ledger_locked_by_another_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    monkeypatch.setattr(ledger_file, "LOCK_SECONDS", 0.05)
    box = Box(tmp_path, trainer_of("cohort"))
    with held_by_another_process(box.path):
        box.refuses(device_plan(), RefusalReason.LEDGER)
        refuses_to_open(box, "locked by another process")
    assert "locked by another process" in caplog.text
    nothing_more_was_trained(box, 0)
    box.sends(device_plan())


def test_disk_that_is_full_at_the_debit(box: Box, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    box.sends(device_plan())
    connection = box.ledger._connection
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")
    data = samples.windows(64)
    names = tuple(f"block {number}: {'x' * 200}" for number in range(64))
    box.windows = Windows(data.values, data.labels, data.labels * 0, names)
    box.refuses(device_plan(), RefusalReason.LEDGER, 2)
    assert "disk is full" in caplog.text
    nothing_more_was_trained(box, 1)
    connection.execute("PRAGMA max_page_count = 100000")
    box.sends(device_plan(), 2)


def test_disk_that_is_really_full_at_the_debit(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        box = Box(disk, trainer_of("cohort"))
        box.sends(device_plan())
        fill(disk / "filler")
        for round_ in range(2, 40):  # SQLite's log has room for some debits
            if isinstance(box.answer(device_plan(), round_), Refusal):
                break
        box.refuses(device_plan(), RefusalReason.LEDGER, round_ + 1)
        trained = round_ - 1
        nothing_more_was_trained(box, trained)
        (disk / "filler").unlink()
        box.sends(device_plan(), round_ + 2)
        box.ledger.close()
        again = Box(disk, trainer_of("cohort"))
        assert len(list(again.ledger.entries(SITE))) == trained + 1
        again.ledger.close()


def cheaper(plan: WindowPrivacyPlan) -> WindowPrivacyPlan:
    return replace(plan, noise_multiplier=0.5)


@pytest.mark.parametrize(
    "changed",
    [
        device_plan(cheaper(samples.WINDOW_PRIVACY)),
        device_plan(replace(samples.WINDOW_PRIVACY, epsilon_limit=500.0)),
        device_plan(rounds=500),
        samples.plan(samples.PUBLIC, seed=None),
    ],
    ids=["less noise", "a higher limit", "more rounds", "no privacy"],
)
def test_plan_that_changes_in_mid_run(box: Box, changed: Any) -> None:
    box.sends(device_plan())
    box.refuses(changed, RefusalReason.PLAN, 2)
    box.ledger.close()
    again = Box(box.path.parent, box.trainer.trainer)
    again.refuses(changed, RefusalReason.PLAN, 2)
    assert again.trainer.tasks == []
    again.sends(device_plan(), 2)


def test_limit_that_is_lower_than_what_is_spent_already(
    box: Box, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    for round_ in (1, 2, 3):
        box.sends(device_plan(), round_)
    low = replace(samples.WINDOW_PRIVACY, epsilon_limit=2.0, windows_per_reading=1)
    box.refuses(device_plan(low, run="next"), RefusalReason.BUDGET)
    assert f"recording: have spent an epsilon of {THREE:.4g}" in caplog.text
    assert "limit of 2 is below what is spent already" in caplog.text
    nothing_more_was_trained(box, 3)


def test_site_that_answers_twice_in_a_round_counts_once(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path, sites=3)
    own = fleet.site_of
    fleet.site_of = lambda config: replace(  # type: ignore[method-assign]
        own(config), name="site-0" if own(config).position == 2 else own(config).name
    )
    _, reports = fleet.run(samples.plan(samples.WINDOW_PRIVACY, rounds=2))
    for report in reports:
        assert report.updates == 2
        assert "is in the name of site 'site-0'" in report.errors[0]


def test_answer_that_arrives_twice_counts_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pull = LoopbackGrid.pull_messages
    monkeypatch.setattr(
        LoopbackGrid,
        "pull_messages",
        lambda self, ids: (m for message in pull(self, ids) for m in (message, message)),
    )
    _, reports = Fleet(tmp_path).run(samples.plan(samples.WINDOW_PRIVACY, rounds=2))
    assert [report.updates for report in reports] == [3, 3]


@pytest.mark.parametrize(
    "override", ["epsilon=nan", "epsilon=-1", "delta=0", "delta=1", "delta=-1e-5"]
)
def test_plan_that_is_none_ends_the_program_in_one_line(
    override: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:  # fmt: skip
    arguments = [f"privacy.{override}", "net=logistic", f"hydra.run.dir={tmp_path / 'run'}"]
    monkeypatch.setattr(sys, "argv", ["simulate", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("error: privacy.")
    assert not (tmp_path / "run" / "ledger.sqlite").exists()
