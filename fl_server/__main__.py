"""``python -m fl_server``, or ``fl-server``: the cloud's side of a federation.

fl-server start --config server.yaml      SuperLink, proxy and the run, kept running
fl-server superlink                        the SuperLink alone, for start superlink=join
fl-server enroll SITE                      a key for a site, and the lines for its configuration
fl-server revoke SITE                      shut it out, at once
fl-server status                           processes, sites, the newest round
fl-server running                          which components run on which site
fl-server shadow                           how a candidate does beside production
"""

import argparse
import json
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("FLWR_TELEMETRY_ENABLED", "0")
os.environ.setdefault("FLWR_DISABLE_UPDATE_CHECK", "1")

# The environment must be set before any import of Flower.
from fl_common.command_line import Parser, end
from fl_common.errors import JoinTheDotsError
from fl_server.cloud import commands
from fl_server.cloud.build import Config, read_config


def main(arguments: Sequence[str] | None = None) -> None:
    """The console script ``fl-server``; exits with 0, 1 (failed) or 2 (bad input)."""
    options = _parser().parsed(arguments)
    try:
        config = read_config(options.config, options.overrides)
        _log(config)
        options.run(config, options)
    except JoinTheDotsError as error:
        end(f"error: {error}", error.exit_status)


def _start(config: Config, options: argparse.Namespace) -> None:
    from fl_server.cloud.serving import serve

    given = ["--config", str(options.config)] if options.config else []
    serve(config, [*given, *options.overrides])


def _superlink(config: Config, options: argparse.Namespace) -> None:
    from fl_server.cloud.serving import become_superlink

    del options
    become_superlink(config)


def _carry_out(config: Config, options: argparse.Namespace) -> None:
    from fl_server.cloud.running import carry_out

    del options
    carry_out(config)


def _enroll(config: Config, options: argparse.Namespace) -> None:
    lines = commands.enroll(config, options.site, options.kind, options.to)
    print(f"# site {options.site}: take the files to the box, and set in its configuration")
    print("\n".join(lines))


def _revoke(config: Config, options: argparse.Namespace) -> None:
    known = commands.revoke(config, options.site)
    print(f"{options.site} is shut out" + ("" if known else " (the SuperLink did not know it)"))


def _status(config: Config, options: argparse.Namespace) -> None:
    del options
    print(json.dumps(commands.status(config), indent=1))


def _running(config: Config, options: argparse.Namespace) -> None:
    from fl_server.asking import ask_running

    del options
    print(json.dumps(ask_running(config).values, indent=1))


def _shadow(config: Config, options: argparse.Namespace) -> None:
    from fl_server.asking import ask_shadow

    print(json.dumps(ask_shadow(config, options.component).values, indent=1))


def _parser() -> Parser:
    parser = Parser(prog="fl-server", description="The cloud's side of a federation.")
    chosen = parser.add_subparsers(metavar="COMMAND", required=True)
    commands_: list[tuple[str, Any, str]] = [
        ("start", _start, "SuperLink, proxy and the configured run, kept running"),
        ("enroll", _enroll, "make a site's key and let it in"),
        ("revoke", _revoke, "shut a site out, at once"),
        ("status", _status, "processes, sites and the newest round, as JSON"),
        ("running", _running, "ask sites which components run there, for fl-repo log; JSON"),
        ("shadow", _shadow, "ask sites how a candidate does beside production, charged; JSON"),
        ("superlink", _superlink, "the SuperLink alone, for start superlink=join"),
        ("carry-out", _carry_out, "the run alone, as start begins it"),
    ]
    for name, run, words in commands_:
        one = chosen.add_parser(name, help=words, description=words)
        if name in ("enroll", "revoke"):
            one.add_argument("site", help="the site's name")
        if name == "shadow":
            one.add_argument(
                "--component", metavar="NAME", help="the model; that of the task if not given"
            )
        if name == "enroll":
            words = "counted in for metrics, such as ward or home; default: site"
            one.add_argument("--class", dest="kind", metavar="CLASS", default="site", help=words)
            one.add_argument("--to", type=Path, help="folder for the key; default home/handout")
        one.add_argument("--config", type=Path, help="a YAML file over conf/server.yaml")
        one.add_argument("overrides", nargs="*", help="key=value over both")
        one.set_defaults(run=run)
    return parser


def _log(config: Config) -> None:
    logging.basicConfig(
        level=str(config["log_level"]).upper(),
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    for noisy in ("httpx", "httpcore", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


if __name__ == "__main__":
    main()
