"""What a run needs is asked before anything is built, as its configuration says."""

import importlib.util
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from hydra import compose, initialize_config_module
from hydra.utils import get_class
from omegaconf import OmegaConf

from fl_common.errors import InvalidConfiguration
from fl_common.programs.requirements import SERVER, TRAIN
from simulate.configuration.requirements import NETS, REPORT, WORLDS, check_run, check_world
from tests.support.absent import environment_without
from tests.support.declared import BOX, EXTRAS, canonical
from tests.support.sources import ROOT


def config(*overrides: str) -> dict[str, object]:
    with initialize_config_module("conf", version_base="1.3"):
        composed = compose("config", list(overrides))
    parts = {name: OmegaConf.to_container(composed[name]) for name in ("engine", "net")}
    world = composed["world"]
    where = {"_target_": world["_target_"], "root": composed["data"]["root"]}
    return {**parts, "init": composed["init"], "world": where}


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fl_common.programs.requirements.find_spec", lambda name: None)


def missing(*overrides: str, reports: bool = True) -> set[str]:
    with pytest.raises(InvalidConfiguration) as error:
        check_run("fl-simulate", config(*overrides), reports=reports)
    names = error.value.rule.removeprefix("needs ").partition(", which")[0]
    return set(names.replace(" and ", ", ").split(", "))


ALWAYS = {*TRAIN, *SERVER}


@pytest.mark.usefixtures("nothing_installed")
@pytest.mark.parametrize(
    ("overrides", "more"),
    [
        ((), {"plotly", "seglearn"}),
        (("data.root=here",), {"plotly"}),
        (("task=activity",), {"plotly"}),
        (("task=activity", "net=mobilenet"), {"plotly", "torchvision"}),
        (("task=digits",), {"plotly", "torchvision"}),
        (("task=arrays", "data.path=x.npz"), {"plotly", "pyarrow"}),
        (("engine=ray", "data.root=here"), {"plotly", "ray"}),
        (("engine=live", "data.root=here"), {"plotly"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_a_run_needs_what_its_configuration_names(
    overrides: tuple[str, ...], more: set[str]
) -> None:
    assert missing(*overrides) == ALWAYS | more


@pytest.mark.usefixtures("nothing_installed")
def test_what_writes_no_report_needs_no_plots() -> None:
    assert missing(reports=False) == ALWAYS | {"seglearn"}


@pytest.mark.usefixtures("nothing_installed")
def test_what_only_plays_recordings_needs_its_data_alone() -> None:
    check_world("fl-simulate play", config("data.root=here"))
    live = config("engine=live", "engine.model=m", "data.root=here")
    check_run("fl-simulate", live, reports=True)
    with pytest.raises(InvalidConfiguration, match="needs seglearn, which is not installed"):
        check_world("fl-simulate play", config())


def test_the_extras_bring_what_is_asked_for() -> None:
    brings = {
        "train": set(TRAIN),
        "server": set(SERVER),
        "simulation": {*TRAIN, *SERVER, REPORT, *WORLDS.values(), *NETS.values()},
    }
    has = {extra: BOX | EXTRAS[extra] for extra in ("train", "server")}
    has["simulation"] = has["train"] | has["server"] | EXTRAS["simulation"]
    installed = packages_distributions()
    for extra, packages in brings.items():
        for package in packages:
            assert {canonical(one) for one in installed[package]} & has[extra], (extra, package)


@pytest.mark.parametrize("target", [*WORLDS, *NETS])
def test_what_is_named_here_exists(target: str) -> None:
    assert get_class(target)


def test_a_run_that_lacks_the_plots_ends_before_its_first_round(tmp_path: Path) -> None:
    assert importlib.util.find_spec(REPORT)
    out = tmp_path / "out"
    ended = subprocess.run(
        [sys.executable, "-m", "simulate", "rounds=1", f"hydra.run.dir={out}"],
        cwd=ROOT,
        env=environment_without(tmp_path / "absent", REPORT, "seglearn"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == (
        "error: fl-simulate: needs plotly and seglearn, which are not installed."
        " Install with: pip install 'join-the-dots[simulation]'.\n"
    )
    assert not (out / "rounds.jsonl").exists()
