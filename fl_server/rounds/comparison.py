"""A run's model compared with production's on the same sites, for the accuracy gate."""

import json
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from fl_common.components.description import Component
from fl_common.files.whole import write_whole
from fl_common.plan import RunPlan
from fl_common.vocabulary import NetSpec, Parameters
from fl_server.rounds.bounded_details import sum_details
from fl_server.rounds.counts import NoisedCounts
from fl_server.rounds.evaluation import SiteMetrics


@dataclass(frozen=True)
class Incumbent:
    """The model in production: its component's digest, its net, and the net's parameters."""

    digest: str
    net: NetSpec
    parameters: Parameters

    def evaluated_under(self, plan: RunPlan) -> RunPlan:
        """The plan under which sites evaluate it in the run of ``plan``.

        Task, privacy and noise are the same. It is a separate run, because the net may differ and a
        run has one plan. Ledgers compose over runs.
        """
        return replace(plan, run=f"{plan.run}/production", net=self.net)


@dataclass(frozen=True)
class Comparison:
    """The sites' evaluations of the run's model and of the incumbent with ``digest``.

    Two models are two releases, each with its own noise, and each charged.
    """

    digest: str
    candidate: SiteMetrics
    production: SiteMetrics

    def counts(self) -> dict[str, Any] | None:
        """Both sums over the sites that evaluated both, as JSON values; see ``counts_alone``.

        If none did, the sum of the run's model alone.
        """
        both = self.candidate.given.keys() & self.production.given.keys()
        if not both:
            return counts_alone(self.candidate)
        pairs = {"candidate": ("", self.candidate), "production": (self.digest, self.production)}
        of = _detailed(both, *(metrics for _, metrics in pairs.values()))
        return {who: _summed(digest, metrics, both, of) for who, (digest, metrics) in pairs.items()}

    def troubles(self) -> Iterable[str]:
        """Why a site's counts of the incumbent are missing."""
        for refusal in self.production.refusals:
            yield f"site {refusal.site} refuses ({refusal.reason}): {refusal.detail}"
        yield from self.production.errors
        yield from self.production.cut


def counts_alone(candidate: SiteMetrics) -> dict[str, Any] | None:
    """The sum over the sites that evaluated the run's model, as JSON values; None if none did.

    Its digest is not known yet, and is an empty string.
    """
    given = candidate.given.keys()
    of = _detailed(given, candidate)
    return {"candidate": _summed("", candidate, given, of)} if given else None


def write_counts(path: Path, compared: Mapping[str, Any], candidate: Component) -> None:
    """Write ``Comparison.counts`` for ``fl-repo check --counts``, with the digest ``candidate``."""
    named = {**compared, "candidate": {**compared["candidate"], "digest": candidate.digest}}
    write_whole(path, (json.dumps(named, indent=1) + "\n").encode())


def _detailed(nodes: Collection[int], *compared: SiteMetrics) -> list[int]:
    """The nodes that gave details of all that is ``compared``, in order.

    A site that gives none, as an earlier version does and a hostile one may, is left out of what
    follows from them, and silences no other.
    """
    return [n for n in sorted(nodes) if all(each.given[n].details for each in compared)]


def _summed(
    digest: str, metrics: SiteMetrics, nodes: Collection[int], detailed: Sequence[int]
) -> dict[str, Any]:
    counts = NoisedCounts(digest, *_sums(metrics, sorted(nodes)))
    if metrics.details and detailed:
        given = [metrics.given[node] for node in detailed]
        details = tuple(sum_details(metrics.details, given, 0.0)[1].tolist())
        part = _sums(metrics, detailed) if len(detailed) < len(nodes) else None
        counts = replace(counts, details=details, detailed=part)
    return asdict(counts)


def _sums(metrics: SiteMetrics, nodes: Sequence[int]) -> tuple[float, float, float]:
    """Correct, total and their noise."""
    counts = [metrics.given[node] for node in nodes]
    correct, total = sum(one.correct for one in counts), sum(one.total for one in counts)
    return correct, total, metrics.noise_on_counts * math.sqrt(len(counts))
