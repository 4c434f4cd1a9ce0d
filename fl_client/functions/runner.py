"""Which functions a box shows events to, such as predictions, and what became of it.

A function remembers windows, so each stream has one of its own.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from fl_client.functions.host import ENDED, Answer, CallEnded, FunctionSource, Host, HostUnavailable
from fl_client.functions.named import Named, State, why_silent
from fl_client.functions.running import RunningFunctions
from fl_client.functions.shown import Failed, Shown
from fl_client.functions.tally import Tally
from fl_client.store.function_memory import Memories, Memory
from fl_client.windows import MOST_STREAMS
from fl_common.functions.events import Event, Predicted, Window, kind_of_event

_logger = logging.getLogger(__name__)


Compare = Callable[[Answer, Answer], None]
"""Is told what a function answered, and what its candidate did."""


class Functions(RunningFunctions):
    """Functions by name, run by ``host``.

    Each sees a window of its stream once, in the order of time: one that comes after a later one is
    counted in ``late`` and not shown to it. (More than an hour earlier, the sensors' clock was set
    back.) Beyond ``MOST_STREAMS``, those of the stream that was not seen for longest begin anew.

    A call that ends the host's process is tried once more in a new one. Call from one thread; all
    but the call itself may be done from any.

    Raises:
        JoinTheDotsError: one of ``sources`` can't be made.
    """

    def __init__(
        self, sources: Mapping[str, FunctionSource], host: Host, failures_allowed: int
    ) -> None:
        self._host = host
        self._check_all(sources)
        super().__init__(sources, failures_allowed)
        self._candidates: dict[str, tuple[Named, Compare]] = {}
        self._memories: dict[tuple[str, str], Memory] = {}
        self._kept = frozenset(named.key for named in self._running.values())
        self.tally = Tally()
        self.late: Counter[str] = Counter()
        """Windows that were not shown to a function, since a later one had been."""

    def _check_all(self, sources: Mapping[str, FunctionSource]) -> None:
        try:
            for source in sources.values():
                self._host.check(source)
        except HostUnavailable as error:  # a trouble of the node's, which predicts without them
            _logger.warning("functions are not tried before they run: %s", error)

    def check(self, source: FunctionSource) -> None:
        """Make a function of ``source`` once.

        Raises:
            JoinTheDotsError: it can't be made.
            HostUnavailable: it could not be tried.
        """
        self._host.check(source)

    @property
    def starts(self) -> Mapping[str, int]:
        """How many processes of the host there were, by why each was started."""
        return self._host.starts

    def is_ready(self, source: FunctionSource) -> bool:
        """Whether a function of ``source`` can be made without being compiled first."""
        return self._host.is_ready(source)

    def accompany(self, name: str, source: FunctionSource | None, compare: Compare) -> None:
        """Show what ``name`` is shown to ``source``, too, whose events are dropped; None: no more.

        It begins without a memory, and is left out after ``failures_allowed`` calls that ended the
        host's process.
        """
        with self._changing:
            candidates = {key: one for key, one in self._candidates.items() if key != name}
            if source is not None:
                candidates[name] = self._named(name, source), compare
            self._candidates = candidates

    def go_on_from(self, memories: Memories) -> None:
        """Go on after the windows of the ``memories``, those of the last commit.

        Later ones are shown again. A failure at one of them was counted.
        """
        self._memories = {**memories}
        for named in self._running.values():
            named.of.clear()
            named.before.clear()
            named.counted = set(named.failed)
        self._host.keep(())

    def __call__(self, event: Event, only: str | None = None) -> Shown:
        """Show an event to those that take it; to ``only`` one again, whatever it has seen since.

        Raises:
            HostClosed: the host was closed.
        """
        shown = Shown(event)
        self._forget_replaced()
        if only is not None:
            why = why_silent(self._running.get(only), event)
            shown.failed += [Failed(only, why)] if why else []
        for name, named in self._asked(event, only):
            if named.failing.is_disabled:
                self.tally.leave_out(name)
                continue
            state = self._state(name, named, event.stream)
            if only is None and self._is_late(name, state, event):
                continue
            answer = self._answer(named, state, event)
            self.tally.note(name, answer)
            self._note(name, named, state, answer, shown)
            if named.observe is not None and not answer.waits:
                named.observe(answer)
            self._accompany(name, event, answer)
        return shown

    def _asked(self, event: Event, only: str | None) -> Iterator[tuple[str, Named]]:
        for name, named in self._running.items():
            if only in (None, name) and named.source.takes(event):
                yield name, named

    def _forget_replaced(self) -> None:
        """Let the host drop what no name stands for any more."""
        named = [*self._running.values(), *(one for one, _ in self._candidates.values())]
        keys = frozenset(one.key for one in named)
        if keys != self._kept:
            self._host.keep(keys)
            self._kept = keys

    def _state(self, name: str, named: Named, stream: str) -> State:
        """The state of the stream's function, which begins with its first window."""
        state = named.of.pop(stream, None)
        if state is None:
            state = self._before(name, named, stream) or State()
        named.of[stream] = state
        if len(named.of) > MOST_STREAMS:
            longest = next(iter(named.of))
            del named.of[longest]
            self._host.drop(named.key, longest)
        return state

    def _before(self, name: str, named: Named, stream: str) -> State | None:
        """Where a function of the same class was, in this process or at the last commit."""
        memory = self._memories.pop((stream, name), None)
        if (state := named.before.pop(stream, None)) is not None:
            return replace(state, late=0)
        if memory is None or memory.class_name != named.source.class_name:
            return None
        return State(memory.newest_ns, memory.content)

    def _is_late(self, name: str, state: State, event: Event) -> bool:
        if not isinstance(event, Window | Predicted):
            return False  # in the order in which they came
        behind_ns = state.behind_ns(event)
        if behind_ns < 0:
            return False
        self.late[name] += 1
        if self.late[name] == 1:
            _logger.warning(
                "function %s is not shown a window that comes %.1f s after a later one. Lower"
                " windows.longest_gap_s or the sensors' loss if that is often; further ones are"
                " counted in fl_client_function_late_total",
                name, behind_ns / 1e9)  # fmt: skip
        return True

    def _answer(self, named: Named, state: State, event: Event) -> Answer:
        """The function's answer; after a process that ended, that of a second call."""
        try:
            return self._host.call(named.key, named.source, state.content, event)
        except CallEnded:
            pass
        try:
            return self._host.call(named.key, named.source, state.content, event)
        except CallEnded as error:
            return Answer(None, state.content, [str(error)], 0.0, cause=ENDED)

    def _note(self, name: str, named: Named, state: State, answer: Answer, shown: Shown) -> None:
        """Count failures, but not for want of a model; what fails leaves the memory as it was."""
        if answer.events is not None:
            state.content = answer.content
            shown.found += [(name, event) for event in answer.events]
        else:
            shown.failed.append(Failed(name, "; ".join(answer.failures), answer.waits))
            if state.content is not None:
                self._host.drop(named.key, shown.event.stream)
        memory = Memory(state.newest_ns, named.source.class_name, state.content)
        shown.memories[shown.event.stream, name] = memory
        window = kind_of_event(shown.event), shown.event.stream, shown.event.start_ns
        if answer.waits:
            return None
        if window in named.counted:
            return named.counted.discard(window)
        goes_back = named.standby is not None
        named.failing.note("; ".join(answer.failures) or None, goes_back=goes_back)
        if answer.failures:
            self._failures[name] += 1
            named.failed.append(window)
        if goes_back and named.failing.is_disabled:
            self._go_back(name, named)
        return None

    def _accompany(self, name: str, event: Event, answer: Answer) -> None:
        """Ask the candidate, if there is one, for what is only compared."""
        named, compare = self._candidates.get(name, (None, None))
        if named is None or compare is None or named.ends >= self._allowed:
            return
        state = self._state(name, named, event.stream)
        try:
            theirs = self._host.call(named.key, named.source, state.content, event)
        except CallEnded as error:  # each holds up production's function
            named.ends += 1
            theirs = Answer(None, state.content, [str(error)], 0.0, cause=ENDED)
        if theirs.events is not None:
            state.content = theirs.content
        if not answer.waits and not theirs.waits:
            compare(answer, theirs)
