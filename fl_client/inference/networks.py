"""The networks of a box beside its own model: each in a slot of its own, under its own name.

Functions ask them by name (``asks`` of function.json), and clients of the inference service. Each
version is tried in a child process before it is loaded here, within the memory that its description
claims; all of them together within what the box's owner allows.
"""

import logging
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fl_client.inference.engine import Engine
from fl_client.inference.network import Network, Unanswered
from fl_client.inference.onnx_model import Tensor
from fl_client.inference.slots import ModelSlot
from fl_client.inference.states import States
from fl_client.inference.tally import Asked, speaks_against
from fl_client.inference.trial import network_trial
from fl_common.components.network import NetworkSpec
from fl_common.configuration.rules import above, require
from fl_common.errors import BadInput, InvalidData, NoModel
from fl_common.functions.asked import Asker
from fl_common.vocabulary import Floats, NamedArrays

_logger = logging.getLogger(__name__)


@dataclass
class _Placed:
    """A network's slot and engine, and what of it serves."""

    slot: ModelSlot
    engine: Engine
    network: Network | None = None
    unfit: str | None = None
    """Why the last version that came does not fit this box."""
    digest: str | None = None
    states: States = field(default_factory=States)
    asked: Asked = field(default_factory=Asked)


class BoxNetworks:
    """The networks called ``names`` in the folder ``slots``, within ``megabytes`` together.

    ``engine`` is the section of the configuration; a window begins each ``every_ns``. Any thread
    may ask; one at a time is answered. Whoever brings a version waits for its trial; what serves
    goes on meanwhile.

    Raises:
        InvalidConfiguration: a value that can't be used.
    """

    def __init__(
        self,
        names: Sequence[str],
        megabytes: float,
        slots: Path,
        engine: Mapping[str, Any],
        every_ns: float,
    ) -> None:
        require("components.networks_mb", megabytes, above(0))
        self.megabytes, self._every_ns = megabytes, every_ns
        self._asking = threading.Lock()
        self._placed = dict[str, _Placed]()
        for name in names:
            slot = ModelSlot(slots / name)
            trial = network_trial(slot, engine["trial"]["seconds"], engine["trial"]["megabytes"])
            made = Engine(
                slot, None, engine["threads"], engine["largest_batch"], trial,
                engine["call_seconds"],
            )  # fmt: skip
            self._placed[name] = _Placed(slot, made)
        self.questions: Counter[tuple[str, str]] = Counter()
        """By network and what came of them: ``answered``, or ``refused``."""
        self.seconds = defaultdict[str, float](float)

    @property
    def engines(self) -> Mapping[str, Engine]:
        """What serves each, for clients of the inference service."""
        return {name: placed.engine for name, placed in self._placed.items()}

    @property
    def begun(self) -> Mapping[tuple[str, str], int]:
        """How often a window began with a state of zeros, by network and why."""
        return {
            (name, why): count
            for name, placed in self._placed.items()
            for why, count in placed.states.begun.items()
        }

    def slot(self, name: str) -> ModelSlot:
        """The slot of a network."""
        return self._placed[name].slot

    def serves(self, name: str) -> bool:
        """Whether a version answers."""
        placed = self._placed.get(name)
        return placed is not None and placed.network is not None

    def check_asked(self, name: str, digest: str, spec: NetworkSpec) -> None:
        """Raise InvalidData if that file serves, and can't be asked as ``spec`` says."""
        engine = self._placed[name].engine
        if engine.status().digest == digest:
            Network(_Serving(engine), spec)

    def check_fits(self, name: str, spec: NetworkSpec) -> None:
        """Raise InvalidData unless the box's windows follow each other as a state needs it.

        And unless it has room beside the others, by what their descriptions claim.
        """
        self._placed[name].unfit = None
        try:
            self._check_fits(name, spec)
        except InvalidData as error:
            self._placed[name].unfit = str(error).rstrip(".")
            raise

    def _check_fits(self, name: str, spec: NetworkSpec) -> None:
        hop_ns, every_ns = spec.hop_ns or 0.0, self._every_ns
        if spec.state and abs(hop_ns - every_ns) > 1.0:
            raise InvalidData(
                f"the network {name}, which carries a state",
                f"needs a window each {hop_ns / 1e6:g} ms, and this box makes one each"
                f" {every_ns / 1e6:g} ms",
                f"Set windows.step to {spec.hop}, and the task's rate_hz to {spec.rate_hz:g}",
            )
        others = [
            placed.network.spec.megabytes
            for other, placed in self._placed.items()
            if other != name and placed.network is not None
        ]
        if sum(others) + spec.megabytes > self.megabytes:
            raise InvalidData(
                f"the network {name} of {spec.megabytes:g} MB",
                f"does not fit beside {sum(others):g} MB of others: components.networks_mb is"
                f" {self.megabytes:g}",
                "Raise that, or take a network out",
            )

    def swap(self, name: str) -> None:
        """Serve what the slot of that network has, after its trial if it is new."""
        placed = self._placed[name]
        placed.engine.swap()
        digest = placed.engine.status().digest
        if digest is not None:
            self._take(name, placed, digest)

    def _take(self, name: str, placed: _Placed, digest: str) -> None:
        with self._asking:
            try:
                spec = spec_in(placed.slot, digest)
                placed.network = Network(_Serving(placed.engine), spec)
            except BadInput as error:  # its trial passed: somebody has altered the slot since
                _logger.error("network %s can't be asked: %s", name, error)
                placed.network = None
            placed.digest = digest

    def ask(self, name: str, asker: Asker, values: Floats, seconds: float) -> Floats:
        """What the network called ``name`` answers, all outputs in a row but its states.

        Raises:
            NoModel: it does not serve.
            InvalidData: the box has none of this name, the question does not fit it, or takes
                longer than ``seconds``.
        """
        with self._asking:
            placed = self._placed.get(name)
            if placed is None:
                raise InvalidData(
                    f"the network {name}",
                    "is none of this box's",
                    "Name it in components.networks",
                )
            network = placed.network
            if network is None or placed.digest is None:
                raise NoModel(f"no network {name} serves here")
            began = time.perf_counter()
            try:
                row = _asked(placed, placed.digest, network, asker, values, seconds)
            except InvalidData as error:
                self.questions[name, "refused"] += 1
                took = time.perf_counter() - began
                told = isinstance(error, Unanswered)
                if told and speaks_against(values, took, seconds, self._usual(name)):
                    placed.asked.note(took, failed=True)
                raise
            self.questions[name, "answered"] += 1
            self.seconds[name] += (took := time.perf_counter() - began)
            failed = not np.isfinite(row).all() and bool(np.isfinite(values).all())
            placed.asked.note(took, failed=failed)
            return row

    def _usual(self, name: str) -> float | None:
        """Seconds of an answer; None: there was none."""
        answered = self.questions[name, "answered"]
        return self.seconds[name] / answered if answered else None

    def drain(self, name: str) -> tuple[str | None, Asked]:
        """The digest that serves, and what was asked of it since the last call."""
        with self._asking:
            placed = self._placed[name]
            asked, placed.asked = placed.asked, Asked()
            return placed.digest, asked

    def troubles(self) -> Mapping[str, str | None]:
        """Why each does not serve, or not what it should; None: nothing is wrong."""
        return {name: _trouble(placed) for name, placed in self._placed.items()}

    def shown(self) -> dict[str, Any]:
        """The status of each, as JSON values."""
        return {name: self._shown(name, placed) for name, placed in self._placed.items()}

    def _shown(self, name: str, placed: _Placed) -> dict[str, Any]:
        status, network, usual = placed.engine.status(), placed.network, self._usual(name)
        return {
            "digest": status.digest,
            "trouble": status.trouble,
            "megabytes": network.spec.megabytes if network else None,
            "answered": self.questions[name, "answered"],
            "refused": self.questions[name, "refused"],
            "milliseconds": None if usual is None else 1000 * usual,
            "states": len(placed.states),
            "begun": dict(placed.states.begun),
        }


def _asked(
    placed: _Placed,
    digest: str,
    network: Network,
    asker: Asker,
    values: Floats,
    seconds: float,
) -> Floats:
    """The answer, after the state that the stream has now. Raises InvalidData."""
    spec, states = network.spec, placed.states
    if not spec.state or spec.hop_ns is None or not spec.rate_hz:
        return network.ask(values, None, seconds)[0]
    before = states.before(asker, digest, spec.hop_ns, 0.5e9 / spec.rate_hz)
    row, after = network.ask(values, before, seconds)
    states.keep(asker, digest, before, after)
    return row


def _trouble(placed: _Placed) -> str | None:
    status = placed.engine.status()
    if status.wanted and status.trouble and status.digest != status.wanted:
        return f"{status.wanted[:12]} was refused and is not used: {status.trouble.rstrip('.')}"
    if placed.network is None and placed.unfit is not None:
        return placed.unfit
    if placed.network is None:
        return f"{status.wanted[:12]} is being tried" if status.wanted else "none serves yet"
    return None


class _Serving:
    """What serves a network, as what computes it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.digest, self.inputs, self.outputs = engine.signature()

    inputs: Sequence[Tensor]
    outputs: Sequence[Tensor]

    def run(
        self, arrays: NamedArrays, outputs: Sequence[str] | None, seconds: float | None
    ) -> NamedArrays:
        """See ``Engine.infer``. Raises NoModel where another version took its place meanwhile."""
        found = self._engine.infer(arrays, outputs, 1e9 if seconds is None else seconds)
        if found.digest != self.digest:
            raise NoModel("another version of the network has just taken over")
        return found.outputs


def spec_in(slot: ModelSlot, digest: str) -> NetworkSpec:
    """How the network with this digest is asked, as it was noted in its slot.

    Raises:
        InvalidData: nothing is noted, or it can't be read.
    """
    fields = slot.about(digest)
    return NetworkSpec.read({"network": fields})
