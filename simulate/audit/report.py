"""The result of an audit: as a table, a file, and a verdict."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import rich.console
from rich.table import Table
from rich.text import Text

from fl_common.plan import RunPlan
from fl_common.privacy.accounting import ACCOUNTANTS
from simulate.audit.checks import Check
from simulate.audit.guesses import AuditFinding, GuessRule, best
from simulate.report.results import net_name, write_summary
from simulate.report.versions import versions
from simulate.report.wording import SEEDED_NOISE, counted

METHOD = (
    "Steinke, Nasr and Jagielski 2023 (one run), theorem 5.2; union bound over the shares guessed"
)
LIMITS = (
    "A bound below the claim does not prove the claim: a better attack may find more. The direct"
    " tests look at what they name, and at nothing else.",
    "All of it holds for this plan, net, site and trainer as they ran here; the accountant's"
    " arithmetic is not tested, nor whether the noise can be predicted.",
    "By chance alone the bound refutes a sound mechanism in at most 1 - confidence of all audits,"
    " and the direct tests in less than one of a million: repeat with another seed.",
)
_WORDS: Mapping[bool | None, tuple[str, str]] = {
    True: ("right", "green"), False: ("WRONG", "bold red"), None: ("not tested", "yellow"),
}  # fmt: skip


@dataclass(frozen=True)
class Audit:
    """One audit. ``claimed`` is the epsilon for one window in the site's ledger; None without DP.

    ``claimed_per_reading`` is that of all windows that may share a reading. ``own_windows`` are the
    site's without canaries; ``rounds`` those that it sent an update in.
    """

    plan: RunPlan
    trainer: str
    site: str
    own_windows: int
    canaries: int
    included: int
    rounds: int
    claimed: float | None
    claimed_per_reading: float | None
    delta: float
    rule: GuessRule
    findings: tuple[AuditFinding, ...]
    checks: tuple[Check, ...] = ()
    """Direct tests of the mechanism."""

    @property
    def bound(self) -> float:
        """With the rule's confidence, epsilon is not lower than this."""
        return best(self.findings).bound

    @property
    def ceiling(self) -> float:
        """The largest bound that this audit could have given."""
        return self.rule.ceiling(self.canaries, self.delta)

    @property
    def is_refuted(self) -> bool:
        """True if the bound exceeds the claim, or a direct test has failed."""
        return bool(self.wrong) or (self.claimed is not None and self.bound > self.claimed)

    @property
    def wrong(self) -> list[Check]:
        """The direct tests that failed."""
        return [check for check in self.checks if check.is_right is False]

    @property
    def verdict(self) -> str:
        """The result in one or two sentences."""
        sure, at = f"With {self.rule.confidence:.0%} confidence", f"at delta {self.delta:g}"
        if self.claimed is None:
            return (
                f"No epsilon is claimed (privacy=none). {sure} one window of site {self.site} has"
                f" no protection better than epsilon {self.bound:.3g} {at}."
            )
        if self.wrong:
            found = "; ".join(f"{c.name}: {c.measured}, due {c.due}" for c in self.wrong)
            return f"REFUTED by direct tests: the mechanism is not the plan's. {found}."
        if self.is_refuted:
            return (
                f"REFUTED. {sure} epsilon is at least {self.bound:.3g} {at}, more than the"
                f" {self.claimed:.3g} that the ledger claims: the mechanism does not run as"
                " planned (clipping, sampling, noise or accounting)."
            )
        tested = sum(check.is_right is True for check in self.checks)
        return (
            f"Not refuted. {sure} epsilon is at least {self.bound:.3g} {at}; the ledger claims at"
            f" most {self.claimed:.3g}. {counted(tested, 'direct test')} of the mechanism agree"
            f"{'s' * (tested == 1)} with the plan."
        )


def to_json(audit: Audit) -> dict[str, Any]:
    """The audit as JSON values."""
    plan, privacy = audit.plan, audit.plan.privacy
    return {
        "verdict": audit.verdict,
        "refuted": audit.is_refuted,
        "bound": audit.bound,
        "ceiling": audit.ceiling,
        "claimed_epsilon": audit.claimed,
        "claimed_epsilon_per_reading": audit.claimed_per_reading,
        "delta": audit.delta,
        "confidence": audit.rule.confidence,
        "method": METHOD,
        "accountant": _accountant(plan),
        "checks": [asdict(check) for check in audit.checks],
        "guesses": [_row(finding) for finding in audit.findings],
        "site": audit.site,
        "own_windows": audit.own_windows,
        "canaries": audit.canaries,
        "canaries_included": audit.included,
        "rounds_seen": audit.rounds,
        "trainer": audit.trainer,
        "net": net_name(plan),
        "task": plan.task.name,
        "seed": plan.seed,
        "noise_multiplier": getattr(privacy, "noise_multiplier", None),
        "clip_norm": getattr(privacy, "clip_norm", None),
        "sampling_rate": getattr(privacy, "sampling_rate", None),
        "steps_per_round": getattr(privacy, "steps", None),
        "run": plan.run,
        "plan_digest": plan.digest(),
        "limits": list(LIMITS),
        "versions": versions(),
    }


def write(path: Path, audit: Audit) -> None:
    """Write the audit to ``path`` atomically."""
    write_summary(path, to_json(audit))


def show(audit: Audit, path: Path, output: rich.console.Console) -> None:
    """Print the table, the verdict and what it does not prove."""
    in_a_file = not output.is_terminal  # lines are not cut there
    output.print()
    output.print(Text(f"privacy audit: {audit.plan.task.name}, {net_name(audit.plan)}", "bold"))
    output.print(_figures(audit))
    output.print()
    output.print(_guesses(audit))
    output.print()
    if audit.checks:
        output.print(_checks(audit.checks))
        output.print()
    style = "bold red" if audit.is_refuted or audit.claimed is None else "bold green"
    output.print(Text(audit.verdict, style), soft_wrap=in_a_file)
    for limit in LIMITS:
        output.print(Text(f"- {limit}"), soft_wrap=in_a_file)
    output.print(Text(f"\naudit       {path}"), soft_wrap=True)


def _figures(audit: Audit) -> Table:
    rows: Mapping[str, str] = {
        "bound": f"epsilon at least {audit.bound:.3g} at {audit.rule.confidence:.0%} confidence"
        f" ({audit.ceiling:.3g} if every guess were right)",
        "claim": _claim(audit),
        "canaries": f"{counted(audit.canaries, 'canary', 'canaries')}, {audit.included} of them in"
        f" the data, beside {counted(audit.own_windows, 'window')} of site {audit.site}",
        "attacker": f"white box: sees the updates of {counted(audit.rounds, 'round')}, knows all"
        " but the coins",
        "mechanism": _mechanism(audit),
        "method": METHOD,
    }
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(no_wrap=True, style="cyan", min_width=10)
    table.add_column(overflow="fold")
    for name, text in rows.items():
        table.add_row(name, Text(text))
    return table


def _guesses(audit: Audit) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for name in ("share guessed", "guesses", "right", "accuracy", "bound"):
        table.add_column(name, justify="right", header_style="cyan")
    for finding in audit.findings:
        guesses = finding.guesses
        table.add_row(
            f"{finding.share:g}",
            str(guesses.made),
            str(guesses.right),
            f"{guesses.right / guesses.made:.3f}",
            f"{finding.bound:.3g}",
        )
    return table


def _checks(checks: tuple[Check, ...]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for name in ("direct test", "measured", "due", ""):
        table.add_column(name, header_style="cyan", overflow="fold")
    for check in checks:
        table.add_row(check.name, check.measured, check.due, Text(*_WORDS[check.is_right]))
    return table


def _row(finding: AuditFinding) -> dict[str, Any]:
    guesses = finding.guesses
    return {
        "share": finding.share,
        "made": guesses.made,
        "right": guesses.right,
        "bound": finding.bound,
    }


def _claim(audit: Audit) -> str:
    if audit.claimed is None:
        return f"none (privacy=none); delta {audit.delta:g} for the bound"
    return (
        f"epsilon {audit.claimed:.4g} at delta {audit.delta:g} for one window"
        f" ({audit.claimed_per_reading:.3g} for a reading), by the site's ledger;"
        f" {_accountant(audit.plan)}"
    )


def _mechanism(audit: Audit) -> str:
    mechanism, trainer = audit.plan.privacy.sample_mechanism, audit.trainer
    if mechanism is None:
        return f"{trainer}, no clipping and no noise"
    text = (
        f"{trainer}, noise multiplier {mechanism.noise_multiplier:.3g}, clip norm"
        f" {mechanism.clip_norm:g}, {mechanism.steps} steps a round at a sampling rate of"
        f" {mechanism.sampling_rate:.3g}"
    )
    return f"{text}, {SEEDED_NOISE}" if audit.plan.seed is not None else text


def _accountant(plan: RunPlan) -> str | None:
    promise = plan.privacy.guarantee
    return ACCOUNTANTS[promise.accountant] if promise else None
