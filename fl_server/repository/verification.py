"""Runs gates on a component and signs their findings."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from fl_common.components.description import Component, Kind, Stage
from fl_common.configuration.rules import Config, one_of, require
from fl_common.errors import BadInput, InvalidConfiguration, InvalidData
from fl_common.plugins.installed import offered
from fl_common.plugins.kinds import GATE, check_extension
from fl_server.repository.case import Case, Evidence
from fl_server.repository.catalogue.shelf import recipe_of
from fl_server.repository.gates import GateFinding, function, imported, sandboxed
from fl_server.repository.gates.accuracy import accuracy, alone, than_guess
from fl_server.repository.gates.device import latency, size
from fl_server.repository.gates.model import (
    golden,
    interface,
    parity,
    trial,
)
from fl_server.repository.gates.provenance import PrivacyRule, licence, privacy, requires
from fl_server.repository.gates.told import MEASURES
from fl_server.repository.store.contents import own_copies
from fl_server.repository.store.repository import ComponentRepository
from fl_server.repository.store.statements import Verdict
from models.onnx.golden import seconds_of
from models.onnx.trial import latencies_of


def check(
    repository: ComponentRepository,
    component: Component,
    gates: Sequence[str],
    evidence: Evidence,
    settings: Config,
) -> tuple[list[Verdict], dict[str, str]]:
    """Run ``gates`` and store their signed verdicts; returns why a gate could not be run, too.

    Raises:
        InvalidData: the counts are of other components.
        InvalidConfiguration: content is missing, or the gates' key is, or there is no such gate.
    """
    entry = repository.entry(component.kind, component.name, Stage.PRODUCTION)
    before = entry.component if entry and not entry.retired else None

    def in_production(kind: str, name: str) -> str | None:
        found = repository.entry(Kind(kind), name, Stage.PRODUCTION)
        return found.component.digest if found and not found.retired else None

    named = {gate: gate_named(gate) for gate in gates}
    with own_copies(repository.folder, component) as files:
        case = Case(component, files, before, evidence, settings, in_production)
        _check_counts(case)
        return _judged(repository, case, named)


def _judged(
    repository: ComponentRepository, case: Case, gates: Mapping[str, "Gate"]
) -> tuple[list[Verdict], dict[str, str]]:
    """The signed verdict of each gate, and why one could not be run."""
    verdicts, not_run = [], {}
    trouble = _trouble(case) if _RUNNING & set(gates) else None
    for gate, run in gates.items():
        is_out = trouble is not None and gate in _RUNNING
        found = GateFinding(False, trouble or "") if is_out else _find(run, case)
        if isinstance(found, str):
            not_run[gate] = found
            continue
        verdict = Verdict(
            gate, case.component.digest, found.passed, found.detail, found.values, repository.now()
        )
        repository.judge(verdict, case.component.name)
        verdicts.append(verdict)
    return verdicts, not_run


_RUNNING = {"parity", "golden", "latency"}
"""Gates that run a model; none does before it has ended in a child process."""


def _trouble(case: Case) -> str | None:
    """Why a model can't be run here: it does not end within the limits of a trial."""
    if case.component.kind is not Kind.MODEL:
        return None
    try:
        content, inputs = case.model, case.fixed_inputs
    except (BadInput, KeyError, TypeError, ValueError):
        return None  # each gate says what it lacks
    return trial(content, inputs, case.limits)


Gate = Callable[[Case], GateFinding | str]
"""A gate's finding for a case, or the reason why it can't be run."""


def gate_named(name: str) -> Gate:
    """The gate of this name: one of ours, or one that an installed package offers.

    Raises:
        InvalidConfiguration: there is none, two bring it, or it can't be used.
    """
    offer = offered(GATE, name, RUN)
    if offer is None:
        if name in RUN:
            return RUN[name]
        raise InvalidConfiguration(
            f"gate {name!r}",
            f"is none of {', '.join(RUN)}, and no installed package offers it",
            "Correct the name, or install the package that brings it",
        )
    gate: Gate = offer.load()
    check_extension(GATE, gate)
    return gate


def _find(gate: Gate, case: Case) -> GateFinding | str:
    """The finding of ``gate``, or the reason why it can't be run."""
    try:
        return gate(case)
    except Exception as error:  # any error that a bad model causes in a library is a finding
        words = " ".join(str(error).split())[:200]
        return GateFinding(False, f"could not be judged ({type(error).__name__}: {words})")


def _parity(case: Case) -> GateFinding | str:
    if case.is_imported:
        tolerance = case.settings["tolerance"]
        return imported.parity(case.model, case.example, tolerance, case.limits)
    if case.evidence.parameters is None:
        return "it needs the run's parameters: give --checkpoint FOLDER"
    tolerance = case.settings["tolerance"]
    return parity(case.component, case.model, case.evidence.parameters, tolerance, case.limits)


def _golden(case: Case) -> GateFinding:
    if case.is_function:
        description, classes = case.component.description, case.settings["classes"]
        return function.golden(description, case.function, classes)
    if case.is_imported:
        return imported.golden(case.model, case.example, case.settings["tolerance"], case.limits)
    return golden(case.component, case.model, case.settings["tolerance"], case.limits)


def _accuracy(case: Case) -> GateFinding | str:
    evidence, settings = case.evidence, case.settings
    require("gates.measure", settings["measure"], one_of(MEASURES))
    metrics, counts = case.component.description.get("metrics", {}), evidence.candidate
    if (worse := than_guess(metrics, counts, settings["confidence"], case.task)) is not None:
        return worse
    if case.production is None:
        return alone(counts, case.task)
    if counts is None:
        return "it needs a federated evaluation of candidate and production: give --counts FILE"
    if evidence.production is None:
        return (
            "the counts are of the candidate alone, and the run's log says why no site told of"
            " production; let the sites evaluate both in another run (evaluation=federated)"
        )
    judged = settings["margin"], settings["confidence"], settings["measure"], case.task
    return accuracy(counts, evidence.production, *judged)


def _latency(case: Case) -> GateFinding:
    repeats, device = case.settings["repeats"], case.evidence.device
    if case.spec is not None:
        return latency(lambda: sandboxed.seconds(case), device)
    if case.is_function:
        call = function.one_call(case.function, case.settings["classes"])
        measured = partial(seconds_of, call, case.evidence.clock, repeats)
    else:
        inputs = case.example.inputs if case.is_imported else None
        if recipe := recipe_of(case.component):  # which may be of half a minute, or a whole frame
            device = replace(device, latency_ms=recipe.limits.milliseconds)
            repeats = min(repeats, _REPEATS_OF_CATALOGUE)
        measured = partial(latencies_of, case.model, inputs, repeats, case.limits)
    return latency(measured, device)


_REPEATS_OF_CATALOGUE = 10


RUN: Mapping[str, Gate] = {
    "parity": _parity,
    "interface": lambda case: interface(case.component, case.production),
    "golden": _golden,
    "accuracy": _accuracy,
    "latency": _latency,
    "size": lambda case: size(case.component, case.evidence.device),
    "privacy": lambda case: privacy(
        case.component.description.get("privacy"),
        PrivacyRule(
            case.settings["epsilon_at_most"],
            case.settings["delta_at_most"],
            case.settings["unit_at_least"],
            case.settings["held_out_epsilon_at_most"],
        ),
    ),
    "source": sandboxed.source,
    "imports": sandboxed.imports,
    "cases": sandboxed.cases,
    "cost": sandboxed.cost,
    "same": sandboxed.same,
    "licence": lambda case: licence(
        case.component.description["licence"], case.settings["licences"]
    ),
    "requires": lambda case: requires(
        case.component.description.get("requires", []), case.in_production
    ),
}
"""Our gates, each with its arguments taken from the case."""


def _check_counts(case: Case) -> None:
    """Counts are valid only for the component that was evaluated."""
    pairs = (
        ("candidate", case.evidence.candidate, case.component),
        ("production", case.evidence.production, case.production),
    )
    for name, counts, component in pairs:
        if counts and component and counts.digest != component.digest:
            raise InvalidData(
                f"counts of {name} {counts.digest[:12]}",
                f"are not those of {component}",
                "Evaluate this candidate and this production model together",
            )
