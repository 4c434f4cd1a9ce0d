"""Read a box's configuration: the shipped ``conf/node.yaml``, a file over it, and overrides.

It is separate from ``build.py`` so that the federation link imports nothing else of a node.
"""

import logging
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from fl_client.values import check_sections, check_values
from fl_common.configuration.keys import check_keys
from fl_common.configuration.printable import require_printable
from fl_common.configuration.rules import Config
from fl_common.errors import InvalidConfiguration
from fl_common.plugins.own_file import composed

_logger = logging.getLogger(__name__)
_SHIPPED = "node"
_SECRETS = ("password", "secret", "token")
"""Keys whose values are shown to nobody; files and variables that hold a secret have others."""
_LITERAL = re.compile(
    rf"(?:^|[.+{{,\s])({'|'.join(_SECRETS)})\s*[=:]\s*(?!null\b|\$\{{|['\"]\$\{{|$)"
)
_PLAIN_PARTS = ("spool", "engine", "events", "function_host", "federation", "http", "serving",
                "components")  # fmt: skip


def read_config(file: Path | None, overrides: Sequence[str]) -> Config:
    """The resolved configuration: ``file`` overrides the shipped one, ``overrides`` override both.

    Raises:
        InvalidConfiguration: an unknown key, a missing value or one that can't be used, a
            file that is not YAML, or a secret among ``overrides``.
    """
    _check_no_secret(overrides)
    values, shipped = composed(_SHIPPED, file, overrides)
    check(values, shipped)
    return values


def check(values: Config, shipped: Config) -> None:
    """Check a whole configuration, as far as that can be before anything is built of it.

    Raises:
        InvalidConfiguration: an unknown key, a missing value or one that can't be used.
    """
    check_keys(values, shipped, ())
    check_sections(values, shipped)
    check_keys(values, shipped, _PLAIN_PARTS)
    check_values(values)
    for what, text in (("name", values["name"]), *values["events"].items()):
        require_printable(what, str(text))


def warn_of_open_secrets(file: Path | None) -> None:
    """Say in the log that other users of the machine can read a secret in ``file``."""
    if file is None or not file.stat().st_mode & 0o077:
        return
    if found := sorted(set(_secrets_in(OmegaConf.to_container(OmegaConf.load(file))))):
        _logger.warning(
            "%s has a %s, and others may read it (mode %03o): chmod 600 %s",
            file, " and a ".join(found), file.stat().st_mode & 0o777, file,
        )  # fmt: skip


def _secrets_in(value: Any) -> Iterator[str]:
    """Names of secrets that are written out, and not read from a variable."""
    for name, one in value.items() if isinstance(value, dict) else enumerate(value):
        if name in _SECRETS and one is not None and not str(one).startswith("${"):
            yield str(name)
        elif isinstance(one, dict | list):
            yield from _secrets_in(one)


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
