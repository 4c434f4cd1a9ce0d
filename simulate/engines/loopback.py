"""Flower's grid in this process: both app objects run unmodified, without a server or actors.

Messages pushed in one call are passed to the client app as cohorts, and the replies are made when
they are pulled, one cohort at a time, so that the server holds no more than one cohort's updates.
"""

import logging
import math
import sys
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import Any

from flwr.app import Context, Message, RecordDict
from flwr.serverapp import Grid, ServerApp
from flwr.supercore.run import Run
from flwr.supercore.task_identity import TaskIdentity

from fl_client.app import SiteApp, SiteFailure
from fl_common.components.description import Component
from fl_common.configuration.rules import above, require_fields, whole
from fl_common.wire.failure import failed
from fl_common.wire.summary import count_bytes
from fl_server.rounds.app import FederatedRun, build_server_app
from fl_server.rounds.roster import Roster
from fl_server.rounds.strategy import Federation
from simulate.build import build_site_app, close_participations, prepare_fleet
from simulate.engines.members import roster_of
from simulate.engines.protocol import Carrier, SimulatedFleet
from simulate.engines.slow import DelayingGrid, SimulatedTime, SlowSites
from simulate.engines.workers import Cohort, ForkedWorkers, Replies, ThisProcess, Workers

_logger = logging.getLogger(__name__)
_RUN_ID = 1
_SERVER_NODE = 0


@dataclass(frozen=True)
class LoopbackEngine:
    """Both apps in this process, and ``workers`` processes that train (1: this one alone).

    The rounds run in simulated time, in which only the ``slow`` sites take any. ``cohorts`` and
    ``cohort_mib``: see ``LoopbackGrid``.

    Raises:
        InvalidConfiguration: a value that is not a number above zero.
    """

    workers: int
    cohorts: int
    cohort_mib: float
    slow: SlowSites

    def __post_init__(self) -> None:
        require_fields("engine", self, workers=whole(1), cohorts=whole(1), cohort_mib=above(0))

    @property
    def name(self) -> str:
        """``loopback``."""
        return "loopback"

    def roster(self, sites: Sequence[str]) -> Roster:
        """In this process the nodes are known, even a million."""
        return roster_of(sites)

    def prepare(self, fleet: SimulatedFleet, federation: Federation) -> None:
        """Prepare windows here, so that the workers share them."""
        prepare_fleet(fleet.world, federation.plan, federation.sampling)

    def start(self, fleet: SimulatedFleet) -> AbstractContextManager[Carrier]:
        """Workers start with the run and end with it."""
        return nullcontext(_Loopback(fleet, self))


@dataclass(frozen=True)
class _Loopback:
    fleet: SimulatedFleet
    engine: LoopbackEngine

    def carry_out(self, run: FederatedRun) -> None:
        fleet, engine, time = self.fleet, self.engine, SimulatedTime()
        run.federation = replace(run.federation, clock=time, wait=time.wait)
        try:
            run_in_process(
                build_server_app(run),
                build_site_app(fleet.world_yaml, fleet.trainer_yaml, fleet.ledger),
                len(fleet.world.sites),
                workers=engine.workers,
                cohorts=engine.cohorts,
                cohort_mib=engine.cohort_mib,
                over=lambda grid: DelayingGrid(grid, engine.slow, time),
            )
        finally:
            close_participations()

    def await_model(self, component: Component) -> None:
        """No site serves a model."""


class LoopbackGrid(Grid):
    """A grid of ``sites`` nodes; node i + 1 is the site at position i.

    The messages of one pull are divided into equal cohorts: at least ``cohorts``, each with at most
    about ``cohort_mib`` MiB of updates. The division does not depend on the number of workers: the
    last bits of a sum may depend on the cohort's size, and the number of workers must not change a
    result.
    """

    def __init__(self, workers: Workers, sites: int, cohorts: int, cohort_mib: float) -> None:
        self._workers = workers
        self._sites = sites
        self._cohorts, self._cohort_bytes = cohorts, cohort_mib * 2**20
        self._waiting: dict[str, Message] = {}
        identify_process()

    @property
    def run(self) -> Run:
        """Not used in this process; required by the interface."""
        return Run.create_empty(_RUN_ID)

    def set_run(self, run: Run) -> None:
        """Nothing to do: there is one run in this process."""

    def create_message(
        self,
        content: RecordDict,
        message_type: str,
        dst_node_id: int,
        group_id: str,
        ttl: float | None = None,
    ) -> Message:
        """A message as ``flwr.app.Message`` makes it."""
        return Message(content, dst_node_id, message_type, ttl=ttl, group_id=group_id)

    def get_node_ids(self) -> Sequence[int]:
        """All nodes, as a range, which costs nothing even for a million."""
        return range(1, self._sites + 1)

    def push_messages(self, messages: Iterable[Message]) -> list[str]:
        """Keep the messages until their replies are pulled."""
        identities = []
        for message in messages:
            identity = uuid.uuid4().hex
            message.metadata.__dict__["_message_id"] = identity
            self._waiting[identity] = message
            identities.append(identity)
        return identities

    def pull_messages(self, message_ids: Iterable[str]) -> Iterator[Message]:
        """The replies, made cohort by cohort while they are read, in the order of the push."""
        wanted = set(message_ids)
        waiting = [identity for identity in self._waiting if identity in wanted]
        size = self._size_of_cohorts(waiting)
        cohorts = (
            [self._waiting.pop(identity) for identity in waiting[start : start + size]]
            for start in range(0, len(waiting), size)
        )
        for replies in self._workers.answers(cohorts):
            yield from replies

    def _size_of_cohorts(self, waiting: list[str]) -> int:
        """An update is about as large as the message that requests it."""
        if not waiting:
            return 1
        asked_bytes = max(1, count_bytes(self._waiting[waiting[0]].content))
        largest = max(1, math.floor(self._cohort_bytes / asked_bytes))
        count = max(self._cohorts, math.ceil(len(waiting) / largest))
        return math.ceil(len(waiting) / count)

    def send_and_receive(
        self, messages: Iterable[Message], *, timeout: float | None = None
    ) -> list[Message]:
        """Push, and pull every reply."""
        del timeout  # the replies are made here: there is nothing to wait for
        return list(self.pull_messages(self.push_messages(messages)))


def identify_process() -> None:
    """Give this process the identity that ``Message()`` reads.

    Uses a private name of flwr, checked by a contract test.
    """
    TaskIdentity.task_id, TaskIdentity.run_id = 1, _RUN_ID
    TaskIdentity.node_id = _SERVER_NODE


@contextmanager
def _own_identity() -> Iterator[None]:
    """The process may be another Flower app's: its former identity is restored."""
    names = ("_task_id", "_run_id", "_node_id")
    kept = {name: getattr(TaskIdentity, name) for name in names}
    try:
        yield
    finally:
        for name, value in kept.items():
            setattr(TaskIdentity, name, value)


class CohortResponder:
    """Passes a cohort of messages to the client app, as Flower would one by one."""

    def __init__(self, app: SiteApp, sites: int) -> None:
        self._app = app
        self._sites = sites

    def __call__(self, cohort: Cohort) -> Replies:
        """Training messages together, others one by one; an error reply if the app raises."""
        return next(self.each([cohort]))

    def each(self, cohorts: Sequence[Cohort]) -> Iterator[Replies]:
        """The replies of each cohort; all training tasks are admitted, and so debited, together."""
        asked = [message for cohort in cohorts if _trains(cohort) for message in cohort]
        begun = iter(self._begun(asked))
        for cohort in cohorts:
            if _trains(cohort):
                yield self._finished(cohort, list(islice(begun, len(cohort))))
            else:
                yield [reply for message in cohort for reply in self._one(message)]

    def _begun(self, asked: Cohort) -> Replies:
        """What each message began; an error reply for one that can't, and for that one alone."""
        works = [(message, self._context(message)) for message in asked]
        try:
            return self._app.admit(works)
        except Exception:
            alone = (_or_errors(partial(self._app.admit, [work]), [work[0]]) for work in works)
            return [begun for (begun,) in alone]

    def _finished(self, cohort: Cohort, begun: Replies) -> Replies:
        """The replies of those that began, trained together, and the errors of the others."""
        began = [(m, b) for m, b in zip(cohort, begun, strict=True) if not isinstance(b, Message)]
        messages = [message for message, _ in began]
        parts = [part for _, part in began]
        replies = iter(_or_errors(partial(self._app.train_admitted, messages, parts), messages))
        return [one if isinstance(one, Message) else next(replies) for one in begun]

    def _one(self, message: Message) -> list[Message]:
        return _or_errors(lambda: [self._app(message, self._context(message))], [message])

    def _context(self, message: Message) -> Context:
        node = message.metadata.dst_node_id
        config: dict[str, bool | float | int | str] = {
            "partition-id": node - 1,
            "num-partitions": self._sites,
        }
        return Context(_RUN_ID, node, config, RecordDict(), {})


def _or_errors(call: Callable[[], list[Any]], asked: Sequence[Message]) -> list[Any]:
    """What ``call`` returns; if it raises, an error reply to each message, as a deployment does."""
    try:
        return call()
    except Exception:
        return _errors(asked)


def _errors(asked: Sequence[Message]) -> list[Message]:
    """An error reply to each message; the exception that is being handled is in the log."""
    error = sys.exception()
    if isinstance(error, SiteFailure):  # it is in the log
        return [failed(message, str(error)) for message in asked]
    _logger.error("the client app raised", exc_info=error)
    return [failed(message) for message in asked]


def _trains(cohort: Cohort) -> bool:
    return all(message.metadata.message_type == "train" for message in cohort)


def run_in_process(
    server_app: ServerApp,
    client_app: SiteApp,
    sites: int,
    *,
    workers: int,
    cohorts: int,
    cohort_mib: float,
    over: Callable[[Grid], Grid] = lambda grid: grid,
) -> None:
    """Run both apps to the end of the ServerApp, with ``workers`` processes that train.

    ``over`` is put between the grid and the ServerApp.
    """
    handler = CohortResponder(client_app, sites)
    team: Workers = ThisProcess(handler) if workers == 1 else ForkedWorkers(handler, workers)
    try:
        with _own_identity():
            grid = over(LoopbackGrid(team, sites, cohorts, cohort_mib))
            server_app(grid, Context(_RUN_ID, _SERVER_NODE, {}, RecordDict(), {}))
    finally:
        team.close()
