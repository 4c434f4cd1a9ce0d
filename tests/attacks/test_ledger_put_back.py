"""An owner, or a thief of the box, who puts ledger and counter back together from one copy."""

import logging
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from flwr.app import ConfigRecord, Message

from fl_client.__main__ import main as fl_client
from fl_client.build import build_box_app
from fl_client.federation.reply_cache import ReplyCache
from fl_client.federation.responder import Responder
from fl_client.home import LEDGER, STORE
from fl_client.ledger.counter import counter_beside
from fl_client.ledger.ledger import Ledger
from fl_common.plan import Instruction, RunPlan
from fl_common.privacy.evaluation import EvaluationPlan
from fl_common.vocabulary import LocalUpdate, Refusal, RefusalReason
from fl_common.wire import ledger_head as wire_ledger
from fl_common.wire import messages as wire
from fl_server.cloud.grid import hear_heads, with_heads
from fl_server.cloud.witness import LedgerWitness
from models.nets import build_net, parameters_of
from simulate.engines.loopback import CohortResponder, LoopbackGrid
from simulate.engines.workers import ThisProcess
from tests.scenarios.test_box_training import MONDAY, PRIVACY, TRAINER, Home
from tests.support import samples

PLAN = samples.plan(
    PRIVACY,
    seed=None,
    rounds=50,
    evaluation=EvaluationPlan(noise_multiplier=3.0, loss_limit=4.0, epsilon_limit=30.0),
)


class Cloud:
    """A server that remembers in ``folder`` what it heard, and one box."""

    def __init__(self, home: Home, folder: Path) -> None:
        self.home, self.witness = home, LedgerWitness(folder / "ledgers.json")

    def ask(self, round_: int, kind: str = "train", plan: RunPlan = PLAN) -> object:
        """What the box answers, made anew as in a new process."""
        app = build_box_app(self.home.box, TRAINER, None, lambda: 7.0)
        grid = LoopbackGrid(ThisProcess(CohortResponder(app, 1)), 1, 1, 1)
        parameters = parameters_of(build_net(plan.net, plan.task))
        content = wire.InstructionWriter(Instruction(plan, round_, parameters)).content()
        replies = grid.send_and_receive(with_heads([Message(content, 1, kind)], self.witness))
        hear_heads(replies, self.witness)
        return wire.read_answer(replies[0].content, parameters)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    (tmp_path / "box").mkdir()
    made = Home(tmp_path / "box")
    made.sense(MONDAY, 4000)
    yield made
    made.connection.close()


@pytest.fixture
def cloud(home: Home, tmp_path: Path) -> Cloud:
    """The box has taken part in two rounds, and was copied after the first."""
    made = Cloud(home, tmp_path / "cloud")
    assert isinstance(made.ask(1), LocalUpdate)
    ledger, counter = files(home)
    with closing(sqlite3.connect(ledger)) as own, closing(sqlite3.connect(copy_of(ledger))) as copy:
        own.backup(copy)
    shutil.copy(counter, copy_of(counter))
    assert isinstance(made.ask(2), LocalUpdate)
    return made


def files(home: Home) -> list[Path]:
    ledger = home.box.home / LEDGER
    return [ledger, counter_beside(ledger)]


def copy_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.copy")


def put_back(home: Home) -> None:
    ledger, counter = files(home)
    for path in (ledger, counter, *ledger.parent.glob(f"{ledger.name}-*")):
        path.unlink()
    for path in (ledger, counter):
        shutil.copy(copy_of(path), path)


def rounds_charged(home: Home) -> int:
    with closing(Ledger(home.box.home / LEDGER, lambda: 7.0, "anna")) as ledger:
        return len(list(ledger.entries("anna")))


def refusal(answer: object) -> RefusalReason:
    assert isinstance(answer, Refusal)
    return answer.reason


def test_the_servers_witness_finds_a_ledger_that_was_put_back_with_its_counter(
    home: Home, cloud: Cloud, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    put_back(home)
    restarted = Cloud(home, tmp_path / "cloud")
    with caplog.at_level(logging.INFO):
        for kind in ("train", "evaluate", "train"):
            answer = restarted.ask(3, kind)
            assert refusal(answer) is RefusalReason.LEDGER
            assert "server has seen" not in getattr(answer, "detail", "")
    assert "lacks a line that the server has seen" in caplog.text
    assert "fl-client ledger adopt --seen" in caplog.text
    assert rounds_charged(home) == 1


def test_a_ledger_that_went_on_from_the_copy_is_found_by_its_digest(
    home: Home, cloud: Cloud, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    put_back(home)
    assert isinstance(Cloud(home, tmp_path / "another").ask(2), LocalUpdate)
    with caplog.at_level(logging.INFO):
        assert refusal(cloud.ask(3)) is RefusalReason.LEDGER
    assert "lacks a line that the server has seen" in caplog.text


def test_an_owner_who_has_lost_the_newest_ledger_goes_on_and_it_is_written_down(
    home: Home, cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    put_back(home)
    seen = cloud.witness.of(1)
    assert seen is not None
    path = str(home.box.home / LEDGER)
    fl_client(["ledger", "adopt", "--home", path, "--seen", seen])
    fl_client(["ledger", "--home", path])
    assert f"up to {seen}, is lost" in capsys.readouterr().out
    for round_ in (3, 4, 5):
        assert isinstance(cloud.ask(round_), LocalUpdate)
    with pytest.raises(SystemExit):
        fl_client(["ledger", "adopt", "--home", path, "--seen", "all"])
    assert "--seen=all: is not a digest" in capsys.readouterr().err


def test_a_restored_box_has_no_readings_and_trains_only_once_the_loss_is_written_down(
    home: Home, cloud: Cloud, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive, folder = str(tmp_path / "anna.tar.gz"), tmp_path / "again"
    fl_client(["backup", archive, "--home", str(home.box.home)])
    assert isinstance(cloud.ask(3), LocalUpdate)  # which the backup does not know
    fl_client(["restore", archive, "--home", str(folder)])
    assert {STORE, LEDGER} & {path.name for path in folder.iterdir()} == {LEDGER}
    assert "has a new counter" in capsys.readouterr().out

    new = Home(folder)
    new.sense(MONDAY, 4000)
    restored = Cloud(new, tmp_path / "cloud")
    assert refusal(restored.ask(4)) is RefusalReason.LEDGER
    seen = restored.witness.of(1)
    assert seen is not None
    fl_client(["ledger", "adopt", "--home", str(folder / LEDGER), "--seen", seen])
    assert isinstance(restored.ask(4), LocalUpdate)
    assert rounds_charged(new) == 3  # rounds 1, 2 and 4
    new.connection.close()


def test_a_box_that_was_restored_with_nothing_lost_goes_on(
    home: Home, cloud: Cloud, tmp_path: Path
) -> None:
    archive, folder = str(tmp_path / "anna.tar.gz"), tmp_path / "again"
    fl_client(["backup", archive, "--home", str(home.box.home)])
    fl_client(["restore", archive, "--home", str(folder)])
    new = Home(folder)
    new.sense(MONDAY, 4000)
    assert isinstance(Cloud(new, tmp_path / "cloud").ask(3), LocalUpdate)
    assert rounds_charged(new) == 3
    new.connection.close()


def test_a_server_that_lies_can_only_make_the_site_refuse(home: Home, cloud: Cloud) -> None:
    honest = cloud.witness
    for lie in ("ab" * 32, "0" * 64):
        cloud.witness = LedgerWitness(home.box.home / "lies.json")
        cloud.witness.hear(1, lie)
        assert refusal(cloud.ask(3)) is RefusalReason.LEDGER
    cloud.witness = honest
    assert isinstance(cloud.ask(3), LocalUpdate)
    assert rounds_charged(home) == 3


def test_what_the_server_learns_does_not_depend_on_the_data(tmp_path: Path) -> None:
    heads = []
    for name, windows in (("none", 0), ("few", 700), ("few again", 700), ("many", 4000)):
        (tmp_path / name).mkdir()
        home = Home(tmp_path / name)
        home.sense(MONDAY, windows)
        cloud = Cloud(home, tmp_path / name / "cloud")
        for round_, kind in ((1, "train"), (1, "evaluate"), (2, "train")):
            assert not isinstance(cloud.ask(round_, kind), Refusal)
            heads.append(cloud.witness.of(1))
        home.connection.close()
    assert len({*heads}) == len(heads) == 12  # always there, and salted: alike ledgers differ
    content = wire.empty()
    wire_ledger.write_head(content, heads[0])
    assert dict(content) == {"ledger": ConfigRecord({"digest": str(heads[0])})}


def test_a_repeated_question_with_newer_news_of_the_ledger_gets_the_kept_answer(
    home: Home, tmp_path: Path
) -> None:
    app = build_box_app(home.box, TRAINER, None, lambda: 7.0)
    responder = Responder(app, ReplyCache(tmp_path / "answers", 1 << 20), {})
    parameters = parameters_of(build_net(PLAN.net, PLAN.task))
    witness = LedgerWitness(tmp_path / "ledgers.json")
    replies = []
    for number in ("1", "2"):
        content = wire.InstructionWriter(Instruction(PLAN, 1, parameters)).content()
        (message,) = with_heads([Message(content, 1, "train")], witness)
        message.metadata.__dict__["_message_id"] = number
        replies.append(responder(message))
        hear_heads(replies[-1:], witness)
    assert replies[0].content.object_id == replies[1].content.object_id
    assert rounds_charged(home) == 1


@pytest.mark.parametrize("record", [{"digest": "x"}, {"digest": "AB" * 32}, {"digest": 7}, {}])
def test_a_head_that_is_none_is_refused_and_one_that_is_missing_is_not(
    record: dict[str, Any], tmp_path: Path
) -> None:
    content = wire.empty()
    assert wire_ledger.read_head(content) is None
    content["ledger"] = ConfigRecord(record)
    with pytest.raises(wire.WireError, match="head of a ledger"):
        wire_ledger.read_head(content)


def test_a_witness_that_can_not_be_read_begins_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "ledgers.json"
    path.write_text("nonsense")
    witness = LedgerWitness(path)
    assert "can't be read" in caplog.text
    for node, head in ((3, "ab"), (4, "cd"), (3, "ef")):
        witness.hear(node, head * 32)
    witness.save()
    again = LedgerWitness(path)
    assert (again.of(3), again.of(4), again.of(5)) == ("ef" * 32, "cd" * 32, None)
