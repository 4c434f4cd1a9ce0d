"""Build the whole node."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fl_client.node.assembly.clock import BoxClock, build_clock, build_pipeline
from fl_client.node.assembly.events import build_events
from fl_client.node.assembly.inference import Inference, build_inference
from fl_client.node.assembly.loop import Loop, build_loop
from fl_client.node.assembly.sensing import Sensing, build_sensing
from fl_client.node.assembly.storage import path_opener
from fl_client.node.training_process import Training
from fl_common.configuration.rules import Config
from fl_common.plugins.build import build
from fl_common.programs.confinement import private_folder
from fl_common.programs.troubles import Troubles
from fl_common.vocabulary import Task


@dataclass(frozen=True)
class NodeAssembly:
    """A node with all its parts, ready to run."""

    name: str
    home: Path
    task: Task
    sensing: Sensing
    inference: Inference
    loop: Loop
    training: Training
    troubles: Troubles
    stuck_s: float
    status_topic: str | None
    http: Mapping[str, Any]
    serving: Mapping[str, Any]
    federation: Config
    counter: Path | None


def build_node(
    config: Config, *, connected: bool, clock_of: Callable[..., BoxClock] = build_clock
) -> NodeAssembly:
    """Build a node; without ``connected`` it has no transports, and what it is given waits for it.

    ``clock_of`` builds its clock, as ``build_clock`` does.

    Raises:
        InvalidConfiguration: a value that can't be used.
        StoreError: the site's store can't be opened.
    """
    task, home = build(config["task"], at="task"), Path(config["home"])
    private_folder(home, "home")
    troubles = Troubles()
    sensing = build_sensing(config, task, troubles, connected=connected)
    slicing = sensing.declared.slicing
    inference = build_inference(config, task, troubles, waits=not connected)
    events = build_events(config, task, slicing, sensing, troubles)
    clock = clock_of(home, slicing, troubles, connected=connected)
    open_path = path_opener(config, task, sensing.declared, inference, events)
    pipeline = build_pipeline(open_path, clock)
    counter = config["federation"]["ledger_counter"]
    return NodeAssembly(
        name=config["name"],
        home=home,
        task=task,
        sensing=sensing,
        inference=inference,
        loop=build_loop(config, sensing, inference, events, pipeline, troubles, clock),
        training=build(config["training"], at="training"),
        troubles=troubles,
        stuck_s=config["stuck_s"],
        status_topic=config["events"]["status"],
        http=config["http"],
        serving=config["serving"],
        federation=config["federation"],
        counter=Path(counter) if counter else None,
    )
