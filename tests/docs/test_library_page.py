"""The page on use from a program: its blocks run as the cells of one notebook."""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.sources import ROOT

PAGE = ROOT / "docs" / "how-to" / "use-as-a-library.md"
CELLS = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), flags=re.DOTALL)


@pytest.mark.slow
def test_the_page_pasted_into_a_notebook_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "__main__"}

    async def notebook() -> None:  # a notebook's cells run while its event loop does
        for number, cell in enumerate(CELLS):
            exec(compile(cell, f"{PAGE.name} cell {number}", "exec"), names)

    asyncio.run(notebook())
    printed = capsys.readouterr().out
    assert "round 3: accuracy" in printed
    assert "resume('runs/stopped')" in printed
    assert "privacy.epsilon=-1" in printed
    assert 3.9 < names["earlier"].ledger.epsilon <= 4.0
    assert set(names["accuracy_of"]) == {2, 8}
    assert names["probabilities"].sum() == pytest.approx(1.0)
    assert not (tmp_path / "runs" / "refused").exists()
    assert len(CELLS) == 10
