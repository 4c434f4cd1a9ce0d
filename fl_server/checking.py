"""Running gates on a component and signing what they find."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fl_common.components.contents import content_path
from fl_common.components.description import Component, Stage
from fl_common.components.repository import ComponentRepository
from fl_common.components.statements import Verdict
from fl_common.errors import InvalidData
from fl_common.vocabulary import Parameters
from fl_server.gates import AGAINST, Finding
from fl_server.gates.accuracy import NoisedCounts, accuracy
from fl_server.gates.device import DeviceClass, latency, size
from fl_server.gates.model import golden, interface, parity
from fl_server.gates.papers import licence, privacy
from fl_server.promotion import check_content
from models.golden import model_run

Settings = Mapping[str, Any]
"""``gates`` of ``conf/repository.yaml``."""


@dataclass(frozen=True)
class Evidence:
    """What gates judge by, beside the component: None where it is not at hand.

    ``parameters`` are the run's own, from its checkpoint; the counts those of one federated
    evaluation of candidate and production; ``clock`` gives seconds.
    """

    parameters: Parameters | None
    candidate: NoisedCounts | None
    production: NoisedCounts | None
    device: DeviceClass
    clock: Callable[[], float]


@dataclass(frozen=True)
class Case:
    """One component before the gates: its model file (None for other kinds) and its predecessor."""

    component: Component
    model: Path | None
    production: Component | None
    evidence: Evidence
    settings: Settings


def check(
    repository: ComponentRepository,
    component: Component,
    gates: Sequence[str],
    evidence: Evidence,
    settings: Settings,
) -> tuple[list[Verdict], dict[str, str]]:
    """Run ``gates`` and keep their signed verdicts; and why a gate could not be run.

    Raises:
        InvalidData: the counts are of other components.
        InvalidConfiguration: content is missing, or the gates' key is.
    """
    check_content(repository, component)
    entry = repository.entry(component.kind, component.name, Stage.PRODUCTION)
    before = entry.component if entry and not entry.retired else None
    case = Case(component, _model(repository, component), before, evidence, settings)
    _check_counts(case)
    verdicts, not_run = [], {}
    for gate in gates:
        found = _find(gate, case)
        if isinstance(found, str):
            not_run[gate] = found
            continue
        verdict = Verdict(
            gate, component.digest, found.passed, found.detail, found.values, repository.now()
        )
        repository.judge(verdict, component.name)
        verdicts.append(verdict)
    return verdicts, not_run


def _find(gate: str, case: Case) -> Finding | str:
    """What ``gate`` finds, or why it can't be run."""
    try:
        return RUN[gate](case)
    except Exception as error:  # whatever a bad model makes a library raise is a finding
        words = " ".join(str(error).split())[:200]
        return Finding(False, f"could not be judged ({type(error).__name__}: {words})")


def _parity(case: Case) -> Finding | str:
    if case.evidence.parameters is None:
        return "it needs the run's parameters: give --checkpoint FOLDER"
    return parity(
        case.component, _needed(case), case.evidence.parameters, case.settings["tolerance"]
    )


def _accuracy(case: Case) -> Finding | str:
    evidence, settings = case.evidence, case.settings
    if case.production is None:
        return Finding(True, "nothing is in production yet", {AGAINST: None})
    if evidence.candidate is None or evidence.production is None:
        return "it needs a federated evaluation of candidate and production: give --counts FILE"
    return accuracy(
        evidence.candidate, evidence.production, settings["margin"], settings["confidence"]
    )


def _latency(case: Case) -> Finding:
    infer = model_run(_needed(case))
    return latency(infer, case.evidence.device, case.evidence.clock, case.settings["repeats"])


RUN: Mapping[str, Callable[[Case], Finding | str]] = {
    "parity": _parity,
    "interface": lambda case: interface(case.component, case.production),
    "golden": lambda case: golden(case.component, _needed(case), case.settings["tolerance"]),
    "accuracy": _accuracy,
    "latency": _latency,
    "size": lambda case: size(case.component, case.evidence.device),
    "privacy": lambda case: privacy(
        case.component.description.get("privacy"), case.settings["epsilon_at_most"]
    ),
    "licence": lambda case: licence(
        case.component.description["licence"], case.settings["licences"]
    ),
}
"""Each gate of ``fl_server.gates.NAMES``, with what it judges taken from the case."""


def _needed(case: Case) -> Path:
    if case.model is None:
        raise InvalidData(str(case.component), "has no .onnx file", "Add one")
    return case.model


def _model(repository: ComponentRepository, component: Component) -> Path | None:
    files = [file for file in component.files if file.path.endswith(".onnx")]
    return content_path(repository.folder, files[0]) if len(files) == 1 else None


def _check_counts(case: Case) -> None:
    """Counts are worth something for the component that was evaluated alone."""
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
