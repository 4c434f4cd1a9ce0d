"""``fl-simulate check FILE``: what is in a file, before anything is trained on it."""

import argparse
import json
from collections.abc import Mapping, Sequence
from shlex import quote
from typing import Any

from omegaconf import OmegaConf

from fl_common.configuration.overrides import quoted
from fl_common.configuration.paths import from_home
from fl_common.errors import BadInput, InvalidConfiguration
from fl_common.vocabulary import KindSpec, Task
from models.kinds import ANOMALY, FORECAST, MULTILABEL, REGRESSION, SEQUENCE
from simulate.configuration.composition import configure, resolved
from simulate.configuration.requirements import check_world
from simulate.data.facts import Facts, facts_of
from simulate.data.mistakes import Mistake, mistakes_in
from simulate.data.shown import show
from simulate.data.stamps import stamps_of
from simulate.report.console import standard_output
from simulate.world.build import open_world
from simulate.world.tables import Table, Words
from simulate.world.tables.marks import marks_in
from simulate.world.tables.missing import REFUSE
from simulate.world.tables.opened import open_table
from simulate.world.tables.over_time import (
    no_labels,
    unlabelled_roles,
    usual_labels,
)
from simulate.world.tables.roles import Roles, roles_of
from simulate.world.tables.sets import names_in, set_roles, sets_in
from simulate.world.tables.task_file import read_task

MISTAKES = 1
"""The exit status where there are likely mistakes."""
_SITES = 10
_MOST_NAMED = 50
_VALUES = ("null", "true", "false", "nan", "inf")
"""Words that Hydra reads as values."""


def check(words: Sequence[str]) -> int:
    """Run the command with the arguments ``words``; its exit status.

    Raises:
        InvalidConfiguration, InvalidData: the file can't be read, or a column has to be named.
    """
    parser = argparse.ArgumentParser(prog="fl-simulate check", description=__doc__)
    parser.add_argument("file", help="npz, Parquet or CSV, or a folder of such files")
    parser.add_argument("overrides", nargs="*", help="such as data.label=COLUMN")
    parser.add_argument("--json", action="store_true", help="print one object of JSON")
    options = parser.parse_intermixed_args(words)
    config = config_of(options.file, options.overrides)
    check_world("fl-simulate check", config)
    data, world = config["data"], config["world"]
    table = open_table(from_home(str(data["path"])))
    declared = read_task(data["task"]) if data["task"] is not None else None
    channels = declared.channels if declared is not None else data["channels"]
    kind = declared.kind.name if declared is not None else config["task"]["kind"]
    roles, marks, names = _labels(table, kind, config, declared)
    about = (table, roles, data["missing"], world["center"], channels)
    scored = kind == ANOMALY
    facts = facts_of(*about, numeric=kind == REGRESSION, marks=marks, scored=scored)
    facts = facts.of_sets(names) if names else facts
    stamps = stamps_of(table, roles)
    mistakes = [*mistakes_in(facts), *(stamps.mistakes() if stamps else ())]
    times = stamps.told() if stamps else None
    overrides = overrides_for(facts, mistakes, options.overrides, config)
    test_rows, refusal = tried(options.file, overrides)
    mistakes += refusal
    path = f"data.path={data['path']}"
    command = " ".join(["python -m simulate task=arrays", *map(quote, (path, *overrides))])
    if options.json:
        told = {
            "test_rows": test_rows,
            "times": times,
            "mistakes": [vars(mistake) for mistake in mistakes],
            "command": command,
        }
        standard_output().print_json(json.dumps({**facts.as_json(), **told}))
    else:
        show(standard_output(), facts, test_rows, times, mistakes, command)
    return MISTAKES if mistakes else 0


def _labels(
    table: Table, kind: str, config: Mapping[str, Any], declared: Task | None
) -> tuple[Roles, Words | None, tuple[str, ...]]:
    """The roles, what is in place of one label a row, and the names where there are several."""
    data = config["data"]
    channels = declared.channels if declared is not None else data["channels"]
    about = (table, data["site"], data["label"], channels)
    if kind == MULTILABEL:
        spec = declared.kind if declared else KindSpec(kind)
        roles = set_roles(*about)
        marks, names = sets_in(table, roles, about[2], names_in(spec, config["world"]["labels"]))
        return roles, marks, names
    if kind == FORECAST:
        return unlabelled_roles(*about), no_labels(table), ()
    roles = roles_of(*about, labelled=kind != ANOMALY)
    if kind == SEQUENCE:
        return roles, usual_labels(table, roles.label), ()
    return roles, marks_in(table, roles.label) if kind == ANOMALY else None, ()


def config_of(file: str, overrides: Sequence[str]) -> dict[str, Any]:
    """The configuration of a run on ``file`` with ``overrides``.

    Raises:
        InvalidConfiguration: an override is wrong, or is of another task.
    """
    if other := [text for text in overrides if text.startswith("task=")]:
        raise InvalidConfiguration(
            other[0], "can't be chosen here: check is for task=arrays", "Leave it out"
        )
    config = resolved(configure("task=arrays", f"data.path={quoted(file)}", *overrides))
    channels = config["data"]["channels"]
    if channels is not None and not isinstance(channels, list):
        what = f"data.channels={channels}"
        raise InvalidConfiguration(
            what, "must be a list", f"Type {quote(f'data.channels=[{channels}]')}"
        )
    return config


def tried(file: str, overrides: Sequence[str]) -> tuple[int | None, Sequence[Mistake]]:
    """The test rows of a run with ``overrides``; or None, and why it would refuse the file."""
    try:
        config = config_of(file, overrides)
        world = open_world(OmegaConf.to_yaml(OmegaConf.create(config["world"])))
    except BadInput as error:
        return None, [Mistake(f"a run refuses this: {error.value}: {error.rule}", error.remedy)]
    return len(world.test().windows.labels), []


def overrides_for(
    facts: Facts, mistakes: Sequence[Mistake], overrides: Sequence[str], config: Mapping[str, Any]
) -> Sequence[str]:
    """``overrides``, and those that the file makes necessary."""
    more = []
    lacks = facts.rows_with_gaps or facts.rows_without_words
    if lacks and config["data"]["missing"] == REFUSE:
        more.append("data.missing=hold" if len(facts.shape) == 2 else "data.missing=drop")
    if not facts.has_sites and config["sites"] is None:
        more += ["partition=iid", f"sites={_SITES}"]
    left_out = {name for mistake in mistakes for name in mistake.channels}
    kept = [channel.name for channel in facts.channels if channel.name not in left_out]
    is_table = facts.rows.channels is not None
    if left_out and kept and is_table and len(kept) <= _MOST_NAMED:
        overrides = [one for one in overrides if not one.startswith("data.channels=")]
        more.append(f"data.channels=[{','.join(map(_name, kept))}]")
    return [*overrides, *more]


def _name(text: str) -> str:
    """A channel's name as Hydra reads it in a list."""
    is_plain = text.isascii() and text.isidentifier() and text.lower() not in _VALUES
    return text if is_plain else quoted(text)
