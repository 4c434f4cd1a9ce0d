"""What the host's process keeps of streams: no more than fits, and what is dropped goes on."""

import shutil
from contextlib import closing
from pathlib import Path

import pytest

from fl_client.components.sandbox import Grant, Sandboxes
from fl_client.functions.host import HostLimits
from fl_client.functions.host.compiler import MACHINE_CODE
from fl_client.functions.host.held import Held
from fl_client.functions.runner import Functions
from fl_client.home import STORE
from fl_common.functions.events import Predicted
from fl_common.functions.limits import MOST_REMEMBERED
from tests.support.fed_functions import FedFunctions
from tests.support.function_hosts import close_hosts, host_of, process_of
from tests.support.open_functions import folder_in
from tests.support.samples import TASK
from tests.support.sandboxes import compile_runner, limits

GRANT = Grant(("python",), ("emit", "state", "log"), 50_000_000, 64, 1)

STREAMS = 1000
FULL = """
def handle(event):
    n = get("n", 0) + 1
    put("n", n)
    put("all", "x" * 65000)
    emit("found", {"n": n})
"""


def test_those_that_were_called_long_ago_go_first_and_what_has_no_size_stays() -> None:
    held = Held(most=10)
    assert held.note((1, "a"), 4) == held.note((1, "none"), 0) == held.note((2, "b"), 6) == []
    assert held.note((1, "a"), 5) == [(2, "b")]
    assert ((1, "a") in held, (1, "none") in held, (2, "b") in held) == (True, True, False)
    assert held.note((3, "large"), 20) == [(1, "a")]
    held.keep({1})
    assert (3, "large") not in held
    assert held.note((1, "c"), 10) == []


def box(home: Path) -> FedFunctions:
    host = host_of(home, HostLimits(60.0, 256, GRANT.megabytes))
    functions = Functions({}, host, 3)
    folder = folder_in(home / "full", FULL, limits=limits(milliseconds=20_000))
    functions.use("full", Sandboxes(GRANT, TASK, 60.0, lambda without: 0).source("full", folder))
    return FedFunctions(home / STORE, functions)


def round_of(number: int) -> list[Predicted]:
    start = number * 10
    return [
        Predicted(start, start + 1, ("a", "b"), (0.9, 0.1), f"stream-{stream}")
        for stream in range(STREAMS)
    ]


@pytest.mark.long
def test_a_thousand_streams_with_full_states_go_on_also_after_a_restart(tmp_path: Path) -> None:
    shutil.copytree(compile_runner(), tmp_path / MACHINE_CODE)
    for life in range(2):
        with closing(box(tmp_path)) as site:
            told = site.show(round_of(life))
            assert [event.data for _, _, event in told] == [{"n": life + 1}] * STREAMS
            assert site.failed == []
            size = site.feed.counts().state_bytes["full"]
            assert STREAMS * 65_000 < size <= STREAMS * MOST_REMEMBERED
            child = process_of(host_of(tmp_path))
            assert child.memory_info().rss < 300 << 20
        close_hosts()
