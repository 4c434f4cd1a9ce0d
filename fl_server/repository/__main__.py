"""``python -m fl_server.repository``, or ``fl-repo``: the component repository.

fl-repo init                     make a repository and its keys
fl-repo add model.onnx ...       put a component into testing
fl-repo catalogue list           pre-trained networks that can be added
fl-repo check NAME               run the gates and sign their verdicts
fl-repo promote NAME             put it into production
fl-repo rollback NAME            go back
fl-repo log NAME                 its history in plain words
fl-repo get NAME --to FOLDER     its verified files, for use
"""

from collections.abc import Sequence

from fl_common.programs.command_line import Parser, one_line_errors
from fl_common.programs.output import reader_may_leave
from fl_common.programs.own import check_not_hidden
from fl_common.programs.requirements import SERVER, check_installed


@reader_may_leave()
def main(arguments: Sequence[str] | None = None) -> None:
    """The console script ``fl-repo``; exits with 0, 1 (failed, or not trusted) or 2 (bad input)."""
    with one_line_errors():
        check_not_hidden("fl-repo", "fl_server.repository")
        check_installed("fl-repo", "server", SERVER)
        options = _parser().parse_args(arguments)
        options.run(options)


def _parser() -> Parser:
    from fl_server.repository.commands.index import COMMANDS  # known to be importable by now

    parser = Parser(prog="fl-repo", description="The component repository: testing to production.")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add_to(commands)
    return parser


if __name__ == "__main__":
    main()
