"""``docs/how-to/catalogue.md``, typed into a shell: with a package index, and with a wheel."""

from pathlib import Path

from fl_server.repository.catalogue.shelf import recipes
from fl_server.repository.catalogue.wheel import downloaded
from tests.support.shell import blocks, desk, typed


def test_the_how_to_from_nothing_to_production(tmp_path: Path) -> None:
    place = desk(tmp_path / "reader")
    downloaded(recipes()["speech"].origin, place)
    told = typed("".join(blocks("docs/how-to/catalogue.md")), place, COLUMNS="200")
    assert "model speech 1 (" in told
    assert "is in production" in told
    assert told.count("Its answer to the worked example is right") == 2
