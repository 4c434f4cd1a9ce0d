"""What a person sees on the terminal, in a log, and when the input is bad."""

import io
import re
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import rich.console
from rich.cells import cell_len

from fl_common.errors import InvalidConfiguration
from fl_common.plan import RunPlan
from fl_common.privacy.accounting import Spend, epsilon_of_group
from fl_common.vocabulary import Refusal, RefusalReason
from simulate.report.console import Console, print_error
from tests.support import results_samples as made
from tests.support import samples

FILES = {"report": Path("outputs/2026-01-31/12-00-00/report.html")}
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")


def refusal(site: str, round_: int, detail: str = "the limit is 8") -> Refusal:
    return Refusal(site, "run", round_, RefusalReason.BUDGET, detail)


def show(
    width: int,
    terminal: bool,
    plan: RunPlan | None = None,
    refusals: tuple[Refusal, ...] = (),
    errors: tuple[str, ...] = (),
    brief: bool = False,
    rounds_done: int = 0,
) -> str:
    """All that the console writes for a run, control codes included."""
    plan = plan or made.plan()
    file = io.StringIO()
    output = rich.console.Console(
        file=file, width=width, force_terminal=terminal, highlight=False, legacy_windows=False,
        color_system="standard" if terminal else None, _environ={"TERM": "xterm"},
    )  # fmt: skip
    with Console(output, brief=brief) as console:
        console.start(plan, 3, rounds_done)
        results = [made.result(round_) for round_ in range(rounds_done + 1, plan.rounds + 1)]
        for result in results:
            console.round(result, [r for r in refusals if r.round == result.round], errors)
        end = made.outcome(plan.task.labels)
        console.finish(made.summary(plan, results, end), end, FILES)
    return file.getvalue()


def test_a_log_has_one_whole_line_a_round_and_no_control_codes() -> None:
    text = show(60, terminal=False)
    assert not CONTROL.search(text)
    lines = [line for line in text.splitlines() if line.startswith("round ")]
    assert len(lines) == 12
    assert lines[3] == (
        "round  4/12 accuracy 0.638 loss 0.98 ε 2.00/50 (4 for a reading)"
        " ↑1.23 MB ↓2.35 MB 0:12 left"
    )
    assert "left" not in lines[-1]


def test_both_units_stand_beside_the_limit_where_the_rounds_keep_within_it() -> None:
    plan = made.plan(replace(samples.WINDOW_PRIVACY, noise_multiplier=40.0))
    after = epsilon_of_group([Spend(40.0, 0.25, 4 * 12)], 2, 1e-5, "rdp")
    assert f"at delta 1e-05 for each window of a site ({after:.3g} for a reading), " in show(
        80, terminal=False, plan=plan
    )
    short = made.plan(replace(samples.WINDOW_PRIVACY, epsilon_limit=0.1))
    assert "for each window of a site, noise" in show(80, terminal=False, plan=short)


def test_a_long_run_does_not_flood_a_log() -> None:
    text = show(80, terminal=False, plan=made.plan(rounds=1000))
    lines = [line for line in text.splitlines() if line.startswith("round ")]
    assert 40 <= len(lines) <= 52
    assert lines[0].startswith("round    1/1000")
    assert lines[-1].startswith("round 1000/1000")


@pytest.mark.parametrize("width", [30, 60, 100])
def test_the_line_of_progress_fits_the_terminal(width: int) -> None:
    plain = CONTROL.sub("\n", COLOUR.sub("", show(width, terminal=True)))
    lines = [line for line in plain.splitlines() if re.match(r"round +\d+/12", line)]
    assert max(cell_len(line) for line in lines) <= width
    last = lines[-1]
    assert last.startswith("round 12/12")
    if width >= 60:
        assert re.search(r"ε 3.46/50 \(6.93( for a |/)reading\)", last), "both units"
        told = [line for line in lines if "acc" in line and "12/12" not in line]
        assert len(told) == 11
        ends = (" left", "reading)")  # whole facts only
        assert all("─" in line and line.endswith(ends) for line in told)


def test_a_wide_terminal_shows_all_facts() -> None:
    text = CONTROL.sub("", show(120, terminal=True))
    for fact in ("accuracy 0.638", "loss 0.98", "ε 2.00/50", "↑1.23 MB", "↓2.35 MB", "0:12 left"):
        assert fact in text


@pytest.mark.parametrize("terminal", [False, True])
def test_closing_tables_fit_60_columns_and_name_everything(terminal: bool) -> None:
    text = CONTROL.sub("", show(60, terminal))
    closing = text[text.rindex("toy, cnn1d: 3 sites, 12 rounds, seed 1") :]
    assert max(cell_len(line.rstrip()) for line in closing.splitlines()) <= 60
    words = " ".join(closing.split())
    for fact in (
        "accuracy 0.800 loss 0.40",
        "lowest 0.700 (site 0), median 0.800, highest 0.900 (site 2)",
        "epsilon 3.46 of 50 at delta 1e-05 for each window of a site",
        "RDP (Mironov 2017), conversion of Balle et al. 2020",
        "seeded noise: repeatable, for simulation only",
        "14.8 MB up, 28.1 MB down",
        "41.7 s in all, 4.10 s to start, 1.50 s a round",
        "still 0.800",
        "falling 0.800",
    ):
        assert fact in words
    assert str(FILES["report"]) in closing


def test_many_classes_are_cut_to_the_lowest() -> None:
    labels = tuple(f"class {i}" for i in range(40))
    text = show(80, terminal=False, plan=made.plan(labels=labels))
    assert text.count("class ") < 15
    assert "the 8 lowest; summary.json has all" in text


def test_no_privacy_is_said_in_red_before_and_after() -> None:
    text = show(80, terminal=True, plan=made.plan(samples.PUBLIC))
    assert text.count("\x1b[1;31mNo differential privacy: updates reveal") == 2
    assert "ε" not in text


def test_refusals_are_told_once_and_counted_by_reason() -> None:
    refusals = tuple(refusal(f"site {i % 2}", round_) for round_ in (11, 12) for i in range(2))
    text = show(100, terminal=False, refusals=refusals)
    assert text.count("refuses (budget)") == 1
    assert "round 11: site site 0 refuses (budget): the limit is 8" in text
    assert "2 sites (rounds): site 0 (2), site 1 (2)" in text


def test_errors_are_told_once() -> None:
    text = show(80, terminal=False, errors=("2 sites did not answer in time",))
    assert text.count("did not answer in time") == 1


def test_the_same_trouble_with_another_figure_is_told_once_for_each_site() -> None:
    cut = [f"update of site person-{site}: its norm {size} is cut to 0.2" for site, size in
           ((7, 0.61), (7, 1.5e-7), (8, 0.61))]  # fmt: skip
    text = show(80, terminal=False, errors=tuple(cut))
    assert [text.count(f"person-{site}: its norm") for site in (7, 8)] == [1, 1]


def test_names_can_not_steer_the_terminal() -> None:
    plan = made.plan(labels=("a\x1b[2J", "b\nc", "d"))
    text = show(80, False, plan, refusals=(refusal("evil\x1b]0;x\x07", 1, "no\x1b[31m\nmore"),))
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "b c" in text


def test_a_resumed_run_says_where_it_goes_on() -> None:
    text = show(80, terminal=False, rounds_done=5)
    assert "going on after round 5 of 12" in text
    assert "round  5/12" not in text


def test_brief_ends_in_one_line() -> None:
    last = show(80, terminal=False, brief=True).splitlines()[-1]
    figures, folder = "accuracy 0.800  loss 0.40  epsilon 3.46 of 50", FILES["report"].parent
    assert last == f"{figures}  {folder}"


def test_an_error_gives_the_cursor_back_and_no_thread_is_left() -> None:
    file, before = io.StringIO(), threading.active_count()
    output = rich.console.Console(
        file=file, width=60, force_terminal=True, _environ={"TERM": "xterm"}
    )

    def interrupted() -> None:
        with Console(output) as console:
            console.start(made.plan(), 3, 0)
            assert threading.active_count() == before, "processes are forked under this line"
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert file.getvalue().index("\x1b[?25l") < file.getvalue().index("\x1b[?25h")
    assert file.getvalue().count("\n") >= 2


def test_an_output_without_greek_letters_is_served(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    plan = made.plan(labels=("Zoë", "b", "c"))
    with Console() as console:
        console.start(plan, 3, 0)
        console.round(made.result(1))
        end = made.outcome(plan.task.labels)
        console.finish(made.summary(plan, [made.result(1)], end), end, FILES)
    sys.stdout.flush()
    text = raw.getvalue().decode("ascii")
    assert "epsilon 1.00/50 (2 for a reading) up 1.23 MB down 2.35 MB" in text
    assert "Zo?" in text


def test_bad_input_is_one_line_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    error = InvalidConfiguration("privacy.epsilon=-1", "must be\nabove 0 [red]", "Set it so " * 20)
    print_error(error)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: privacy.epsilon=-1: must be above 0 [red]. Set it so")
    assert captured.err.count("\n") == 1
