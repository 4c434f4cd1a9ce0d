"""Paths as people write them: ``~`` is a home where there is one, and a name otherwise."""

from pathlib import Path

import pytest

from fl_common.configuration.paths import from_home


def test_a_tilde_is_the_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert from_home("~/data/a.npz") == tmp_path / "data" / "a.npz"
    assert from_home("~root").is_absolute()


@pytest.mark.parametrize("written", ["~0", "~no such user/a.npz", "a~b", "~\N{SNOWMAN}"])
def test_a_name_that_is_no_user_s_stays(written: str) -> None:
    assert from_home(written) == Path(written)
