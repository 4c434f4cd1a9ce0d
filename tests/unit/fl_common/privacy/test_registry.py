"""What may be registered as a privacy unit."""

from dataclasses import dataclass
from typing import Any

import pytest

from fl_common.errors import InvalidConfiguration
from fl_common.privacy import registry
from fl_common.privacy.none import NoPrivacy
from fl_common.privacy.site_level import SitePrivacyPlan
from fl_common.privacy.unit import PrivacyPlan
from fl_common.privacy.window_level import WindowPrivacyPlan


@pytest.fixture(autouse=True)
def _as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_UNITS", dict(registry._UNITS))


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
