"""Prometheus metrics of the component follower, read at each scrape."""

from collections.abc import Iterable, Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from fl_client.components.follower import Follower
from fl_client.components.subscription import Subscription
from fl_common.components.refusals import REASONS

_PREFIX = "fl_client"
_DIGITS = 16
_RESULTS = ("taken", "kept", "returned", "rolled_back")
_OUTCOMES = ("windows", "agreed", "failed", "late", "skipped")


class ComponentMetrics(Collector):
    """Polls, refusals, versions and results of ``follower``; no metrics without one."""

    def __init__(self, follower: Follower | None) -> None:
        self._follower = follower

    def collect(self) -> Iterable[Metric]:
        """One metric family for each."""
        if self._follower is None:
            return
        polls, refusals = self._follower.polls, self._follower.refusals
        yield _counter("component_polls", "Polls of the repository", "result",
                       {result: polls.get(result, 0) for result in ("done", "failed")})  # fmt: skip
        yield _counter("component_refusals", "Updates that were refused", "reason",
                       {reason: refusals.get(reason, 0) for reason in REASONS})  # fmt: skip
        yield from self._of_parts(self._follower.parts)

    def _of_parts(self, parts: Iterable[Subscription]) -> Iterator[Metric]:
        updates = CounterMetricFamily(
            f"{_PREFIX}_component_updates",
            "Versions taken on trial, kept, returned to, or rolled back",
            labels=["kind", "name", "result"],
        )
        info = GaugeMetricFamily(
            f"{_PREFIX}_component_info",
            "Component versions that run, by stage",
            labels=["kind", "name", "stage", "version", "component"],
        )
        shadow = GaugeMetricFamily(
            f"{_PREFIX}_shadow_windows",
            "Windows seen by the shadow candidate, by outcome",
            labels=["kind", "name", "outcome"],
        )
        for part in parts:
            who, happened = [part.kind.value, part.name], part.rollout.happened
            for result in _RESULTS:
                updates.add_metric([*who, result], happened.get(result, 0))
            for stage, version in part.versions():
                info.add_metric([*who, stage, version.name, version.component[:_DIGITS]], 1)
            for outcome, count in _outcomes(part).items():
                shadow.add_metric([*who, outcome], count)
        yield from (updates, info, shadow)


def _outcomes(part: Subscription) -> Mapping[str, int]:
    if part.shadow is None or part.shadow.candidate is None:
        return {}
    status = part.shadow.status()
    return {outcome: status[outcome] for outcome in _OUTCOMES}


def _counter(name: str, text: str, label: str, counts: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(f"{_PREFIX}_{name}", text, labels=[label])
    for value, count in counts.items():
        family.add_metric([value], count)
    return family
