"""The site's link to its server: join, poll for messages, send replies, reconnect."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from flwr.app import Message

from fl_client.federation.connection import (
    Address,
    AdmissionRefused,
    Connection,
    RunOver,
    Unreachable,
    Upload,
)
from fl_client.federation.open_session import OpenSession
from fl_client.federation.server_time import ServerTime
from fl_client.federation.traffic import TrafficRecord
from fl_client.federation.trainer import ResidentTrainer
from fl_client.release.schedule import Schedule
from fl_common.configuration.rules import above, at_least, require_fields
from fl_common.wire import summary as wire_log
from fl_common.wire.failure import CLOCK, TOO_SOON, failed

_logger = logging.getLogger(__name__)
_T = TypeVar("_T")


@dataclass(frozen=True)
class PollingIntervals:
    """Seconds between polls, between attempts to connect, and until the idle trainer ends.

    Each pause grows from ``*_first_s`` to ``*_most_s`` while nothing happens. The trainer process
    ends after ``rest_s`` without a message.

    Raises:
        InvalidConfiguration: a value that is not above 0, or a most below its first.
    """

    poll_first_s: float
    poll_most_s: float
    retry_first_s: float
    retry_most_s: float
    rest_s: float

    def __post_init__(self) -> None:
        require_fields(
            "federation",
            self,
            poll_first_s=above(0),
            retry_first_s=above(0),
            rest_s=above(0),
        )
        require_fields(
            "federation",
            self,
            poll_most_s=at_least(self.poll_first_s),
            retry_most_s=at_least(self.retry_first_s),
        )


@dataclass
class Link:
    """A site that takes part until ``stop`` is set."""

    address: Address
    trainer: ResidentTrainer
    intervals: PollingIntervals
    stop: threading.Event
    traffic: TrafficRecord
    schedule: Schedule
    server_time: ServerTime
    session: OpenSession
    clock: Callable[[], float] = time.monotonic

    def run(self) -> None:
        """Stay joined until the stop: rejoin after each failure, with a growing pause.

        Raises:
            InvalidConfiguration: a key or a certificate can't be read.
        """
        wait_s = self.intervals.retry_first_s
        try:
            while not self.stop.is_set():
                began = self.clock()
                try:
                    with Connection(self.address, self.server_time, self.session) as connection:
                        _logger.info("joined %s as node %s", self.address.server, connection.node)
                        self.traffic.note_joined()
                        self._serve(connection)
                except AdmissionRefused as error:
                    if self.traffic.note_refused(str(error)):
                        _logger.error("refused by %s: %s", self.address.server, error)
                except Unreachable as error:
                    if self.traffic.note_unreachable(str(error)):
                        _logger.warning("%s can't be reached: %s", self.address.server, error)
                lasted = self.clock() - began > self.intervals.retry_most_s
                wait_s = self.intervals.retry_first_s if lasted else wait_s
                self.traffic.note_clock(self.server_time.ahead_s())
                self.stop.wait(wait_s)
                wait_s = min(2 * wait_s, self.intervals.retry_most_s)
        finally:
            self.trainer.rest()

    def _serve(self, connection: Connection) -> None:
        """Handle one message after another, until the stop."""
        pause, busy = self.intervals.poll_first_s, self.clock()
        while not self.stop.is_set():
            message = self._patiently(connection.pull)
            self.traffic.note_clock(self.server_time.ahead_s())
            if message is not None:
                self._answer(connection, message)
                pause, busy = self.intervals.poll_first_s, self.clock()
                continue
            if self.clock() - busy > self.intervals.rest_s:
                self.trainer.rest()
                busy = self.clock()
            self.stop.wait(pause)
            pause = min(1.5 * pause, self.intervals.poll_most_s)

    def _answer(self, connection: Connection, message: Message) -> None:
        numbers = message.metadata
        run = wire_log.read_run(message.content) or f"{numbers.run_id} of Flower's"
        title = f"run {run}, round {numbers.group_id or '-'}"
        _logger.info("%s: asked to %s", title, numbers.message_type)
        upload, seconds = self._worked(message)
        _take_times(upload.reply, message)
        self._patiently(lambda: connection.push(upload))
        _logger.info("%s: answered after %.2f s", title, seconds)
        self.traffic.add(message, upload.reply, seconds)

    def _worked(self, message: Message) -> tuple[Upload, float]:
        """The reply, when it may leave, and the seconds that the work took."""
        numbers, amount = message.metadata, wire_log.read_work(message.content)
        work = amount and f"{numbers.message_type} of {amount}"
        if work and not self.schedule.fits(work, numbers.ttl):
            _logger.error("refused: answers to %s take longer than %g s", work, numbers.ttl)
            return Upload(failed(message, TOO_SOON), 0.0), 0.0
        self.trainer.start()  # how long that takes is not counted: it is the same with any data
        if wire_log.read_run(message.content) is not None and not self.server_time.is_believed():
            _logger.error("refused: the privacy blocks are days, and the clock is in doubt")
            return Upload(failed(message, CLOCK), 0.0), 0.0
        began = self.clock()
        reply = self.trainer.answer(message, lambda: not self.stop.is_set())
        seconds = self.clock() - began
        return Upload(
            reply, self.schedule.leave(work, began, numbers.ttl) if work else seconds
        ), seconds

    def _patiently(self, call: Callable[[], _T]) -> _T | None:
        """Call until it succeeds; None once the message's run is over, or at the stop."""
        wait_s = self.intervals.retry_first_s
        while not self.stop.is_set():
            try:
                got = call()
                self.traffic.note_joined()
                return got
            except RunOver as over:
                _logger.info("the reply is no longer wanted: %s", over)
                return None
            except Unreachable as error:
                if self.traffic.note_unreachable(str(error)):
                    _logger.warning("%s; it is tried again until it succeeds", error)
                self.stop.wait(wait_s)
                wait_s = min(2 * wait_s, self.intervals.retry_most_s)
        return None


def _take_times(reply: Message, asked: Message) -> None:
    """Give ``reply`` the times of what it replies to: when it was made tells how long work took."""
    reply.metadata.created_at, reply.metadata.ttl = asked.metadata.created_at, asked.metadata.ttl
