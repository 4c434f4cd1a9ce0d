"""Which components a site runs, read from its files by another of its processes.

components/record.json, shadow.json, compared.json        the model's
components/functions/<name>/record.json, shadow.json      a function's
components/networks/<name>/record.json                    a network's
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fl_client.components.counts import FOLDER, REPOSITORY
from fl_client.components.record import read_record
from fl_client.components.rollout import RECORD
from fl_common.components.description import Kind

_FUNCTIONS, _NETWORKS = "functions", "networks"


def folder_of(home: Path, kind: Kind, name: str) -> Path:
    """The folder with the site's record of a component; a site has one model."""
    folder = home / FOLDER
    return folder if kind is Kind.MODEL else folder / _FUNCTIONS / name


def network_folder(home: Path, name: str) -> Path:
    """The folder with the site's record of a network beside its own model."""
    return home / FOLDER / _NETWORKS / name


def repository_of(home: Path) -> Path:
    """The folder with the trusted metadata and the fetched components."""
    return home / FOLDER / REPOSITORY


@dataclass(frozen=True)
class InstalledComponent:
    """A component (by digest) that runs on a site; ``on_trial`` while in its health window."""

    component: str
    on_trial: bool


def running(home: Path) -> list[InstalledComponent]:
    """The components that run."""
    records = (read_record(folder / RECORD) for folder in _folders(home))
    return [
        InstalledComponent(record.wanted.component, record.trial is not None)
        for record in records
        if record.wanted is not None
    ]


def _folders(home: Path) -> Iterator[Path]:
    yield home / FOLDER
    for room in (_FUNCTIONS, _NETWORKS):
        yield from sorted((home / FOLDER / room).glob("*"))
