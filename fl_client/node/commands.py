"""``fl-client run``, ``status`` and ``model``."""

import argparse
import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from fl_client.federation.command import join_command
from fl_client.home import MODEL, SLOTS

_RUN = """\
Receives sensors' messages, stores them, cuts windows, predicts, and publishes events, until SIGTERM
or Ctrl-C. The configuration is this package's conf/node.yaml; --config FILE adds your own, which
should start with "defaults: [node, _self_]"; key=value arguments override both.
"""
_RUN_EXAMPLES = """\
examples:
  fl-client run name=kitchen home=/var/lib/kitchen broker.host=mqtt.local
  fl-client run --config kitchen.yaml sensors=wearables_raw functions=alarm
"""
_REPLAY = """\
Plays a CSV file through the same spool, windows, model and functions as a node's, without a broker,
and shows the results. Its columns: time (nanoseconds since 1970), one for each channel of the task
in the task's units, and label where the true one is known. The site's own store is not touched: a
replay has a temporary store. The model is the one in the site's slot.
"""
_REPLAY_EXAMPLES = """\
example:
  fl-client replay recording.csv --out predictions.jsonl home=/var/lib/kitchen
"""
_STATUS = "Shows the status of a site's node; if it does not run, from its files."
_MODEL = "Puts a model.onnx into the site's slot; a running node serves it within a second."


def add_commands(commands: Any) -> None:
    """Add the sub-commands to a parser (``argparse``'s own, unnamed type)."""
    _add_run(commands)
    _add_replay(commands)
    parser = _parser(commands, "status", _STATUS, "fl-client status --home /var/lib/kitchen")
    _add_home(parser)
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    parser.set_defaults(run=_status)
    parser = _parser(commands, "model", _MODEL, "fl-client model outputs/2026-01-31/model.onnx")
    parser.add_argument("file", type=Path, metavar="FILE", help="a model that a run has written")
    _add_home(parser)
    parser.set_defaults(run=_model)


def add_config(parser: argparse.ArgumentParser) -> None:
    """The arguments that name a configuration."""
    parser.add_argument("--config", type=Path, metavar="FILE", help="your own YAML file")
    parser.add_argument(
        "overrides", nargs="*", metavar="key=value", help="a value of the configuration"
    )


def _add_run(commands: Any) -> None:
    parser = commands.add_parser(
        "run",
        help="run the box",
        description=_RUN,
        epilog=_RUN_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_config(parser)
    parser.add_argument("--cfg", action="store_true", help="print the configuration and exit")
    parser.set_defaults(run=_run)


def _add_replay(commands: Any) -> None:
    parser = commands.add_parser(
        "replay",
        help="run a recording through the same pipeline",
        description=_REPLAY,
        epilog=_REPLAY_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="the recording")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="write every event as a line of JSON"
    )
    add_config(parser)
    parser.set_defaults(run=_replay)


def _parser(commands: Any, name: str, description: str, example: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=description.partition(";")[0].rstrip("."),
        description=description,
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    return parser


def _add_home(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--home", type=Path, default=Path("site"), metavar="FOLDER", help="the site's; site if none"
    )


def _run(options: argparse.Namespace) -> None:
    from fl_client.configuration import read_config, shown
    from fl_client.node.assembly.node import build_node
    from fl_client.node.logs import log_to_standard_error
    from fl_client.node.process import NodeProcess

    config = read_config(options.config, options.overrides)
    if options.cfg:
        Console(highlight=False, markup=False, soft_wrap=True).out(shown(config), end="")
        return
    log_to_standard_error(config["log_level"])
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
    from fl_client.inference.slots import ModelSlot

    slot = ModelSlot(options.home / SLOTS / MODEL)
    digest = slot.place(options.file)
    slot.activate(digest)
    Console(highlight=False, soft_wrap=True).print(
        f"{options.file}: is version {digest[:12]} of the model in {slot.folder}. A running node"
        " says in its log, and fl-client status, whether it serves."
    )


def _replay(options: argparse.Namespace) -> None:
    from fl_client.node.replay import replay

    replay(options)
