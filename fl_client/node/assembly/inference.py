"""Build a node's inference: the model, the shape, the functions, and what keeps them up to date."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fl_client.components.build import ComponentUpdates, build_updates
from fl_client.components.context import NodeContext
from fl_client.components.declared import trial_of
from fl_client.components.shapes import BoxShapes, build_shapes, task_reader
from fl_client.home import MODEL, SLOTS
from fl_client.inference.engine import Engine
from fl_client.inference.slots import ModelSlot
from fl_client.node.assembly.asked import Asked, build_asked
from fl_client.node.assembly.functions import BoxFunctions, build_functions
from fl_common.configuration.rules import Config
from fl_common.programs.troubles import Troubles
from fl_common.vocabulary import Task


@dataclass(frozen=True)
class Inference:
    """The engine on the site's slot, the functions, and their updates from a repository, if any.

    ``shapes`` are what windows go through before the model; None: nothing. ``asked`` is what
    functions ask.
    """

    engine: Engine
    functions: BoxFunctions
    updates: ComponentUpdates | None
    shapes: BoxShapes | None
    asked: Asked

    def when_answered(self, tell: Callable[[], object]) -> None:
        """Call ``tell``, from any thread, whenever functions or the shape have answered."""
        self.functions.thread.when_answered(tell)
        if self.shapes is not None:
            self.shapes.thread.when_answered(tell)

    def close(self) -> None:
        """End the processes of the functions and of the shape; what is under way waits."""
        self.functions.close()
        if self.shapes is not None:
            self.shapes.close()


def build_inference(config: Config, task: Task, troubles: Troubles, *, waits: bool) -> Inference:
    """The configured engine, functions and updates.

    ``waits``: windows wait for the trial of a model; else it runs in the background.

    Raises:
        InvalidConfiguration: a value that can't be used.
    """
    home, values = Path(config["home"]), config["engine"]
    slot = ModelSlot(home / SLOTS / MODEL)
    sizes, trial = (values["threads"], values["largest_batch"]), trial_of(values)
    shapes = build_shapes(config, task, troubles)
    engine = Engine(
        slot, task, *sizes, trial, values["call_seconds"], in_background=not waits,
        task_of=task_reader(shapes, task),
    )  # fmt: skip
    asked = build_asked(config, task, engine)
    functions = build_functions(config, asked.model, asked.networks.ask, asked.serves, troubles)
    running, longest = functions.running, config["function_host"]["seconds"]
    shape = shapes.box if shapes else None
    box = NodeContext(
        config["name"],
        home,
        task,
        slot,
        values,
        running,
        longest,
        troubles,
        shape,
        asked.networks,
    )
    try:
        updates = build_updates(config["components"], box)
    except BaseException:
        functions.close()
        if shapes is not None:
            shapes.close()
        raise
    return Inference(engine, functions, updates, shapes, asked)
