"""The table of extension kinds, and the check that an object follows its kind's protocol."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field

from fl_common.errors import InvalidConfiguration


@dataclass(frozen=True)
class ExtensionKind:
    """One extension point for outside packages.

    ``protocol`` is the dotted path of the protocol that an extension must follow; ``group`` the
    Hydra group whose options build it, None if it is chosen only by name. ``methods`` are the
    protocol's methods with their positional arguments, ``attributes`` its other members.
    """

    name: str
    protocol: str
    group: str | None
    methods: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    attributes: tuple[str, ...] = ()
    travels: bool = False
    """Whether other machines know it by a name, which an entry point must offer."""

    @property
    def entry_points(self) -> str:
        """The entry point group for names of this kind."""
        return f"join_the_dots.{self.name}"


NET = ExtensionKind("net", "models.nets.Net", "net", travels=True)
GATE = ExtensionKind(
    "gate", "fl_server.repository.verification.Gate", None, {"__call__": ("case",)}, travels=True
)
DECODER = ExtensionKind(
    "decoder",
    "fl_client.sensors.Decoder",
    "sensors",
    {"decode": ("payload", "fields", "received_ns")},
)
TRANSPORT = ExtensionKind(
    "transport",
    "fl_client.sensors.transports.Transport",
    "transports",
    {
        "check": ("name", "address"),
        "matches": ("declared", "address"),
        "run": ("addresses", "take"),
        "state": (),
    },
)
AGGREGATOR = ExtensionKind(
    "aggregator", "fl_server.aggregation.Aggregator", "strategy", {"start": ("parameters",)}
)
OPTIMISER = ExtensionKind(
    "optimiser",
    "fl_server.optimisers.ServerOptimiser",
    "strategy",
    {"initial": ("parameters",), "step": ("parameters", "delta", "state")},
)
WORLD = ExtensionKind(
    "world",
    "simulate.world.World",
    "task",
    {"windows": ("index",), "test": ()},
    attributes=("task", "sites"),
)
FUNCTION = ExtensionKind(
    "function", "fl_common.functions.Function", "functions", {"__call__": ("predicted",)}
)

PRIVACY_UNIT = ExtensionKind(
    "privacy_unit", "fl_common.privacy.unit.PrivacyPlan", "privacy", travels=True
)

KINDS = (NET, DECODER, TRANSPORT, AGGREGATOR, OPTIMISER, WORLD, FUNCTION, GATE, PRIVACY_UNIT)
"""Every kind."""


def check_extension(kind: ExtensionKind, found: object) -> None:
    """Refuse an object that does not follow the protocol of ``kind``.

    Raises:
        InvalidConfiguration: an attribute or a method is missing, or takes other arguments.
    """
    for name in kind.attributes:
        if not hasattr(found, name):
            raise _refused(kind, found, f"has no attribute {name}")
    for name, arguments in kind.methods.items():
        method = getattr(found, name, None)
        if name == "__call__" and method is not None:
            method = found  # a function's own signature, not its wrapper's
        call = f"{name}({', '.join(arguments)})"
        if not callable(method):
            raise _refused(kind, found, f"has no method {call}")
        if not _takes(method, len(arguments)):
            raise _refused(kind, found, f"has a method {name} that can't be called as {call}")


def _takes(method: object, arguments: int) -> bool:
    assert callable(method)
    try:
        inspect.signature(method).bind(*[None] * arguments)
    except TypeError:
        return False
    except ValueError:  # written in C: it has no signature to inspect
        return True
    return True


def _refused(kind: ExtensionKind, found: object, rule: str) -> InvalidConfiguration:
    own = found if isinstance(found, type) or inspect.isroutine(found) else type(found)
    place = f"{getattr(own, '__module__', '?')}.{getattr(own, '__qualname__', own)}"
    return InvalidConfiguration(
        f"{kind.name} {place}", rule, f"Write it as {kind.protocol} says, or choose another"
    )
