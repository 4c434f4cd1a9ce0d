"""Follow a function of the repository."""

from dataclasses import dataclass
from functools import partial

from fl_client.components.context import NodeContext
from fl_client.components.function_shadow import FunctionShadow
from fl_client.components.function_target import FunctionTarget
from fl_client.components.health import Health
from fl_client.components.inventory import folder_of
from fl_client.components.network import why_function_waits
from fl_client.components.rollout import Rollout
from fl_client.components.sandbox import Grant, Sandboxes
from fl_client.components.subscription import Subscription
from fl_client.components.targets import file_of_function, function_in
from fl_common.components.description import Kind
from fl_common.components.reader import Reader


@dataclass(frozen=True)
class FunctionRules:
    """Which ``classes`` functions may use, what is granted to sandboxes, and ``seconds`` a call."""

    classes: tuple[str, ...]
    grant: Grant | None
    seconds: float


def follow_function(
    box: NodeContext,
    name: str,
    reader: Reader,
    health: Health,
    rules: FunctionRules,
    *,
    is_testing: bool,
) -> tuple[Subscription, FunctionTarget]:
    """Subscribe to the function ``name``, which runs among the box's functions."""
    folder = folder_of(box.home, Kind.FUNCTION, name)
    sandboxes = Sandboxes(rules.grant, box.task, rules.seconds, box.functions.sandboxed)
    read = partial(function_in, name=name, allowed=rules.classes, sandboxes=sandboxes)
    shadow = FunctionShadow(name, box.functions, read, folder) if is_testing else None
    target = FunctionTarget(name, box.functions, reader.held, read)
    rollout = Rollout(f"function {name}", target, folder, health)
    waits = partial(why_function_waits, box.networks)
    part = Subscription(
        box.site, Kind.FUNCTION, name, file_of_function, target, rollout, shadow, why_waits=waits
    )
    return part, target
