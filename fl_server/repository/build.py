"""From ``conf/repository.yaml`` to the repository's objects."""

import os
import shutil
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from fl_common.components.reader import Limits
from fl_common.configuration.rules import Config
from fl_common.errors import InvalidConfiguration
from fl_server.repository.gates.device import DeviceClass
from fl_server.repository.store.keys import KeyRing
from fl_server.repository.store.metadata import Signers
from fl_server.repository.store.repository import ComponentRepository, RepositorySettings


def load_configuration(path: Path | None) -> dict[str, Any]:
    """The shipped ``conf/repository.yaml``, overridden by the values of ``path``.

    Raises:
        InvalidConfiguration: the file can't be read, is not YAML, or has unknown keys.
    """
    config = OmegaConf.create(files("conf").joinpath("repository.yaml").read_text("utf-8"))
    assert isinstance(config, DictConfig)
    OmegaConf.set_struct(config, True)
    OmegaConf.set_struct(config["devices"], False)  # any may be declared
    OmegaConf.set_struct(config["gates"]["options"], False)  # of gates that packages bring
    try:
        merged = OmegaConf.merge(config, OmegaConf.load(path)) if path else config
        values = OmegaConf.to_container(merged, resolve=True)
    except Exception as error:  # the parser's own are not part of OmegaConf's tree
        raise InvalidConfiguration(
            f"--conf={path}",
            f"can't be used ({' '.join(str(error).split())[:200]})",
            "Give a YAML file with some of the values of conf/repository.yaml",
        ) from error
    assert isinstance(values, dict)
    return {str(key): value for key, value in values.items()}


def build_repository(folder: Path, keys: Path, config: Config) -> ComponentRepository:
    """The repository in ``folder``, with the key files of ``keys`` and those of the environment."""
    settings = RepositorySettings(config["expiry_days"], config["lock_seconds"])
    return ComponentRepository(folder, KeyRing(keys, os.environ), settings, now)


def open_repository(folder: str | None, keys: str | None, own: Path) -> ComponentRepository:
    """The repository in ``folder`` with ``keys``; if None, ``own``, created if missing.

    Raises:
        InvalidConfiguration: there is no repository in ``folder``.
    """
    config = load_configuration(None)
    place = Path(folder) if folder else own
    repository = build_repository(place, Path(keys) if keys else default_keys(place), config)
    if folder is None and not (own / "metadata" / "timestamp.json").exists():
        _check_unused(own)
        shutil.rmtree(own, ignore_errors=True)  # a program that was killed here has left a part
        repository.create(build_signers(config))
    return repository


def _check_unused(own: Path) -> None:
    """Raise InvalidConfiguration if the folder has more than the first files of a repository."""
    later = [path for path in own.glob("metadata/*.json") if not path.name.startswith("1.")]
    if later or (own / "targets").exists():
        raise InvalidConfiguration(
            f"{own}/metadata/timestamp.json",
            "is missing, and the repository has components",
            "Put the file back from a copy; or move the folder away, and carry the new"
            " repository's 1.root.json to every box",
        )


def build_signers(config: Config) -> dict[str, Signers]:
    """The number of keys of each role of a new repository, and how many must sign.

    Raises:
        InvalidConfiguration: a threshold outside 1 to the number of keys.
    """
    signers = {role: Signers(**node) for role, node in config["signers"].items()}
    for role, some in signers.items():
        if not 1 <= some.threshold <= some.keys:
            raise InvalidConfiguration(
                f"signers.{role}.threshold={some.threshold}",
                f"must be between 1 and its number of keys, {some.keys}",
                "Set it within this range",
            )
    return signers


def build_limits(config: Config) -> Limits:
    """The limits that a reader enforces."""
    return Limits(**config["reader"])


def build_device(name: str, config: Config) -> DeviceClass:
    """The device class of this name.

    Raises:
        InvalidConfiguration: none is declared.
    """
    if name not in config["devices"]:
        raise InvalidConfiguration(
            f"--device={name}",
            f"must be one of {', '.join(config['devices'])}",
            "Declare it under devices: in a file for --conf",
        )
    return DeviceClass(name=name, **config["devices"][name])


def default_keys(folder: Path) -> Path:
    """The default folder of a repository's keys: beside it, never in it."""
    return folder.with_name(f"{folder.name}.keys")


def now() -> datetime:
    """The present time in UTC."""
    return datetime.now(UTC)
