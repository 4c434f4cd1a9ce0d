"""Who has a token, a guess, a copy of a request or a flood: what it must not get at the desk."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from fl_common.files.keys import SigningKey, make_key
from fl_common.wire.desk import AUTHORITY, LARGEST_BYTES, write_request
from fl_server.cloud.desk import Desk
from fl_server.cloud.enrolment import Enrolment
from fl_server.cloud.reports import SiteReports
from fl_server.cloud.sites import Sites
from fl_server.cloud.tokens import UNKNOWN, Tokens
from tests.unit.fl_server.cloud.test_enrolment import Keys

DAY_S = 86_400.0


@dataclasses.dataclass
class Counter:
    """A desk, what it lets in, and the time of its clock."""

    folder: Path
    now: float = 1000.0
    keys: Keys = dataclasses.field(default_factory=Keys)

    def __post_init__(self) -> None:
        self.sites = Sites(self.folder / "sites")
        self.tokens = Tokens(self.folder / "tokens", lambda: self.now)
        enrolment = Enrolment(self.sites, self.keys, self.folder)
        self.reports = SiteReports(self.folder / "reports.json", lambda: self.now)
        where = self.folder / "ca", self.folder / "root"
        self.desk = Desk(enrolment, self.tokens, self.reports, *where)

    def token(self, names: str = "*", uses: int = 2) -> tuple[str, str]:
        return self.tokens.make("ward", names, uses, DAY_S)

    def box(self, name: str) -> SigningKey:
        """A box's key."""
        path = self.folder / f"{name}.key"
        if not path.exists():
            make_key(path)
        return SigningKey(path)

    def request(self, token: tuple[str, str], name: str, key: SigningKey, **other: str) -> bytes:
        number, secret = token
        public_key = key.public.decode()
        values = {"token": number, "secret": secret, "name": name, "public_key": public_key}
        return write_request("enroll", {**values, **other}, [key])

    def ask(self, content: bytes) -> tuple[int, str]:
        """The status, and the reason of a refusal."""
        status, body = self.desk.answer("enroll", content, "192.0.2.7")
        return status, json.loads(body).get("error", "")

    def enroll(self, token: tuple[str, str], name: str, key: SigningKey) -> tuple[int, str]:
        return self.ask(self.request(token, name, key))


@pytest.fixture
def counter(tmp_path: Path) -> Counter:
    return Counter(tmp_path)


def test_a_token_lets_in_as_many_boxes_as_it_says_each_with_its_own_key(counter: Counter) -> None:
    token = counter.token(uses=2)
    for name in ("a", "b"):
        assert counter.enroll(token, name, counter.box(name)) == (200, "")
    status, why = counter.enroll(token, "c", counter.box("c"))
    assert (status, "as often as it may be" in why) == (403, True)
    assert set(counter.sites.enrolled()) == {"a", "b"}
    assert {site.kind for site in counter.sites.enrolled().values()} == {"ward"}


def test_a_request_that_is_replayed_lets_nobody_else_in_and_is_no_use(counter: Counter) -> None:
    token = counter.token(uses=2)
    said = counter.request(token, "a", counter.box("a"))
    assert [counter.ask(said)[0] for _ in range(5)] == [200] * 5
    assert len(counter.keys.let_in) == 1
    assert counter.enroll(token, "b", counter.box("b"))[0] == 200


def test_a_revoked_box_does_not_come_back_with_its_old_request(counter: Counter) -> None:
    token = counter.token()
    said = counter.request(token, "a", counter.box("a"))
    assert counter.ask(said)[0] == 200
    counter.tokens.block("a")
    counter.desk.enrolment.shut_out("a")
    assert counter.ask(said)[0] == 403
    assert counter.keys.let_in == []


def test_nobody_guesses_a_token_or_learns_that_a_number_or_a_name_is_there(
    counter: Counter,
) -> None:
    number, secret = counter.token()
    assert counter.enroll((number, secret), "a", counter.box("a"))[0] == 200
    stranger = counter.box("stranger")
    guesses = [(number, "x"), ("0" * 12, secret), (number, ""), ("../" + number, secret)]
    answers = {counter.enroll(guess, name, stranger) for guess in guesses for name in ("a", "b")}
    assert answers == {(403, UNKNOWN)}
    assert secret not in (counter.folder / "tokens" / f"{number}.json").read_text()


def test_a_name_that_is_taken_is_not_given_again_and_costs_no_use(counter: Counter) -> None:
    token = counter.token(uses=2)
    assert counter.enroll(token, "a", counter.box("a"))[0] == 200
    status, why = counter.enroll(token, "a", counter.box("second"))
    assert (status, "for new names" in why) == (403, True)
    other = counter.token(uses=1)
    assert counter.enroll(other, "a", counter.box("second"))[0] == 409
    assert counter.enroll(other, "b", counter.box("second"))[0] == 200
    assert counter.sites.enrolled()["a"].public_key == counter.box("a").public.decode()


def test_a_name_whose_record_is_damaged_is_not_given_again(counter: Counter) -> None:
    assert counter.enroll(counter.token(), "a", counter.box("a"))[0] == 200
    (counter.folder / "sites" / "a.json").write_text("")
    assert counter.enroll(counter.token(), "a", counter.box("second"))[0] == 409


def test_a_key_is_not_enrolled_by_who_does_not_hold_it_nor_twice(counter: Counter) -> None:
    token, theirs, ours = counter.token(uses=3), counter.box("a"), counter.box("thief")
    forged = counter.request(token, "thief", ours, public_key=theirs.public.decode())
    assert counter.ask(forged)[0] == 403
    assert counter.enroll(token, "a", theirs)[0] == 200
    assert counter.enroll(token, "again", theirs)[0] == 409
    assert set(counter.sites.enrolled()) == {"a"}


@pytest.mark.parametrize("name", ["kitchen", "ward", "ward-1\n", "ward-../a", "ward-" + "x" * 99])
def test_a_token_gives_only_names_of_its_pattern(counter: Counter, name: str) -> None:
    assert counter.enroll(counter.token("ward-*"), name, counter.box("a"))[0] in (403, 409)
    assert counter.sites.names() == []


def test_a_token_ends_with_its_time_and_when_it_is_revoked(counter: Counter) -> None:
    token, other = counter.token(), counter.token()
    counter.tokens.revoke(other[0])
    assert counter.enroll(other, "a", counter.box("a")) == (403, UNKNOWN)
    counter.now += DAY_S
    assert "has expired" in counter.enroll(token, "a", counter.box("a"))[1]


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_superlink_that_fails_costs_the_box_nothing_and_it_asks_again(
    counter: Counter, moment: str
) -> None:
    def fail() -> None:
        raise OSError("the disk at /secret is full")

    token, working = counter.token(uses=1), getattr(counter.keys, moment)
    setattr(counter.keys, moment, fail)
    status, why = counter.enroll(token, "a", counter.box("a"))
    assert (status, "secret" in why) == (503, False), "nothing of the server is told"
    setattr(counter.keys, moment, working)
    assert counter.enroll(token, "a", counter.box("a"))[0] == 200


def garbage(signed: bytes) -> list[bytes]:
    outer = json.loads(signed)
    said = json.loads(outer["said"])
    return [
        b"",
        b"[" * LARGEST_BYTES,
        b'{"said": 5, "signatures": []}',
        json.dumps({**outer, "signatures": []}).encode(),
        json.dumps({**outer, "signatures": outer["signatures"] * 2}).encode(),
        json.dumps({**outer, "signatures": ["!"]}).encode(),
        json.dumps({**outer, "said": json.dumps({**said, "name": 5})}).encode(),
        json.dumps({**outer, "said": json.dumps({**said, "name": "b"})}).encode(),
        json.dumps({**outer, "said": json.dumps({**said, "public_key": "\ud800"})}).encode(),
        json.dumps({**outer, "said": json.dumps({**said, "what": "rotate"})}).encode(),
    ]


@pytest.mark.parametrize("spoil", range(10))
def test_garbage_is_refused_and_lets_nobody_in(counter: Counter, spoil: int) -> None:
    signed = counter.request(counter.token(), "a", counter.box("a"))
    assert counter.ask(garbage(signed)[spoil])[0] in (400, 403)
    assert counter.sites.names() == []


def test_a_flood_of_refusals_is_counted_and_does_not_fill_the_log(
    counter: Counter, caplog: pytest.LogCaptureFixture
) -> None:
    wrong: Callable[[], tuple[int, str]] = lambda: counter.ask(b"{}")  # noqa: E731
    assert {wrong()[0] for _ in range(500)} == {400}
    assert counter.desk.refused["enroll"] == 500
    assert len(caplog.records) < 30


def test_an_authority_that_is_not_there_yet_fills_no_log(
    counter: Counter, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(100):
        assert counter.desk.answer(AUTHORITY, b"", "192.0.2.7").status == 404
    assert len(caplog.records) < 30
    assert "Traceback" not in caplog.text
    (counter.folder / "ca").write_bytes(b"pinned")
    assert counter.desk.answer(AUTHORITY, b"", "192.0.2.7") == (200, b"pinned")
