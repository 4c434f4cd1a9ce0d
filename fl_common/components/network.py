"""How a network is asked that has no task, as its component's description has it.

It is the part ``network`` of the description: which inputs a question fills, which carry a state
from one window to the next, and which stay as they are. It was signed by somebody else: whatever it
claims is compared with the ONNX file before anything is asked (``fl_client.inference.network``).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from fl_common.errors import InvalidData

MOST_TYPICAL = 1 << 24
"""Numbers of a typical question."""


@dataclass(frozen=True)
class NetworkSpec:
    """A network without a task.

    A question fills ``inputs``, in this order. ``state`` names for each input that carries one the
    output that is its next value; zeros at first. ``constants`` are inputs that stay as they are.
    The next window of a stream begins ``hop`` readings of ``rate_hz`` after the one before; None:
    windows have no time. It takes up to ``megabytes`` beyond a bare process. Of the outputs that
    ``largest`` names, only the largest value along the last axis is answered, and its place.
    """

    inputs: Sequence[str]
    shapes: Sequence[Sequence[int]]
    """Of each input in a typical question, on which the network is tried."""
    state: Mapping[str, str]
    constants: Mapping[str, Any]
    rate_hz: float | None
    hop: int | None
    megabytes: float
    largest: Sequence[str] = field(default_factory=tuple)

    @staticmethod
    def read(description: Mapping[str, Any]) -> "NetworkSpec":
        """The part of a component's ``description``, which was checked against its schema.

        Raises:
            InvalidData: it has none, or one that can't be.
        """
        given = description.get("network")
        try:
            spec = NetworkSpec(**given) if given is not None else None
        except TypeError as error:
            raise _refused(f"can't be read ({error})") from None
        if spec is None:
            raise _refused("has no part network, and the box can't know how to ask it")
        named = [*spec.inputs, *spec.state, *spec.constants]
        if len({*named}) < len(named):
            raise _refused(f"names an input twice ({', '.join(named)[:200]})")
        if len(spec.shapes) != len(spec.inputs) or sum(map(math.prod, spec.shapes)) > MOST_TYPICAL:
            raise _refused(f"must have a shape for each input, of {MOST_TYPICAL:,} numbers at most")
        if len({*spec.state.values()}) < len(spec.state):
            raise _refused("takes two states from one output")
        if len({*spec.largest}) < len(spec.largest) or {*spec.largest} & {*spec.state.values()}:
            words = ", ".join(spec.largest)[:200]
            raise _refused(f"names as largest an output twice, or one that is a state ({words})")
        if spec.state and (spec.rate_hz is None or spec.hop is None):
            raise _refused("carries a state, and does not say how far a window is from the next")
        return spec

    def to_fields(self) -> dict[str, Any]:
        """As JSON values; see ``read``."""
        fields = {**asdict(self), "inputs": list(self.inputs), "largest": list(self.largest)}
        return fields if self.largest else {k: v for k, v in fields.items() if k != "largest"}

    @property
    def hop_ns(self) -> float | None:
        """From the start of a window to that of the next; None: windows have no time."""
        if self.rate_hz is None or self.hop is None:
            return None
        return self.hop * 1e9 / self.rate_hz


def _refused(rule: str) -> InvalidData:
    return InvalidData(
        "the description of a network", rule, "Add it by fl-repo catalogue add, or correct it"
    )
