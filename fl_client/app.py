"""The Flower ClientApp of a site: train, evaluate and query.

Each handler answers a cohort. Flower hands over one message at a time (a device is a cohort of
one); the in-process grid hands over all messages of a round to ``answer`` at once.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NoReturn

from flwr.app import Context, Message
from flwr.clientapp import ClientApp

from fl_client.release.gateway import release_running
from fl_client.site.participation import AdmittedTask, Participation, Site
from fl_client.site.shortfalls import TrainerDied
from fl_common.errors import BadInput, JoinTheDotsError
from fl_common.plan import Instruction
from fl_common.vocabulary import Refusal
from fl_common.wire import failure
from fl_common.wire import inventory as wire_running
from fl_common.wire import ledger_head as wire_ledger
from fl_common.wire import messages as wire

Messages = Sequence[tuple[Message, Context]]
WITHOUT_DATA = "without-data"
"""In a node's configuration: it is to answer as if it had no data."""
_logger = logging.getLogger(__name__)


class SiteFailure(JoinTheDotsError):
    """A site could not reply; its text, which Flower sends, is one of ``wire.failure``."""


class SiteApp(ClientApp):
    """A ClientApp over the sites of this process.

    ``site_of`` finds the site for a node's configuration. ``participation`` is called from the
    first message that asks for more than a name, in the process that replies to it; it returns the
    same object each time.
    """

    def __init__(
        self,
        site_of: Callable[[Mapping[str, Any]], Site],
        participation: Callable[[], Participation],
    ) -> None:
        super().__init__()
        self._site_of = site_of
        self._participation = participation
        self._reader = wire.InstructionReader()
        self.train()(lambda message, context: self.answer([(message, context)])[0])
        self.evaluate()(self._evaluate)
        self.query()(self._name)
        self.query(wire.SHADOW)(self._shadow)
        self.query(wire_running.RUNNING)(self._running)

    def answer(self, requests: Messages) -> list[Message]:
        """Replies to training messages, in order, as one cohort.

        Raises:
            SiteFailure: any exception, in the same words.
        """
        return self.train_admitted([message for message, _ in requests], self.admit(requests))

    def admit(self, requests: Messages) -> list[AdmittedTask]:
        """Check and debit all messages before any of them trains. Raises as ``answer``."""
        with _in_fixed_words():
            return self._participation().admit([self._work(*one) for one in requests])

    def train_admitted(
        self, messages: Sequence[Message], admitted: Sequence[AdmittedTask]
    ) -> list[Message]:
        """Train ``messages``, which were ``admitted``, as one cohort. Raises as ``answer``."""
        with _in_fixed_words():
            answers = self._participation().train(admitted)
        return [
            self._reply(answer, answer.site, message)
            for answer, message in zip(answers, messages, strict=True)
        ]

    def _reply(self, answer: wire.Answer, site: str, message: Message) -> Message:
        """``answer`` as a message; if it was charged, with the head of the site's own ledger."""
        content = wire.write_answer(answer)
        if not isinstance(answer, Refusal):
            with _in_fixed_words():
                wire_ledger.write_head(content, self._participation().ledger_head(site))
        return Message(content, reply_to=message)

    def _work(self, message: Message, context: Context) -> tuple[Site, Instruction]:
        try:
            instruction = self._reader.read(message.content)
            seen = wire_ledger.read_head(message.content)
        except (wire.WireError, BadInput) as error:
            _logger.exception("a message can't be read")
            raise SiteFailure(failure.why_unreadable(error)) from None
        site = self._site_of(context.node_config)
        self._participation().heed(site, seen)
        if context.node_config.get(WITHOUT_DATA):
            site = _without_data(site)
        return site, instruction

    def _evaluate(self, message: Message, context: Context) -> Message:
        with _in_fixed_words():
            site, instruction = self._work(message, context)
            answer = self._participation().evaluate(site, instruction)
        return self._reply(answer, site.name, message)

    def _shadow(self, message: Message, context: Context) -> Message:
        with _in_fixed_words():
            site, instruction = self._work(message, context)
            answer = self._participation().shadow(site, instruction)
        return self._reply(answer, site.name, message)

    def _running(self, message: Message, context: Context) -> Message:
        with _in_fixed_words():
            site = self._site_of(context.node_config)
            answer = release_running(site.name, site.runs() if site.runs else None)
        return Message(wire_running.write_running(answer), reply_to=message)

    def _name(self, message: Message, context: Context) -> Message:
        with _in_fixed_words():
            site = self._site_of(context.node_config)
        return Message(wire.write_name(site.name, site.position), reply_to=message)


def _without_data(site: Site) -> Site:
    """``site`` as it answers without reading a window; it is charged as before."""
    return replace(site, training_windows=_died, held_out_windows=_died, comparison=_died)


def _died(*_: object) -> NoReturn:
    raise TrainerDied("no window is read again for this message")


@contextmanager
def _in_fixed_words() -> Iterator[None]:
    """Keep an exception on the site, text and class; Flower would send both."""
    try:
        yield
    except SiteFailure:
        raise
    except Exception:
        _logger.exception("a message could not be answered")
        raise SiteFailure(failure.SENTENCE) from None
