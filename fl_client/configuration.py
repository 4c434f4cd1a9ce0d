"""Read a box's configuration: the shipped ``conf/node.yaml``, a file over it, and overrides.

It is separate from ``build.py`` so that the federation link imports nothing else of a node.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir, initialize_config_module
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from fl_common.configuration.keys import check_keys
from fl_common.configuration.overrides import readable
from fl_common.configuration.rules import Config
from fl_common.errors import InvalidConfiguration
from fl_common.plugins.search_path import use_plugins

_SHIPPED = "node"
_SECRETS = ("password", "secret", "token")
"""Keys whose values are shown to nobody; files and variables that hold a secret have others."""
_LITERAL = re.compile(
    rf"(?:^|[.+{{,\s])({'|'.join(_SECRETS)})\s*[=:]\s*(?!null\b|\$\{{|['\"]\$\{{|$)"
)
_PLAIN_PARTS = ("spool", "engine", "events", "federation", "http", "serving", "components")


def read_config(file: Path | None, overrides: Sequence[str]) -> Config:
    """The resolved configuration: ``file`` overrides the shipped one, ``overrides`` override both.

    Raises:
        InvalidConfiguration: an unknown key, a missing value, a file that is not YAML, or a secret
            among ``overrides``.
    """
    _check_no_secret(overrides)
    overrides = readable(overrides)
    use_plugins()
    try:
        with initialize_config_module("conf", version_base="1.3"):
            shipped = compose(_SHIPPED)
            own = None if file else compose(_SHIPPED, list(overrides))
        config = _composed(file, overrides) if file else own
        values = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except RecursionError:
        raise InvalidConfiguration(
            f"configuration {file}",
            "names itself under defaults",
            "Give it another name than node.yaml, which it builds upon",
        ) from None
    except (HydraException, OmegaConfBaseException) as error:
        words = " ".join(line.strip() for line in str(error).splitlines() if line.strip())
        raise InvalidConfiguration(
            f"configuration {file or 'conf/node.yaml'}", words, "See conf/node.yaml for every key"
        ) from error
    assert isinstance(values, dict)
    check_keys(values, OmegaConf.to_container(shipped), _PLAIN_PARTS)
    return {str(key): value for key, value in values.items()}


def shown(config: Config) -> str:
    """The configuration as YAML, without its secrets."""
    return OmegaConf.to_yaml(OmegaConf.create(_masked(dict(config))))


def _masked(value: Any) -> Any:
    if isinstance(value, list):
        return [_masked(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {
        name: "***" if name in _SECRETS and one is not None else _masked(one)
        for name, one in value.items()
    }


def _check_no_secret(overrides: Sequence[str]) -> None:
    """Every user of a machine can read the arguments of its processes."""
    for override in overrides:
        if found := _LITERAL.search(override):
            key = override.partition("=")[0]
            raise InvalidConfiguration(
                f"{key}=...",
                f"has a {found[1]} among the arguments, which every user of the machine can read",
                "Put it into the file of --config, which its owner alone may read, or name a"
                f" variable: {found[1]}=${{oc.env:NAME}}",
            )


def _composed(file: Path, overrides: Sequence[str]) -> DictConfig:
    if not file.is_file():
        raise InvalidConfiguration(f"--config={file}", "is not a file", "Give a YAML file")
    with initialize_config_dir(str(file.absolute().parent), version_base="1.3"):
        return compose(file.stem, overrides=["hydra.searchpath=[pkg://conf]", *overrides])
