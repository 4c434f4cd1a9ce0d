"""Build a node's inference: the model, the functions, and what keeps both up to date."""

from dataclasses import dataclass
from pathlib import Path

from fl_client.components.build import ComponentUpdates, build_updates
from fl_client.components.context import NodeContext
from fl_client.components.declared import trial_of
from fl_client.home import MODEL, SLOTS
from fl_client.inference.asked import asked_engine
from fl_client.inference.engine import Engine
from fl_client.inference.slots import ModelSlot
from fl_client.node.assembly.functions import BoxFunctions, build_functions
from fl_common.configuration.rules import Config
from fl_common.programs.troubles import Troubles
from fl_common.vocabulary import Task


@dataclass(frozen=True)
class Inference:
    """The engine on the site's slot, the functions, and their updates from a repository, if any."""

    engine: Engine
    functions: BoxFunctions
    updates: ComponentUpdates | None


def build_inference(config: Config, task: Task, troubles: Troubles, *, waits: bool) -> Inference:
    """The configured engine, functions and updates.

    ``waits``: windows wait for the trial of a model; else it runs in the background.

    Raises:
        InvalidConfiguration: a value that can't be used.
    """
    home, values = Path(config["home"]), config["engine"]
    slot = ModelSlot(home / SLOTS / MODEL)
    sizes, trial = (values["threads"], values["largest_batch"]), trial_of(values)
    engine = Engine(slot, task, *sizes, trial, values["call_seconds"], in_background=not waits)
    asked = asked_engine(engine, task, values["largest_batch"])
    functions = build_functions(config, asked, troubles)
    running, longest = functions.running, config["function_host"]["seconds"]
    box = NodeContext(config["name"], home, task, slot, values, running, longest, troubles)
    try:
        updates = build_updates(config["components"], box)
    except BaseException:
        functions.close()
        raise
    return Inference(engine, functions, updates)
