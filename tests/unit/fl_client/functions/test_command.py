"""``fl-client functions letters``: what a person sees."""

from contextlib import closing
from pathlib import Path

import pytest

from fl_client.__main__ import main
from fl_client.home import STORE
from fl_client.store.database import open_store
from fl_client.store.function_inbox import FunctionInbox
from fl_client.store.in_memory import open_kept
from fl_client.store.label_requests import LabelRequests
from fl_common.functions import Predicted
from tests.support.samples import TASK


def test_why_a_function_failed_is_shown_as_it_was_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    window = Predicted(1, 2, ("rest", "walk"), (0.9, 0.1))
    with closing(open_store(tmp_path / STORE)) as connection:
        FunctionInbox(connection, 10).done([], [("alarm", "KeyError: [/red] [bold]", window)])
    main(["functions", "letters", "--home", str(tmp_path)])
    assert "KeyError: [/red] [bold]" in capsys.readouterr().out


def test_letters_in_memory_alone_are_not_said_to_be_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    window = Predicted(1, 2, ("rest", "walk"), (0.9, 0.1))
    with closing(open_kept(tmp_path / STORE, in_memory=True)) as connection:
        LabelRequests(connection, TASK, "cut")
        FunctionInbox(connection, 10).done([], [("alarm", "it raised", window)])
        with pytest.raises(SystemExit) as ended:
            main(["functions", "letters", "--home", str(tmp_path)])
    assert ended.value.code == 2
    assert "in the node's memory alone (retain=none)" in capsys.readouterr().err
