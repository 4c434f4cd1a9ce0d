"""Follow a network of the repository: one without a task, which functions ask by name."""

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from fl_client.components.context import NodeContext
from fl_client.components.health import Health, HealthCounts
from fl_client.components.inventory import network_folder
from fl_client.components.record import Version
from fl_client.components.rollout import Rollout
from fl_client.components.subscription import FileOf, Subscription
from fl_client.components.targets import SlotTarget
from fl_client.inference.networks import BoxNetworks
from fl_common.components.description import MANIFEST, Component, Kind
from fl_common.components.network import NetworkSpec
from fl_common.components.reader import Reader
from fl_common.errors import InvalidData
from fl_common.functions import FUNCTION_FILE, ClassFunction, read_function


class NetworkTarget(SlotTarget):
    """The slot of the network ``name`` among ``networks``; a version comes with how it is asked."""

    def __init__(self, name: str, networks: BoxNetworks, reader: Reader) -> None:
        super().__init__(networks.slot(name), reader.held)
        self._name, self._networks = name, networks
        self._bad: dict[str, str] = {}
        self._unfit: dict[str, str] = {}

    def put(self, version: Version, standby: Version | None) -> None:
        """See ``SlotTarget``; one that can't be asked, or has no room here, does not serve."""
        folder = self._folder_of(version.component)
        self._unfit.pop(version.component, None)
        if folder is not None and not self._describe(version, folder):
            return
        super().put(version, standby)
        self._networks.swap(self._name)

    def _describe(self, version: Version, folder: Path) -> bool:
        """Note beside its file how it is asked; False if it can't be, or does not fit this box."""
        try:
            spec = NetworkSpec.read(_described(folder))
            self._networks.check_asked(self._name, version.file, spec)
        except InvalidData as error:
            self._bad[version.component] = str(error)
            return False
        try:
            self._networks.check_fits(self._name, spec)
        except InvalidData as error:
            self._unfit[version.component] = str(error)
            return False
        if self._slot.about(version.file) != spec.to_fields():
            self.place(version)
            self._slot.note_about(version.file, spec.to_fields())
        return True

    def runs(self, version: Version) -> bool:
        """See ``SlotTarget``."""
        return self._against(version) is None and super().runs(version)

    def failure(self, version: Version) -> str | None:
        """What speaks against its description, or what the engine noted in the slot."""
        return self._against(version) or super().failure(version)

    def is_unfit(self, version: Version) -> bool:
        """Whether this box has no room for it, or windows that its state can't follow."""
        return version.component in self._unfit

    def retry(self, version: Version) -> None:
        """See ``SlotTarget``."""
        self._bad.pop(version.component, None)
        self._unfit.pop(version.component, None)
        super().retry(version)

    def left_out(self, version: Version) -> str | None:
        """Why its description can't be that of its file, of which an earlier one was good."""
        return self._bad.get(version.component)

    def mark_bad(self, version: Version, reason: str) -> None:
        """See ``SlotTarget``; a file may be good with another description."""
        if self._against(version) is None:
            super().mark_bad(version, reason)
            self._networks.swap(self._name)

    def _against(self, version: Version) -> str | None:
        return self._bad.get(version.component) or self._unfit.get(version.component)


Counted = tuple[Subscription, Callable[[], tuple[str, HealthCounts] | None]]
"""A network's subscription, and what tells what was asked of it since the last call."""


def follow_networks(
    node: Mapping[str, Any],
    box: NodeContext,
    reader: Reader,
    health: Health,
    file_of: FileOf,
) -> Iterator[Counted]:
    """Subscribe to the networks that ``node``, the section ``components``, names.

    A network waits until the owner has named those functions that its description requires: an
    answer that nobody makes sense of is none.
    """
    for name in node["networks"]:
        networks = box.networks
        assert networks is not None
        target = NetworkTarget(name, networks, reader)
        rollout = Rollout(f"network {name}", target, network_folder(box.home, name), health)
        waits = partial(why_network_waits, node["functions"])
        part = Subscription(
            box.site, Kind.MODEL, name, file_of, target, rollout, None,
            why_waits=waits, is_network=True,
        )  # fmt: skip
        yield part, partial(network_counts, networks, name)


def why_network_waits(functions: Collection[str], folder: Path) -> str | None:
    """Why a network in a component's folder can't be taken yet: nobody makes sense of it here."""
    needed = _described(folder).get("requires", [])
    missing = [
        one["name"]
        for one in needed
        if one["kind"] == Kind.FUNCTION and one["name"] not in functions
    ]
    if not missing:
        return None
    shown = ", ".join(missing)
    return f"it is used with the function {shown}, which components.functions does not name"


def why_function_waits(networks: BoxNetworks | None, folder: Path) -> str | None:
    """Why a function in a component's folder can't be taken yet: a network that it asks is not.

    One that is no function does not wait: it is refused when it is taken.

    Raises:
        OSError: it can't be read.
    """
    try:
        spec = read_function((folder / FUNCTION_FILE).read_bytes())
    except InvalidData:
        return None
    asked = spec.asks if isinstance(spec, ClassFunction) else (spec.asks,) if spec.asks else ()
    missing = [name for name in asked if networks is None or not networks.serves(name)]
    if not missing:
        return None
    return f"it asks the network {', '.join(missing)}, which does not serve here"


def network_counts(networks: BoxNetworks, name: str) -> tuple[str, HealthCounts] | None:
    """The version of a network that answers, and what was asked of it since the last call."""
    digest, asked = networks.drain(name)
    if digest is None or not asked.questions:
        return None
    return digest, HealthCounts(asked.questions, asked.failed, asked.seconds)


def _described(folder: Path) -> Mapping[str, Any]:
    return Component.from_manifest((folder / MANIFEST).read_bytes()).description
