"""``fl-client join``: take part in the federation that the configuration names."""

import argparse
import signal
import threading
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from fl_common.configuration.addresses import endpoint
from fl_common.configuration.rules import SWITCH, Config, require
from fl_common.errors import InvalidConfiguration
from fl_common.programs import command_line
from fl_common.programs.confinement import private_folder
from fl_common.programs.logs import log_to_standard_error
from fl_common.programs.own import own_program
from fl_common.programs.proxies import check_proxies
from fl_common.programs.requirements import TRAIN, check_installed

_QUIET = ("httpx", "httpcore")
_DESCRIPTION = """\
Takes part in the federation of the configuration's `federation` section until SIGTERM: the link
stays connected, and a trainer process starts with the first work and rests after a while without.
`fl-client run` starts this beside sensing and keeps it running; alone it is for looking into
trouble. Only the app that is installed on this box is run: no code is taken from the server.
"""


def add_command(commands: Any) -> None:
    """Add ``join`` to the sub-commands of a parser."""
    words, example = "take part in a federation", "example:\n  fl-client join --config kitchen.yaml"
    command_line.add_config(
        command_line.add_command(commands, "join", _join, words, _DESCRIPTION, example)
    )


def join_command(config: Config, file: Path | None, overrides: Sequence[str]) -> list[str] | None:
    """``join`` as a program and its arguments, for the process beside sensing.

    None if ``config`` names no federation, or another program. It is not put into ``config``: a
    value there would have its variables resolved, a password's too.

    Raises:
        InvalidConfiguration: an invalid privacy policy, or a package for training is missing.
    """
    _build_policy(config)
    server = config["federation"]["server"]
    if server is None or config["training"]["command"] is not None:
        return None
    check_installed(f"federation.server={server}", "train", TRAIN)
    check_federation(config["federation"])
    given = ["--config", str(file.absolute())] if file else []
    return own_program("fl_client", "join", *given, *overrides)


def _join(options: argparse.Namespace) -> None:
    from fl_client.configuration import read_config

    check_installed("fl-client join", "train", TRAIN)
    config = read_config(options.config, options.overrides)
    check_federation(config["federation"])
    _build_policy(config)
    log_to_standard_error(config["log_level"], quiet=_QUIET)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())

    # Importing flwr takes a second and some megabytes: check the configuration first.
    from fl_client.federation.build import build_link

    home = private_folder(Path(config["home"]), "home")
    build_link(config["federation"], partial(_responder, config), stop, home).run()


def _responder(config: Config) -> Any:
    """The box's app on its own windows and ledger; called in the trainer's process."""
    from fl_client.build import build_box_app
    from fl_client.components.declared import trial_of
    from fl_client.federation.reply_cache import ReplyCache
    from fl_client.federation.responder import Responder
    from fl_client.site.box import Box
    from fl_client.windows.declared import slicing_of
    from fl_common.plugins.build import build

    log_to_standard_error(config["log_level"], quiet=_QUIET)
    home, federation, task = (
        Path(config["home"]),
        config["federation"],
        build(config["task"], at="task"),
    )
    tells = config["components"]["tell_versions"]
    require("components.tell_versions", tells, SWITCH)
    box = Box(
        home,
        config["name"],
        task,
        slicing_of(config, task),
        build(config["held_out"], at="held_out"),
        _build_policy(config),
        build(config["retention"], at="retention"),
        time.time,
        tells,
        trial_of(config["engine"]),
    )
    counter = federation["ledger_counter"]
    app = build_box_app(box, federation["trainer"], Path(counter) if counter else None, time.time)
    return Responder(app, ReplyCache(home / "answers", federation["answers_bytes"]), {})


def _build_policy(config: Config) -> Any:
    """The site's privacy policy; an invalid one ends the program before anything runs."""
    from fl_common.plugins.build import build

    return build(config["privacy"], at="privacy")


def check_federation(federation: Config) -> None:
    """Raise InvalidConfiguration for a `federation` section that names no server, or no key."""
    for name in ("server", "ca_file", "key_file"):
        if federation[name] is None:
            raise InvalidConfiguration(
                f"federation.{name}=null",
                "must be set to take part in a federation",
                "Set the lines that fl-server enroll printed",
            )
    endpoint("federation.server", str(federation["server"]))
    for name in ("ca_file", "key_file"):
        if not Path(federation[name]).is_file():
            raise InvalidConfiguration(
                f"federation.{name}={federation[name]}",
                "is not a file",
                "Give the path of the file that fl-server enroll or fl-client key has made",
            )
    check_proxies()
