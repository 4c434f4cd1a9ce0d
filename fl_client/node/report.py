"""What a running node says of itself: its health and its status."""

import os
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from fl_client.inference.events import latest_of, measures_of
from fl_client.node.assembly.declared import MQTT
from fl_client.node.assembly.node import NodeAssembly
from fl_client.node.assembly.sensing import Inlet
from fl_client.node.budget import Budget
from fl_client.node.federation_watch import FederationWatch
from fl_client.node.presence import Presence
from fl_client.node.status import counts_of
from fl_client.node.watch import Watch
from fl_client.node.watchdog import Watchdog
from fl_common.programs.service_manager import ServiceManager
from fl_common.programs.troubles import Trouble

_LEDGER = "The box takes part in no run until it can be read; see fl-client ledger"
_OF_TRAINING = ("training", "training data")


class Report:
    """The health and the status of ``box``, which was built just now."""

    def __init__(self, box: NodeAssembly) -> None:
        self._box = box
        self._began, self._started_s = time.monotonic(), time.time()
        takes_part = box.training.command is not None
        self._federation = FederationWatch(box.home, takes_part, box.troubles)
        self._watch = Watch(box.sensing, box.inference, self._federation, box.troubles)
        self.watchdog = Watchdog(
            self._watch, box.loop.node.pulse, box.troubles, box.stuck_s, ServiceManager()
        )
        self.presence: Presence | None = None
        if box.sensing.mqtt is not None and box.status_topic is not None:
            source = box.loop.events.announcements.source
            self.presence = Presence(box.sensing.mqtt, box.status_topic, source, box.troubles)
        self._budget: Budget | None = None
        self._rounds = 0

    def health(self) -> list[dict[str, str]]:
        """What is wrong, the oldest first; empty if nothing is."""
        if not self._box.loop.node.ready.is_set():
            cause = "messages in the store are taken in"
            return [Trouble("start", cause, "Wait", self._started_s).shown()]
        self._watch.look()
        return [trouble.shown() for trouble in self._box.troubles.current()]

    def is_well(self) -> bool:
        """Whether nothing is wrong, beside training: whether that failed may tell of the data."""
        return all(trouble["part"] in _OF_TRAINING for trouble in self.health())

    def status(self) -> Mapping[str, Any]:
        """Everything that ``fl-client status`` shows, as JSON values."""
        box = self._box
        upkeep, updates = box.loop.upkeep, box.inference.updates
        windows = upkeep.windows
        transports = {name: _state(inlet) for name, inlet in box.sensing.inlets.items()}
        return {
            "running": True,
            "pid": os.getpid(),
            "name": box.name,
            "home": str(box.home),
            "task": box.task.name,
            "up_s": time.monotonic() - self._began,
            "wrong": self.health(),
            "broker": transports.get(MQTT),
            "transports": transports,
            "clock": {"ahead_of_server_s": self._federation.clock_ahead_s},
            "sensors": box.sensing.watch.shown(),
            "readings": {"total": upkeep.readings, "per_s": upkeep.readings_per_s},
            "messages": counts_of(upkeep.spool),
            "windows": windows.shown(),
            "predictions": upkeep.predictions,
            "accuracy": {**asdict(windows.agreement), "told": self._measures()},
            "latest_prediction": latest_of(box.task, upkeep.latest),
            "streams": {
                "number": upkeep.streams.number,
                "latest": {
                    name: latest_of(box.task, one) for name, one in upkeep.streams.latest.items()
                },
            },
            "events": asdict(upkeep.events),
            **self._models(),
            "components": updates.follower.status() if updates else None,
            "functions": upkeep.functions(),
            "shape": box.inference.shapes and box.inference.shapes.shown(upkeep.shape),
            "federation": self._federation.shown(),
            "training": {"configured": box.training.command is not None},
            "ledger": self._budget,
        }

    def _models(self) -> dict[str, Any]:
        """The model that serves, if the box has one of its ``own``, and the networks beside it."""
        asked = self._box.inference.asked
        engine = asked.engine.status()
        about = {"digest": engine.digest, "wanted": engine.wanted, "trouble": engine.trouble}
        return {
            "model": {**about, "own": asked.predicts},
            "networks": asked.networks.shown(),
        }

    def _measures(self) -> list[str]:
        """How predictions agree with labels, in words."""
        return measures_of(self._box.task, self._box.loop.upkeep.windows.agreement.measures)

    def charged(self, budget: Budget) -> None:
        """Take over the ledger's state: into the status and the metrics."""
        self._budget, metrics = budget, self._box.loop.metrics
        if "trouble" in budget:
            self._box.troubles.begin(
                "ledger", budget["trouble"].removeprefix("error: ").rstrip("."), _LEDGER
            )
        else:
            self._box.troubles.end("ledger")
        if "rounds" in budget:
            metrics.rounds.inc(budget["rounds"] - self._rounds)
            self._rounds = budget["rounds"]
            metrics.budget.set(budget["epsilon_left"])
            for unit, spent in {
                budget["unit"]: budget["epsilon_spent"],
                **budget["epsilon_per"],
            }.items():
                metrics.spent.labels(unit).set(spent)


def _state(inlet: Inlet) -> dict[str, Any]:
    """A transport's state as JSON values."""
    state = inlet.transport.state()
    fault = None if state.up else state.fault
    return {"up": state.up, "fault": fault, "refused": dict(state.refused), **state.details}
