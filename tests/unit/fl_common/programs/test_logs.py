"""The form of logs: JSON for programs, text for a terminal, and one line a record in both."""

import json
import logging
import os
import pty
import subprocess
import sys

import pytest

from fl_common.errors import InvalidConfiguration
from fl_common.programs.logs import JsonLines, log_to_standard_error, message_of

SCRIPT = """
import logging, sys, threading, warnings
from fl_common.programs.logs import log_to_standard_error

log_to_standard_error("info", quiet=["noisy"])
logging.getLogger("a.b").info("one\\ntwo")
logging.getLogger("noisy").info("not said")
logging.getLogger("chatty").setLevel("DEBUG")
logging.getLogger("chatty").debug("not said")
warnings.warn("old", stacklevel=1)
thread = threading.Thread(target=lambda: 1 / 0)
thread.start()
thread.join()
raise SystemError("the end")
"""


def test_a_record_is_one_line_of_json_with_the_error_in_it() -> None:
    try:
        raise ValueError("two\nlines")
    except ValueError:
        info = sys.exc_info()
    record = logging.LogRecord("a.b", logging.WARNING, "f", 1, "say %s\n", ("what",), info)
    text = JsonLines().format(record)
    assert "\n" not in text
    line = json.loads(text)
    assert (line["level"], line["logger"], line["message"]) == ("warning", "a.b", "say what\\n")
    assert line["time"].endswith("Z")
    assert "ValueError: two\nlines" in line["error"]


def test_a_program_gets_json_of_all_that_is_said() -> None:
    ended = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, check=False)
    lines = [json.loads(line) for line in ended.stderr.splitlines()]
    assert [line["level"] for line in lines] == ["info", "warning", "critical", "critical"]
    assert lines[0]["message"] == "one\\ntwo"
    assert "old" in lines[1]["message"]
    assert "ZeroDivisionError" in lines[2]["error"]
    assert "SystemError: the end" in lines[3]["error"]
    assert ended.returncode == 1


def test_a_terminal_gets_text() -> None:
    ours, theirs = pty.openpty()
    script = "\n".join(SCRIPT.splitlines()[:-1])
    subprocess.run([sys.executable, "-c", script], stderr=theirs, check=True)
    os.close(theirs)
    text = os.read(ours, 65536).decode()
    os.close(ours)
    assert "INFO a.b: one\\ntwo" in text.splitlines()[0]
    assert not text.startswith("{")


def test_what_a_line_says_is_read_back_and_that_of_another_program_kept() -> None:
    ended = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, check=False)
    lines = ended.stderr.decode().splitlines()
    assert message_of(lines[0]) == "one\\ntwo"
    assert message_of(lines[-1]).endswith("SystemError: the end")
    for other in ("error: a: b", "[emerg] bind() failed", "3", '{"a": 1}', "[]", ""):
        assert message_of(other) == other


def test_a_level_that_is_none_is_refused_before_anything_is_set() -> None:
    before = logging.getLogger().handlers[:]
    with pytest.raises(InvalidConfiguration, match="log_level=loud: must be one of debug, info"):
        log_to_standard_error("loud")
    assert logging.getLogger().handlers == before
