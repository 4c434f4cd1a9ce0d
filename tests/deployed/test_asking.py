"""``fl-server running`` and ``shadow`` on real processes, and what ``fl-repo log`` says then:
``docs/how-to/follow-models.md``, typed.
"""

import base64
import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fl_common.components.description import Component, Kind, Stage
from fl_server.repository.__main__ import main as repository_main
from fl_server.repository.build import build_repository, default_keys, load_configuration
from tests.deployed.fleet import Cloud, TestSite, until
from tests.support.samples import TASK
from tests.support.shell import blocks, desk, replaced, typed
from tests.support.sources import ROOT

COUNTS = (5000, 4500, 300)


@dataclass
class Fleet:
    """A server whose run of one round has ended, with two sites; what it said before that."""

    cloud: Cloud
    sites: dict[str, TestSite]
    too_early: str

    def ask(self, *words: str) -> dict[str, Any]:
        done = self.cloud.command(*words)
        assert done.returncode == 0, done.stderr
        values: dict[str, Any] = json.loads(done.stdout)
        return values

    def candidate(self) -> Component:
        place = self.cloud.home / "components"
        repository = build_repository(place, default_keys(place), load_configuration(None))
        entry = repository.entry(Kind.MODEL, TASK.name, Stage.TESTING)
        assert entry is not None
        return entry.component

    def shadow_charges(self, name: str) -> int:
        charged = self.sites[name].rounds_charged()
        return sum(count for run, count in charged.items() if "/shadow/" in run)


@pytest.fixture(scope="module")
def fleet(alone: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    groups = ({"override /net": "logistic"}, {"override /evaluation": "federated"})
    changes = {
        "defaults": ["server", *groups, "_self_"],
        "rounds": 1,
        "sites": 2,
        "privacy": {"sampling_rate": 0.25, "noise_multiplier": 20.0, "epsilon": 100.0},
        "evaluation": {"every": 1, "noise_multiplier": 5.0, "epsilon": 100.0},
    }
    cloud = Cloud(tmp_path_factory.mktemp("asking"), changes)
    sites = {name: TestSite(cloud, name) for name in ("anna", "ben")}
    try:
        cloud.start()
        until(lambda: "continues after round 0" in cloud.log("runner"), "the run waits for sites")
        too_early = cloud.command("running")
        assert too_early.returncode == 1
        for site in sites.values():
            site.enroll()
            site.behave(shadow=COUNTS, **({"runs": []} if site.name == "anna" else {}))
            site.process.start()
        path = cloud.home / "server.json"
        until(lambda: json.loads(path.read_text())["children"]["runner"]["done"], "the run")
        yield Fleet(cloud, sites, too_early.stderr)
    finally:
        for site in sites.values():
            if site.process.popen is not None:
                site.process.kill()
        cloud.process.stop()


def test_a_run_that_waits_for_sites_asks_for_the_command(fleet: Fleet) -> None:
    *_, said, end = fleet.too_early.splitlines()
    assert "its process asks" in said
    assert end.endswith("No site is connected. See: fl-server status")


def test_counts_of_a_candidate_come_back_noised_and_charged_and_are_told(
    fleet: Fleet, capsys: pytest.CaptureFixture[str]
) -> None:
    before = fleet.shadow_charges("anna")
    first, second = fleet.ask("shadow"), fleet.ask("shadow", "--component", TASK.name)
    assert (first["sites"], first["refused"], first["errors"]) == (2, 0, 0)
    assert first["windows"] != second["windows"], "noise of their own"
    for values in (first, second):
        assert values["agreed_share"] == pytest.approx(0.9, abs=0.03)
        assert values["failed_share"] == pytest.approx(0.06, abs=0.03)
    assert fleet.shadow_charges("anna") == before + 2
    repository_main(["log", TASK.name, "-r", str(fleet.cloud.home / "components")])
    told = capsys.readouterr().out
    assert told.count("version 1 ran in the shadow of production on 2 sites: it agreed in") == 2


def test_what_runs_where_is_told_as_far_as_the_sites_may_say_it(
    fleet: Fleet, capsys: pytest.CaptureFixture[str]
) -> None:
    anna = fleet.sites["anna"]
    anna.behave(runs=[fleet.candidate().digest])
    said = fleet.ask("running")
    assert said["sites"] == said["on_trial"] == {"anna": [fleet.candidate().digest]}
    assert (said["untold"], said["away"], said["errors"]) == (["ben"], [], [])
    repository_main(["log", TASK.name, "-r", str(fleet.cloud.home / "components")])
    told = capsys.readouterr().out
    assert "Version 1 runs on 1 site (anna), on trial on anna, as of" in told
    assert "Not known of 1 site (ben): did not say what runs there." in told


def test_the_commands_of_the_page(fleet: Fleet) -> None:
    """In the server's folder; the task, and so the component, has another name."""
    reader = desk(fleet.cloud.folder)
    (reader / "server.yaml").symlink_to(fleet.cloud.config)
    canary, shadow, running = blocks("docs/how-to/follow-models.md")
    assert "--canary" in canary  # tests/docs/test_repository_page.py types this one
    fleet.sites["anna"].behave(shadow=COUNTS, runs=[fleet.candidate().digest])
    shown = typed(
        shadow + replaced(running, ("wearables", TASK.name)), reader, PYTHONPATH=str(ROOT)
    )
    assert '"agreed_share": ' in shown
    assert "ran in the shadow of production on 2 sites: it agreed in" in shown
    assert "Version 1 runs on 1 site (anna), on trial on anna, as of" in shown


def test_what_strangers_can_fetch_names_no_site(fleet: Fleet) -> None:
    fleet.ask("running")
    home = fleet.cloud.home
    kept = list((home / "components.observations" / "running").iterdir())
    assert any(names_a_site(path.read_bytes()) for path in kept), "else this test finds nothing"
    served = [path for path in (home / "components").rglob("*") if path.is_file()]
    assert len(served) > 5
    assert [path for path in served if names_a_site(path.read_bytes())] == []


def names_a_site(content: bytes) -> bool:
    """Whether a name is in the file, or in what it signs, which is in base64."""
    with contextlib.suppress(ValueError, KeyError, TypeError):
        content += base64.b64decode(json.loads(content)["payload"])
    return any(f'"{name}"'.encode() in content for name in ("anna", "ben"))


def test_a_component_is_got_over_tls_with_the_servers_own_authority(
    fleet: Fleet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cloud = fleet.cloud
    root = cloud.home / "components" / "metadata" / "1.root.json"
    url = f"https://localhost:{cloud.port}/components"
    get = ["get", TASK.name, "--stage", "testing", "--url", url, "--root", str(root)]
    with pytest.raises(SystemExit) as ended:
        repository_main([*get, "--to", str(tmp_path / "without")])
    assert ended.value.code == 1
    assert "certificate" in capsys.readouterr().err
    authority = str(cloud.home / "certificates" / "authority.crt")
    repository_main([*get, "--to", str(tmp_path / "with"), "--ca-file", authority])
    assert (tmp_path / "with" / "candidate.onnx").is_file()
    assert not (tmp_path / "without").exists()


def test_an_unknown_component_is_one_line(fleet: Fleet) -> None:
    done = fleet.cloud.command("shadow", "--component", "nothing")
    assert done.returncode == 2
    assert "model nothing: is not in testing" in done.stderr.splitlines()[-1]
