"""The rooms of each package, lowest first, and the imports that run back up.

``docs/explanation/architecture.md`` shows the same order. A room is a folder of a package, or a
single module at the package's root; modules that are not named are the package's base.
"""

import re
from collections.abc import Iterator

from tests.support.sources import PACKAGES, Source, sources

BASE = ""
"""All modules at a package's root that are not named; they import no room."""

ROOMS = {
    "fl_common": (
        (BASE,),
        ("configuration", "files"),
        ("plugins", "programs"),
        ("components", "compression", "privacy"),
        ("functions", "plan"),
        ("testing", "wire"),
    ),
    "models": (
        (BASE,),
        ("kinds", "onnx", "parts"),
        ("metadata", "nets", "tasks"),
        ("evaluation", "export"),
        ("testing",),
    ),
    "fl_client": (
        (BASE,),
        ("clock", "sensors"),
        ("testing", "windows"),
        ("store",),
        ("functions", "inference", "ledger", "training"),
        ("labels", "shapes"),
        ("components",),
        ("release",),
        ("site",),
        ("app",),
        ("build",),
        ("federation",),
        ("node",),
        ("__main__",),
    ),
    "fl_server": (
        (BASE,),
        ("aggregation", "optimisers"),
        ("rounds", "testing"),
        ("build", "repository"),
        ("cloud",),
        ("__main__",),
    ),
    "simulate": (
        (BASE,),
        ("configuration", "world"),
        ("fleet", "report", "testing"),
        ("build", "result"),
        ("engines",),
        ("functions",),
        ("audit", "data", "egress", "job"),
        ("baselines", "library"),
        ("__main__",),
    ),
}
"""For each package its rooms in tiers, lowest first: a room imports those of lower tiers alone."""

ALLOWED = {
    ("fl_client.sensors.intake", "fl_client.store"): "it makes what the spool keeps",
    ("simulate.functions.windows", "simulate.library"): "it trains a model where none is given",
    ("fl_server.aggregation.private_sum", "fl_server.rounds"): "it checks how sites are drawn",
    **{
        ("simulate", f"simulate.{room}"): "what it exports is imported on first use"
        for room in ("configuration", "library", "report", "result")
    },
}
"""Imports that run up, by module and room, and why."""


def room_of(module: str) -> str:
    """The room of a module of ours, dotted; a package's base is the package."""
    package, _, rest = module.partition(".")
    first = rest.partition(".")[0]
    named = {room for tier in ROOMS[package] for room in tier}
    return f"{package}.{first}".rstrip(".") if first in named or "." in rest else package


def unplaced() -> set[str]:
    """Folders of the packages that no tier names."""
    folders = {
        ".".join(source.path.split("/")[:2])
        for package in ROOMS
        for source in sources(package)
        if source.path.count("/") > 1
    }
    return folders - set(_tiers())


def climbing() -> Iterator[tuple[str, str]]:
    """Each import that runs up or sideways: the module, and the room that it reaches."""
    tiers, modules = _tiers(), {source.module for source in sources(*PACKAGES)}
    for source in sources(*ROOMS):
        for module in _imported(source, modules):
            own, other = room_of(source.module), room_of(module)
            if own != other and tiers[other] >= tiers[own]:
                yield source.module, other


def telling_plans_apart() -> list[str]:
    """Files that know the classes of privacy plans: so that a new unit is one file, none may."""
    plans = r"(NoPrivacy|SitePrivacyPlan|WindowPrivacyPlan|isinstance\([^()]*PrivacyPlan)\b"
    told = [s.path for s in sources(*PACKAGES, "benchmarks") if re.search(plans, s.text)]
    return [path for path in told if not path.startswith("fl_common/privacy/")]


def _tiers() -> dict[str, int]:
    return {
        f"{package}.{room}".rstrip("."): tier
        for package, tiers in ROOMS.items()
        for tier, rooms in enumerate(tiers)
        for room in rooms
    }


def _imported(source: Source, modules: set[str]) -> Iterator[str]:
    """Modules of the same package that ``source`` imports."""
    for name in source.imports:
        module = name if name in modules else name.rpartition(".")[0]
        if module in modules and module.startswith(f"{source.package}."):
            yield module


def in_words(package: str) -> str:
    """The tiers of a package as ``docs/explanation/architecture.md`` writes them."""
    tiers = ((room or "base" for room in tier if room != "__main__") for tier in ROOMS[package])
    return "; ".join(words for tier in tiers if (words := ", ".join(tier)))


def modules_known_in(room: str) -> dict[str, int]:
    """How many modules of ours each module of ``room`` imports."""
    modules = {source.module for source in sources(*PACKAGES)}
    return {
        source.module: len({n if n in modules else n.rpartition(".")[0] for n in source.imports
                            if n.partition(".")[0] in PACKAGES})
        for source in sources(*PACKAGES) if source.module.startswith(f"{room}.")
    }  # fmt: skip
