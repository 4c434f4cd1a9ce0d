"""Build what follows the repository from the ``components`` section of a node's configuration."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from fl_client.components.comparison import PAIR
from fl_client.components.context import NodeContext
from fl_client.components.declared import health_of, limits_of, poller_of, source_of, trial_of
from fl_client.components.follow_function import FunctionRules, follow_function
from fl_client.components.follower import Follower
from fl_client.components.function_target import FunctionTarget
from fl_client.components.health import Health, HealthCounts
from fl_client.components.inventory import folder_of, repository_of
from fl_client.components.network import Counted, follow_networks
from fl_client.components.poll import Poller
from fl_client.components.rollout import Rollout
from fl_client.components.sandbox import grant_of
from fl_client.components.shadow import Shadow
from fl_client.components.shape import follow_shape, why_model_waits
from fl_client.components.subscription import Subscription
from fl_client.components.targets import SlotTarget
from fl_client.inference.prediction import Prediction
from fl_common.components.description import Component, Kind, Stage
from fl_common.components.reader import Reader
from fl_common.errors import InvalidConfiguration, UpdateRefused
from fl_common.vocabulary import Floats

_END_S = 5.0


@dataclass(frozen=True)
class ComponentUpdates:
    """What keeps a node's model and functions up to date."""

    follower: Follower
    poller: Poller
    model: Subscription | None
    shadow: Shadow | None
    functions: Sequence[tuple[Subscription, FunctionTarget]]
    networks: Sequence[Counted]
    shape: Subscription | None = None

    def start(self) -> None:
        """Resume from disk and start polling. Call it before the engine reads its slot."""
        self.follower.resume()
        for _, target in self.functions:
            target.starting = False
        self.poller.start()

    def see(self, values_N: Floats, prediction: Prediction) -> None:
        """Observe what production predicted for live windows."""
        if self.model is not None:
            self.model.rollout.observe(prediction.digest, HealthCounts.of(prediction))
        if self.shadow is not None:
            self.shadow.see(values_N, prediction)

    def note(self) -> None:
        """Observe what functions have answered, and networks when they were asked."""
        for subscription, target in self.functions:
            if (seen := target.seen()) is not None:
                subscription.rollout.observe(*seen)
        for subscription, counts in self.networks:
            if (asked := counts()) is not None:
                subscription.rollout.observe(*asked)

    def close(self) -> None:
        """Stop polling, and save the counts."""
        self.poller.close(_END_S)
        for part in self.follower.parts:
            if part.shadow is not None:
                part.shadow.close()


def build_updates(node: Mapping[str, Any], box: NodeContext) -> ComponentUpdates | None:
    """Follow the repository ``node["source"]``; None where no source is set.

    Raises:
        InvalidConfiguration: no root.json to trust, an unknown stage, a function's name that is
            taken, or a value outside its range.
    """
    health, limits = health_of(node), limits_of(node)
    if node["source"] is None:
        return None
    source = source_of(node)
    folder, ca_file = repository_of(box.home), _ca_file(node["ca_file"])
    reader = Reader(folder, source, _root(node["root"]), limits, ca_file=ca_file)
    is_testing = _stage(node["stage"]) is Stage.TESTING
    predicts = node["own_model"]
    shadow = _shadow(box, health) if is_testing and predicts else None
    own = node["model"] or box.task.name
    model = follow_model(box, own, reader, health, shadow) if predicts else None
    functions = list(_functions(node, box, reader, health, is_testing))
    networks = list(follow_networks(node, box, reader, health, _model_of))
    shape = _shape(node, box, reader)
    alone = [one for one in (model, shape) if one is not None]
    # polled from the last one: a model may require a shape, and a function ask a network
    parts = [*alone, *(one for one, _ in functions), *(one for one, _ in networks)]
    follower = Follower(reader, parts, box.troubles)
    poller = poller_of(node, follower.poll)
    return ComponentUpdates(follower, poller, model, shadow, functions, networks, shape)


def follow_model(
    box: NodeContext, name: str, reader: Reader, health: Health, shadow: Shadow | None
) -> Subscription:
    """Subscribe to the model ``name``, which runs in the box's slot."""
    target = SlotTarget(box.slot, reader.held)
    folder = folder_of(box.home, Kind.MODEL, name)
    rollout = Rollout(f"model {name}", target, folder, health)
    pair = folder / PAIR if shadow else None
    waits = partial(why_model_waits, box.task, box.shape.held if box.shape else None)
    return Subscription(box.site, Kind.MODEL, name, _model_of, target, rollout, shadow, pair, waits)


def _functions(
    node: Mapping[str, Any], box: NodeContext, reader: Reader, health: Health, is_testing: bool
) -> Iterator[tuple[Subscription, FunctionTarget]]:
    for name in node["functions"]:
        if name in box.functions.failures:
            raise InvalidConfiguration(
                f"components.functions={name}",
                "is the name of a function of the configuration, too",
                "Take it out of functions, or follow the component under another name",
            )
        rules = FunctionRules(tuple(node["classes"]), grant_of(node), box.function_seconds)
        yield follow_function(box, name, reader, health, rules, is_testing=is_testing)


def _shape(node: Mapping[str, Any], box: NodeContext, reader: Reader) -> Subscription | None:
    """The subscription to the box's shape, if it has one."""
    if box.shape is None:
        return None
    name = box.shape.held.name
    if name in (*node["functions"], *box.functions.failures):
        raise InvalidConfiguration(
            f"windows.shape={name}",
            "is the name of a function of this box, too",
            "Take it out there",
        )
    grant = grant_of(node)
    return follow_shape(box.site, box.home, box.shape, reader, grant, box.function_seconds)


def _shadow(box: NodeContext, health: Health) -> Shadow:
    folder, engine = folder_of(box.home, Kind.MODEL, ""), box.engine
    sizes = (engine["threads"], engine["largest_batch"])
    trial = trial_of(engine)
    return Shadow(box.task, *sizes, folder, health.times_slower, trial)


def _model_of(component: Component) -> str:
    files = [file for file in component.files if file.path.endswith(".onnx")]
    if len(files) != 1:
        raise UpdateRefused(f"{component} has {len(files)} .onnx files; a site runs one.")
    return files[0].sha256


def _root(path: str | None) -> bytes:
    try:
        if path is not None:
            return Path(path).read_bytes()
        reason = "is missing"
    except OSError as error:
        reason = f"can't be read ({error.strerror})"
    raise InvalidConfiguration(
        f"components.root={path}",
        reason,
        "Give the repository's metadata/1.root.json, brought here by a way that you trust",
    )


def _ca_file(path: str | None) -> Path | None:
    if path is None or Path(path).is_file():
        return Path(path) if path else None
    raise InvalidConfiguration(
        f"components.ca_file={path}", "is not a file", "Give the one that fl-server enroll made"
    )


def _stage(stage: str) -> Stage:
    if stage not in list(Stage):
        raise InvalidConfiguration(
            f"components.stage={stage}", "must be production or testing", "Set it to one of them"
        )
    return Stage(stage)
