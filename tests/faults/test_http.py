"""What goes wrong around HTTP push: strangers, slow and broken clients, a full disk, a flood."""

import asyncio
import gzip
import json
import random
import subprocess
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.support.edge import balanced, payload
from tests.support.posts import (
    TOKEN,
    TOPIC,
    HttpSite,
    client,
    http_transport,
    listening,
    post_all,
    with_token,
)

POST = f"POST /{TOPIC} HTTP/1.1\r\nHost: localhost\r\n"


@asynccontextmanager
async def raw(site: HttpSite) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection on which a test writes what it wants."""
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def status_of(reader: asyncio.StreamReader) -> int:
    """The status of the next answer, whose head and body are read."""
    head = await reader.readuntil(b"\r\n\r\n")
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
    await reader.readexactly(int(fields.get(b"content-length", b"0")))
    return int(head.split()[1])


def test_who_may_not_post_is_told_so_and_nothing_is_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    good = {"Authorization": f"Bearer {TOKEN}"}
    asked: list[tuple[int, str, str, dict[str, str], bytes]] = [
        (401, "POST", TOPIC, {}, payload(1)),
        (401, "POST", "nobody", {}, payload(1)),
        (401, "POST", TOPIC, {"Authorization": f"Bearer {TOKEN}x"}, payload(1)),
        (401, "POST", TOPIC, {"Authorization": TOKEN}, payload(1)),
        (404, "POST", "nobody", good, payload(1)),
        (404, "GET", "nobody", good, b""),
        (405, "PUT", TOPIC, good, payload(1)),
        (403, "POST", TOPIC, good | {"Origin": "http://page.example"}, payload(1)),
        (413, "POST", TOPIC, good, b"1" * 100_001),
        (415, "POST", TOPIC, good | {"Content-Encoding": "br"}, payload(1)),
        (400, "POST", TOPIC, good | {"Content-Encoding": "gzip"}, payload(1)),
        (413, "POST", TOPIC, good | {"Content-Encoding": "gzip"}, gzip.compress(bytes(10**7))),
        (400, "POST", TOPIC, good | {"Idempotency-Key": "k" * 201}, payload(1)),
        (400, "POST", TOPIC, good, b"{broken"),
        (204, "POST", TOPIC, good, payload(1)),
    ]

    async def scenario(site: HttpSite) -> None:
        async with client() as http:
            for status, method, path, headers, body in asked:
                url = f"{site.link.address}/{path}"
                answer = await http.request(method, url, content=body, headers=headers)
                assert (answer.status_code, method, path) == (status, method, path)
                assert ("www-authenticate" in answer.headers) == (status == 401)
        counts = await site.until(lambda c: c.received == 2)
        assert counts.lost == {"malformed_json": 1}
        assert site.link.state().refused == {
            "unauthorized": 4, "address": 2, "method": 1, "browser": 1, "size": 2,
            "encoding": 1, "gzip": 1, "key": 1}  # fmt: skip

    listening(tmp_path, scenario, http_transport(access=with_token()))
    assert TOKEN not in caplog.text
    assert caplog.text.count("(unauthorized)") == 1


def test_a_packed_body_is_the_message_in_it(tmp_path: Path) -> None:
    async def scenario(site: HttpSite) -> None:
        async with client() as http:
            bodies = {"gzip": gzip.compress(payload(1)), "deflate": zlib.compress(payload(2))}
            for encoding, body in bodies.items():
                headers = {"Content-Encoding": encoding}
                answer = await http.post(site.url, content=body, headers=headers)
                assert answer.status_code == 204
            answer = await http.post(site.url, content=payload(1))  # a repetition
            assert answer.status_code == 204
        counts = await site.until(lambda c: c.received == 2)
        assert (counts.duplicates, counts.lost) == (1, {})

    listening(tmp_path, scenario, http_transport())


def test_without_a_token_only_who_names_this_machine_may_post(tmp_path: Path) -> None:
    async def scenario(site: HttpSite) -> None:
        async with client() as http:
            for host, status in (("page.example", 403), ("localhost:1", 204), ("[::1]", 204)):
                answer = await http.post(site.url, content=payload(1), headers={"Host": host})
                assert answer.status_code == status

    listening(tmp_path, scenario, http_transport())


def test_a_key_makes_a_repeated_post_one_message(tmp_path: Path) -> None:
    async def scenario(site: HttpSite) -> None:
        async with client() as http:
            for key, body in (("a", b"{"), ("a", b"{"), ("b", b"{"), ('"a"', b"{")):
                answer = await http.post(site.url, content=body, headers={"Idempotency-Key": key})
                assert answer.status_code == 400
            for key in ("a", "a", "b"):
                headers = {"Idempotency-Key": key}
                answer = await http.post(site.url, content=payload(1), headers=headers)
                assert answer.status_code == 204
        counts = await site.until(lambda c: c.received == 4)
        assert (counts.duplicates, counts.lost) == (3, {"malformed_json": 2})

    listening(tmp_path, scenario, http_transport())


@pytest.mark.slow
def test_a_thousand_malformed_posts_are_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(site: HttpSite) -> None:
        codes = await post_all(site.url, [b"{broken"] * 1000, again=True)
        assert codes == [400] * 1000
        assert await post_all(site.url, [payload(1)]) == [204]
        counts = await site.until(lambda c: c.received == 1001)
        assert (counts.lost, counts.waiting) == ({"malformed_json": 1000}, 1)

    listening(tmp_path, scenario, http_transport())
    assert caplog.text.count("is malformed") == 1


def test_a_thousand_requests_that_are_not_http_end_nothing(tmp_path: Path) -> None:
    chance = random.Random(7)
    whole = (POST + "Content-Length: 5\r\n\r\n12345").encode()

    def broken() -> bytes:
        way = chance.randrange(4)
        if way == 0:
            return chance.randbytes(200)
        if way == 1:
            changed = bytearray(whole)
            changed[chance.randrange(40)] = chance.randrange(256)
            return bytes(changed)
        if way == 2:
            return whole.replace(b"Content-Length: 5", b"Content-Length: 5\r\nContent-Length: 6")
        return b"POST / HTTP/1.1\r\n" + b"x: " + b"y" * 20_000 + b"\r\n\r\n"

    async def one(site: HttpSite, data: bytes) -> None:
        async with raw(site) as (reader, writer):
            writer.write(data)
            writer.write_eof()
            try:
                await reader.read()
            except ConnectionError:
                return

    async def scenario(site: HttpSite) -> None:
        for _ in range(50):
            await asyncio.gather(*(one(site, broken()) for _ in range(20)))
        assert site.link.state().refused["http"] > 500
        assert await post_all(site.url, [payload(1)]) == [204]
        counts = await site.until(lambda c: c.waiting == 1)
        assert balanced(counts)

    listening(tmp_path, scenario, http_transport())


@pytest.mark.parametrize(
    "start", ["", "POST", POST + "Content-Length: 50\r\n\r\n{", POST + "X: y\r\n"],
    ids=["nothing", "a word", "half a body", "half a head"],
)  # fmt: skip
def test_a_client_that_does_not_go_on_is_let_go(tmp_path: Path, start: str) -> None:
    """And others are served meanwhile, though it has one of two places."""

    async def scenario(site: HttpSite) -> None:
        async with raw(site) as (reader, writer):
            writer.write(start.encode())
            assert await post_all(site.url, [payload(1)]) == [204]
            answer = await reader.read()
        assert (b" 408 " in answer) == bool(start)
        assert site.link.inbox.count == site.link.inbox.bytes == 0

    listening(tmp_path, scenario, http_transport(connections=2, request_seconds=0.3))


def test_who_rests_gives_up_a_place_for_who_comes(tmp_path: Path) -> None:
    async def scenario(site: HttpSite) -> None:
        async with raw(site) as (first, writer):
            writer.write((POST + f"Content-Length: {len(payload(1))}\r\n\r\n").encode())
            writer.write(payload(1))
            assert await status_of(first) == 204
            assert await post_all(site.url, [payload(2)]) == [204]
            assert await first.read() == b""

    listening(tmp_path, scenario, http_transport(connections=1))


def test_requests_of_one_connection_follow_each_other_unasked(tmp_path: Path) -> None:
    async def scenario(site: HttpSite) -> None:
        one = (POST + f"Content-Length: {len(payload(1))}\r\n\r\n").encode()
        chunked = POST + f"Transfer-Encoding: chunked\r\n\r\n{len(payload(3)):x}\r\n"
        async with raw(site) as (reader, writer):
            writer.write(one + payload(1) + one + payload(2))
            writer.write(chunked.encode() + payload(3) + b"\r\n0\r\n\r\n")
            assert [await status_of(reader) for _ in range(3)] == [204] * 3
        await site.until(lambda c: c.waiting == 3)

    listening(tmp_path, scenario, http_transport())


def test_a_body_without_a_length_is_cut_at_the_largest_payload(tmp_path: Path) -> None:
    async def scenario(site: HttpSite) -> None:
        async with raw(site) as (reader, writer):
            writer.write((POST + "Transfer-Encoding: chunked\r\n\r\n").encode())
            writer.write(b"18704\r\n" + b"1" * 0x18704)
            assert await status_of(reader) == 413

    listening(tmp_path, scenario, http_transport())


def test_curl_by_its_own_manners(tmp_path: Path) -> None:
    """A large body after ``Expect: 100-continue``, HTTP/1.0, and a refusal before the body."""

    def curl(*arguments: str) -> str:
        command = ["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    (tmp_path / "large").write_text(json.dumps([json.loads(payload(n)) for n in range(1000)]))
    (tmp_path / "huge").write_bytes(b"1" * 5_000_000)
    (tmp_path / "small").write_bytes(payload(5000))
    expecting = ["-H", "Expect: 100-continue"]

    async def scenario(site: HttpSite) -> None:
        def post(file: str, *more: str) -> str:
            return curl("--data-binary", f"@{tmp_path / file}", *more, site.url)

        assert await asyncio.to_thread(post, "large", *expecting) == "204"
        assert await asyncio.to_thread(post, "small", "-0") == "204"
        assert await asyncio.to_thread(post, "huge", *expecting) == "413"
        assert await asyncio.to_thread(post, "huge") == "413"
        await site.until(lambda c: c.waiting == 2)

    listening(tmp_path, scenario, http_transport())
