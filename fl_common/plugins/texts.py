"""Names, paths and passwords of a configuration as they are written, whatever YAML makes of them.

YAML 1.1 reads ``on`` as true, ``012`` as ten and ``1e3`` as a thousand; so a site of that name, or
a password of digits, would be another one. Here the value of a key that means a text is the text
that stands there, and so is every key. ``null`` stays none, and quotes change nothing.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import omegaconf._utils
import yaml

from fl_common.configuration.overrides import quoted, value_of

TEXTS = frozenset({
    "accountant", "activation", "address", "at", "births", "byte_order", "ca_file",
    "certificate", "certificate_file", "classes", "columns", "content", "decimal", "encoding",
    "field", "form", "functions", "happenings", "home", "host", "hosts", "id", "identity",
    "init", "key", "key_file", "keys", "label", "labels", "ledger_counter", "licence", "listen",
    "log_level", "model", "name", "noise", "norm", "on_full", "optimizer", "password",
    "predictions", "root", "run", "schedule", "separator", "server", "shape", "source", "stage",
    "status", "superlink", "time", "time_unit", "token_file", "token_variable", "topic",
    "transport", "type", "unit", "username", "weights"
})  # fmt: skip
"""Keys whose value is a text, or a list of texts, wherever they stand."""

_PLAIN_LIST = re.compile(r"\[[\w.+:/, -]*\]")
_READ = {f"tag:yaml.org,2002:{kind}" for kind in ("bool", "int", "float")}
_TEXT = yaml.resolver.BaseResolver.DEFAULT_SCALAR_TAG
_loader_of_omegaconf = omegaconf._utils.get_yaml_loader


@contextmanager
def texts_as_written() -> Iterator[None]:
    """Inside, OmegaConf reads the texts of YAML files as they are written."""
    omegaconf._utils.get_yaml_loader = _loader
    try:
        yield
    finally:
        omegaconf._utils.get_yaml_loader = _loader_of_omegaconf


def with_texts(overrides: Sequence[str]) -> list[str]:
    """Readable ``overrides`` of a command line, with quotes around what means a text."""
    return [_with_texts(override) for override in overrides]


def _with_texts(override: str) -> str:
    name, equals, value = override.partition("=")
    if not equals or name.lstrip("+").rpartition(".")[2] not in TEXTS:
        return override
    read, text = value_of(override), value.strip()
    if isinstance(read, bool | int | float):
        return f"{name}={quoted(text)}"
    if isinstance(read, list) and _PLAIN_LIST.fullmatch(text):
        parts = (part.strip() for part in text[1:-1].split(","))
        return f"{name}=[{','.join(p if p == 'null' else quoted(p) for p in parts if p)}]"
    return override


def _loader() -> Any:
    class Loader(_loader_of_omegaconf()):  # type: ignore[misc]
        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            for key, value in node.value:
                _keep(key)
                if key.value in TEXTS:
                    for one in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                        _keep(one)
            return super().construct_mapping(node, deep=deep)

    return Loader


def _keep(node: Any) -> None:
    if isinstance(node, yaml.ScalarNode) and node.tag in _READ:
        node.tag = _TEXT
