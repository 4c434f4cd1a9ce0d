"""The example of a package of one's own: its pages' commands, and the refusals without it."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import onnx
import pytest

from fl_common.plugins.kinds import KINDS
from models.metadata import read_metadata
from tests.support.shell import blocks, fenced
from tests.support.sources import ROOT

pytestmark = pytest.mark.long  # builds, installs and runs a package

EXAMPLE = ROOT / "examples" / "plugin"
PAGE = ROOT / "docs" / "how-to" / "add-your-own.md"
SCRIPTS = Path(sys.executable).parent
TYPED = {
    PAGE: blocks("docs/how-to/add-your-own.md"),
    EXAMPLE / "README.md": [block for _, block in fenced("examples/plugin/README.md", "sh")],
}
RUN = ["-m", "simulate", "task=greenhouse", "strategy=clipped_mean", "rounds=2"]


class Machine:
    """A copy of the example, and a folder that pip installs into: Python looks there, too."""

    def __init__(self, folder: Path) -> None:
        self.work, self.site = folder / "plugin", folder / "site"
        left_out = shutil.ignore_patterns("dist", "__pycache__", "outputs")
        shutil.copytree(EXAMPLE, self.work, ignore=left_out)
        self.without = {
            **os.environ,
            "PATH": f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}",
            "PIP_TARGET": str(self.site),
            "PIP_NO_INDEX": "1",
            "PIP_NO_BUILD_ISOLATION": "0",  # pip's own way to say: build with what is installed
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        }
        self._typed: dict[str, str] = {}
        self.with_plugin = {**self.without, "PYTHONPATH": str(self.site)}

    def typed(self, block: str) -> str:
        """What a block of commands prints; each block is typed once."""
        if block not in self._typed:
            self._typed[block] = self._output(block)
        return self._typed[block]

    def _output(self, block: str) -> str:
        ended = self.ended("bash", "-euc", block)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    def python(self, *arguments: str, plugin: bool = True) -> subprocess.CompletedProcess[str]:
        return self.ended(sys.executable, *arguments, plugin=plugin)

    def ended(self, *command: str, plugin: bool = True) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.work,
            env=self.with_plugin if plugin else self.without,
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """Where the example is installed as its page says."""
    machine = Machine(tmp_path_factory.mktemp("machine"))
    machine.typed(TYPED[PAGE][0])
    listed = machine.typed("fl-simulate plugins\n")
    assert "greenhouse 1.0.0" in listed
    assert "  strategy=clipped_mean" in listed
    assert "  net pooled: greenhouse.nets.Pooled" in listed
    return machine


def refusal(ended: subprocess.CompletedProcess[str]) -> str:
    assert ended.returncode == 2, ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr
    return ended.stderr


@pytest.mark.parametrize("page", TYPED, ids=lambda page: page.name)
def test_every_command_of_a_page(machine: Machine, page: Path) -> None:
    assert TYPED[page]
    for block in TYPED[page]:
        machine.typed(block)


def test_what_the_page_quotes_is_what_the_example_has() -> None:
    files = [path.read_text() for path in EXAMPLE.rglob("*") if path.suffix in (".py", ".yaml")]
    points = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]["entry-points"]
    quoted = re.findall(r"```(toml|yaml|python)\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    assert {language for language, _ in quoted} == {"toml", "yaml", "python"}
    for language, text in quoted:
        if language == "toml":
            for group, names in tomllib.loads(text)["project"]["entry-points"].items():
                assert points[group].items() >= names.items()
        else:
            assert any(text.strip() in file for file in files), text


def test_the_page_has_a_recipe_for_every_kind() -> None:
    recipes = PAGE.read_text().partition("## Recipes")[2].partition("\n## ")[0]
    rows = [line.split("|") for line in recipes.splitlines() if line.startswith("| ")]
    found = {row[1].strip(): row for row in rows}
    assert {kind.name for kind in KINDS} <= set(found)
    for kind in KINDS:
        assert kind.protocol.rpartition(".")[2] in found[kind.name][2] or kind.name == "gate"
        assert all(method in found[kind.name][2] for method in kind.methods if method[0] != "_")
        assert (ROOT / found[kind.name][3].strip().strip("`")).is_dir()


def test_a_model_of_the_plugin_s_net_names_it(machine: Machine, tmp_path: Path) -> None:
    ended = machine.python(*RUN, "privacy=none", f"hydra.run.dir={tmp_path}")
    assert ended.returncode == 0, ended.stderr
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["net"] == "pooled"
    assert read_metadata((tmp_path / "model.onnx").read_bytes()).net.target == "pooled"
    onnx.checker.check_model(tmp_path / "model.onnx", full_check=True)


def test_without_the_package_each_use_is_refused(machine: Machine, tmp_path: Path) -> None:
    def simulated(override: str) -> subprocess.CompletedProcess[str]:
        folder = f"hydra.run.dir={tmp_path}"
        return machine.python("-m", "simulate", override, folder, plugin=False)

    assert "task=greenhouse" not in machine.python("-m", "simulate", "plugins", plugin=False).stdout
    said = refusal(machine.python(*RUN, plugin=False))
    assert "greenhouse" in said
    said = refusal(simulated("net._target_=greenhouse.nets.Pooled"))
    assert "net 'greenhouse.nets.Pooled': is not under models.nets, and no installed" in said
    said = refusal(simulated("strategy.aggregator._target_=greenhouse.aggregation.Mean"))
    assert "greenhouse.aggregation.Mean: can't be built" in said
    assert "install the package that has it" in said


PLAN = """
from fl_common.errors import InvalidConfiguration
from fl_common.vocabulary import NetSpec
from models.nets import build_net
from models.tasks import wearables
for name in {names}:
    try:
        print(type(build_net(NetSpec(name, {{"hidden": 2}}), wearables())).__qualname__)
    except InvalidConfiguration as error:
        print("refused", error)
"""


def test_a_plan_s_net_is_built_only_where_the_package_is_installed(machine: Machine) -> None:
    script = PLAN.format(names=["pooled", "greenhouse.nets.Pooled", "os.system"])
    lines = machine.python("-c", script).stdout.splitlines()
    assert lines[0] == "Pooled"
    assert [line.split(" ", 1)[0] for line in lines[1:]] == ["refused", "refused"]
    without = machine.python("-c", script, plugin=False).stdout.splitlines()
    assert "net 'pooled': is neither a class under models.nets nor a net that" in without[0]
    assert "Install the package that brings it; fl-client plugins lists" in without[0]


DECODE = """
from fl_client.configuration import read_config
from fl_client.node.assembly.declared import build_declared
from fl_client.node.assembly.sensing import build_sensing
from fl_client.sensors.transports import Delivery
from fl_common.plugins.build import build
from fl_common.programs.troubles import Troubles

config = read_config(None, ["sensors=greenhouse", "name=north",
                            "task._target_=greenhouse.tasks.greenhouse"])
task = build(config["task"])
sensing = build_sensing(config, task, Troubles())
payload = (1_700_000_000).to_bytes(4, "big") + bytes.fromhex("08981770 08a21766")
delivery = Delivery("greenhouse/north/climate", payload)
(arrival,) = sensing.inlets["mqtt"].intake.arrivals([delivery], 1_700_000_100 * 10**9)
print(arrival.item.sensor, arrival.item.values_NC.tolist())
"""


def test_a_box_decodes_a_message_by_the_plugin_s_decoder(machine: Machine) -> None:
    ended = machine.python("-c", DECODE)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines() == [
        "climate [[22.0, 60.0], [22.100000381469727, 59.900001525878906]]"
    ]


def test_a_plugin_that_fails_breaks_only_what_uses_it(machine: Machine, tmp_path: Path) -> None:
    package = machine.site / "greenhouse" / "nets.py"
    kept = package.read_text()
    package.write_text("import not_there_at_all\n")
    try:
        assert machine.python("-m", "simulate", "--cfg", "job").returncode == 0
        listed = machine.python("-m", "fl_client", "plugins")
        assert listed.returncode == 1
        assert "net pooled: can't be used: net pooled of greenhouse 1.0.0" in listed.stdout
        said = refusal(machine.python(*RUN, f"hydra.run.dir={tmp_path}"))
        assert "No module named 'not_there_at_all'" in said
        assert "pip uninstall greenhouse" in said
    finally:
        package.write_text(kept)
