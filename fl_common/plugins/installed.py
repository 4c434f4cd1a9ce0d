"""The installed plugins, their configuration folders, and the names that they offer.

They are read from the metadata of installed distributions; only ``Offer.load`` imports a package.
"""

import re
import sys
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fl_common.errors import InvalidConfiguration, JoinTheDotsError
from fl_common.plugins.kinds import ExtensionKind

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "join_the_dots"
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_OURS = "join-the-dots itself"


@dataclass(frozen=True)
class Plugin:
    """An installed package with configuration for us; ``package`` is its import name."""

    name: str
    package: str
    distribution: str
    """Name and version, as pip lists them."""

    @property
    def conf(self) -> Path | None:
        """Its ``conf/`` folder; None if it has none, or the package is missing."""
        return self.folder("conf")

    def folder(self, name: str) -> Path | None:
        """Its folder of this name; None if it has none, or the package is missing."""
        top, *inner = self.package.split(".")
        spec = find_spec(top)
        places = list(spec.submodule_search_locations or ()) if spec else []
        folders = (Path(place, *inner, name) for place in places)
        return next((folder for folder in folders if folder.is_dir()), None)

    @property
    def options(self) -> list[str]:
        """The options of its configuration, such as ``net/pooled``, sorted."""
        return _options(self.conf)


@dataclass(frozen=True)
class Offer:
    """A name that a distribution offers for one of its classes (or functions)."""

    kind: ExtensionKind
    name: str
    distribution: str
    entry_point: "EntryPoint"

    @property
    def target(self) -> str:
        """The dotted path, as ``_target_`` has it."""
        return self.entry_point.value.replace(":", ".").replace(" ", "")

    def load(self) -> Any:
        """Import and return the object.

        Raises:
            InvalidConfiguration: it can't be imported.
        """
        try:
            return self.entry_point.load()
        except JoinTheDotsError:
            raise
        except Exception as error:  # anyone's module
            words = " ".join(str(error).split())[:200]
            raise InvalidConfiguration(
                f"{self.kind.name} {self.name} of {self.distribution} ({self.entry_point.value})",
                f"can't be imported ({type(error).__name__}: {words})",
                remedy_of(self.distribution),
            ) from error


def plugins() -> list[Plugin]:
    """Every installed plugin, by name."""
    return [
        Plugin(point.name, point.value.partition(":")[0].strip(), _distribution(point))
        for point in _points(GROUP)
    ]


def offers(kind: ExtensionKind) -> list[Offer]:
    """All offers of ``kind``, sorted by name; a name may occur more than once."""
    return [
        Offer(kind, point.name, _distribution(point), point) for point in _points(kind.entry_points)
    ]


def offered(kind: ExtensionKind, name: str, own: Collection[str] = ()) -> Offer | None:
    """The only offer of ``name``; None if there is none. ``own`` are our own names.

    Raises:
        InvalidConfiguration: two distributions offer it, or one offers a name of ours.
    """
    found = [offer for offer in offers(kind) if offer.name == name and _NAME.fullmatch(name)]
    owners = [f"{offer.distribution} ({offer.entry_point.value})" for offer in found]
    if name in own and owners:
        owners.insert(0, _OURS)
    if len(owners) > 1:
        raise ambiguous(f"{kind.name} {name}", owners)
    return found[0] if found else None


def offer_of(kind: ExtensionKind, target: str) -> Offer | None:
    """The offer of the class at the dotted path ``target``."""
    return next((offer for offer in offers(kind) if offer.target == target), None)


def owner_of(target: str) -> str | None:
    """The distribution of the plugin that contains the dotted path ``target``."""
    packages = {plugin.package: plugin.distribution for plugin in plugins()}
    parts = target.split(".")
    places = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((packages[place] for place in places if place in packages), None)


def check_options(own: Path) -> list[Plugin]:
    """The plugins with configuration, after a check that no option occurs twice or in ``own``.

    Raises:
        InvalidConfiguration: two plugins have the same option, or one has an option of ours.
    """
    found = [plugin for plugin in plugins() if plugin.conf is not None]
    owners = dict.fromkeys(_options(own), _OURS) if found else {}
    for plugin in found:
        for option in plugin.options:
            if option in owners:
                raise ambiguous(f"conf/{option}.yaml", [owners[option], plugin.distribution])
            owners[option] = plugin.distribution
    return found


def ambiguous(name: str, owners: Sequence[str]) -> InvalidConfiguration:
    """The error for a name that several distributions offer."""
    return InvalidConfiguration(
        name,
        f"is brought by {' and by '.join(owners)}, and a name must have one meaning",
        "Uninstall one of them, or have its author choose another name",
    )


def remedy_of(distribution: str) -> str:
    """The remedy for a package that fails."""
    return f"Correct or update that package, or remove it: pip uninstall {distribution.split()[0]}"


def _points(group: str) -> "list[EntryPoint]":
    """The entry points of ``group``, by name."""
    return _points_on(tuple(sys.path), group)


@lru_cache(maxsize=8)
def _points_on(_: tuple[str, ...], group: str) -> "list[EntryPoint]":
    """All entry points on a path; cached, since a search takes milliseconds."""
    from importlib.metadata import entry_points  # imported only if needed: 30 ms

    return sorted(entry_points(group=group), key=lambda point: point.name)


def _options(conf: Path | None) -> list[str]:
    return sorted(_yaml_files(conf)) if conf is not None else []


def _yaml_files(conf: Path) -> Iterator[str]:
    for path in conf.rglob("*.yaml"):
        yield path.relative_to(conf).with_suffix("").as_posix()


def _distribution(point: "EntryPoint") -> str:
    found = point.dist
    return f"{found.name} {found.version}" if found else "an unnamed package"
