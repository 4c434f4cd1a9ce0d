"""A box's key is exchanged at the word of the old one, and of nothing else."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from fl_common.errors import RunFailed
from fl_common.files.keys import SigningKey
from fl_common.wire.desk import write_request
from fl_server.cloud.witness import LedgerWitness, note_successor
from tests.attacks.test_enrolment_by_token import Counter


def rotated(counter: Counter, name: str, keys: list[SigningKey], new: SigningKey) -> int:
    """The status of the answer to ``name``, for the key ``new``, signed by ``keys``."""
    values = {"name": name, "public_key": new.public.decode()}
    return counter.desk.answer("rotate", write_request("rotate", values, keys), "192.0.2.7").status


@pytest.fixture
def counter(tmp_path: Path) -> Counter:
    """A desk at which ``a`` and ``b`` are enrolled."""
    counter = Counter(tmp_path)
    token = counter.token()
    for name in ("a", "b"):
        assert counter.enroll(token, name, counter.box(name))[0] == 200
    return counter


def in_registry(counter: Counter, name: str) -> bytes:
    return counter.sites.enrolled()[name].public_key.encode()


def test_the_name_stays_with_the_new_key_and_the_old_one_is_shut_out(counter: Counter) -> None:
    old, new = counter.box("a"), counter.box("new")
    assert rotated(counter, "a", [old, new], new) == 200
    assert in_registry(counter, "a") == new.public
    assert sorted(counter.keys.let_in) == sorted([new.public, counter.box("b").public])
    assert counter.sites.enrolled()["a"].kind == "ward"


def test_a_request_whose_answer_was_lost_is_answered_again_and_changes_nothing(
    counter: Counter,
) -> None:
    old, new = counter.box("a"), counter.box("new")
    assert [rotated(counter, "a", [old, new], new) for _ in range(3)] == [200] * 3
    assert in_registry(counter, "a") == new.public


def test_an_old_request_does_not_bring_an_old_key_back(counter: Counter) -> None:
    first, second, third = (counter.box(name) for name in ("a", "second", "third"))
    assert rotated(counter, "a", [first, second], second) == 200
    assert rotated(counter, "a", [second, third], third) == 200
    assert rotated(counter, "a", [first, second], second) == 403
    assert rotated(counter, "a", [third, first], third) == 403
    assert in_registry(counter, "a") == third.public


def signers(counter: Counter) -> dict[str, list[SigningKey]]:
    old, new, other = counter.box("a"), counter.box("new"), counter.box("b")
    return {
        "nobody": [],
        "the new key alone": [new],
        "the old key alone": [old],
        "another box": [other, new],
        "the wrong order": [new, old],
        "not the new key": [old, old],
        "one more": [old, new, new],
    }


@pytest.mark.parametrize("who", ["nobody", "the new key alone", "the old key alone", "another box",
                                 "the wrong order", "not the new key", "one more"])  # fmt: skip
def test_a_key_changes_at_the_word_of_both_keys_alone(counter: Counter, who: str) -> None:
    assert rotated(counter, "a", signers(counter)[who], counter.box("new")) == 403
    assert in_registry(counter, "a") == counter.box("a").public


def test_a_stranger_does_not_learn_which_names_there_are(counter: Counter) -> None:
    stranger, new = counter.box("stranger"), counter.box("new")
    answers = set()
    for name in ("a", "nobody", "../a"):
        values = {"name": name, "public_key": new.public.decode()}
        content = write_request("rotate", values, [stranger, new])
        answers.add(counter.desk.answer("rotate", content, "192.0.2.7"))
    assert len(answers) == 1


def test_a_key_of_another_box_is_not_taken(counter: Counter) -> None:
    a, b = counter.box("a"), counter.box("b")
    assert rotated(counter, "a", [a, b], b) != 200
    assert (in_registry(counter, "a"), in_registry(counter, "b")) == (a.public, b.public)


def test_a_revoked_box_gets_no_new_key(counter: Counter) -> None:
    counter.desk.enrolment.shut_out("a")
    assert rotated(counter, "a", [counter.box("a"), counter.box("new")], counter.box("new")) == 403


@pytest.mark.parametrize("moment", ["before", "after", "at the revocation"])
def test_a_superlink_that_fails_leaves_one_key_let_in_and_the_box_asks_again(
    counter: Counter, moment: str
) -> None:
    def fail(*_: object) -> bool:
        raise RunFailed("the SuperLink does not answer")

    name = "revoke" if moment == "at the revocation" else moment
    working: Callable[..., bool] = getattr(counter.keys, name)
    setattr(counter.keys, name, fail)
    old, new = counter.box("a"), counter.box("new")
    assert rotated(counter, "a", [old, new], new) == 503
    setattr(counter.keys, name, working)
    assert rotated(counter, "a", [old, new], new) == 200
    assert sorted(counter.keys.let_in) == sorted([new.public, counter.box("b").public])
    assert in_registry(counter, "a") == new.public


def test_the_server_remembers_the_ledger_of_a_box_with_a_new_key(tmp_path: Path) -> None:
    path = tmp_path / "ledgers.json"
    path.write_text(json.dumps({"1": "head of a"}))
    running = LedgerWitness(path)
    note_successor(path, 2, 1)
    note_successor(path, 3, 2)
    assert running.of(3) == "head of a"
    running.hear(3, "newer")
    running.save()
    assert (LedgerWitness(path).of(3), LedgerWitness(path).of(4)) == ("newer", None)


def test_the_new_node_of_a_box_is_noted_before_anybody_is_told_of_its_key(
    counter: Counter,
) -> None:
    noted: list[tuple[int, int, bytes]] = []
    counter.desk.note = lambda node, before: noted.append((node, before, in_registry(counter, "a")))
    old, new = counter.box("a"), counter.box("new")
    assert rotated(counter, "a", [old, new], new) == 200
    assert noted == [(3, 1, old.public)]


def test_a_box_speaks_of_itself_alone(counter: Counter) -> None:
    def told(name: str, key: SigningKey) -> int:
        values = {"name": name, "version": "0.1.0", "healthy": "no"}
        return counter.desk.answer("report", write_request("report", values, [key]), "?").status

    assert told("a", counter.box("b")) == 403
    assert told("nobody", counter.box("b")) == 403
    assert told("b", counter.box("b")) == 200
    assert set(counter.reports.all()) == {"b"}
