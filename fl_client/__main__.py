"""``python -m fl_client``, or ``fl-client``: the commands of a site's box.

fl-client run name=kitchen broker.host=mqtt.local      run the box: from sensors to predictions
fl-client status                                       how it is
fl-client model outputs/2026-01-31/model.onnx          the model that it serves
fl-client clock --trust                                the word that the machine's clock is right
fl-client backup kitchen.tar.gz                        its folder without readings; restore FILE
fl-client replay recording.csv                         a recording through the same path
fl-client functions letters                            windows that a function failed at
fl-client label PEN --from 10:05 --to 10:07            what an interval was; labels shows them
fl-client join                                         the box's part in a federation, alone
fl-client key kitchen.key                              the key by which a server knows the box
fl-client enroll --token ward.token --name ward-7      let the box in at its server by a token
fl-client ledger                                       privacy spent, by block of data
fl-client ledger --home outputs/2026-01-31/12-00-00    the ledger of a simulated fleet
fl-client ledger adopt                                 a new counter for a ledger that lost its own
fl-client plugins                                      what other packages bring
"""

import argparse
import sys
from collections.abc import Sequence

from fl_client.clock import command as clock_command
from fl_client.federation import command as federation_command
from fl_client.federation import enrolling as enroll_command
from fl_client.federation import key as key_command
from fl_client.functions import command as functions_command
from fl_client.labels import command as labels_command
from fl_client.ledger import command as ledger_command
from fl_client.node import backup as backup_command
from fl_client.node import commands as node_commands
from fl_common.errors import JoinTheDotsError
from fl_common.programs.command_line import Parser, one_line_errors
from fl_common.programs.confinement import confine
from fl_common.programs.output import reader_may_leave
from fl_common.programs.own import check_not_hidden
from fl_common.programs.proxies import spare_own_machine


@reader_may_leave()
def main(arguments: Sequence[str] | None = None) -> None:
    """The console script ``fl-client``; exits with 0, 1 (failed) or 2 (bad input)."""
    options = _parser().parsed(arguments)
    confine()
    spare_own_machine()
    with one_line_errors():
        check_not_hidden("fl-client", "fl_client")
        options.run(options)


def _parser() -> Parser:
    parser = Parser(prog="fl-client", description="The commands of a site's box.")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    node_commands.add_commands(commands)
    backup_command.add_commands(commands)
    clock_command.add_command(commands)
    functions_command.add_command(commands)
    labels_command.add_commands(commands)
    federation_command.add_command(commands)
    key_command.add_command(commands)
    enroll_command.add_command(commands)
    ledger_command.add_command(commands)
    about = "Lists the installed packages that extend the box, and says which can't be used."
    plugins = commands.add_parser("plugins", help="what other packages bring", description=about)
    plugins.set_defaults(run=_plugins)
    return parser


def _plugins(_: argparse.Namespace) -> None:
    from fl_common.plugins.listing import listing

    text, works = listing()
    print(text)
    if not works:
        sys.exit(JoinTheDotsError.exit_status)


if __name__ == "__main__":
    main()
