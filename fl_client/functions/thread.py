"""The thread that shows waiting events to functions, beside the sensing thread."""

from dataclasses import dataclass

from fl_client.functions.named import MOST_HELD
from fl_client.functions.runner import Functions
from fl_client.functions.shown import Shown
from fl_client.functions.worker import Worker
from fl_client.store.function_inbox import WaitingEvent
from fl_client.store.function_memory import Memories
from fl_common.programs.troubles import Troubles


@dataclass(frozen=True)
class ShownEvent:
    """An event of the inbox, and what became of it."""

    number: int
    shown: Shown


class FunctionThread(Worker[Memories, WaitingEvent, ShownEvent]):
    """Calls ``functions`` for the events that are handed over; each begin is from memories."""

    def __init__(self, functions: Functions, troubles: Troubles) -> None:
        super().__init__("function", MOST_HELD, troubles)
        self.functions = functions

    def _begin(self, start: Memories) -> None:
        self.functions.go_on_from(start)

    def _do(self, item: WaitingEvent) -> ShownEvent:
        return ShownEvent(item.number, self.functions(item.event, item.only))
