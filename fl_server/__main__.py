"""``python -m fl_server``, or ``fl-server``: the server side of a federation.

fl-server start --config server.yaml      SuperLink, proxy and the run, kept running
fl-server superlink                        the SuperLink alone, for start superlink=join
fl-server enroll SITE --public FILE        let a site in, and the lines for its configuration
fl-server token --uses 20                  let boxes enroll themselves by a token
fl-server revoke SITE                      shut it out, at once
fl-server backup FILE                      all that it keeps, as one file; restore FILE
fl-server status                           processes, sites, the newest round
fl-server runs list                        the runs, one after the other; show, start, stop
fl-server running                          which components run on which site
fl-server shadow                           how a candidate does beside production
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from fl_common.configuration.rules import Config
from fl_common.programs.command_line import Parser, add_command, add_config, one_line_errors
from fl_common.programs.confinement import confine
from fl_common.programs.logs import log_to_standard_error
from fl_common.programs.output import reader_may_leave
from fl_common.programs.own import check_not_hidden
from fl_common.programs.proxies import forget_proxies
from fl_common.programs.requirements import SERVER, check_installed
from fl_server.cloud.runs import command as runs_command

_FILE_WIDTH = 160
"""Columns of a table where there is no terminal."""


@reader_may_leave()
def main(arguments: Sequence[str] | None = None) -> None:
    """The console script ``fl-server``; exits with 0, 1 (failed) or 2 (bad input)."""
    options = _parser().parsed(arguments)
    if options.run is runs_command.run:
        runs_command.settle(options)
    confine()
    forget_proxies()
    with one_line_errors():
        check_not_hidden("fl-server", "fl_server")
        check_installed("fl-server", "server", SERVER)
        from fl_server.cloud.build import read_config

        config = read_config(options.config, options.overrides)
        _log(config)
        options.run(config, options)


def _start(config: Config, options: argparse.Namespace) -> None:
    from fl_server.cloud.build import read_config
    from fl_server.cloud.serving import serve
    from fl_server.cloud.upkeep import ConfigurationFile

    def read() -> Config:
        return read_config(options.config, options.overrides)

    given = ["--config", str(options.config)] if options.config else []
    file = ConfigurationFile(options.config, read, config)
    serve(file, [*given, *options.overrides])


def _superlink(config: Config, options: argparse.Namespace) -> None:
    from fl_server.cloud.serving import become_superlink

    del options
    become_superlink(config)


def _carry_out(config: Config, options: argparse.Namespace) -> None:
    from fl_server.cloud.running import carry_out

    del options
    carry_out(config)


def _enroll(config: Config, options: argparse.Namespace) -> None:
    from fl_server.cloud import commands

    about = (options.site, options.kind, options.to, options.public)
    lines = commands.enroll(config, *about)
    print(f"# site {options.site}: take the files to the box, and set in its configuration")
    print("\n".join(lines))


def _revoke(config: Config, options: argparse.Namespace) -> None:
    from fl_server.cloud import commands

    print(f"{options.site} is revoked: {commands.revoke(config, options.site)}")


def _backup(config: Config, options: argparse.Namespace) -> None:
    from fl_server.cloud.backup import backup
    from fl_server.cloud.build import home_of

    files = backup(home_of(config), options.file)
    print(f"{options.file}: {files} files of {config['home']}, keys among them; keep it safe")


def _restore(config: Config, options: argparse.Namespace) -> None:
    from fl_server.cloud.backup import restore
    from fl_server.cloud.build import home_of

    revoked, keeps = options.revoke or [], options.keep_tokens
    done = restore(options.file, home_of(config), revoked, keep_tokens=keeps)
    print(f"{config['home']}: {done.files} files. Start it with: fl-server start")
    if done.sites:
        print(f"Let in again, by the keys of the backup: {', '.join(done.sites)}")
        print("Of these, shut out before the start what you revoked, or gave another key, since:")
        print("  fl-server revoke SITE")
    if done.tokens:
        print(f"Tokens that let nobody in any more: {', '.join(done.tokens)}")
        print("  fl-server token makes new ones; restore --keep-tokens keeps those of the backup")


def _token(config: Config, options: argparse.Namespace) -> None:
    from fl_server.cloud import commands

    if options.list:
        print(json.dumps(commands.tokens(config), indent=1))
    elif options.revoke:
        commands.revoke_token(config, options.revoke)
        print(f"token {options.revoke} is revoked; the boxes that came with it stay")
    else:
        about = (options.kind, options.names, options.uses, options.days, options.authority)
        print(commands.make_token(config, *about))


def _status(config: Config, options: argparse.Namespace) -> None:
    from fl_server.cloud import commands

    status = commands.status(config)
    if options.json:
        print(json.dumps(status, indent=1))
        return
    from rich.console import Console

    from fl_server.cloud.fleet_status import fleet_table

    width = None if sys.stdout.isatty() else _FILE_WIDTH
    Console(highlight=False, width=width).print(fleet_table(status, time.time()))


def _running(config: Config, options: argparse.Namespace) -> None:
    from fl_server.cloud.site_queries import ask_running

    del options
    print(json.dumps(ask_running(config), indent=1))


def _shadow(config: Config, options: argparse.Namespace) -> None:
    from fl_server.cloud.site_queries import ask_shadow

    print(json.dumps(ask_shadow(config, options.component), indent=1))


def _parser() -> Parser:
    parser = Parser(prog="fl-server", description="The server side of a federation.")
    chosen = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, (run, words, examples) in _COMMANDS.items():
        about = runs_command.ABOUT if name == "runs" else f"{words[0].upper()}{words[1:]}."
        epilog = f"{_CONFIGURATION}\n\nexamples:\n{examples}"
        one = add_command(chosen, name, run, words, about, epilog)
        _add_own(name, one)
        add_config(one)
    return parser


def _add_own(name: str, parser: argparse.ArgumentParser) -> None:
    """The arguments that this command alone has."""
    if name in ("enroll", "revoke"):
        parser.add_argument("site", metavar="SITE", help="the site's name")
    if name in ("backup", "restore"):
        parser.add_argument("file", type=Path, metavar="FILE", help="the backup (tar, gzip)")
    if name == "restore":
        words = "a site of the backup that is not let in again; may be given several times"
        parser.add_argument("--revoke", action="append", metavar="SITE", help=words)
        words = "let the backup's tokens enroll boxes again, also those that were revoked since"
        parser.add_argument("--keep-tokens", action="store_true", help=words)
    if name == "status":
        parser.add_argument("--json", action="store_true", help="for machines")
    if name == "token":
        _add_token(parser)
    if name == "runs":
        runs_command.add_arguments(parser)
    if name == "shadow":
        words = "the model; that of the task if not given"
        parser.add_argument("--component", metavar="NAME", help=words)
    if name == "enroll":
        words = "the site's class in metrics, such as ward or home; site if not given"
        parser.add_argument("--class", dest="kind", metavar="CLASS", default="site", help=words)
        words = "for what the box needs; HOME/handout/SITE if not given"
        parser.add_argument("--to", type=Path, metavar="FOLDER", help=words)
        words = "the public half of the box's key (fl-client key); if not given, a key is made here"
        parser.add_argument("--public", type=Path, metavar="FILE", help=words)


def _add_token(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--uses", type=int, default=1, help="boxes that it lets in; 1")
    parser.add_argument("--days", type=float, default=1.0, help="until it expires; 1")
    words = "pattern of the names that it gives; any name if not given"
    parser.add_argument("--names", metavar="PATTERN", default="*", help=words)
    words = "the class of its boxes in metrics; site if not given"
    parser.add_argument("--class", dest="kind", metavar="CLASS", default="site", help=words)
    words = "who signed your own certificate (certificate=FILE)"
    parser.add_argument("--authority", type=Path, metavar="FILE", help=words)
    parser.add_argument("--list", action="store_true", help="print all tokens as JSON instead")
    parser.add_argument("--revoke", metavar="TOKEN", help="revoke this number instead")


_CONFIGURATION = """\
The configuration is conf/server.yaml of this package. --config FILE is your own file, which should
begin with "defaults: [server, _self_]". key=value overrides take precedence over both."""
_COMMANDS: dict[str, tuple[Callable[[Config, argparse.Namespace], None], str, str]] = {
    "start": (
        _start,
        "run SuperLink, proxy and the configured run, until SIGTERM or Ctrl-C",
        "  fl-server start --home /var/lib/join-the-dots 'hosts=[fl.example.org]' sites=3"
        " privacy.site_windows=1000\n"
        "  fl-server start --config server.yaml run=second",
    ),
    "enroll": (
        _enroll,
        "let a site in by its key, and print what its configuration needs",
        "  fl-server enroll kitchen --public kitchen.pub --config server.yaml\n"
        "  fl-server enroll kitchen --class ward --to /media/stick --config server.yaml",
    ),
    "token": (
        _token,
        "make a token by which boxes enroll themselves; it is a secret, and is printed once",
        "  fl-server token --uses 20 --days 2 --names 'ward-*' --class ward > ward.token\n"
        "  fl-server token --list --config server.yaml\n"
        "  fl-server token --revoke 3f9c1a2b4d5e --config server.yaml",
    ),
    "revoke": (
        _revoke,
        "shut a site out, at once or as soon as the server runs",
        "  fl-server revoke kitchen --config server.yaml",
    ),
    "status": (
        _status,
        "show the server, the newest round, and each site: last seen, health, budget",
        "  fl-server status --config server.yaml\n  fl-server status --json --config server.yaml",
    ),
    "backup": (
        _backup,
        "write all that the server keeps to one file, while it runs or not",
        "  fl-server backup fl-2026-01-31.tar.gz --config server.yaml",
    ),
    "restore": (
        _restore,
        "make the server's folder, which must not exist, from a backup",
        "  fl-server restore fl-2026-01-31.tar.gz --config server.yaml",
    ),
    "runs": (
        runs_command.run,
        "list, show, start and stop the runs that the server carries out",
        runs_command.EXAMPLES,
    ),
    "running": (
        _running,
        "ask sites which components they run, for fl-repo log; prints JSON",
        "  fl-server running --config server.yaml",
    ),
    "shadow": (
        _shadow,
        "collect sites' counts of a candidate in the shadow of production; charged; prints JSON",
        "  fl-server shadow --config server.yaml\n"
        "  fl-server shadow --component wearables --config server.yaml",
    ),
    "superlink": (
        _superlink,
        "run only the SuperLink, for start superlink=join",
        "  fl-server superlink --config server.yaml",
    ),
    "carry-out": (
        _carry_out,
        "perform the run only; start does this automatically",
        "  fl-server carry-out --config server.yaml",
    ),
}
"""Each command: what it does, in words, and examples of it."""


def _log(config: Config) -> None:
    log_to_standard_error(str(config["log_level"]), quiet=("httpx", "httpcore", "alembic"))


if __name__ == "__main__":
    main()
