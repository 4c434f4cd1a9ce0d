"""python -m simulate.functions, or fl-fn: functions for the edge, on your own machine.

fl-fn new fall-alarm                          a folder with a function, ready to test
fl-fn test fall-alarm                         its cases, its limits, twice the same bytes
fl-fn run fall-alarm --task wearables         recorded windows through a model and the function
fl-fn run fall-alarm --home SITE --last 1h    a box's own windows; acts on nothing
fl-fn serve fall-alarm --port 8080            CloudEvents over HTTP
"""

import argparse
from collections.abc import Sequence

from fl_common.programs.command_line import Parser, one_line_errors
from fl_common.programs.output import reader_may_leave
from fl_common.programs.own import check_not_hidden
from simulate.functions import commands


@reader_may_leave()
def main(arguments: Sequence[str] | None = None) -> None:
    """The console script ``fl-fn``; exits with 0, 1 (failed) or 2 (bad input)."""
    options = _parser().parsed(arguments)
    with one_line_errors():
        check_not_hidden("fl-fn", "simulate")
        options.run(options)


def _parser() -> Parser:
    parser = Parser(
        prog="fl-fn",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands.add_commands(parser.add_subparsers(metavar="COMMAND", required=True))
    return parser


if __name__ == "__main__":
    main()
