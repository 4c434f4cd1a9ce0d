"""What may be registered as a privacy unit."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fl_common.errors import InvalidConfiguration
from fl_common.plan import RunPlan
from fl_common.privacy import registry
from fl_common.privacy.none import NoPrivacy
from fl_common.privacy.site_level import SitePrivacyPlan
from fl_common.privacy.unit import PrivacyPlan
from fl_common.privacy.window_level import WindowPrivacyPlan
from tests.support import samples
from tests.support.plugins import install
from tests.support.samples import WINDOW_PRIVACY


@pytest.fixture(autouse=True)
def _as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_UNITS", dict(registry._UNITS))


NIGHT = """
from dataclasses import dataclass
from fl_common.privacy.window_level import WindowPrivacyPlan
from fl_common.privacy.unit import Guarantee

@dataclass(frozen=True)
class NightPrivacyPlan(WindowPrivacyPlan):
    unit: str

    def __post_init__(self):
        pass

    @property
    def guarantee(self):
        told = {"window": 1, "night": 9}
        return Guarantee(self.unit, self.epsilon_limit, self.delta, self.accountant, told)

class NotAPlan:
    pass
"""


@dataclass(frozen=True)
class Unanswered(PrivacyPlan):
    """Leaves open by what its promise is kept."""

    weights: Any = "uniform"
    unit: str = "day"

    @property
    def guarantee(self) -> None:
        return None

    @classmethod
    def from_config(cls, node: Any, facts: Any) -> Any: ...


class Loose(NoPrivacy):
    """Not a dataclass of its own, which changes nothing."""


def test_our_own_units_are_known() -> None:
    found = {unit: registry.plan_class(unit) for unit in ("window", "reading", "site", "none")}
    own = WindowPrivacyPlan, WindowPrivacyPlan, SitePrivacyPlan, NoPrivacy
    assert tuple(found.values()) == own


def test_the_same_class_may_be_registered_again() -> None:
    registry.register("site", SitePrivacyPlan)
    registry.register("loose", Loose)
    assert registry.plan_class("loose") is Loose


@pytest.mark.parametrize(
    ("unit", "plan", "message"),
    [
        ("day", Unanswered, "must answer sample_mechanism, update_mechanism"),
        ("none", WindowPrivacyPlan, "as the privacy unit none: would replace NoPrivacy"),
        ("day", dict, "dict as the privacy unit day: must be a dataclass that inherits"),
        ("day", PrivacyPlan, "must be a dataclass that inherits"),
        ("day", "simulate", "must be a dataclass that inherits"),
    ],
)
def test_what_is_not_a_plan_is_refused(unit: str, plan: Any, message: str) -> None:
    with pytest.raises(InvalidConfiguration, match=message):
        registry.register(unit, plan)
    if unit == "day":
        with pytest.raises(InvalidConfiguration, match=r"privacy\.unit=day: must be one of"):
            registry.plan_class(unit)


def test_a_class_that_leaves_an_answer_open_can_not_be_built() -> None:
    with pytest.raises(TypeError, match="abstract"):
        Unanswered()  # type: ignore[abstract]


def test_a_unit_that_an_installed_package_offers_is_found_when_a_plan_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offers = {
        "night": "outside_night.units:NightPrivacyPlan",
        "not": "outside_night.units:NotAPlan",
    }
    install(
        tmp_path,
        monkeypatch,
        "outside_night",
        sources={"units": NIGHT},
        offers={"privacy_unit": offers},
    )
    plan = samples.plan(WINDOW_PRIVACY)
    text = plan.to_json().replace('"unit":"window"', '"unit":"night"')
    arrived = RunPlan.from_json(text)
    assert type(arrived.privacy).__name__ == "NightPrivacyPlan"
    assert arrived.privacy.guarantee is not None
    assert arrived.privacy.guarantee.windows_per_unit == 9
    assert RunPlan.from_json(arrived.to_json()) == arrived
    with pytest.raises(InvalidConfiguration, match="NotAPlan as the privacy unit not: must be a"):
        registry.plan_class("not")


def test_a_unit_of_ours_that_a_package_offers_is_refused_with_both_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offers = {"privacy_unit": {"window": "nights_again:NightPrivacyPlan"}}
    install(tmp_path, monkeypatch, "nights_again", offers=offers)
    with pytest.raises(InvalidConfiguration, match="join-the-dots itself and by nights_again-dist"):
        registry.plan_class("window")
