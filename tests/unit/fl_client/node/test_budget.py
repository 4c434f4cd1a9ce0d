"""What a node says of its ledger, wherever the ledger's counter lies."""

import asyncio
import contextlib
import io
import json
from contextlib import closing
from pathlib import Path

import pytest
from rich.console import Console

from fl_client.home import LEDGER, STORE
from fl_client.ledger.ledger import Charge, Ledger
from fl_client.node.budget import Budget, watch_ledger
from fl_client.node.status import read_status, write_record
from fl_client.node.status_table import status_table
from fl_client.store.database import open_store
from tests.support.samples import WINDOW_PRIVACY


@pytest.fixture
def counter(tmp_path: Path) -> Path:
    """The counter of the ledger in ``tmp_path``, in another folder; one round is charged."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    charge = Charge("anna", "run", 1, "plan", WINDOW_PRIVACY, ("monday",), False)
    with closing(Ledger(tmp_path / LEDGER, lambda: 7.0, "anna", elsewhere / "counter")) as ledger:
        ledger.debit([charge])
    return elsewhere / "counter"


@pytest.mark.slow
def test_a_running_node_reads_it(tmp_path: Path, counter: Path) -> None:
    told: list[Budget] = []

    async def until_told() -> None:
        task = asyncio.create_task(watch_ledger(tmp_path / LEDGER, counter, told.append))
        while not told and not task.done():
            await asyncio.sleep(0.01)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    asyncio.run(asyncio.wait_for(until_told(), 60))
    assert (told[0].get("trouble"), told[0]["block"], told[0]["rounds"]) == (None, "monday", 1)


def test_the_status_of_a_node_that_does_not_run_has_it(tmp_path: Path, counter: Path) -> None:
    open_store(tmp_path / STORE).close()
    write_record(tmp_path, "127.0.0.1", 1, {}, counter)  # nobody answers there
    status = read_status(tmp_path)
    assert not status["running"]
    assert status["ledger"]["block"] == "monday", json.dumps(status)
    per = status["ledger"]["epsilon_per"]
    shown = io.StringIO()
    Console(file=shown, width=200).print(status_table(status))
    said = f"spent: {per['window']:.3f} for a window, {per['reading']:.3f} for a reading)"
    assert said in shown.getvalue()
