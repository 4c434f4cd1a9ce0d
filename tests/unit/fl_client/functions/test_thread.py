"""The thread of the functions: windows that were handed over, restarts, and its own end."""

from collections.abc import Iterable, Sequence
from functools import partial

import pytest

from fl_client.functions.label_change import LabelChange
from fl_client.functions.runner import Functions
from fl_client.functions.shown import Failed
from fl_client.functions.thread import FunctionThread, ShownEvent
from fl_client.store.function_inbox import WaitingEvent
from fl_common.functions import FunctionEvent, Predicted
from fl_common.programs.troubles import Troubles
from tests.support.function_hosts import functions_of
from tests.support.nodes import wait_for


def window(number: int, walk: float = 0.9, only: str | None = None) -> WaitingEvent:
    shares = (1 - walk, walk)
    return WaitingEvent(number, only, Predicted(number, number + 1, ("rest", "walk"), shares))


def inbox(windows: Sequence[WaitingEvent]) -> object:
    return lambda after, limit: [one for one in windows if one.number > after][:limit]


def taken(thread: FunctionThread, windows: Sequence[WaitingEvent]) -> list[ShownEvent]:
    """All of them, handed over and taken back as there is room."""
    found: list[ShownEvent] = []

    def step() -> bool:
        thread.hand(inbox(windows))  # type: ignore[arg-type]
        thread.wait(60)
        found.extend(thread.take())
        return len(found) >= len(windows)

    wait_for(step, "every window")
    return found


def change() -> Functions:
    return functions_of({"change": partial(LabelChange, 1)}, 3)


def test_every_window_comes_back_once_and_in_order() -> None:
    thread = FunctionThread(change(), Troubles())
    thread.restart({})
    windows = [window(number, walk=number % 2) for number in range(1, 200)]
    found = taken(thread, windows)
    assert [one.number for one in found] == list(range(1, 200))
    assert all(len(one.shown.found) == 1 for one in found)
    thread.close()


def test_after_a_restart_what_was_under_way_is_forgotten_and_shown_again() -> None:
    thread = FunctionThread(change(), Troubles())
    thread.restart({})
    windows = [window(number) for number in range(1, 11)]
    first = taken(thread, windows[:5])
    memories = {key: memory for one in first[:2] for key, memory in one.shown.memories.items()}
    thread.hand(inbox(windows))  # type: ignore[arg-type]
    thread.restart(memories)  # the commit of the third failed
    again = taken(thread, windows[2:])
    assert [one.number for one in again] == list(range(3, 11))
    assert not any(one.shown.found for one in again), "its label stands"
    assert not any(one.shown.failed for one in again)
    thread.close()


def test_a_window_for_one_that_does_not_run_fails_and_is_not_lost() -> None:
    thread = FunctionThread(change(), Troubles())
    thread.restart({})
    (one,) = taken(thread, [window(1, only="gone")])
    assert one.shown.failed == [Failed("gone", "no function of this name runs")]
    assert one.shown.found == []
    thread.close()


class Broken:
    """A function that is no trouble, beside a host that is."""

    def __call__(self, predicted: Predicted) -> Iterable[FunctionEvent]:
        """Nothing."""
        return ()


def test_a_thread_that_ends_is_told() -> None:
    functions, troubles = functions_of({"one": Broken}, 3), Troubles()

    def fault(*_: object) -> None:
        raise RuntimeError("no such state")

    functions.use("one", None)
    functions._asked = fault  # type: ignore[assignment, method-assign]
    thread = FunctionThread(functions, troubles)
    thread.restart({})
    thread.hand(inbox([window(1)]))  # type: ignore[arg-type]
    wait_for(troubles.current, "a trouble")
    (trouble,) = troubles.current()
    assert "RuntimeError: no such state" in trouble.cause
    with pytest.raises(RuntimeError, match="no such state"):
        thread.wait(0.0)  # who waits does not wait for ever
    thread.close()
