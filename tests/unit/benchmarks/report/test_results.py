from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.measuring.machine import Facts
from benchmarks.measuring.measure import ProcessFailed
from benchmarks.report.figures import FIGURES, Ratio, findings
from benchmarks.report.results import Results, Row, Run, comparable, read_results, write_results
from benchmarks.report.table import to_markdown
from benchmarks.run import Trial, carry_out
from benchmarks.workloads import BARE, BARE_CORES, COMPARED, FLOWER, OPACUS, OURS, POPULATIONS

MACHINE: Facts = {"cores": 2}
RUN = Run(10.0, 0.2, 4.0, 3.0, 2**30, 0.90)


def row(workload: str, system: str, *runs: Run, failure: str | None = None) -> Row:
    return Row(workload, system, 10, runs, failure)


def results(*rows: Row) -> Results:
    return Results(MACHINE, rows, {"B1": 2e6})


def cells(page: str, system: str) -> list[str]:
    """The cells of the first line of ``page`` that begins with ``system``."""
    line = next(line for line in page.splitlines() if line.startswith(f"| {system} |"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def verdict(found: Results, name: str) -> tuple[str, float | None]:
    finding = next(f for f in findings(found) if f.name == name)
    return finding.verdict, finding.measured and round(finding.measured, 9)


@pytest.mark.parametrize(("accuracy", "holds"), [(0.91, True), (0.89, True), (0.9102, False)])
def test_rows_are_comparable_within_one_point(accuracy: float, holds: bool) -> None:
    other = row("B1", OURS, replace(RUN, accuracy=accuracy))
    assert comparable(other, row("B1", BARE, RUN)) is holds


@pytest.mark.parametrize(("swing", "holds"), [(0.03, True), (0.002, False)])
def test_a_difference_that_chance_explains_is_none(swing: float, holds: bool) -> None:
    bare, ours = (
        row("B1", system, *(replace(RUN, accuracy=mean + turn * swing) for turn in (-1, 0, 1)))
        for system, mean in ((BARE, 0.90), (OURS, 0.93))
    )
    assert comparable(ours, bare) is holds


def test_the_page_says_what_a_second_core_gives() -> None:
    rows = (row("B2", BARE, RUN), row("B2", BARE_CORES, replace(RUN, round_s=0.125)))
    assert "is 1.60 times as fast on 2 cores as on one" in to_markdown(results(*rows))


def test_a_row_is_divided_by_the_bare_loop() -> None:
    ours = row("B1", OURS, replace(RUN, round_s=0.05, wall_s=5.0))
    page = to_markdown(results(row("B1", BARE, RUN), ours))
    assert cells(page, OURS) == [OURS, "5", "0.25", "4", "5", "0.5", "1024", "0.9000"]


def test_a_row_of_other_accuracy_prints_not_comparable() -> None:
    ours = row("B1", OURS, replace(RUN, round_s=0.05, accuracy=0.88))
    page = to_markdown(results(row("B1", BARE, RUN), ours))
    assert [cells(page, OURS)[place] for place in (2, 5)] == ["not comparable"] * 2


def test_a_private_row_has_the_accuracy_of_opacus_and_the_time_of_the_bare_loop() -> None:
    private = replace(RUN, accuracy=0.70)
    rows = (
        row("B2", BARE, RUN),
        row("B2-DP", OPACUS, private),
        row("B2-DP", OURS, replace(private, round_s=0.1)),
    )
    page = to_markdown(results(*rows))
    assert cells(page, OURS)[2] == "0.5"


def test_repeats_show_as_median_with_least_and_largest() -> None:
    runs = [replace(RUN, round_s=seconds) for seconds in (0.3, 0.1, 0.2)]
    assert cells(to_markdown(results(row("B1", BARE, *runs))), BARE)[1] == "20 (10 to 30)"


def test_a_system_that_fails_has_a_row_with_the_reason_and_the_others_go_on() -> None:
    def fails(seed: int) -> Run:
        raise ProcessFailed(f"no wheel | for this machine, seed {seed}")

    trials = [Trial("B1", FLOWER, 10, fails), Trial("B1", BARE, 10, lambda seed: RUN)]
    rows = carry_out(trials, repeats=3)
    assert [len(each.runs) for each in rows] == [0, 3]
    assert "no wheel / for this machine, seed 0" in to_markdown(results(*rows))


def test_systems_take_turns() -> None:
    asked: list[tuple[str, int]] = []

    def trial(system: str) -> Trial:
        def run(seed: int) -> Run:
            asked.append((system, seed))
            return RUN

        return Trial("B1", system, 10, run)

    carry_out([trial("a"), trial("b")], repeats=2)
    assert asked == [("a", 0), ("b", 0), ("a", 1), ("b", 1)]


def test_results_come_back_from_their_file(tmp_path: Path) -> None:
    kept = results(row("B1", BARE, RUN), row("B1", FLOWER, failure="no network"))
    write_results(tmp_path / "results.json", kept)
    assert read_results(tmp_path / "results.json") == kept
    assert read_results(tmp_path / "absent.json") == Results({}, ())


def test_a_workload_measured_again_replaces_all_its_rows_and_no_other() -> None:
    before = results(row("B1", BARE, RUN), row("B1", FLOWER, RUN), row("B2", BARE, RUN))
    after = before.replaced([row("B1", BARE, replace(RUN, wall_s=1.0))], MACHINE, {})
    assert [(each.workload, each.system) for each in after.rows] == [("B1", BARE), ("B2", BARE)]
    assert after.rows[0].wall_s.median == 1.0


def test_rows_of_another_machine_are_not_kept() -> None:
    before = results(row("B1", BARE, RUN))
    assert before.replaced([row("B2", BARE, RUN)], {"cores": 4}, {}).of_workload("B1") == ()


def test_a_figure_is_reached_missed_not_comparable_or_not_measured() -> None:
    name, bare = "B1: update, of the bare loop", row("B1", BARE, RUN)
    assert verdict(results(bare), name) == ("not measured", None)
    fast = row("B1", OURS, replace(RUN, round_s=0.01))
    assert verdict(results(bare, fast), name) == ("reached", 0.05)
    slow = row("B1", OURS, replace(RUN, round_s=0.04))
    assert verdict(results(bare, slow), name) == ("missed", 0.2)
    odd = row("B1", OURS, replace(RUN, round_s=0.01, accuracy=0.5))
    assert verdict(results(bare, odd), name) == ("not comparable", None)


def test_privacy_may_cost_accuracy_beside_training_without_it() -> None:
    rows = (row("B4", BARE, RUN), row("B4-DP", OURS, replace(RUN, accuracy=0.6)))
    found = verdict(results(*rows), "B4 with DP: update, of the bare loop without DP")
    assert found == ("reached", 1.0)


def test_every_figure_names_a_workload_and_a_system_that_is_measured_on_it() -> None:
    measured = {(w.name, system) for w in COMPARED for system in (*w.peers, *_OURS)}
    measured.add(("main job", OURS))
    for figure in FIGURES:
        named = [figure.ours, figure.other] if isinstance(figure, Ratio) else [figure.ours]
        assert set(named) <= measured, figure.name


_OURS = (OURS, "ours, worker per core")


def test_a_population_is_a_job_of_its_own_in_the_table() -> None:
    page = to_markdown(results(Row(POPULATIONS[0].name, OURS, 20, (RUN,))))
    assert cells(page, POPULATIONS[0].name)[1:] == ["3", "200", "10", "1024"]


def test_an_update_is_held_against_the_peak_of_the_machine() -> None:
    ours = row("B1", OURS, replace(RUN, round_s=0.02))
    page = to_markdown(Results({"product_gflops": 4.0}, (ours,), {"B1": 2e6}))
    assert "| B1 | 2 | 0.5 | 2 | 25.0% |" in page
