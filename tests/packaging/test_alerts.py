"""The alert rules that are shipped: each is tested by promtool, on metrics that there are."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.sources import ROOT

FOLDER = ROOT / "stacks" / "prometheus"
RULES, TESTS = FOLDER / "alerts.yaml", FOLDER / "alerts_test.yaml"
OF_OTHERS = {"up", "node_textfile_mtime_seconds"}
"""Metrics of Prometheus itself and of the node exporter."""

needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="needs Prometheus' promtool"
)


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["promtool", *map(str, arguments)], capture_output=True, text=True, check=False
    )


def rules() -> dict[str, dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def documented() -> set[str]:
    """The metrics that the reference names, short forms of several in a row among them."""
    pages = [ROOT / "docs" / "reference" / f"{page}.md" for page in ("metrics", "node", "server")]
    names: set[str] = set()
    for line in "".join(page.read_text() for page in pages).splitlines():
        last = ""
        for name in re.findall(r"`(fl_(?:client|server)_\w+|_\w+_total)", line):
            last = name if name.startswith("fl_") else last
            stem = last.removesuffix("_total").rpartition("_")[0]
            names.add(name if name.startswith("fl_") else f"{stem}{name}")
    return names


@needs_promtool
def test_the_rules_fire_where_they_should_and_stay_silent_nearby() -> None:
    checked = promtool("check", "rules", RULES)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    tested = promtool("test", "rules", TESTS)
    assert tested.returncode == 0, tested.stdout + tested.stderr


@needs_promtool
@pytest.mark.parametrize("alert", rules())
def test_a_rule_that_never_fires_and_one_that_always_does_are_found(
    alert: str, tmp_path: Path
) -> None:
    own = yaml.safe_load(TESTS.read_text())
    own["tests"] = [test for test in own["tests"] if test["name"].split()[0] == alert]
    (tmp_path / TESTS.name).write_text(yaml.safe_dump(own))
    for expression in ("vector(1) < 0", "vector(1)"):
        changed = {"groups": [{"name": "one", "rules": [{**rules()[alert], "expr": expression}]}]}
        (tmp_path / RULES.name).write_text(yaml.safe_dump(changed))
        assert promtool("test", "rules", tmp_path / TESTS.name).returncode != 0, expression


def test_each_rule_has_both_tests_a_severity_and_a_remedy() -> None:
    names = {test["name"] for test in yaml.safe_load(TESTS.read_text())["tests"]}
    assert names == {f"{alert} {what}" for alert in rules() for what in ("fires", "stays silent")}
    for alert, rule in rules().items():
        assert rule["labels"]["severity"] in ("page", "ticket"), alert
        assert {"summary", "remedy"} == set(rule["annotations"]), alert


def test_rules_are_on_metrics_that_there_are() -> None:
    used = {
        name
        for rule in rules().values()
        for name in re.findall(r"\b((?:fl|node)_\w+|up)\b", re.sub(r'"[^"]*"', "", rule["expr"]))
    }
    assert len(used) > 20
    assert used - documented() - OF_OTHERS == set()
