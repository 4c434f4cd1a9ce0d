"""The model that one site of ``engine=deployment`` runs, from testing of the run's repository.

The reader, the slot and the engine are those of a box; the model predicts the windows of the site's
recording. A box runs production; a seeded model can't be promoted, so these sites follow testing.
"""

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fl_client.components.poll import Poller
from fl_client.components.targets import model_file
from fl_client.configuration import read_config
from fl_client.home import MODEL, SLOTS
from fl_client.inference.engine import Engine
from fl_client.inference.slots import ModelSlot
from fl_client.inference.trial import trial_within
from fl_common.components.description import Component, Kind, Stage
from fl_common.components.reader import Limits, Reader
from fl_common.errors import JoinTheDotsError
from fl_common.files.whole import write_whole
from fl_common.vocabulary import Task, Windows
from models.kinds import kind_of

SERVED = "served.json"
"""A site's status of the model that it runs, in its folder."""


@dataclass(frozen=True)
class Served:
    """The component's digest, and the numbers of windows it has predicted, and correctly."""

    component: str
    windows: int
    right: int


def read_served(folder: Path) -> Served | None:
    """The model that the site in ``folder`` runs; None: nothing yet."""
    path = folder / SERVED
    return Served(**json.loads(path.read_text())) if path.is_file() else None


class Serving:
    """Follows ``node["model"]`` of the repository at ``node["source"]`` into the site's slot.

    ``recording`` gives the task and the site's windows; it is called with the first model.
    """

    def __init__(
        self,
        folder: Path,
        node: Mapping[str, Any],
        recording: Callable[[], tuple[Task, Windows]],
    ) -> None:
        box = read_config(None, [])
        self._folder, self._name, self._recording = folder, node["model"], recording
        self._engine_node, self._seen = box["engine"], ""
        self._slot = ModelSlot(folder / SLOTS / MODEL)
        self._reader = Reader(
            folder / "repository",
            source=node["source"],
            trusted_root=Path(node["root"]).read_bytes(),
            limits=Limits(**box["components"]["limits"]),
            ca_file=Path(node["ca_file"]),
        )
        self._poller = Poller(self._poll, node["every_s"], 0.0, random.Random())

    def start(self) -> None:
        """Start polling for models, in a separate thread."""
        self._poller.start()

    def _poll(self) -> None:
        try:
            self._reader.refresh()
            offer = self._reader.offer(Kind.MODEL, self._name, Stage.TESTING)
        except JoinTheDotsError:
            return  # the proxy is not up yet
        if offer is not None and offer.component.digest != self._seen:
            self._swap(offer.component)
            self._seen = offer.component.digest

    def _swap(self, component: Component) -> None:
        path = model_file(self._reader.fetch(component))
        assert path is not None
        task, windows = self._recording()
        node = {**self._engine_node, "trial": trial_within(**self._engine_node["trial"])}
        engine = Engine(self._slot, task, **node)
        self._slot.activate(self._slot.place(path))
        engine.swap()
        kind = kind_of(task)
        answered = kind.chosen(engine.predict(windows.values).answers_ND)
        right = int(kind.agree(answered, windows.labels).sum())
        served = Served(component.digest, len(windows), right)
        write_whole(self._folder / SERVED, json.dumps(asdict(served)).encode())
