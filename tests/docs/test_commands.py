"""Every command that a page shows is typed: by a test of that page's own, or here.

Here a program reads the command's arguments as it would, and composes its configuration, but does
not carry it out: ``make`` in a dry run, Hydra as far as ``--cfg``, ``fl-*`` as far as its parser.
"""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence

import pytest
from hydra import compose, initialize_config_module

import fl_client.__main__
import fl_server.__main__
import fl_server.repository.__main__
from fl_server.cloud.build import read_config
from tests.support.sources import ROOT

PAGES = [
    *ROOT.glob("*.md"),
    *(ROOT / "docs").rglob("*.md"),
    *(ROOT / "benchmarks").glob("*.md"),
    ROOT / "functions" / "README.md",
]

CARRIED_OUT = {
    "README.md": "test_a_command_of_the_readme",
    "docs/how-to/add-your-own.md": "test_every_command_of_a_page",
    "docs/how-to/edge-node.md": "test_the_page_of_an_edge_node",
    "docs/how-to/fleets.md": "test_the_pages_of_deployment",
    "docs/how-to/whole-way.md": "test_the_whole_way",
    "docs/how-to/recordings.md": "test_the_page_of_recordings",
    "docs/how-to/runs.md": "test_the_page_of_runs",
    "docs/how-to/evaluate-on-sites.md": "test_the_page_of_evaluation_on_the_sites",
    "docs/how-to/several-machines.md": "test_the_page_of_several_machines",
    "docs/how-to/oci.md": "test_the_commands_of_the_page",
    "docs/how-to/repository.md": "test_the_how_to_from_a_run_to_production_and_back",
}
"""Pages whose commands are all carried out, and by which test."""

NOT_TYPED = {
    "alias": "needs the stack's containers: tests/containers",
    "curl": "needs a running node: tests/scenarios/test_sensors_over_http.py types these",
    "export": "a secret of the reader's",
    "kill": "ends what the block before it started",
    "mosquitto_pub": "needs the reader's broker: tests/scenarios/test_node.py sends the like",
    "mosquitto_sub": "needs the reader's broker",
    "pip": "installs into the reader's environment",
    "stack": "needs the stack's containers: tests/containers",
    "sudo": "needs root and a network",
    ".ci/run": "carries out this test",
}
"""First words of commands that no test can type, and why; of a pipe, the last command counts."""

PROGRAMS = {
    "fl-client": lambda arguments: fl_client.__main__._parser().parsed(arguments),
    "fl-repo": lambda arguments: fl_server.repository.__main__._parser().parse_args(arguments),
    "fl-server": lambda arguments: fl_server.__main__._parser().parsed(arguments),
}
JOBS = ("audit", "egress", "play")
STARTS = ("make", "python", "fl-simulate", *PROGRAMS, *NOT_TYPED)


def first_word(line: str) -> str:
    return line.split()[0].removeprefix(".venv/bin/") if line.split() else ""


def commands(page: str) -> Iterator[str]:
    """The lines of blocks of commands: fenced as ``sh``, or indented, a program's name first."""
    fenced = re.findall(r"^```sh\n(.*?)^```", page, flags=re.DOTALL | re.MULTILINE)
    rest = re.sub(r"^```.*?^```$", "", page, flags=re.DOTALL | re.MULTILINE)
    indented = re.findall(r"(?:^|\n\n)((?: {4}.*(?:\n|$))+)", rest)
    blocks = [*fenced, *(block for block in indented if first_word(block) in STARTS)]
    for block in blocks:
        for line in block.replace("\\\n", " ").splitlines():
            if line.strip() and not line.strip().startswith("#"):
                yield line.strip()


SHOWN = [
    (path.relative_to(ROOT).as_posix(), command)
    for path in PAGES
    for command in commands(path.read_text("utf-8"))
]


def test_commands_are_found() -> None:
    assert (
        "README.md",
        "make simulate        # sets up .venv by itself, then runs the main job",
    ) in SHOWN
    assert ("docs/how-to/runs.md", "python -m simulate resume=outputs/<date>/<time>") in SHOWN
    assert len(SHOWN) > 80


def test_tests_that_carry_out_a_page_s_commands_are_there() -> None:
    written = "".join(path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    assert [name for name in CARRIED_OUT.values() if f"def {name}(" not in written] == []


@pytest.mark.parametrize(
    ("page", "command"), [shown for shown in SHOWN if shown[0] not in CARRIED_OUT]
)
def test_a_command_of_a_page_can_be_typed(page: str, command: str) -> None:
    last = command.rpartition(" | ")[2]
    if first_word(last) in NOT_TYPED:
        return
    line = re.sub(r"<(\w+)>", r"\1", command.removesuffix("&"))
    if "[--" not in line:  # the summary of a command's arguments
        typed(shlex.split(line, comments=True))


def typed(words: Sequence[str]) -> None:
    """Let the program that is named first read the rest."""
    program, *arguments = words[0].removeprefix(".venv/bin/"), *words[1:]
    if program == "make":
        dry_run(arguments)
    elif program == "fl-simulate":
        composed(arguments)
    elif program == "python" and arguments[:2] == ["-m", "simulate"]:
        composed(arguments[2:])
    elif program == "python" and arguments[1].startswith("benchmarks."):
        carried_out([sys.executable, *arguments, "--help"])
    elif program in PROGRAMS:
        options = PROGRAMS[program](arguments)
        if program == "fl-server" and options.config is None:
            read_config(None, options.overrides)
    else:
        pytest.fail(f"{program} is read by no test: teach this one, or say why not in NOT_TYPED")


def dry_run(arguments: Sequence[str]) -> None:
    carried_out(["make", "--dry-run", *arguments])
    given = [a.removeprefix("ARGS=") for a in arguments if a.startswith("ARGS=")]
    if arguments[0] == "simulate":
        composed(shlex.split(" ".join(given)))


def carried_out(command: Sequence[str]) -> None:
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


def composed(arguments: Sequence[str]) -> None:
    """Compose the configuration; of the values of a sweep, the first."""
    overrides = [word for word in arguments if not word.startswith("-") and "=" in word]
    if arguments[:1] == ["check"]:  # on a file: tests/unit/simulate/data
        overrides.insert(0, "task=arrays")
    if "--multirun" in arguments:
        overrides = [word.partition(",")[0] for word in overrides]
    job = next((word for word in arguments if word in JOBS), "config")
    with initialize_config_module("conf", version_base="1.3"):
        compose(job, overrides=overrides)


@pytest.mark.parametrize(
    "command",
    [
        "make nothing",
        "make simulate ARGS=nothing=1",
        "python -m simulate privacy=none nets=mlp",
        "python -m simulate audit task=nothing",
        "fl-repo promot wearables",
        "fl-client run --folder x",
        "fl-server start host=x",
        "curl example.org",
    ],
)
def test_a_command_that_is_wrong_is_found(command: str) -> None:
    with pytest.raises((Exception, SystemExit, pytest.fail.Exception)):
        typed(shlex.split(command))
