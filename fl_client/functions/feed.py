"""What a box's functions are fed with, and what comes of it, in the store's transactions."""

from collections.abc import Callable, Sequence

from fl_client.functions.runner import Shown
from fl_client.functions.thread import FunctionThread
from fl_client.store.function_inbox import FunctionInbox, InboxCounts
from fl_client.store.function_memory import FunctionMemory, Memories
from fl_common.functions import Predicted


class FunctionFeed:
    """Puts windows into ``inbox``, and shows them to functions by ``thread``.

    Functions go on from ``memory``, so that a commit that failed has no effect on them. ``noted``
    is called after some have answered. Call it in the caller's transaction.
    """

    def __init__(
        self,
        thread: FunctionThread,
        inbox: FunctionInbox,
        memory: FunctionMemory,
        noted: Callable[[], None],
    ) -> None:
        self._thread, self._inbox, self._memory = thread, inbox, memory
        self._noted = noted
        self._may_wait = True  # windows that were put before
        thread.restart(memory.found)

    def take(self) -> Sequence[Shown]:
        """What became of windows since the last call; they are done, and what failed is kept."""
        taken = self._thread.take()
        if not taken:
            return ()
        shown = [one.shown for one in taken]
        failed = [(*failure, one.predicted) for one in shown for failure in one.failed]
        self._inbox.done([one.number for one in taken], failed)
        memories: Memories = {key: m for one in shown for key, m in one.memories.items()}
        self._memory.write(memories)
        self._noted()
        return shown

    def put(self, windows: Sequence[Predicted]) -> None:
        """Let windows wait for the functions, if there are any, and hand over what can be."""
        if len(self._thread.functions):
            self._inbox.put(windows)
            self._may_wait = True
        elif self._may_wait:
            self._inbox.drop_unasked()
            self._may_wait = False
        self._thread.hand(self._inbox.after)

    def retain(self, oldest_ns: int) -> None:
        """Drop what ended before ``oldest_ns``."""
        self._inbox.retain(oldest_ns)

    def counts(self) -> InboxCounts:
        """The counts of windows at the functions."""
        return self._inbox.counts()
