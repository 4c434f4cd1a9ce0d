"""Nets of installed packages: built by a name that an entry point offers, and by nothing else."""

from dataclasses import replace
from pathlib import Path

import pytest

from fl_client.training.prepared import net_for
from fl_common.errors import InvalidConfiguration
from fl_common.plan import RunPlan
from fl_common.vocabulary import NetSpec
from models.nets import build_net, spec_of
from tests.support import samples
from tests.support.plugins import NET_SOURCE, install

OFFERS = {"flat": "{}.nets:Flat", "function": "{}.nets:not_a_class", "module": "{}.nets"}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """An installed package with nets; of another name in each test, for imports are kept."""
    name = f"outside_{abs(hash(request.node.name))}"
    offers = {key: value.format(name) for key, value in OFFERS.items()}
    install(tmp_path, monkeypatch, name, sources={"nets": NET_SOURCE}, offers={"net": offers})
    return name


def sent(target: str, **options: object) -> RunPlan:
    """A plan that names this net, as it arrives from a server."""
    plan = replace(samples.plan(), net=NetSpec(target, options))
    return RunPlan.from_json(plan.to_json())


def test_a_plan_names_a_net_that_a_package_offers(package: str) -> None:
    spec = spec_of(f"{package}.nets.Flat", {"copies": 1})
    assert spec == NetSpec("flat", {"copies": 1})
    net = net_for(sent(spec.target, copies=1))
    assert type(net).__qualname__ == "Flat"


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "subprocess.Popen",
        "{}.nets.Flat",
        "{}.nets:Flat",
        "{}.nets.Unoffered",
        "models.nets",
        "models.fronts.Normalise",
        "torch.load",
        "join_the_dots.net",
        "Flat",
        "",
    ],
)
def test_a_plan_can_name_nothing_that_no_entry_point_offers(package: str, target: str) -> None:
    with pytest.raises(InvalidConfiguration, match="neither a class under models"):
        net_for(sent(target.format(package)))


@pytest.mark.parametrize(
    "target", ["models.nets.mlp.Sequence", "models.nets.mlp.Net", "models.nets.Net", "function",
               "module", "models.nets.cnn1d.halving_convolutions"]
)  # fmt: skip
def test_what_is_no_class_of_a_net_is_refused(package: str, target: str) -> None:
    with pytest.raises(InvalidConfiguration, match=r"no subclass of models\.nets\.Net|not exist"):
        net_for(sent(target))


def test_a_configuration_names_what_is_offered_alone(package: str) -> None:
    with pytest.raises(InvalidConfiguration, match=r'project\.entry-points\."join_the_dots\.net"'):
        spec_of(f"{package}.nets.Unoffered", {})


def test_a_name_of_ours_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offers = {"net": {"cnn1d": "outside_own.nets:Flat"}}
    install(tmp_path, monkeypatch, "outside_own", sources={"nets": NET_SOURCE}, offers=offers)
    with pytest.raises(InvalidConfiguration, match="join-the-dots itself and by outside_own-dist"):
        build_net(NetSpec("cnn1d"), samples.TASK)


def test_options_from_a_plan_that_break_a_constructor_are_one_refusal(package: str) -> None:
    with pytest.raises(InvalidConfiguration, match=f"{package}.nets.Flat"):
        net_for(sent("flat", other=1))
