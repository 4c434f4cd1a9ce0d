"""Every command that a page shows is typed.

Those of the README and of ``docs/`` are carried out: a test asks ``support/shell.py`` for a page's
blocks, and pastes them into a shell. Here it is read from the source which tests ask for which; a
block that none asks for fails, as does one in another form. Commands of other pages, which measure
for minutes or are a maintainer's, are read as their program would read them: ``make`` in a dry run.
"""

import ast
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

import fl_server.__main__
import fl_server.repository.__main__
from tests.support.shell import EXCEPTIONS, blocks, fenced, typeable
from tests.support.sources import ROOT

PAGES = ["README.md", *sorted(p.relative_to(ROOT).as_posix() for p in ROOT.glob("docs/**/*.md"))]
OTHERS = [
    *(path for path in ROOT.glob("*.md") if path.name != "README.md"),
    *(ROOT / "benchmarks").glob("*.md"),
    ROOT / "functions" / "README.md",
]
OWN = ("fl-", "python -m", ".venv/bin/", "make ", "mosquitto_", "sudo ")
"""How a command begins that a page would show."""


def claims(source: str) -> Iterator[str]:
    """What a test's source asks for, ``PAGE`` or ``PAGE#part``, to type it."""
    for call in ast.walk(ast.parse(source)):
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "blocks":
            match call.args, call.keywords:
                case [ast.Constant(str(where))], []:
                    yield where


TYPED = {
    where: path.relative_to(ROOT)
    for path in (ROOT / "tests").rglob("test_*.py")
    if "typed(" in (source := path.read_text("utf-8")) and path != Path(__file__)
    for where in claims(source)
}
SHOWN = [
    f"{page}#{part}" for page in PAGES for part, block in fenced(page, "sh") if typeable(block)
]


def test_commands_are_found() -> None:
    assert "README.md#two-commands" in SHOWN
    assert "docs/how-to/runs.md#resume" in SHOWN
    assert len(SHOWN) > 50


@pytest.mark.parametrize("where", sorted(set(SHOWN)))
def test_a_test_types_the_commands_of_a_part(where: str) -> None:
    assert {where, where.partition("#")[0]} & TYPED.keys(), (
        f"no test types the commands under {where}: write one with blocks({where!r}) of"
        " tests/support/shell.py, which carries them out; or add what can't be typed to EXCEPTIONS"
    )


def test_every_part_that_a_test_types_is_there() -> None:
    assert len(TYPED) > 20
    assert [where for where in TYPED if not blocks(where)] == []


def test_each_exception_is_of_a_command_that_is_shown() -> None:
    lines = "\n".join(block for page in PAGES for _, block in fenced(page, "sh"))
    assert [start for start in EXCEPTIONS if f"\n{start}" not in f"\n{lines}"] == []
    assert all(EXCEPTIONS.values())


@pytest.mark.parametrize("page", PAGES)
def test_commands_have_the_one_form_that_is_found(page: str) -> None:
    """A block of ``sh`` at the margin, without a prompt; neither indented nor of another kind."""
    text = (ROOT / page).read_text("utf-8")
    opened = re.findall(r"^( *)```(\w*)", text, re.MULTILINE)[::2]
    assert [kind for _, kind in opened if kind in ("", "bash", "console", "shell")] == []
    assert [margin for margin, kind in opened if kind == "sh" and margin] == []
    assert [block for _, block in fenced(page, "sh") if re.search(r"^ *\$ ", block, re.M)] == []
    rest = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    indented = [line.strip() for line in re.findall(r"^ {4,}.*$", rest, re.MULTILINE)]
    assert [line for line in indented if line.startswith(OWN)] == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('x = blocks("docs/a.md#part")', ["docs/a.md#part"]),
        ('for x in blocks("README.md"): typed(x)', ["README.md"]),
        ('blocks("docs/a.md", "yaml"), blocks(page)', []),
    ],
)
def test_what_a_test_asks_for_is_found(source: str, found: list[str]) -> None:
    assert list(claims(source)) == found


def commands(blocks: Sequence[str]) -> Iterator[str]:
    for block in blocks:
        for line in block.replace("\\\n", " ").splitlines():
            if line.strip() and not line.strip().startswith("#"):
                yield line.strip()


def test_the_summary_of_fl_server_is_what_its_help_says(capsys: pytest.CaptureFixture[str]) -> None:
    (summary,) = blocks("docs/reference/server.md", "text")[:1]
    rows = {line.split()[1]: line for line in summary.splitlines()}
    for command, line in rows.items():
        with pytest.raises(SystemExit):
            fl_server.__main__.main([command, "--help"])
        usage = capsys.readouterr().out.partition("\n\n")[0]
        options = {"--home", *re.findall(r"--[\w-]+", line)}
        assert options == {*re.findall(r"--[\w-]+", usage)}, line
    assert rows.keys() == fl_server.__main__._COMMANDS.keys() - {"carry-out"}, "start's own"


READ = [
    *(
        (path.relative_to(ROOT).as_posix(), command)
        for path in OTHERS
        for command in commands([text for _, text in fenced(str(path), "sh")])
    ),
    *(
        (page, command)
        for page in PAGES
        for command in commands([text for _, text in fenced(page, "sh")])
        if command.startswith(tuple(start for start in EXCEPTIONS if start.startswith("make")))
    ),
]


@pytest.mark.parametrize(("page", "command"), READ)
def test_a_command_that_is_not_typed_can_be_read(page: str, command: str) -> None:
    if command.split()[0] != ".ci/run":  # it carries out this test
        read(shlex.split(command, comments=True))


def read(words: Sequence[str]) -> None:
    """Let the program that is named first read the rest, without carrying it out."""
    program, *arguments = words
    if program == "make":
        carried_out(["make", "--dry-run", *arguments])
    elif program == "fl-repo":
        fl_server.repository.__main__._parser().parse_args(arguments)
    elif program == ".venv/bin/python" and arguments[1].startswith("benchmarks."):
        carried_out([sys.executable, *arguments, "--help"])
    else:
        pytest.fail(f"{program} is read by no test: teach this one")


def carried_out(command: Sequence[str]) -> None:
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize(
    "command", ["make nothing", "fl-repo promot wearables", "curl example.org"]
)
def test_a_command_that_is_wrong_is_found(command: str) -> None:
    with pytest.raises((Exception, SystemExit, pytest.fail.Exception)):
        read(shlex.split(command))
