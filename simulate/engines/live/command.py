"""``python -m simulate engine=live``: from a configuration to a live fleet."""

import asyncio
import json
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import rich.console
from rich.text import Text

from fl_client.inference.onnx_model import OnnxModel
from fl_client.inference.task_checks import check_for_task
from fl_client.node.status import read_status
from fl_common.configuration.paths import from_home
from fl_common.configuration.rules import Config, above, require, whole
from fl_common.errors import InvalidConfiguration, RunFailed
from fl_common.files.whole import write_whole
from fl_common.vocabulary import Task
from models.tasks.shaped import shaped_by
from simulate.engines.live.fleet import Live, Player
from simulate.engines.live.functions import LiveFunctions, published
from simulate.engines.live.processes import CONFIG, Processes, find_mosquitto, write_node
from simulate.engines.live.recordings import messages, recordings_of, slicing_of, step_of
from simulate.engines.live.score import Score, measured, quantile_s
from simulate.engines.live.shown import Shown, closing_table, remarks
from simulate.home import Home
from simulate.report.drawing import Drawing
from simulate.report.results import json_value
from simulate.report.wording import counted
from simulate.world import World
from simulate.world.build import open_world, world_yaml

INTERRUPTED = 130
_PLAIN_NAME = re.compile(r"[A-Za-z0-9][\w-]{0,40}", re.ASCII)


def live(
    config: Config, home: Home, output: rich.console.Console, train: Callable[[Config], None]
) -> int:
    """Play held-out recordings to real nodes; files are in ``live`` of the outputs folder.

    ``train`` performs an ordinary run of a configuration, if no model is given.

    Returns:
        The exit status: 130 if a signal ended it.

    Raises:
        JoinTheDotsError: no mosquitto, a value that can't be used, a run or a process that failed.
    """
    engine, program = config["engine"], find_mosquitto()
    _check(engine)
    world = open_world(world_yaml({**config, "shape": None}))
    names, shape = _names(engine["sites"], world), config["shape"]
    step_of(world.task)
    task = world.task if shape is None else shaped_by(world.task, shape)
    if engine["model"] is None:
        train({**config, "engine": engine["training"]})
        model = home.model
    else:
        model = from_home(engine["model"])
        _check_model(model, task)
    folder = home.folder / "live"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    functions = published(config["report"]["functions"], shape, world.task, folder)
    run = _Run(engine, folder, output, world, names, model, functions)
    return asyncio.run(run.carry_out(program))


@dataclass
class _Run:
    """One play, from the broker's start to the closing table."""

    engine: Config
    folder: Path
    output: rich.console.Console
    world: World
    names: list[str]
    model: Path
    functions: LiveFunctions

    async def carry_out(self, program: str) -> int:
        with Processes(self.folder) as processes:
            port = await processes.start_broker(program, self.engine["port"])
            players = [self._player(i, port) for i in range(len(self.names))]
            scores = [player.score for player in players]
            seconds, speed = self.engine["seconds"], self.engine["speed"]
            with Drawing(self.output) as drawing:
                shown = Shown(drawing, scores, seconds, speed)
                for player in players:
                    processes.start_node(player.score.name, player.home / CONFIG)
                self._say(f"{counted(len(players), 'node')} on the broker localhost:{port}")
                for name in self.functions.components.get("functions", ()):
                    self._say(f"what {name} finds: mosquitto_sub -p {port} -t 'events/#'")
                fleet = Live(players, seconds, speed, shown)
                if not await fleet.wait_ready(processes):
                    return INTERRUPTED
                interrupted = await fleet.play(processes, port)
        self._finish(players)
        return INTERRUPTED if interrupted else 0

    def _player(self, position: int, port: int) -> Player:
        name, task = self.names[position], self.world.task
        about = (task, step_of(task), port, self.model, self.functions)
        file = write_node(self.folder, name, *about)
        self.functions.lend_machine_code(file.parent)
        slicing = slicing_of(task)
        recordings = recordings_of(self.world.test(), position, task)
        return Player(
            file.parent,
            partial(messages, recordings, task, slicing, self.engine["readings_per_message"]),
            Score(name, task),
        )

    def _finish(self, players: Sequence[Player]) -> None:
        """The closing table and the files, from the nodes' own files.

        Raises:
            RunFailed: the counts do not add up.
        """
        scores = [player.score for player in players]
        for player in players:
            player.score.messages = read_status(player.home)["messages"]
        lines = [line for score in scores for line in _predictions(score)]
        write_whole(self.folder / "predictions.jsonl", "".join(lines).encode())
        summary = self.folder / "summary.json"
        write_whole(summary, json.dumps([_figures(score) for score in scores], indent=1).encode())
        self.output.print()
        self.output.print(closing_table(scores))
        for line in remarks(scores):
            self._say(line)
        self._say(f"files  {self.folder}")
        if troubles := [trouble for score in scores if (trouble := score.trouble())]:
            raise RunFailed("; ".join(troubles))

    def _say(self, line: str) -> None:
        self.output.print(Text(line), soft_wrap=not self.output.is_terminal)


def _figures(score: Score) -> dict[str, Any]:
    return {
        "site": score.name,
        "windows": score.windows,
        "predictions": len(score.predictions),
        "right": score.right,
        "measures": json_value(measured([score])),
        "latency_p50_s": quantile_s([score], 0.5),
        "latency_p99_s": quantile_s([score], 0.99),
        "readings": score.readings,
        "sent": score.sent,
        **score.messages,
    }


def _predictions(score: Score) -> Iterator[str]:
    """A JSON line for each window, in order of time."""
    for start_ns in sorted(score.predictions):
        yield json.dumps({"site": score.name, **score.predictions[start_ns].to_row()}) + "\n"


def _check(engine: Config) -> None:
    for name in ("seconds", "speed"):
        require(f"engine.{name}", engine[name], above(0))
    for name in ("sites", "readings_per_message"):
        require(f"engine.{name}", engine[name], whole(1))
    if engine["port"] is not None:
        require("engine.port", engine["port"], whole(1))


def _check_model(path: Path, task: Task) -> None:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InvalidConfiguration(
            f"engine.model={path}", f"can't be read ({error.strerror})", "Give a model.onnx"
        ) from error
    check_for_task(OnnxModel(content, 1), task)


def _names(sites: int, world: World) -> list[str]:
    """Names of the nodes: those of the test set's groups, where a topic and a folder can have them.

    Raises:
        InvalidConfiguration: more sites than groups with windows of their own.
    """
    groups = world.test().groups
    if sites > len(groups):
        raise InvalidConfiguration(
            f"engine.sites={sites}",
            f"is more than the {len(groups)} persons or sites whose recordings are held out",
            "Lower it",
        )
    if all(_PLAIN_NAME.fullmatch(group) for group in groups):
        return list(groups[:sites])
    return [f"site-{position:03d}" for position in range(sites)]
