"""The queue of runs: its order, what may be wished of a run, and records that can't be read."""

import json
import threading
from itertools import count
from pathlib import Path

import pytest

from fl_common.errors import InvalidConfiguration
from fl_server.cloud.runs.queue import RunQueue, Wish


@pytest.fixture
def queue(tmp_path: Path) -> RunQueue:
    return RunQueue(tmp_path / "runs", map(float, count()).__next__)


def complete(queue: RunQueue, name: str) -> None:
    queue.folder(name).mkdir(parents=True, exist_ok=True)
    (queue.folder(name) / "model.onnx").write_bytes(b"a model")


def in_order(queue: RunQueue) -> list[str]:
    names = []
    while (row := queue.next()) is not None:
        names.append(row.name)
        complete(queue, row.name)
    return names


def test_runs_come_in_the_order_of_the_requests_after_the_servers_own(queue: RunQueue) -> None:
    for name in ("zeta", "alpha"):
        queue.put(name, [])
    queue.adopt("own")
    assert in_order(queue) == ["own", "zeta", "alpha"]


def test_a_stopped_run_is_not_next_until_it_is_put_again_behind_the_others(queue: RunQueue) -> None:
    for name in ("a", "b"):
        queue.put(name, ["rounds=1"])
    queue.stop("a")
    assert [row.wish for row in queue.all()] == [Wish.STOP, Wish.CARRY_OUT]
    queue.put("a", ["rounds=1"])
    assert in_order(queue) == ["b", "a"]


def test_the_servers_own_run_stays_stopped_and_is_tried_again_after_a_refusal(
    queue: RunQueue,
) -> None:
    queue.adopt("own")
    queue.stop("own")
    assert queue.adopt("own").wish is Wish.STOP
    queue.put("own", [])
    queue.refuse("own", "rounds=0: must be more")
    assert queue.next() is None
    assert queue.adopt("own").wish is Wish.CARRY_OUT


def test_what_can_not_be_done_is_refused(queue: RunQueue) -> None:
    queue.put("a", [])
    with pytest.raises(InvalidConfiguration, match="run a: is in the queue"):
        queue.put("a", [])
    complete(queue, "a")
    with pytest.raises(InvalidConfiguration, match="run a: is complete"):
        queue.put("a", [])
    with pytest.raises(InvalidConfiguration, match="run a: is complete"):
        queue.stop("a")
    with pytest.raises(InvalidConfiguration, match="run b: is not in the queue"):
        queue.stop("b")
    for name in ("../up", "", ".hidden", "a b", "x" * 65):
        with pytest.raises(InvalidConfiguration, match="must be a name"):
            queue.put(name, [])
    assert [path.name for path in queue.folder("a").parent.iterdir() if path.is_dir()] == ["a"]


def test_runs_from_before_there_was_a_queue_are_shown_and_not_begun(queue: RunQueue) -> None:
    queue.folder("old").mkdir(parents=True)
    (queue.folder("old") / "run.json").write_text("{}")
    assert [(row.name, row.wish) for row in queue.all()] == [("old", Wish.STOP)]
    assert queue.next() is None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"number": 1}', b'{"wish": "dance"}'])
def test_a_damaged_record_is_named(content: bytes, queue: RunQueue) -> None:
    queue.put("a", [])
    (queue.folder("a") / "request.json").write_bytes(content)
    with pytest.raises(InvalidConfiguration, match=r"request\.json: can't be read .*runs start a"):
        queue.next()


def test_two_commands_at_once_get_two_places(queue: RunQueue) -> None:
    threads = [threading.Thread(target=queue.put, args=(f"run{n}", [])) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(row.number for row in queue.all()) == list(range(1, 13))
    record = json.loads((queue.folder("run3") / "request.json").read_text())
    assert record["overrides"] == []
