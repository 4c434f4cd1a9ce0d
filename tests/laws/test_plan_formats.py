"""Formats of plans: kept texts are read for ever, and what is later or unknown is refused."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from flwr.app import ConfigRecord, Message
from hypothesis import given
from hypothesis import strategies as st

from fl_client.federation.reply_cache import ReplyCache
from fl_client.federation.responder import Responder
from fl_common.errors import InvalidConfiguration
from fl_common.plan import FORMAT, Instruction, NewerPlan, RunPlan
from fl_common.wire import messages as wire
from fl_common.wire.failure import UNKNOWN_UNIT, UNREADABLE
from simulate.engines.loopback import identify_process
from tests.attacks.test_error_replies import PARAMETERS
from tests.laws.test_plans import PLAN

KEPT = sorted((Path(__file__).parent / "plans").iterdir())
"""A plan of each format and unit, as the version wrote it that came with the format.

A name ends with the beginning of the plan's digest. None of them ever changes.
"""


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.stem)
def test_a_plan_that_was_ever_written_is_read_with_its_digest(path: Path) -> None:
    text = path.read_text("utf-8")
    plan = RunPlan.from_json(text)
    assert plan.to_json() == text
    assert plan.digest().startswith(path.stem.rpartition("-")[2])


def test_every_format_has_kept_plans() -> None:
    assert {int(path.stem.split("-")[1]) for path in KEPT} == set(range(1, FORMAT + 1))


@given(asked=st.integers(FORMAT + 1, 10**6))
def test_a_later_format_is_refused_by_its_number(asked: int) -> None:
    with pytest.raises(NewerPlan, match=f"a plan of format {asked}: is of a later version"):
        RunPlan.from_json(changed(format=asked, rounds="many"))


@pytest.mark.parametrize("asked", [0, -1, 1.5, "1", None, True, 10**7])
def test_a_format_that_is_none_is_refused(asked: object) -> None:
    with pytest.raises(InvalidConfiguration, match="must be a whole number from 1"):
        RunPlan.from_json(changed(format=asked))


def test_a_plan_that_begins_with_chance_is_written_as_before() -> None:
    told = json.loads(PLAN.to_json())
    assert (told["format"], told.keys() & {"init"}) == (1, set())
    begun = json.loads(replace(PLAN, init="0" * 64).to_json())
    assert (begun.pop("format"), begun.pop("init")) == (2, "0" * 64)
    assert begun == {key: value for key, value in told.items() if key != "format"}


@pytest.mark.parametrize(
    ("plan", "says"),
    [
        ({"init": "0" * 64}, "init is of a later format"),
        ({"format": 2}, "KeyError"),
        ({"format": 2, "init": None}, "must be a sha256 in hex"),
        ({"format": 2, "init": "0" * 63}, "must be a sha256 in hex"),
    ],
)
def test_a_beginning_is_told_in_its_own_format_alone(plan: dict[str, object], says: str) -> None:
    with pytest.raises(InvalidConfiguration, match=says):
        RunPlan.from_json(changed(**plan))


def test_an_unknown_field_is_refused_not_left_out() -> None:
    with pytest.raises(InvalidConfiguration, match="unknown fields \\['secure_aggregation'\\]"):
        RunPlan.from_json(changed(secure_aggregation=True))


@pytest.mark.parametrize(
    ("plan", "sentence"),
    [
        (
            {"format": FORMAT + 1},
            f"a plan of format {FORMAT + 1}: is of a later version, and this site reads format"
            f" {FORMAT} at most. Update the site.",
        ),
        ({"privacy": {"unit": "/homes/4711"}}, UNKNOWN_UNIT),
        ({"secure_aggregation": True}, UNREADABLE),
    ],
)
def test_a_site_says_what_it_does_not_support(
    tmp_path: Path, plan: dict[str, object], sentence: str
) -> None:
    identify_process()
    content = wire.InstructionWriter(Instruction(PLAN, 1, PARAMETERS)).content()
    head = content["head"]
    assert isinstance(head, ConfigRecord)
    head["plan"] = changed(**plan)
    message = Message(content, 7, "train", group_id="1")
    message.metadata.__dict__["_message_id"] = "1"
    reply = Responder(not_called, ReplyCache(tmp_path, 1 << 20), {})(message)  # type: ignore[arg-type]
    assert reply.error.reason == sentence


def changed(**fields: object) -> str:
    """The text of a plan with other ``fields``."""
    return json.dumps({**json.loads(PLAN.to_json()), **fields})


def not_called(*_: object) -> None:
    raise AssertionError("nothing is computed for a plan that can't be read")
