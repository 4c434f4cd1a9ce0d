"""The end of a node's tasks, whatever becomes of a cancellation."""

import asyncio

import pytest

from fl_client.node import process
from fl_client.sensors.transports import finished


def test_a_task_that_loses_a_cancellation_ends_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def deaf() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.Event().wait()

    async def scenario() -> None:
        task = asyncio.create_task(deaf())
        await asyncio.sleep(0)
        await asyncio.wait_for(process._ended([task]), 120)
        assert task.cancelled()

    monkeypatch.setattr(process, "_SAY_AGAIN_S", 0.001)
    asyncio.run(scenario())


def test_work_that_must_finish_does_so_in_spite_of_two_cancellations() -> None:
    async def scenario() -> None:
        may_end, done = asyncio.Event(), []

        async def commit() -> None:
            await may_end.wait()
            done.append(1)

        task = asyncio.create_task(finished(commit()))
        for _ in range(2):
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            task.cancel()
        await asyncio.sleep(0)
        may_end.set()
        await asyncio.wait([task], timeout=120)
        assert (done, task.cancelled()) == ([1], True)

    asyncio.run(scenario())
