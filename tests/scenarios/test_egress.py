"""A run on planted data: a clean one is clean, and every planted leak is caught."""

import contextlib
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flwr.app import Error, Message, RecordDict
from flwr.supercore.inflatable.inflatable_object import get_all_nested_objects

from fl_client import app
from fl_client.app import SiteApp
from fl_client.site import participation
from fl_client.training import LocalTask
from fl_client.training.opacus import OpacusTrainer
from fl_common.plan import RunPlan
from fl_common.privacy.accounting import epsilon_of
from fl_common.privacy.evaluation import EvaluationPlan
from fl_common.vocabulary import LocalUpdate, Refusal, RefusalReason, Windows
from fl_common.wire import messages as wire
from fl_server.aggregation.mean import WeightedMean
from fl_server.optimisers.averaging import FedAvg
from fl_server.rounds.sampling import ClientSampling
from fl_server.rounds.strategy import Federation
from simulate.__main__ import main
from simulate.egress import command, rehearsal, sentinel_world
from simulate.egress.capture import Capture
from simulate.egress.command import rehearse
from simulate.egress.report import Egress
from simulate.egress.sentinel_world import TROUBLES
from simulate.egress.sentinels import NAMES, READINGS, UNKNOWN_LABEL, label_run
from simulate.engines import loopback
from simulate.engines.members import roster_of
from simulate.home import Home
from simulate.world import TestSet
from tests.support import samples
from tests.support.leaks import LEAKS, Spoiler, with_field

ROUNDS = 2
SPENT = epsilon_of([samples.WINDOW_PRIVACY.spend_per_round] * ROUNDS, 1e-5, "rdp")
PRIVATE = samples.plan(replace(samples.WINDOW_PRIVACY, epsilon_limit=SPENT), rounds=ROUNDS)


class SmallWorld:
    """Two sites that are well, and one for each trouble."""

    task = samples.TASK
    sites = tuple(f"site-{place}" for place in range(2 + len(TROUBLES)))

    def windows(self, index: int) -> Windows:
        return samples.windows(40, seed=index)

    def test(self) -> TestSet:
        count = len(self.sites)
        return TestSet(samples.windows(count), np.arange(count), self.sites)


def rehearsed(folder: Path, plan: RunPlan = PRIVATE, trainer: Any = None) -> Egress:
    federation = Federation(
        plan=plan,
        aggregator=WeightedMean(),
        optimiser=FedAvg(1.0),
        sampling=ClientSampling(None, 1.0, 1),
        roster=roster_of(SmallWorld.sites),
        round_timeout_s=60.0,
        poll_interval_s=0.01,
    )
    home, trainer = Home(folder), trainer or OpacusTrainer()
    return rehearse(federation, SmallWorld(), trainer, home, lambda step: None)


def kinds(egress: Egress) -> set[tuple[str, str]]:
    return {(sent.asked, sent.kind) for sent in egress.sent}


def found(egress: Egress) -> set[str]:
    return {finding.what for finding in egress.findings}


def test_a_private_run_is_clean_whatever_the_sites_are_asked(tmp_path: Path) -> None:
    egress = rehearsed(tmp_path)
    assert (egress.findings, egress.failure) == ([], "")
    assert egress.verdict.startswith("Clean")
    assert kinds(egress) == {
        ("query", "name"),
        ("train", "update"),
        ("train", "refusal (budget)"),
        ("evaluate", "refusal (plan)"),
        ("query.shadow", "refusal (plan)"),
        ("query.running", "running"),
    }
    assert set(egress.troubles.values()) == set(TROUBLES)
    assert sum(sent.kind == "update" for sent in egress.sent) == ROUNDS * 7
    assert not any(sent.kind == "error" for sent in egress.sent)


def test_noised_counts_of_planted_windows_are_clean(tmp_path: Path) -> None:
    egress = rehearsed(tmp_path, replace(PRIVATE, evaluation=EvaluationPlan(2.0, 4.0, 8.0)))
    assert egress.findings == []
    assert ("evaluate", "evaluation") in kinds(egress)
    (fields,) = {tuple(s.fields) for s in egress.sent if s.kind == "evaluation"}
    assert {name.removeprefix("head/") for name in fields} == {
        "kind", "correct", "total", "loss_sum",
    }  # fmt: skip
    (counted,) = {tuple(s.fields) for s in egress.sent if s.kind == "shadow"}
    assert {name.removeprefix("head/") for name in counted} == {
        "kind", "windows", "agreed", "failed",
    }  # fmt: skip


def test_what_is_taken_down_is_what_flower_sends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    messages: list[Message] = []

    class Keeping(Capture):
        def __call__(self, message: Message) -> None:
            messages.append(message)
            super().__call__(message)

    monkeypatch.setattr(rehearsal, "Capture", Keeping)
    egress = rehearsed(tmp_path)
    assert len(messages) == len(egress.sent) > 30
    for message, sent in zip(messages, egress.sent, strict=True):
        expected = {obj.deflate() for obj in get_all_nested_objects(message).values()}
        assert {content for _, content in sent.objects} == expected
        assert sent.size == sum(map(len, expected))


def leak(monkeypatch: pytest.MonkeyPatch, spoil: Spoiler) -> None:
    """Let each answer to a training message pass ``spoil`` on its way out."""

    class LeakyApp(SiteApp):
        def train_admitted(self, messages: Any, admitted: Any) -> list[Message]:
            replies = super().train_admitted(messages, admitted)
            for reply in replies:
                spoil(reply.content)
            return replies

    monkeypatch.setattr(command, "SiteApp", LeakyApp)


@pytest.mark.parametrize("name", LEAKS)
def test_a_leak_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    spoil, expected = LEAKS[name]
    leak(monkeypatch, spoil)
    egress = rehearsed(tmp_path)
    assert any(what.startswith(expected) for what in found(egress))
    assert {finding.message.asked for finding in egress.findings} == {"train"}
    assert egress.verdict.startswith("FOUND")


def test_a_field_that_its_kind_does_not_declare_is_caught_without_any_sentinel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leak(monkeypatch, with_field(40))
    assert found(rehearsed(tmp_path)) == {"undeclared field more/more"}


def test_arrays_other_than_the_nets_are_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoil(content: RecordDict) -> None:
        for arrays in content.array_records.values():
            arrays["statistics"] = wire.to_array(np.zeros(3, np.float32))

    leak(monkeypatch, spoil)
    egress = rehearsed(tmp_path)
    assert found(egress) == {
        "can't be read: arrays ['statistics', 'values'], not one of all values"
    }
    assert "0 of 7 sites sent an update" in egress.failure  # the server refuses them, too


def test_exact_counts_in_the_words_of_a_refusal_are_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(participation, "release_refusal", lambda refusal, instruction: refusal)
    told = found(rehearsed(tmp_path))
    assert any(what.startswith("free text") for what in told)
    assert any(what.startswith("name") for what in told)


def test_the_text_of_an_exception_is_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def told(message: Message) -> Message:
        return Message(Error(2, str(sys.exception())), reply_to=message)

    monkeypatch.setattr(participation, "usable", lambda site, read, *_: read())
    monkeypatch.setattr(app, "_in_fixed_words", contextlib.nullcontext)
    monkeypatch.setattr(loopback, "failed", told)
    egress = rehearsed(tmp_path)
    assert {finding.message.kind for finding in egress.findings} == {"error"}
    assert any("reading" in what for what in found(egress))


def test_under_a_public_plan_words_leave_and_are_shown(tmp_path: Path) -> None:
    egress = rehearsed(tmp_path, samples.plan(samples.PUBLIC, rounds=1))
    assert ("evaluate", "evaluation") in kinds(egress)
    assert {finding.message.kind for finding in egress.findings} == {"refusal (data)"}
    assert f"label {UNKNOWN_LABEL}" in found(egress)


class Refusing(OpacusTrainer):
    """A trainer whose refusal quotes a window."""

    def train(self, cohort: Sequence[LocalTask]) -> list[LocalUpdate | Refusal]:
        return [
            Refusal(t.site, t.plan.run, t.round, RefusalReason.TRAINING, str(t.windows.values[0]))
            if t.site == "site-1"
            else super(Refusing, self).train([t])[0]
            for t in cohort
        ]


def test_the_words_of_a_refusal_stay_in_the_sites_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "fl_client")
    egress = rehearsed(tmp_path, trainer=Refusing())
    assert egress.findings == []
    assert ("train", "refusal (training)") not in kinds(egress)
    assert "141.42" in caplog.text
    assert NAMES[0] in caplog.text


def test_trouble_is_given_to_the_last_sites_as_long_as_one_is_left_that_is_well() -> None:
    world = sentinel_world.SentinelWorld(SmallWorld())
    assert list(world.trouble_of) == [2, 3, 4, 5, 6]
    assert np.isin(world.windows(0).values, np.array(READINGS, np.float32)).all()
    assert np.array_equal(world.windows(0).labels[:32], label_run(samples.TASK))
    assert np.isin(world.test().windows.values, np.array(READINGS, np.float32)).all()
    assert len(world.windows(3)) == 1


QUICK = ["simulate", "egress", "net=logistic", "sites=7", "rounds=1"]


@pytest.mark.parametrize("leaky", [False, True])
def test_the_command_ends_with_its_verdict(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    leaky: bool,
) -> None:
    if leaky:
        leak(monkeypatch, with_field(READINGS[0]))
    monkeypatch.setattr(sys, "argv", [*QUICK, f"hydra.run.dir={tmp_path}"])
    with pytest.raises(SystemExit) if leaky else contextlib.nullcontext() as ended:
        main()
    assert ended is None or ended.value.code == 1
    written, shown = json.loads((tmp_path / "egress.json").read_text()), capsys.readouterr()
    assert written["clean"] is not leaky
    assert written["verdict"] in shown.out
    assert ("reading 141.4214" in shown.out) is leaky
    assert {row["answer"] for row in written["messages"]} >= {"name", "update", "refusal (plan)"}
    assert all(row["bytes"] > 0 and row["fields"] for row in written["messages"])
    assert NAMES[0] in (tmp_path / "sites.log").read_text()
    assert NAMES[0] not in shown.err
