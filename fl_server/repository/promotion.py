"""Promotion and rollback: policy on top of the repository's signatures."""

from collections.abc import Mapping, Sequence
from typing import Any

from fl_common.components.description import Component, Kind, Stage
from fl_common.errors import InvalidConfiguration
from fl_common.files.whole import sha256_of
from fl_server.repository.catalogue.shelf import is_of_catalogue
from fl_server.repository.gates import AGAINST
from fl_server.repository.origin import is_imported, run_behind
from fl_server.repository.store.contents import content_path, lacking
from fl_server.repository.store.repository import ComponentRepository
from fl_server.repository.store.statements import NOTHING, Verdict
from fl_server.repository.store.upkeep import standing


def promote(
    repository: ComponentRepository,
    kind: Kind,
    name: str,
    version: str | None,
    required: Sequence[str],
    force: str | None = None,
    canary_percent: int | None = None,
) -> Component:
    """Make the component of ``testing`` (or an earlier ``version``) that of ``production``.

    Exactly this digest must have passed each gate of ``required``, by its newest signed verdict.
    ``force`` is a reason to skip the gates; it is recorded in the signed history.
    ``canary_percent`` of the sites take it first; promote it again for more of them, or for all: a
    component already in production has passed its gates.

    Raises:
        InvalidConfiguration: a gate was not passed or not run, nothing to promote, content was
            deleted, or no production key.
    """
    with repository.change():
        component = candidate(repository, kind, name, version)
        current = repository.entry(kind, name, Stage.PRODUCTION)
        if current and current.is_offered(component, canary_percent):
            raise _refusal(component, "is in production already", "There is nothing to do")
        verdicts = standing_verdicts(repository, component)
        stands = current and current.component == component and not current.retired
        open_gates = [] if stands or force else unmet(verdicts, required)
        if open_gates:
            raise _refusal(
                component,
                f"can't be promoted: {'; '.join(open_gates)}",
                f'Run: fl-repo check {name}; or override with --force "REASON"',
            )
        check_content(repository, component)
        judged = {gate: one for gate, one in sorted(verdicts.items()) if one.word != NOTHING}
        outcomes = {gate: verdict.passed for gate, verdict in judged.items()}
        what = "forced" if force else "promoted"
        repository.point(Stage.PRODUCTION, component, what, force, outcomes, canary_percent)
    return component


def rollback(
    repository: ComponentRepository,
    kind: Kind,
    name: str,
    stage: Stage,
    to: str | None,
    reason: str,
) -> Component:
    """Make an earlier component of ``stage`` its current one again, by a new signed version.

    ``to`` is its version; None takes the one before the current.

    Raises:
        InvalidConfiguration: there is no earlier one, it was never in this stage, its content was
            deleted, or no key of the stage.
    """
    with repository.change():
        line = standing(repository.history(kind, name, stage))
        earlier = [repository.component(digest, kind, name) for digest in line[:-1]][::-1]
        chosen = next((one for one in earlier if to in (None, one.version)), None)
        if chosen is None:
            raise InvalidConfiguration(
                f"{kind} {name} in {stage}",
                f"has no earlier component{f' {to}' if to else ''} to go back to",
                f"See its history with: fl-repo log {name}",
            )
        check_content(repository, chosen)
        repository.point(stage, chosen, "rolled back", reason)
    return chosen


def retire(
    repository: ComponentRepository, kind: Kind, name: str, stage: Stage, reason: str
) -> Component:
    """Withdraw this name from ``stage``; sites keep what they have.

    Raises:
        InvalidConfiguration: there is nothing, or no key of the stage.
    """
    with repository.change():
        entry = repository.entry(kind, name, stage)
        if entry is None or entry.retired:
            raise InvalidConfiguration(
                f"{kind} {name}", f"is not in {stage}", "See the components with: fl-repo list"
            )
        repository.point(stage, entry.component, "retired", reason)
    return entry.component


def required_gates(
    repository: ComponentRepository, component: Component, settings: Mapping[str, Any]
) -> Sequence[str]:
    """The gates that this component must pass; ``settings`` are ``gates`` of the configuration.

    A run's model that was imported needs those of both. A network is the catalogue's by its digest.
    """
    required: Mapping[str, Sequence[str]] = settings["required"]
    if "form" in component.description:
        return required["sandboxed"]
    if not is_imported(component):
        return required[component.kind]
    own = required["catalogue" if is_of_catalogue(component) else "imported"]
    if run_behind(repository, component) is None:
        return own
    return tuple(dict.fromkeys((*own, *required[component.kind])))


def standing_verdicts(repository: ComponentRepository, component: Component) -> dict[str, Verdict]:
    """The newest verdict of each gate, without those against a former production component."""
    entry = repository.entry(component.kind, component.name, Stage.PRODUCTION)
    digest = entry.component.digest if entry and not entry.retired else None
    latest = newest(repository.verdicts(component.digest))
    return {
        gate: verdict
        for gate, verdict in latest.items()
        if verdict.values.get(AGAINST, digest) == digest
    }


def newest(verdicts: Sequence[Verdict]) -> dict[str, Verdict]:
    """The newest verdict of each gate (``verdicts`` come oldest first)."""
    return {verdict.gate: verdict for verdict in verdicts}


def unmet(verdicts: dict[str, Verdict], required: Sequence[str]) -> list[str]:
    """A phrase for each reason why required gates were not passed, and one for those not run."""
    missing = [gate for gate in required if gate not in verdicts]
    failed = [verdicts[g] for g in required if g in verdicts and not verdicts[g].passed]
    gates: dict[str, list[str]] = {}
    for verdict in failed:
        gates.setdefault(verdict.detail, []).append(verdict.gate)
    words = [f"{', '.join(names)} failed ({detail})" for detail, names in gates.items()]
    return words + ([f"no verdict of {', '.join(missing)}"] if missing else [])


def check_content(repository: ComponentRepository, component: Component) -> None:
    """Raise InvalidConfiguration unless every content file exists and is intact."""
    for file in component.files:
        path = content_path(repository.folder, file)
        if not path.is_file() or sha256_of(path) != file.sha256:
            raise lacking(component, file)


def candidate(
    repository: ComponentRepository, kind: Kind, name: str, version: str | None
) -> Component:
    """The component of testing, or the earlier one with ``version``."""
    entry = repository.entry(kind, name, Stage.TESTING)
    if version is None:
        if entry is None or entry.retired:
            raise InvalidConfiguration(
                f"{kind} {name}", "is not in testing", "Add it with: fl-repo add"
            )
        return entry.component
    for event in reversed(repository.history(kind, name, Stage.TESTING)):
        if event.version == version:
            return repository.component(event.digest, kind, name)
    raise InvalidConfiguration(
        f"{kind} {name} {version}", "was never added", f"See: fl-repo log {name}"
    )


def _refusal(component: Component, rule: str, remedy: str) -> InvalidConfiguration:
    return InvalidConfiguration(str(component), rule, remedy)
