"""The registry of privacy units, by the name in a plan's ``unit``.

An installed package offers a unit by an entry point in ``join_the_dots.privacy_unit``. It is
imported when a configuration or a plan names it.
"""

import inspect
from dataclasses import is_dataclass

from fl_common.configuration.rules import one_of, require
from fl_common.errors import InvalidConfiguration
from fl_common.plugins.installed import offered
from fl_common.plugins.kinds import PRIVACY_UNIT
from fl_common.privacy.none import NoPrivacy
from fl_common.privacy.site_level import SitePrivacyPlan
from fl_common.privacy.unit import WITHOUT_DP, PrivacyPlan
from fl_common.privacy.window_level import WindowPrivacyPlan

_UNITS: dict[str, type[PrivacyPlan]] = {
    "window": WindowPrivacyPlan,
    "reading": WindowPrivacyPlan,
    "site": SitePrivacyPlan,
    WITHOUT_DP: NoPrivacy,
}
_OWN = tuple(_UNITS)


class UnknownUnit(InvalidConfiguration):
    """A unit that nothing installed here brings."""


def register(unit: str, plan: type[PrivacyPlan]) -> None:
    """Register ``plan`` as the class of plans with this ``unit``; idempotent.

    Raises:
        InvalidConfiguration: another class has the name, or ``plan`` lacks an abstract member.
    """
    if not (inspect.isclass(plan) and issubclass(plan, PrivacyPlan) and is_dataclass(plan)):
        raise _unfit(unit, plan, "must be a dataclass that inherits from PrivacyPlan")
    if inspect.isabstract(plan):
        raise _unfit(unit, plan, f"must answer {', '.join(sorted(plan.__abstractmethods__))}")
    if _UNITS.setdefault(unit, plan) is not plan:
        raise _unfit(unit, plan, f"would replace {_UNITS[unit].__qualname__}")


def plan_class(unit: str) -> type[PrivacyPlan]:
    """The class of plans with this ``unit``.

    Raises:
        UnknownUnit: this process knows no such unit.
        InvalidConfiguration: what is offered is not one, or two bring the name.
    """
    if isinstance(unit, str) and (offer := offered(PRIVACY_UNIT, unit, _OWN)):
        register(unit, offer.load())
    remedy = "Set it so, or install the package that brings this unit, on server and sites alike"
    try:
        require("privacy.unit", unit, one_of(sorted(_UNITS)), remedy)
    except InvalidConfiguration as error:
        raise UnknownUnit(error.value, error.rule, error.remedy) from None
    return _UNITS[unit]


def _unfit(unit: str, plan: object, rule: str) -> InvalidConfiguration:
    name = getattr(plan, "__qualname__", repr(plan))
    return InvalidConfiguration(
        f"{name} as the privacy unit {unit}", rule, "Correct the class, or choose another name"
    )
