"""From ``components`` of a node's configuration to what follows the repository."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fl_client.answers import Prediction
from fl_client.components.counts import FOLDER
from fl_client.components.follower import Follower
from fl_client.components.health import Health
from fl_client.components.poll import Poller
from fl_client.components.shadow import HeldOutDay, Shadow
from fl_client.engine import Engine
from fl_client.slots import Slot
from fl_common.components.description import Stage
from fl_common.components.reader import Limits, Reader
from fl_common.errors import InvalidConfiguration
from fl_common.vocabulary import Floats, Task

_REPOSITORY = "repository"
_CANDIDATE = "candidate"
_END_S = 5.0


@dataclass(frozen=True)
class Updates:
    """What keeps a node's model up to date; ``shadow`` on a testing site alone."""

    follower: Follower
    poller: Poller
    shadow: Shadow | None

    def start(self) -> None:
        """Go on with what is on disk, and begin to ask. Before the engine reads its slot."""
        self.follower.resume()
        self.poller.start()

    def see(self, starts_N: Sequence[int], values_N: Floats, prediction: Prediction) -> None:
        """Hear what production answered to live windows."""
        self.follower.observe(prediction)
        if self.shadow is not None:
            self.shadow.see(starts_N, values_N, prediction)

    def close(self) -> None:
        """Stop asking, and note what was counted."""
        self.poller.close(_END_S)
        if self.shadow is not None:
            self.shadow.close()


def build_updates(
    node: Mapping[str, Any],
    site: str,
    slot: Slot,
    home: Path,
    task: Task,
    engine: Mapping[str, Any],
    held_out_day: HeldOutDay,
) -> Updates | None:
    """Follow ``node["source"]`` into ``slot``; None where there is no source.

    Raises:
        InvalidConfiguration: no root.json to trust, an unknown stage, or a value out of range.
    """
    health = Health(**node["health"])
    limits = Limits(**node["limits"])
    if node["source"] is None:
        return None
    folder = home / FOLDER
    source: str | Path = node["source"] if "://" in node["source"] else Path(node["source"])
    reader = Reader(folder / _REPOSITORY, source, _root(node["root"]), limits)
    shadow = None
    if _stage(node["stage"]) is Stage.TESTING:
        candidate = Slot(slot.folder.with_name(_CANDIDATE))
        shadow = Shadow(
            candidate,
            Engine(candidate, task, engine["threads"], engine["largest_batch"]),
            folder,
            held_out_day,
            health.times_slower,
        )
    name = node["model"] or task.name
    follower = Follower(site, name, reader, slot, folder, health, shadow)
    return Updates(
        follower, Poller(follower.poll, generator=random.Random(), **node["poll"]), shadow
    )


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


def _stage(stage: str) -> Stage:
    if stage not in list(Stage):
        raise InvalidConfiguration(
            f"components.stage={stage}", "must be production or testing", "Set it to one of them"
        )
    return Stage(stage)
