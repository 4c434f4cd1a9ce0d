"""``fl-repo check``, ``promote``, ``rollback`` and ``retire``."""

import argparse
import json
import sys
import time
from pathlib import Path

from fl_common.components.description import Component, Stage
from fl_common.errors import InvalidConfiguration, InvalidData, JoinTheDotsError
from fl_common.vocabulary import Parameters
from fl_server.repository.build import build_device
from fl_server.repository.commands.options import (
    Command,
    Options,
    add_component,
    add_kind,
    add_stage,
    configuration,
    kind_of,
    output,
    repository_of,
    say,
)
from fl_server.repository.commands.views import verdict_table
from fl_server.repository.origin import is_imported, run_behind
from fl_server.repository.promotion import (
    candidate,
    promote,
    required_gates,
    retire,
    rollback,
    standing_verdicts,
    unmet,
)
from fl_server.repository.store.repository import ComponentRepository
from fl_server.repository.store.statements import NOTHING
from fl_server.rounds.counts import NoisedCounts


def _candidate(repository: ComponentRepository, options: Options) -> Component:
    kind = kind_of(repository, options)
    return candidate(repository, kind, options.name, options.version)


def _check_arguments(parser: argparse.ArgumentParser) -> None:
    add_component(parser)
    parser.add_argument("--version", help="the one that is in testing, if not given")
    parser.add_argument("--gate", action="append", help="this one only; can be repeated")
    parser.add_argument(
        "--checkpoint", type=Path, metavar="FOLDER", help="the run's checkpoints, for parity"
    )
    parser.add_argument(
        "--counts", type=Path, metavar="FILE", help="a federated evaluation, for accuracy"
    )
    parser.add_argument("--device", default="server", help="its class; server if not given")


def _check(options: Options) -> None:
    from fl_server.repository.case import Evidence  # torch: only for this command
    from fl_server.repository.verification import check

    repository, config = repository_of(options), configuration(options)
    component = _candidate(repository, options)
    counts = _counts(options.counts)
    evidence = Evidence(
        _parameters(options.checkpoint),
        counts.get("candidate"),
        counts.get("production"),
        build_device(options.device, config),
        time.perf_counter,
    )
    required = required_gates(repository, component, config["gates"])
    found, not_run = check(
        repository, component, options.gate or required, evidence, config["gates"]
    )
    output().print(verdict_table(found, not_run))
    if is_imported(component) and (why := run_behind(repository, component)):
        say(f"{component} was imported, and needs the gates of a run's model, too: {why}.")
    standing = standing_verdicts(repository, component)
    left = unmet(standing, required)
    if left:
        say(f"{component} can't be promoted yet: {'; '.join(left)}.")
    else:
        words = {verdict.word for verdict in standing.values()}
        which = " that had something to compare it with" if NOTHING in words else ""
        say(f"{component} has passed every gate{which}. Next: fl-repo promote {component.name}")
    if unmet(standing, options.gate or required):
        sys.exit(JoinTheDotsError.exit_status)


def _parameters(folder: Path | None) -> Parameters | None:
    if folder is None:
        return None
    from fl_server.rounds.checkpoint import load_latest

    if (checkpoint := load_latest(folder)) is None:
        raise InvalidData(
            f"--checkpoint={folder}", "has no checkpoint", "Give a run's checkpoints/"
        )
    return checkpoint.parameters


def _counts(path: Path | None) -> dict[str, NoisedCounts]:
    if path is None:
        return {}
    try:
        return {who: NoisedCounts(**node) for who, node in json.loads(path.read_bytes()).items()}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise InvalidData(
            f"--counts={path}",
            f"are not noised counts ({type(error).__name__}: {error})",
            'Give {"candidate": {"digest": ..., "correct": ..., "total": ..., "noise": ...},'
            ' "production": ...}',
        ) from error


CHECK = Command(
    "check",
    "run the gates and sign their verdicts",
    "Runs the gates that a promotion needs, and stores each verdict, signed, with the component:\n"
    "an in-toto test result for this digest. The newest verdict of a gate counts. The exit status\n"
    "is 1 if one that was asked for failed, or could not run.",
    "  fl-repo check wearables --checkpoint outputs/2026-01-31/12-00-00/checkpoints\n"
    "  fl-repo check wearables --gate accuracy --counts counts.json\n"
    "  fl-repo check wearables --gate latency --gate size --device raspberry_pi\n",
    _check_arguments,
    _check,
)


def _percent(text: str) -> int:
    if not (text.isdecimal() and 1 <= int(text) <= 99):
        raise argparse.ArgumentTypeError(f"{text!r} must be a whole number from 1 to 99")
    return int(text)


def _promote_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", metavar="NAME", nargs="+", help="the components' names")
    add_kind(parser)
    parser.add_argument("--version", help="the one that is in testing, if not given")
    parser.add_argument(
        "--force", metavar="REASON", help="skip the gates; the reason is signed into the history"
    )
    parser.add_argument(
        "--canary",
        type=_percent,
        metavar="PERCENT",
        help="of the sites take it first; then promote again, without it, for all",
    )


def _promote(options: Options) -> None:
    if options.version and len(options.names) > 1:
        raise InvalidConfiguration(
            f"--version {options.version}",
            f"can't be that of {len(options.names)} components",
            "Promote each by itself",
        )
    repository = repository_of(options)
    each = [argparse.Namespace(**{**vars(options), "name": name}) for name in options.names]
    for component in [_candidate(repository, one) for one in each]:
        _promote_one(repository, component, options)


def _promote_one(repository: ComponentRepository, component: Component, options: Options) -> None:
    required = required_gates(repository, component, configuration(options)["gates"])
    kind, version, percent = component.kind, component.version, options.canary
    promote(repository, kind, component.name, version, required, options.force, percent)
    forced = " without the gates, as the history says" if options.force else ""
    who = f"{percent} % of the sites" if percent else "Sites"
    say(f"{component} is in production{forced}. {who} follow at their next poll.")
    if percent:
        say(f"Then for all: fl-repo promote {component.name}")


PROMOTE = Command(
    "promote",
    "put a checked component into production",
    "Signs the component in testing into production, if this exact digest passed every gate.\n"
    "--force skips the gates; like any promotion it needs the production key. Of several, each is\n"
    "promoted by itself, in this order, once all of them are there.",
    "  fl-repo promote wearables --canary 10\n  fl-repo promote wearables\n"
    "  fl-repo promote speech speech-heard\n"
    '  fl-repo promote wearables --force "demo of Friday"\n',
    _promote_arguments,
    _promote,
)


def _rollback_arguments(parser: argparse.ArgumentParser) -> None:
    add_component(parser)
    parser.add_argument("--to", metavar="VERSION", help="the previous one, if not given")
    parser.add_argument("--reason", default="", help="kept in the signed history")
    add_stage(parser, Stage.PRODUCTION)


def _rollback(options: Options) -> None:
    repository = repository_of(options)
    kind = kind_of(repository, options)
    back = rollback(repository, kind, options.name, options.stage, options.to, options.reason)
    say(f"{options.stage} has {back} again. Sites follow at their next poll.")


ROLLBACK = Command(
    "rollback",
    "go back to an earlier component",
    "Signs an earlier component of the stage as its newest state. Nothing is overwritten.",
    "  fl-repo rollback wearables\n"
    '  fl-repo rollback wearables --to 3 --reason "false alarms in hall 2"\n',
    _rollback_arguments,
    _rollback,
)


def _retire_arguments(parser: argparse.ArgumentParser) -> None:
    add_component(parser)
    parser.add_argument("--reason", required=True, help="kept in the signed history")
    add_stage(parser, Stage.PRODUCTION)


def _retire(options: Options) -> None:
    repository = repository_of(options)
    kind = kind_of(repository, options)
    gone = retire(repository, kind, options.name, options.stage, options.reason)
    say(f"{gone} is withdrawn from {options.stage}. Sites keep what they have.")


RETIRE = Command(
    "retire",
    "withdraw a component",
    "Withdraws a name from a stage. Sites get no updates under it, and keep what they have.",
    '  fl-repo retire wearables --reason "replaced by wearables-2"\n'
    '  fl-repo retire wearables --stage testing --reason "wrong data"\n',
    _retire_arguments,
    _retire,
)
