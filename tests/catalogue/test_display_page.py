"""``docs/how-to/read-a-display.md``, typed into a shell beside a real broker."""

import json
import shutil
from pathlib import Path

import pytest

from fl_client.functions.host.compiler import MACHINE_CODE
from tests.support.mosquitto import Mosquitto
from tests.support.sandboxes import compile_runner
from tests.support.shell import blocks, desk, replaced, typed

PAGE = "docs/how-to/read-a-display.md"


@pytest.mark.slow
@pytest.mark.long
def test_the_page_from_nothing_to_an_event_in_five_commands(tmp_path: Path) -> None:
    (commands,) = blocks("docs/how-to/read-a-display.md")
    assert len(commands.splitlines()) == 5
    with Mosquitto(tmp_path / "broker") as broker:
        place = desk(tmp_path / "listener", broker.port)
        (text,) = blocks("docs/how-to/read-a-display.md", "yaml")
        (place / "display.yaml").write_text(text)
        (program,) = blocks("docs/how-to/read-a-display.md", "python")
        (place / "draw.py").write_text(program)
        shutil.copytree(compile_runner(), place / "site" / MACHINE_CODE)  # else it takes a minute
        here = f"display.yaml broker.port={broker.port} http.port=0 &"
        told = typed(replaced(commands, ("display.yaml &", here)), place)
    lines = [line for line in told.splitlines() if line.startswith('{"function"')]
    event = json.loads(lines[-1])
    assert (event["function"], event["text"], event["value"]) == ("display-read", "04711.5", 4711.5)
    assert 0.9 < event["confidence"] <= 1
