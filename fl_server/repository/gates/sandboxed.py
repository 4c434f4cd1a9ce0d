"""Gates on a function that runs in a sandbox: what it asks for, and what it finds in its cases.

It is tried in child processes within limits (``fl_common.functions.trial``), and never here.
"""

from collections.abc import Sequence

from fl_common.functions.specification.sandboxed import SandboxedSpec
from fl_common.functions.trial import Trial
from fl_server.repository.case import Case
from fl_server.repository.gates import GateFinding

_COST = 0.5
"""The most of its fuel that a call of the cases may use: other events may need more."""


def source(case: Case) -> GateFinding:
    """Its source is Python, or its component one of the contract's, and it can be made."""
    spec, tried = _of(case)
    if isinstance(tried, GateFinding):
        return tried
    return GateFinding(True, f"{spec.file} can be made, and begins with its settings")


def imports(case: Case) -> GateFinding:
    """What its component imports is what it needs, no more and no less."""
    spec, tried = _of(case)
    if isinstance(tried, GateFinding):
        return tried
    values = {"needs": sorted(spec.needs), "imports": tried.imports}
    named = ", ".join(sorted(spec.needs)) or "nothing"
    if tried.needs is None:
        return GateFinding(True, f"source text, which is given {named}", values)
    if idle := sorted(spec.needs - {*tried.needs}):
        rule = f"its needs name {', '.join(idle)}, which it does not import"
        return GateFinding(False, rule, values)
    return GateFinding(True, f"it imports what stands for {named}, and nothing else", values)


def cases(case: Case) -> GateFinding:
    """It finds in its cases what they expect."""
    _, tried = _of(case)
    if isinstance(tried, GateFinding):
        return tried
    values = {"cases": tried.cases, "wrong": tried.failures}
    if not tried.failures:
        return GateFinding(True, f"{tried.cases} cases as expected", values)
    words = "; ".join(tried.wrong)
    return GateFinding(False, f"{tried.failures} of {tried.cases} cases differ: {words}", values)


def cost(case: Case) -> GateFinding:
    """No case uses more than half of the fuel that it may."""
    spec, tried = _of(case)
    if isinstance(tried, GateFinding):
        return tried
    most = int(_COST * spec.limits.fuel)
    return GateFinding(
        tried.fuel <= most,
        f"{tried.fuel:,} of {spec.limits.fuel:,} fuel at most; {most:,} are allowed in cases",
        {"fuel": tried.fuel, "limit": most},
    )


def same(case: Case) -> GateFinding:
    """Another process finds the same, to the byte."""
    _, tried = _of(case)
    if isinstance(tried, GateFinding):
        return tried
    again = case.try_again()
    if not isinstance(again, Trial):
        return GateFinding(False, f"a second process did not end as the first ({again})")
    passed = again.digest == tried.digest
    words = "the same" if passed else "another"
    return GateFinding(passed, f"a second process gave {words} result, to the byte")


def seconds(case: Case) -> Sequence[float]:
    """Those of each call of its cases.

    Raises:
        InvalidData: they could not be tried.
    """
    tried = case.tried
    if not isinstance(tried, Trial):
        raise tried
    return tried.seconds


def _of(case: Case) -> tuple[SandboxedSpec, Trial | GateFinding]:
    """The function's specification, and its trial, or that it could not be tried."""
    if case.spec is None:
        raise TypeError("only a function of format 2 is judged by this gate")
    tried = case.tried
    if isinstance(tried, Trial):
        return case.spec, tried
    return case.spec, GateFinding(False, f"it could not be tried: {tried}")
