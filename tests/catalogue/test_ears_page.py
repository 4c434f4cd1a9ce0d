"""``docs/how-to/give-a-box-ears.md``, typed into a shell beside a real broker."""

import shutil
from pathlib import Path

import pytest

from fl_client.functions.host.compiler import MACHINE_CODE
from tests.support.mosquitto import Mosquitto
from tests.support.sandboxes import compile_runner
from tests.support.shell import blocks, desk, replaced, typed

PAGE = "docs/how-to/give-a-box-ears.md"


@pytest.mark.slow
@pytest.mark.long
def test_the_page_from_nothing_to_an_event_in_five_commands(tmp_path: Path) -> None:
    if shutil.which("espeak-ng") is None:
        pytest.skip("needs the Debian package espeak-ng")
    (commands,) = blocks("docs/how-to/give-a-box-ears.md")
    assert len([line for line in commands.splitlines() if line[0] != " " and line != "done"]) == 5
    with Mosquitto(tmp_path / "broker") as broker:
        place = desk(tmp_path / "listener", broker.port)
        (text,) = blocks("docs/how-to/give-a-box-ears.md", "yaml")
        (place / "ears.yaml").write_text(text)
        shutil.copytree(compile_runner(), place / "site" / MACHINE_CODE)  # else it takes a minute
        here = f"ears.yaml broker.port={broker.port} http.port=0 &"
        told = typed(replaced(commands, ("ears.yaml &", here)), place)
    assert '"function":"speech-heard"' in told
    assert '"probability":' in told
