"""A box says how it is where its owner lets it, by the clock alone, and no more than one bit."""

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fl_client.federation import desk as desk_module
from fl_client.node.telling import EVERY_S, HealthTelling
from fl_common.errors import InvalidConfiguration, RunFailed
from fl_common.files.keys import SigningKey, make_key
from fl_common.wire.desk import read_request


class Desk:
    """Takes what is told; ``fails`` as often."""

    def __init__(self, *_: object, **__: object) -> None:
        self.told: list[bytes] = []
        self.fails = 0

    def __call__(self, *_: object, **__: object) -> "Desk":
        return self

    def ask(self, what: str, content: bytes, authority: bytes) -> dict[str, Any]:
        assert (what, authority) == ("report", b"authority")
        if self.fails:
            self.fails -= 1
            raise RunFailed("it can't be reached")
        self.told.append(content)
        return {}


@pytest.fixture
def federation(tmp_path: Path) -> dict[str, Any]:
    make_key(tmp_path / "site.key")
    (tmp_path / "authority.crt").write_bytes(b"authority")
    paths = {"key_file": str(tmp_path / "site.key"), "ca_file": str(tmp_path / "authority.crt")}
    return {"tell_health": True, "server": "fl.example.org:8443", **paths}


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    desk = Desk()
    monkeypatch.setattr(desk_module, "DeskClient", desk)
    return desk


def waits(times: int) -> tuple[list[float], Callable[[float], bool]]:
    """The pauses, and a wait that ends the box after so many."""
    pauses: list[float] = []

    def wait(seconds: float) -> bool:
        pauses.append(seconds)
        return len(pauses) > times

    return pauses, wait


def test_what_is_told_is_one_bit_at_times_that_say_nothing(
    federation: dict[str, Any], desk: Desk
) -> None:
    health = iter([True, False, False])
    pauses, wait = waits(3)
    HealthTelling("kitchen", federation, lambda: next(health), wait).run()
    assert pauses[1:] == [EVERY_S] * 3, "whatever the health"
    assert 0 <= pauses[0] < EVERY_S
    key = SigningKey(Path(federation["key_file"])).public
    said = [read_request("report", content) for content in desk.told]
    assert all(one.is_signed_by(key) for one in said)
    assert [one.values["healthy"] for one in said] == ["yes", "no", "no"]
    assert {*said[0].values} == {"name", "version", "healthy"}
    assert len({len(json.dumps(dict(one.values))) for one in said}) == 2


def test_boxes_that_start_together_do_not_tell_together(federation: dict[str, Any]) -> None:
    firsts = set()
    for number in range(20):
        pauses, wait = waits(0)
        HealthTelling(f"box-{number}", federation, lambda: True, wait).run()
        firsts.add(pauses[0])
    assert len(firsts) == 20
    assert max(firsts) - min(firsts) > EVERY_S / 4


def test_a_server_that_is_away_is_told_the_next_time_and_logged_once(
    federation: dict[str, Any], desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.fails = 3
    _, wait = waits(4)
    HealthTelling("kitchen", federation, lambda: True, wait).run()
    assert len(desk.told) == 1
    assert caplog.text.count("it can't be reached") == 1


def test_nothing_is_told_unless_the_owner_says_so(federation: dict[str, Any]) -> None:
    asked = threading.Event()

    def wait(seconds: float) -> bool:
        asked.set()
        return True

    for changes in ({"tell_health": False}, {"server": None}):
        HealthTelling("kitchen", {**federation, **changes}, lambda: True, wait).start()
    assert not asked.wait(0.2)
    HealthTelling("kitchen", federation, lambda: True, wait).start()
    assert asked.wait(120), "and so it would have been seen"
    with pytest.raises(InvalidConfiguration, match="must be true or false"):
        HealthTelling("kitchen", {**federation, "tell_health": "sometimes"}, lambda: True)
