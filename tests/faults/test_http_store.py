"""Posts and the store: what shares a commit, and what a full disk or a full spool answers."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from fl_client.sensors.transports import Delivery, Taken
from tests.support.disk import fill, small_disk
from tests.support.edge import payload
from tests.support.posts import HttpSite, client, http_transport, listening, post_all


def test_many_posts_share_a_commit(tmp_path: Path) -> None:
    async def scenario(site: HttpSite) -> None:
        taken, began, go_on = site.take, asyncio.Event(), asyncio.Event()

        async def slow(batch: Sequence[Delivery]) -> Taken:
            began.set()
            await go_on.wait()
            return await taken(batch)

        site.take = slow  # type: ignore[method-assign]
        async with site.running():
            await site.connected()
            posting = asyncio.create_task(post_all(site.url, [payload(n) for n in range(20)]))
            await site.until(lambda _: site.link.inbox.count == 20)
            go_on.set()
            assert await posting == [204] * 20
            assert len(site.batches) <= 2

    async def run() -> None:
        await scenario(HttpSite(tmp_path, http_transport()))

    asyncio.run(run())


def test_a_full_disk_is_told_and_the_post_may_come_again(tmp_path: Path) -> None:
    async def scenario(site: HttpSite) -> None:
        disk = tmp_path / "disk"
        assert await post_all(site.url, [payload(0)]) == [204]
        fill(disk / "filler")
        bodies = [payload(number) for number in range(1, 300)]
        codes = await post_all(site.url, bodies)
        assert 503 in codes
        async with client() as http:
            answer = await http.post(site.url, content=payload(3001))
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
            assert answer.json() == {"reason": "store"}
        counts = site.spool.counts()
        assert (counts.received, counts.lost) == (1 + codes.count(204), {})
        (disk / "filler").unlink()
        assert await post_all(site.url, bodies, again=True) == [204] * len(bodies)
        assert (await site.until(lambda c: c.received == 300)).waiting == 300

    with small_disk(tmp_path / "disk", "1m") as disk:
        listening(disk, scenario, http_transport(in_flight=500))


def test_a_full_spool_is_told(tmp_path: Path) -> None:
    async def run() -> None:
        site = HttpSite(tmp_path, http_transport(), limit_bytes=100)
        async with site.running():
            await site.connected()
            assert await post_all(site.url, [payload(1)]) == [204]
            assert await post_all(site.url, [payload(2)]) == [503]
            assert site.spool.counts().lost == {"full_rejected": 1}
            site.spool.done([sequence for sequence, _ in site.spool.waiting(10)])
            assert await post_all(site.url, [payload(2)]) == [204]

    asyncio.run(run())
