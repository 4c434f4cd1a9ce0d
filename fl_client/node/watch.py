"""What is wrong with a node: what its parts tell, and what is looked up of the others."""

import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from fl_client.functions.chains import unheard
from fl_client.functions.runner import Functions
from fl_client.inference.prediction import EngineStatus
from fl_client.node.assembly.inference import Inference
from fl_client.node.assembly.sensing import Sensing
from fl_client.node.federation_watch import FederationWatch
from fl_common.programs.troubles import Troubles

_ADDRESS = "Check its section under transports"
_NO_MODEL = "Windows are kept until one does: place one with fl-client model FILE"
_TRIED = "Windows are kept until it serves; this takes engine.trial.seconds at most"
_OTHER_MODEL = "Publish or place another one, or mend what the cause names"
_NETWORK = "Promote it in the repository, and see what fl-client status says of components"
_FIELD = "Compare the declared fields with what is sent"
_HEARD = "Add it to components.functions, or take out the one that waits for it"
_MENDED = "Mend the one that is disabled first"

_SILENT = (
    "is shown no window, as the last ones do not begin after one of {} that it saw: the sensors'"
    " clock was set back, or old readings come late"
)
_CLOCK = "Check the sensors' clock; windows after {} are shown again"


class Watch:
    """Looks at the transports, the model and the functions, and keeps ``troubles`` up to date."""

    def __init__(
        self,
        sensing: Sensing,
        inference: Inference,
        federation: FederationWatch,
        troubles: Troubles,
    ) -> None:
        self._sensing, self._inference = sensing, inference
        self._federation, self._troubles = federation, troubles
        self._looking = threading.Lock()

    def look(self) -> None:
        """Begin and end the troubles of these parts; any thread may call it."""
        with self._looking:
            self._look_at_transports()
            if self._inference.asked.predicts:
                look_at_model(self._inference.engine.status(), self._troubles)
            look_at_networks(self._inference.asked.networks.troubles(), self._troubles)
            look_at_functions(self._inference.functions.running, self._troubles)
            for inlet in self._sensing.inlets.values():
                look_at_fields(inlet.intake.lacking(), self._troubles)
            self._sensing.watch.look()
            self._federation.look()

    def _look_at_transports(self) -> None:
        for name, inlet in self._sensing.inlets.items():
            state, part = inlet.transport.state(), f"transport {name}"
            if state.up:
                self._troubles.end(part)
            else:
                self._troubles.begin(part, state.fault, state.remedy or _ADDRESS)


def look_at_functions(functions: Functions, troubles: Troubles) -> None:
    """Whether each function is called with the windows that come."""
    disabled, silent = functions.disabled, functions.silent
    missing = unheard(functions.heard, disabled)
    for name in functions.failures:
        part = f"function {name}"
        if (failing := disabled.get(name)) is not None:
            troubles.begin(part, f"it is disabled: {failing.why}", failing.remedy)
        elif name in silent:
            seen = f"{datetime.fromtimestamp(silent[name] / 1e9, UTC):%Y-%m-%d %H:%M:%S} UTC"
            troubles.begin(part, _SILENT.format(seen), _CLOCK.format(seen))
        elif name in missing:
            cause = f"takes the events of {', '.join(missing[name])[:200]}, which does not run here"
            troubles.begin(part, cause, _MENDED if disabled.keys() & missing[name] else _HEARD)
        else:
            troubles.end(part)


def look_at_fields(lacking: Mapping[str, Sequence[str]], troubles: Troubles) -> None:
    """Whether every declared field comes; ``lacking`` are those that never did, by sensor."""
    for sensor, fields in lacking.items():
        part = f"fields of sensor {sensor}"
        if fields:
            cause = f"no message had {', '.join(fields)[:200]}, and windows need every channel"
            troubles.begin(part, cause, _FIELD)
        else:
            troubles.end(part)


def look_at_networks(found: Mapping[str, str | None], troubles: Troubles) -> None:
    """Whether each network serves; ``found`` says why not, or None, by name."""
    for name, cause in found.items():
        part = f"network {name}"
        if cause is None:
            troubles.end(part)
        else:
            troubles.begin(part, cause, _NETWORK)


def look_at_model(status: EngineStatus, troubles: Troubles) -> None:
    """Whether a model serves, and the one that should."""
    if status.wanted and status.trouble and status.digest != status.wanted:
        cause = f"{status.wanted[:12]} was refused and is not used: {status.trouble.rstrip('.')}"
        troubles.begin("model", cause, _OTHER_MODEL)
    elif status.digest is None and status.wanted:
        cause = f"{status.wanted[:12]} is being tried, and none serves yet"
        troubles.begin("model", cause, _TRIED)
    elif status.digest is None:
        troubles.begin("model", "no model serves", _NO_MODEL)
    else:
        troubles.end("model")
