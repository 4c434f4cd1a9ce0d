"""Reports from sites about components: signed with the gates' key, kept beside the repository.

They name sites, so they lie outside of the repository's folder, which anybody may read:

<repository>.observations/running/<number>.json          which components ran on which sites
<repository>.observations/shadow/<digest>/<number>.json  a candidate in the shadow of production
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fl_common.errors import UpdateRefused
from fl_common.files.whole import write_whole
from fl_server.repository.store.metadata import GATES
from fl_server.repository.store.repository import ComponentRepository
from fl_server.repository.store.statements import opened, sign

OBSERVATION_TYPE = "application/vnd.join-the-dots.observation+json"
RUNNING, SHADOW = "running", "shadow"


@dataclass(frozen=True)
class Observation:
    """A report of ``what`` (``running`` or ``shadow``) about ``component`` (None: all).

    ``values`` are JSON values, ``at`` the time (RFC 3339).
    """

    what: str
    component: str | None
    values: Mapping[str, Any]
    at: str


def observe(repository: ComponentRepository, observation: Observation) -> None:
    """Sign the observation with the gates' key and store it.

    Raises:
        InvalidConfiguration: the key is missing.
    """
    with repository.change():
        content = sign(asdict(observation), OBSERVATION_TYPE, repository.signed.signers(GATES))
        folder = _folder(repository, observation.what, observation.component)
        number = len(list(folder.glob("*.json"))) + 1
        write_whole(folder / f"{number}.json", content)


def observations(
    repository: ComponentRepository, what: str, component: str | None
) -> list[Observation]:
    """The observations of kind ``what`` signed by the gates' current keys, oldest first."""
    keys, threshold = repository.keys_of(GATES)
    found = []
    for path in _folder(repository, what, component).glob("*.json"):
        with suppress(UpdateRefused, TypeError):
            fields = opened(path.read_bytes(), OBSERVATION_TYPE, keys, threshold)
            found.append(Observation(**fields))
    return sorted(
        (one for one in found if (one.what, one.component) == (what, component)),
        key=lambda one: one.at,
    )


def _folder(repository: ComponentRepository, what: str, component: str | None) -> Path:
    folder = repository.folder.absolute()
    beside = folder.with_name(f"{folder.name}.observations")
    return beside.joinpath(what, *([component] if component else []))
