"""When a function is disabled: a box's own count of a class, a rule of its own in a sandbox."""

import logging
from pathlib import Path

import pytest

from fl_client.functions.failing import Failing
from fl_client.functions.host import FunctionSource, SandboxedSource
from tests.support.sandboxes import fields_of


def in_sandbox(failures: int, of_last: int, allowed: int = 2) -> Failing:
    fields = fields_of(on_failure={"disable_after": {"failures": failures, "of_last": of_last}})
    sandboxed = SandboxedSource("x", fields, "", Path("runner.wasm"), "00")
    return Failing("fall", FunctionSource({}, None, sandboxed), allowed)


def noted(failing: Failing, calls: str) -> Failing:
    """``x`` is a call that failed, in the line of its number."""
    for number, call in enumerate(calls, 1):
        failing.note(f"KeyError (line {number})" if call == "x" else None)
    return failing


@pytest.mark.parametrize(
    ("calls", "is_disabled"),
    [
        ("", False),
        ("xx", False),
        ("xxx", True),
        ("x..x.x", False),
        ("x.x.x", True),
        ("x.x..x.x..x.x..", False),
        ("x.x..xx", True),
        ("....." * 99 + "xx..x", True),
    ],
)
def test_in_a_sandbox_failures_among_the_last_calls_alone_count(
    calls: str, is_disabled: bool
) -> None:
    assert noted(in_sandbox(3, 5), calls).is_disabled is is_disabled


def test_a_failure_now_and_then_never_ends_a_function_in_a_sandbox() -> None:
    assert not noted(in_sandbox(2, 100), ("x" + "." * 99) * 50).is_disabled


def test_of_an_installed_class_every_failure_counts() -> None:
    source = FunctionSource({"class": "x.Y"})
    assert not noted(Failing("y", source, 2), "x" + "." * 999).is_disabled
    assert noted(Failing("y", source, 2), "x" + "." * 999 + "x").is_disabled


def test_it_says_how_many_failed_and_the_line_of_the_first_of_these() -> None:
    failing = noted(in_sandbox(3, 5), "x.....x.xx")
    assert failing.why == "it failed 3 times in its last 5 calls, first: KeyError (line 7)"
    assert failing.remedy.startswith("Publish another version")
    configured = Failing("y", FunctionSource({"_target_": "x.Y"}, "functions.y"), 1)
    assert "take it out of functions in the configuration" in configured.remedy


def test_the_first_failure_and_the_end_are_logged_and_no_other(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        noted(in_sandbox(3, 5), "x....x....x....xxx")
    first, last = caplog.messages
    assert first.startswith("function fall failed: KeyError (line 1); it is disabled after 3")
    assert last.startswith("function fall is disabled: it failed 3 times in its last 5 calls")
    assert "(line 16)" in last
