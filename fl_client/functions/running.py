"""Which functions run on a box, under which names, and what takes the place of one that fails."""

import itertools
import threading
from collections import Counter
from collections.abc import Mapping

from fl_client.functions.chains import check_chains
from fl_client.functions.failing import Failing
from fl_client.functions.host import FunctionSource
from fl_client.functions.named import Named, Observe, Standby
from fl_common.functions.events import Event

_SILENT_AFTER = 10
"""Late windows in a row, after which it is a trouble that a function sees none."""


class RunningFunctions:
    """Functions by name: those of the configuration, and those added by ``use``.

    After ``failures_allowed`` failures (in a sandbox: see ``Failing``) a function is left out: what
    stands by takes its place from the next event on, or it is disabled until it is replaced or the
    node restarts. Any thread may call it.
    """

    def __init__(self, sources: Mapping[str, FunctionSource], failures_allowed: int) -> None:
        self._allowed = failures_allowed
        self._keys, self._changing = itertools.count(), threading.Lock()
        self._running = {name: self._named(name, one) for name, one in sources.items()}
        self._removed: dict[str, Named] = {}  # what comes in their place goes on from them
        self._left_out: dict[str, Failing] = {}  # whose place was taken
        self._failures: Counter[str] = Counter(dict.fromkeys(sources, 0))

    def _named(self, name: str, source: FunctionSource) -> Named:
        return Named(next(self._keys), source, Failing(name, source, self._allowed))

    def __len__(self) -> int:
        return len(self._running)

    def sandboxed(self, without: str) -> int:
        """How many functions run in a sandbox, not counting the one called ``without``."""
        others = (named for name, named in self._running.items() if name != without)
        return sum(named.source.sandboxed is not None for named in others)

    def takes(self, event: Event) -> bool:
        """Whether any of them is shown an event like this."""
        return any(named.source.takes(event) for named in self._running.values())

    def named_in(self, kind: str) -> set[str]:
        """Of what they take events of this ``kind``."""
        on = (pair for named in self._running.values() for pair in named.source.on)
        return {of for one, of in on if one == kind}

    def check_chain(self, name: str, source: FunctionSource) -> None:
        """Raise InvalidData if ``source`` as ``name`` closes a circle, or too long a chain."""
        standby = {other: named.heard_by_standby for other, named in self._running.items()}
        heard = {other: of | standby[other] for other, of in self.heard.items()}
        check_chains({**heard, name: source.heard})

    def use(self, name: str, source: FunctionSource | None, observe: Observe | None = None) -> None:
        """Run ``source`` under ``name`` from the next window on, replacing any before it.

        None removes it. One of the same class goes on from the memory of the one before it.
        """
        with self._changing:
            before = self._running.get(name) or self._removed.pop(name, None)
            self._left_out.pop(name, None)
            if source is not None:
                self._failures[name] += 0
                self._replace(name, source, observe, before)
            elif before is not None:
                self._removed[name] = before
                self._running = {key: one for key, one in self._running.items() if key != name}

    def stand_by(
        self, name: str, source: FunctionSource | None, observe: Observe | None = None
    ) -> None:
        """Let ``source`` take the place of what runs under ``name`` when that is left out.

        None: nothing does.
        """
        with self._changing:
            if (named := self._running.get(name)) is not None:
                named.standby = Standby(source, observe) if source is not None else None
        if named is not None and named.failing.is_disabled:
            self._go_back(name, named)

    def go_back(self, name: str) -> bool:
        """Run what stands by under ``name``, unless it does so already; False: nothing does."""
        if self._left_out.pop(name, None) is not None:
            return True
        named = self._running.get(name)
        return named is not None and self._go_back(name, named)

    def left_out(self, name: str) -> Failing | None:
        """The failures of what ran under ``name`` until its place was taken; None: it was not."""
        return self._left_out.get(name)

    def first_failure(self, name: str) -> str | None:
        """What failed first of what runs under ``name``; None: nothing."""
        named = self._running.get(name)
        return None if named is None else named.failing.first

    @property
    def failures(self) -> Mapping[str, int]:
        """How often each function has failed."""
        return dict(self._failures)

    @property
    def disabled(self) -> dict[str, Failing]:
        """The functions that are left out, and nothing in their place, each with its failures."""
        all_of = {name: named.failing for name, named in self._running.items()}
        return {name: failing for name, failing in all_of.items() if failing.is_disabled}

    @property
    def heard(self) -> dict[str, frozenset[str]]:
        """Of each function those whose events it takes."""
        return {name: named.source.heard for name, named in self._running.items()}

    def asks(self, name: str) -> frozenset[str]:
        """The networks that the function called ``name`` asks; none: the box's own model."""
        named = self._running.get(name)
        return frozenset() if named is None else named.source.asks

    @property
    def silent(self) -> dict[str, int]:
        """Functions that see no window of a stream, with the start of the one that they saw."""
        return {
            name: state.newest_ns
            for name, named in self._running.items()
            for state in tuple(named.of.values())
            if state.late >= _SILENT_AFTER
        }

    def _go_back(self, name: str, named: Named) -> bool:
        """Run what stands by for ``named``, if that still runs."""
        with self._changing:
            if self._running.get(name) is not named or named.standby is None:
                return False
            if named.failing.is_disabled:
                self._left_out[name] = named.failing
            self._replace(name, named.standby.source, named.standby.observe, named)
            return True

    def _replace(
        self, name: str, source: FunctionSource, observe: Observe | None, before: Named | None
    ) -> None:
        """Run ``source`` in the place of ``before``: no event comes between the two."""
        now = self._named(name, source)
        now.observe = observe
        now.before = before.states_for(source) if before is not None else {}
        self._running = {**self._running, name: now}
