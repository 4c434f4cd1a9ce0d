"""Each gate: what passes it, what does not, and in which words."""

import math
import platform
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from fl_common.components.description import Component, ContentFile, Kind
from fl_common.errors import InvalidConfiguration
from fl_common.plan import RunPlan
from fl_common.programs.limited_child import ChildLimits
from fl_server.repository.build import load_configuration
from fl_server.repository.case import Evidence
from fl_server.repository.gates.accuracy import accuracy
from fl_server.repository.gates.device import DeviceClass, latency, size
from fl_server.repository.gates.model import golden, interface, parity
from fl_server.repository.publication import publish_component, publish_model
from fl_server.repository.verification import RUN, check, gate_named
from fl_server.rounds.counts import NoisedCounts
from models.nets import build_net, load_parameters, parameters_of
from models.onnx.golden import seconds_of
from tests.support import samples
from tests.support.plugins import install
from tests.support.repositories import World

PLAN: RunPlan = samples.plan(samples.WINDOW_PRIVACY)
PARAMETERS = {
    name: np.random.default_rng(0).normal(0, 0.2, array.shape).astype(np.float32)
    for name, array in parameters_of(build_net(PLAN.net, PLAN.task)).items()
}
LIMITS = ChildLimits(60, 2048)
HERE = DeviceClass("here", platform.machine(), 1000, 5.0)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> tuple[Component, bytes]:
    """A model that a run has put into testing, and its content."""
    folder = tmp_path_factory.mktemp("published")
    repository, path = World(folder).created(), folder / "model.onnx"
    windows = samples.windows(4)
    net = build_net(PLAN.net, PLAN.task)
    load_parameters(net, PARAMETERS)
    proof = publish_model(PLAN, net, 3, {"epsilon": 1.0}, windows, path)
    facts = {"licence": "MIT", "rounds": 3, "sites": 2, "metrics": {"accuracy": 0.5}}
    component = publish_component(repository, PLAN, net, {"epsilon": 1.0}, proof, facts)
    return component, path.read_bytes()


def outside_gates(folder: Path, monkeypatch: pytest.MonkeyPatch, package: str, name: str) -> None:
    """An installed package with a gate that passes small components, and one that takes nothing."""
    source = """
from fl_server.repository.gates import GateFinding

def small(case):
    most = case.settings["options"]["small"]["bytes"]
    found = sum(file.bytes for file in case.component.files)
    return GateFinding(found <= most, f"{found} bytes of {most}")

def wrong():
    pass
"""
    offers = {"gate": {name: f"{package}.gates:small", "wrong": f"{package}.gates:wrong"}}
    install(folder, monkeypatch, package, sources={"gates": source}, offers=offers)


def test_a_gate_of_an_installed_package_is_run_and_signed(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside_gates(tmp_path / "site", monkeypatch, "outside_gates", "small")
    file = tmp_path / "stack.txt"
    file.write_text("three")
    component = world.repository().add(
        Kind.STACK, "stack", None, {file.name: file}, {"licence": "MIT"}
    )
    evidence = Evidence(None, None, None, HERE, lambda: 0.0)
    for most, passed in ((5, True), (4, False)):
        settings = {"options": {"small": {"bytes": most}}}
        (verdict,), not_run = check(world.repository(), component, ["small"], evidence, settings)
        assert not_run == {}
        assert (verdict.gate, verdict.passed, verdict.detail) == (
            "small",
            passed,
            f"5 bytes of {most}",
        )
    with pytest.raises(InvalidConfiguration, match="can't be called as __call__"):
        check(world.repository(), component, ["wrong"], evidence, {})


def test_a_gate_that_nobody_brings_or_two_bring_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert all(gate_named(name) is RUN[name] for name in RUN)
    with pytest.raises(InvalidConfiguration, match="gate 'smal': is none of parity, interface"):
        gate_named("smal")
    outside_gates(tmp_path, monkeypatch, "outside_parity", "parity")
    with pytest.raises(InvalidConfiguration, match="join-the-dots itself and by outside_parity-"):
        gate_named("parity")


def test_every_required_gate_of_the_configuration_exists() -> None:
    config = load_configuration(None)
    assert {*RUN} == {name for some in config["gates"]["required"].values() for name in some}


def test_parity_compares_torch_with_onnx_runtime(published: tuple[Component, bytes]) -> None:
    finding = parity(*published, PARAMETERS, 1e-4, LIMITS)
    assert finding.passed
    assert finding.values["difference"] <= 1e-4
    assert not parity(*published, PARAMETERS, -1.0, LIMITS).passed


def test_parity_with_the_parameters_of_another_model(published: tuple[Component, bytes]) -> None:
    other = {name: array + 1 for name, array in PARAMETERS.items()}
    finding = parity(*published, other, 1e-4, LIMITS)
    assert not finding.passed
    assert "was made from parameters" in finding.detail


def test_golden_outputs_are_those_recorded(published: tuple[Component, bytes]) -> None:
    component, content = published
    assert golden(component, content, 1e-4, LIMITS).passed
    record = dict(component.description["golden"])
    record["probabilities"] = [row[::-1] for row in record["probabilities"]]
    changed = Component(
        component.kind, "a", "1", component.files, {**component.description, "golden": record}
    )
    assert not golden(changed, content, 1e-4, LIMITS).passed
    without = {k: v for k, v in component.description.items() if k != "golden"}
    assert not golden(Component(Kind.MODEL, "a", "1", (), without), content, 1e-4, LIMITS).passed


def described(**description: object) -> Component:
    file = ContentFile("model.onnx", 1000, "0" * 64)
    return Component(Kind.MODEL, "a", "1", (file,), {"licence": "MIT", **description})


def test_interface_must_stay_or_a_migration_be_declared() -> None:
    production = described(labels=["walk", "sit"])
    assert interface(described(labels=["sit", "walk"]), None).passed
    assert interface(described(labels=["walk", "sit"]), production).passed
    finding = interface(described(labels=["sit", "walk"]), production)
    assert (finding.passed, "labels changed" in finding.detail) == (False, True)
    assert interface(described(labels=["sit"], migration="label 1 is gone"), production).passed


def counts(correct: float, total: float = 10_000, noise: float = 0.0) -> NoisedCounts:
    return NoisedCounts("0" * 64, correct, total, noise)


@pytest.mark.parametrize(
    ("candidate", "production", "passed"),
    [
        (counts(9000), counts(9000), True),
        (counts(9500), counts(9000), True),
        (counts(8900), counts(9000), True),  # 1 % worse, 0.7 % of error: within 2 %
        (counts(8700), counts(9000), False),
        (counts(90, 100), counts(90, 100), False),  # too few windows to say
        (counts(9000, noise=100), counts(9000, noise=100), False),  # too much noise to say
        (counts(9000, noise=10), counts(9000, noise=10), True),
        (counts(100, 100, noise=50), counts(9000), False),
        (counts(math.nan), counts(9000), False),
        (counts(9000), counts(9000, 10_001), False),  # of other windows
        (counts(9000, noise=10), counts(9000, 10_040, noise=10), True),
        (counts(9000, noise=10), counts(9000, 10_100, noise=10), False),
    ],
)
def test_accuracy_is_a_test_of_non_inferiority(
    candidate: NoisedCounts, production: NoisedCounts, passed: bool
) -> None:
    assert accuracy(candidate, production, 0.02, 0.95).passed is passed


def test_accuracy_lets_a_worse_model_through_at_most_as_often_as_it_says() -> None:
    """A candidate that is worse by exactly the margin, judged 2000 times with noised counts."""
    generator = np.random.default_rng(0)
    total, noise, passed, trials = 4000, 15.0, 0, 2000
    for _ in range(trials):
        right = generator.binomial(total, [0.85, 0.88])
        noised = right + generator.normal(0, noise, 2)
        totals = total + generator.normal(0, noise, 2)
        judged = [counts(float(c), float(t), noise) for c, t in zip(noised, totals, strict=True)]
        passed += accuracy(judged[0], judged[1], 0.03, 0.95).passed
    assert 0.03 < passed / trials < 0.07


def test_latency_is_the_95th_percentile_on_a_machine_of_the_class() -> None:
    ticks = count()
    ran: list[int] = []

    def clock() -> float:
        return next(ticks) * 0.004  # each call, and each inference between two calls, 4 ms

    def measured() -> list[float]:
        return seconds_of(lambda: ran.append(1), clock, 50)

    finding = latency(measured, HERE)
    assert finding.passed
    assert finding.values["latency_ms"] == pytest.approx(4.0)
    assert len(ran) == 55
    slow = DeviceClass("slow", platform.machine(), 1000, 3.9)
    assert not latency(measured, slow).passed
    other = DeviceClass("other", "pdp11", 1000, 1e9)
    assert "check on such a one" in latency(list, other).detail


def test_size_is_bounded_by_the_class() -> None:
    assert size(described(), HERE).passed
    assert not size(described(), DeviceClass("tiny", "any", 999, 1.0)).passed
