"""A window that ends the functions' process each time: one letter, and all others in order."""

from contextlib import closing
from pathlib import Path

import pytest

from fl_client.__main__ import main
from fl_client.functions.host import FunctionSource, HostLimits
from fl_client.functions.host.process import HostProcess
from fl_client.functions.runner import Functions
from fl_client.home import STORE
from fl_common.functions import Predicted
from fl_common.programs.troubles import Troubles
from tests.support.fed_functions import FedFunctions, Told

BEFORE, AFTER = 3, 1000
POISON = BEFORE * 10
NEVER = -1


def windows(first: int, last: int) -> list[Predicted]:
    return [Predicted(n * 10, n * 10 + 1, ("a", "b"), (0.9, 0.1)) for n in range(first, last)]


def box(home: Path, host: HostProcess, at_ns: int) -> FedFunctions:
    """A counting function that ends its process at the window that starts then."""
    arguments = {"at_ns": at_ns}
    class_name = "tests.support.hostile_functions.Poisoned"
    source = FunctionSource({"class": class_name, "arguments": arguments})
    return FedFunctions(home / STORE, Functions({"count": source}, host, 10))


def numbers(told: list[Told]) -> list[tuple[int, int]]:
    """Start of the window, and the number that was told of it."""
    return [(event.start_ns, found.data["number"]) for event, _, found in told]


def test_a_poisoned_window_is_one_letter_and_after_a_mend_has_its_event_with_its_own_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(HostProcess(tmp_path, HostLimits(60.0, 256), Troubles())) as host:
        with closing(box(tmp_path, host, POISON)) as site:
            told = site.show(windows(0, BEFORE + 1 + AFTER))
            starts = [n * 10 for n in range(BEFORE + 1 + AFTER) if n * 10 != POISON]
            assert numbers(told) == list(zip(starts, range(1, BEFORE + AFTER + 1), strict=True))
            assert [event.start_ns for event, _ in site.failed] == [POISON]
            counts = site.feed.counts()
            assert (counts.put, counts.done) == (BEFORE + 1 + AFTER,) * 2
            assert counts.letters == {"count": 1}
            assert host.starts == {"check": 1, "first": 1, "ended": 2}, "it was tried once more"
        main(["functions", "letters", "--home", str(tmp_path), "--json"])
        assert "its process ended (exit status 3)" in capsys.readouterr().out
        with closing(box(tmp_path, host, NEVER)) as mended:
            assert mended.show() == []
            main(["functions", "retry", "count", "--home", str(tmp_path)])
            again = numbers(mended.show())
            assert again == [(POISON, BEFORE + AFTER + 1)], "with its own time"
            assert mended.feed.counts().letters == {}
