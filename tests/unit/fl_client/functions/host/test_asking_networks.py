"""An installed class asks networks by name: several of them, often, and within bounds."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fl_client.functions.host import CallEnded, FunctionSource, HostLimits
from fl_client.functions.host.process import HostProcess
from fl_client.functions.host.started import MOST_QUESTIONS
from fl_common.functions.events import Window
from fl_common.programs.troubles import Troubles
from tests.support.networks import counting, networks_in, placed

WINDOW = Window(0, 1, ("x",), (1.0,))
CLASS = "tests.support.asking_functions.AsksMany"


@pytest.fixture
def host(tmp_path: Path) -> Iterator[HostProcess]:
    """A host of a box with two networks."""
    networks = networks_in(tmp_path, "one", "two")
    for name, factor in (("one", 1.0), ("two", 10.0)):
        placed(networks.slot(name), tmp_path, counting(factor), state={"s": "next"})
        networks.swap(name)
    limits = HostLimits(60.0, 256)
    host = HostProcess(tmp_path / "site", limits, Troubles(), networks=networks.ask)
    yield host
    host.close()


def source(asks: tuple[str, ...], networks: list[str], times: int) -> FunctionSource:
    node = {"class": CLASS, "arguments": {"networks": networks, "times": times}}
    return FunctionSource(node, on=(("window", "*"),), asks=frozenset(asks))


def test_several_networks_are_asked_by_name_as_often_as_a_window_has_parts(
    host: HostProcess,
) -> None:
    answer = host.call(1, source(("one", "two"), ["one", "two"], 20), None, WINDOW)
    assert answer.failures == []
    (found,) = answer.events or ()
    assert found.data == {"answers": 40, "total": 20 * 8 + 20 * 80}


def test_a_network_that_function_json_does_not_name_is_not_asked(host: HostProcess) -> None:
    answer = host.call(1, source(("one",), ["two"], 1), None, WINDOW)
    assert answer.events is None
    assert "two: is not among those that asks of its function.json" in answer.failures[0]
    answer = host.call(2, source(("one", "gone"), ["gone"], 1), None, WINDOW)
    assert "is none of this box's" in answer.failures[0]
    assert not answer.waits


def test_one_that_asks_without_end_is_ended_and_the_next_call_has_a_new_process(
    host: HostProcess,
) -> None:
    with pytest.raises(CallEnded, match=f"more than {MOST_QUESTIONS:,} times"):
        host.call(1, source(("one",), ["one"], MOST_QUESTIONS + 1), None, WINDOW)
    answer = host.call(1, source(("one",), ["one"], 3), None, WINDOW)
    assert [event.data["answers"] for event in answer.events or ()] == [3]
