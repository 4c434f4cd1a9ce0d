"""``fl-repo keys``, ``refresh`` and ``gc``: maintenance of a repository."""

import argparse

from rich.table import Table
from rich.text import Text

from fl_common.errors import InvalidConfiguration
from fl_server.repository.build import now
from fl_server.repository.commands.options import (
    Command,
    Options,
    configuration,
    nothing_more,
    output,
    repository_of,
    say,
)
from fl_server.repository.store.upkeep import collect_garbage, refresh, replace_keys, states

_ROLES = ("root", "targets", "testing", "production", "gates", "snapshot", "timestamp")


def _keys_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--replace", choices=_ROLES, metavar="ROLE", help="make new keys; revokes the old"
    )


def _keys(options: Options) -> None:
    repository = repository_of(options)
    if options.replace:
        made = replace_keys(repository, options.replace)
        say(f"{options.replace} has {len(made)} new keys; the old ones are revoked.")
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("role", "must sign", "keys", "here", "good until", "identities"):
        table.add_column(column, no_wrap=column != "identities")
    for state in states(repository):
        until = f"{state.expires:%Y-%m-%d %H:%M}" if state.expires else "-"
        style = "bold red" if state.expires and state.expires < now() else ""
        numbers = (f"{state.threshold}", f"{len(state.keyids)}", f"{state.at_hand}")
        identities = ", ".join(keyid[:12] for keyid in state.keyids)
        table.add_row(state.role, *numbers, Text(until, style), identities)
    output().print(table)


KEYS = Command(
    "keys",
    "roles, their keys, and how long signatures are valid",
    "Shows each role: how many keys must sign, how many there are and how many are here.\n"
    "--replace gives a role new keys, by a new signed version; use it if one was lost or stolen.\n"
    "It needs the keys of the role above (root for targets, snapshot and timestamp; targets for\n"
    "testing, production and gates; for root the old root keys).",
    "  fl-repo keys\n  fl-repo keys --replace testing\n",
    _keys_arguments,
    _keys,
)


def _refresh(options: Options) -> None:
    renewed, left = refresh(repository_of(options), now())
    say(f"Renewed: {', '.join(renewed)}.")
    if left:
        raise InvalidConfiguration(
            ", ".join(left),
            "must be signed again soon, and their keys are not here",
            "Run fl-repo refresh with --keys where they are",
        )


REFRESH = Command(
    "refresh",
    "renew expiring signatures",
    "Renews the signatures of snapshot and timestamp, and of each role in the second half of its\n"
    "lifetime. Run it from cron several times within the timestamp's lifetime (by default a day).",
    "  fl-repo refresh\n  0 */6 * * *  fl-repo refresh -r /srv/components   # in a crontab\n",
    nothing_more,
    _refresh,
)


def _gc_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--keep", type=int, metavar="N", help="components of each name and stage to keep"
    )


def _gc(options: Options) -> None:
    keep = configuration(options)["keep"] if options.keep is None else options.keep
    if keep < 1:
        raise InvalidConfiguration(f"--keep={keep}", "must be at least 1", "Keep one or more")
    count, size = collect_garbage(repository_of(options), keep, now())
    say(f"Deleted {count} files, {size} bytes. Manifests, history and verdicts stay.")


GC = Command(
    "gc",
    "delete content that no stage needs",
    "Deletes the content of old components and superseded metadata. The current component of\n"
    "each stage, and those that a rollback may need, stay.",
    "  fl-repo gc\n  fl-repo gc --keep 5\n",
    _gc_arguments,
    _gc,
)
