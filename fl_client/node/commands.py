"""``fl-client run``, ``status`` and ``model``."""

import argparse
import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from fl_client.federation.command import join_command
from fl_common.programs.command_line import add_command, add_config, add_home

_RUN = """\
Receives sensors' messages, stores them, cuts windows, predicts, and publishes events, until SIGTERM
or Ctrl-C. The configuration is this package's conf/node.yaml; --config FILE adds your own, which
should start with "defaults: [node, _self_]"; key=value arguments override both.
"""
_RUN_EXAMPLES = """\
examples:
  fl-client run --home /var/lib/kitchen name=kitchen broker.host=mqtt.local
  fl-client run --config kitchen.yaml sensors=wearables_raw functions=alarm
"""
_REPLAY = """\
Plays a CSV file through the same spool, windows, model and functions as a node's, without a broker,
and shows the results. Its columns: time (nanoseconds since 1970), one for each channel of the task
in the task's units, label where the true one is known, and stream where it is of several. The
site's own store is not touched: a replay has a temporary store. The model is the one in the site's
slot.
"""
_REPLAY_EXAMPLES = """\
example:
  fl-client replay recording.csv --out predictions.jsonl --home /var/lib/kitchen
"""
_STATUS = "Shows the status of a site's node; if it does not run, from its files."
_MODEL = "Puts a model.onnx into the site's slot; a running node serves it within a second."


def add_commands(commands: Any) -> None:
    """Add the sub-commands to a parser (``argparse``'s own, unnamed type)."""
    _add_run(commands)
    _add_replay(commands)
    parser = _add(commands, "status", _status, _STATUS, "fl-client status --home /var/lib/kitchen")
    add_home(parser)
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    example = "fl-client model outputs/2026-01-31/model.onnx"
    parser = _add(commands, "model", _model, _MODEL, example)
    parser.add_argument("file", type=Path, metavar="FILE", help="a model that a run has written")
    add_home(parser)


def _add_run(commands: Any) -> None:
    parser = add_command(commands, "run", _run, "run the box", _RUN, _RUN_EXAMPLES)
    add_config(parser)
    parser.add_argument("--cfg", action="store_true", help="print the configuration and exit")


def _add_replay(commands: Any) -> None:
    words = "run a recording through the same pipeline"
    parser = add_command(commands, "replay", _replay, words, _REPLAY, _REPLAY_EXAMPLES)
    parser.add_argument("file", type=Path, metavar="FILE", help="the recording")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="write every event as a line of JSON"
    )
    add_config(parser)


def _add(
    commands: Any,
    name: str,
    run: Callable[[argparse.Namespace], None],
    about: str,
    example: str,
) -> argparse.ArgumentParser:
    words = about.partition(";")[0].rstrip(".")
    return add_command(commands, name, run, words, about, f"example:\n  {example}")


def _run(options: argparse.Namespace) -> None:
    from fl_client.configuration import read_config, shown, warn_of_open_secrets
    from fl_client.node.assembly.node import build_node
    from fl_client.node.process import NodeProcess
    from fl_common.programs.logs import log_to_standard_error

    config = read_config(options.config, options.overrides)
    if options.cfg:
        Console(highlight=False, markup=False, soft_wrap=True).out(shown(config), end="")
        return
    log_to_standard_error(config["log_level"])
    warn_of_open_secrets(options.config)
    command = join_command(config, options.config, options.overrides)
    node = build_node(config, connected=True)
    if command is not None:
        node = replace(node, training=replace(node.training, command=command))
    asyncio.run(NodeProcess(node).serve())


def _status(options: argparse.Namespace) -> None:
    from fl_client.node.status import read_status
    from fl_client.node.status_table import status_table

    status, output = read_status(options.home), Console(highlight=False)
    if options.json:
        output.out(json.dumps(status, indent=1))
    else:
        output.print(status_table(status))


def _model(options: argparse.Namespace) -> None:
    from fl_client.inference.place import place_model

    line = place_model(options.file, options.home)
    Console(highlight=False, markup=False, soft_wrap=True).print(line)


def _replay(options: argparse.Namespace) -> None:
    from fl_client.node.replay import replay

    replay(options)
