"""Which commands judge: their exit status is 1 where the judgment is no, so a script can ask them.

Others carry something out, or say how things are: their status is 0 unless they fail. Every command
is one or the other; each that judges names the test in which its judgment is no.
"""

import ast
from collections.abc import Mapping
from typing import Any

import pytest

import fl_client.__main__
import fl_server.__main__
import simulate.__main__
import simulate.functions.__main__
from fl_server.repository.commands.index import COMMANDS
from tests.support.sources import ROOT

PLUGIN = "scenarios/test_plugin.py::test_a_plugin_that_fails_breaks_only_what_uses_it"
JUDGES: Mapping[str, str] = {
    "fl-client plugins": PLUGIN,
    "fl-fn run": (
        "unit/simulate/functions/test_run.py"
        "::test_what_it_found_and_failed_at_is_shown_with_its_stream_and_its_cost"
    ),
    "fl-fn test": (
        "unit/simulate/functions/test_trial.py"
        "::test_what_is_not_as_expected_is_shown_beside_what_was"
    ),
    "fl-repo check": (
        "unit/fl_server/repository/commands/test_commands.py"
        "::test_a_simulated_model_is_promoted_by_force_alone"
    ),
    "fl-repo verify": (
        "unit/fl_server/repository/commands/test_commands.py"
        "::test_what_is_not_as_it_was_signed_is_told_by_verify"
    ),
    "fl-simulate audit": "scenarios/test_audit.py::test_the_command_ends_with_its_verdict",
    "fl-simulate check": (
        "unit/simulate/data/test_check.py::test_the_exit_status_says_what_was_found"
    ),
    "fl-simulate egress": "scenarios/test_egress.py::test_the_command_ends_with_its_verdict",
    "fl-simulate plugins": PLUGIN,
}
DO_OR_SAY = {
    "fl-client": (
        "backup clock enroll functions join key label labels leave-out ledger model replay restore"
        " run status"
    ),
    "fl-fn": "build new serve",
    "fl-repo": (
        "add catalogue gc get import init keys list log promote pull-oci push-oci refresh retire"
        " rollback show"
    ),
    "fl-server": (
        "backup carry-out enroll restore revoke running runs shadow start status superlink token"
    ),
    "fl-simulate": "baselines play windows",
}


def commands_of(parser: Any) -> set[str]:
    """The sub-commands of a parser."""
    return {name for action in parser._actions for name in action.choices or ()}


def found() -> dict[str, set[str]]:
    """The commands of each program."""
    return {
        "fl-client": commands_of(fl_client.__main__._parser()),
        "fl-fn": commands_of(simulate.functions.__main__._parser()),
        "fl-repo": {command.name for command in COMMANDS},
        "fl-server": commands_of(fl_server.__main__._parser()),
        "fl-simulate": {*simulate.__main__._COMMANDS, *simulate.__main__._ON_DATA},
    }


@pytest.mark.parametrize("program", sorted(DO_OR_SAY))
def test_each_command_judges_or_does_not(program: str) -> None:
    judges = {name.split()[1] for name in JUDGES if name.split()[0] == program}
    others = {*DO_OR_SAY[program].split()}
    assert judges | others == found()[program]
    assert not judges & others


@pytest.mark.parametrize("command", sorted(JUDGES))
def test_a_judge_names_the_test_of_its_no(command: str) -> None:
    path, _, name = JUDGES[command].partition("::")
    module = ast.parse((ROOT / "tests" / path).read_text("utf-8"))
    (test,) = (one for one in module.body if isinstance(one, ast.FunctionDef) and one.name == name)
    asked = ast.unparse(test)
    assert any(word in asked for word in ("code == ", "returncode == ", "status == ",
        "exit_status() ==",
                                          "failed(", "refused("))  # fmt: skip
